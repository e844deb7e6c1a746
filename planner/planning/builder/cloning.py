"""How each process is cloned: at which stage of its creator, and by which helpers, so that it gets its session, group and parent.

A creator clones a process itself where it becomes the parent, or ends and leaves it to the parent. Else helpers stand between
them, at most one of each kind, from the creator down:

* one that joins a group for a process that must be born in it, where the creator cannot go there itself;
* one that ends at the level of the final parent, which adopts what it leaves;
* one a level above an init, as a clone that makes a pid namespace is born directly below the one of its creator.

The last two join the group themselves where they see it. The first and the last clone with CLONE_PARENT, and so leave no child.
"""

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from planner.forest.model import Forest
from planner.identity import OUTSIDE, NamespaceId, ProcessId
from planner.planning.builder.changes import rings_of_leaders
from planner.planning.builder.thrift import may_end
from planner.planning.clones import AS_BORN, EXECUTOR_SPACE, LAST, Clone, makers_of
from planner.planning.solver.solution import Birth, Solution
from planner.planning.spaces import Spaces


class _Here(msgspec.Struct, frozen=True):
    """How the next process is cloned: by which creator, at which of its stages, and whether with CLONE_PARENT."""

    creator: ProcessId
    stage: ProcessId
    sibling: bool


class _Layer(msgspec.Struct, frozen=True):
    """A helper between a creator and its child: why it is needed, where it lives, and which process adopts what it leaves."""

    rule: str
    namespace: NamespaceId
    adopter: ProcessId | None = None


def _cloned(clone: Clone, here: _Here, **changes: Any) -> Clone:
    """Return a process that is cloned as `here` says."""
    return msgspec.structs.replace(clone, creator=here.creator, stage=here.stage, sibling=here.sibling, **changes)


class Cloning:
    """The processes of a solution, with the helpers that their births take."""

    def __init__(
        self, forest: Forest, spaces: Spaces, solution: Solution, clones: Mapping[ProcessId, Clone], apart: Collection[ProcessId]
    ) -> None:
        """Begin with `clones`, the processes of the solution alone; `run` casts the helpers.

        Those `apart` have a helper for a parent, which stays in their session to move them to a group.
        """
        self.clones = dict(clones)
        self._apart = apart
        self._makers = makers_of(self.clones)
        self._forest = forest
        self._spaces = spaces
        self._births = {birth.pid: birth for birth in solution.births}
        self._solution = solution
        self._helpers: dict[tuple[_Here, _Layer, ProcessId | None], ProcessId] = {}
        """Helpers by how they are cloned, what they are, and the group that they join."""

    def run(self) -> dict[ProcessId, Clone]:
        """Return all processes, helpers included."""
        for birth in self._solution.births:
            self._place(birth)
        for leader in rings_of_leaders(self.clones, self._makers):
            self._anchor(self.clones[leader])
        return self.clones

    def _anchor(self, leader: Clone) -> None:
        """Add a helper that keeps a leader's group alive when the leader moves to another group."""
        helper = self._helper(leader, _Here(leader.pid, leader.pid, False), _Layer("group-anchor", leader.namespace), None)
        anchor = self.clones[helper.creator]
        self.clones[anchor.pid] = msgspec.structs.replace(
            anchor, keeps=leader.pid, session=leader.session, birth_session=leader.session, order=leader.order + 1
        )

    def _place(self, birth: Birth) -> None:
        """Decide which process clones one of the solution, and at which stage."""
        clone = self.clones[birth.pid]
        stage, joined = self._stage(birth)
        here = _Here(birth.creator, stage, birth.how == "sibling")
        layers = self._layers(birth)
        if joined is not None and not (layers and self._sees(layers[0].namespace, joined)):
            layers.insert(0, _Layer("group-helper", max(self._space(birth.creator), NamespaceId(0))))
        for layer in layers:
            here = self._helper(clone, here, layer, joined)
            joined = None
        rule = self._rule(birth, clone)
        if rule == "parent-creates" and stage == AS_BORN and birth.group is not None and self._leaves_group(birth):
            rule = "before-own-group"
        before = (clone.creator, clone.stage, clone.sibling, clone.rule, clone.birth_session)
        if before != (here.creator, here.stage, here.sibling, rule, birth.session):
            self.clones[birth.pid] = _cloned(clone, here, rule=rule, birth_session=birth.session)

    def _leaves_group(self, birth: Birth) -> bool:
        """Tell whether a creator goes from the group that a process is born in to another one, or to its own."""
        creator = self.clones.get(birth.creator)
        return creator is not None and (creator.group != birth.group or creator.pid in self._makers)

    def _layers(self, birth: Birth) -> "list[_Layer]":
        """Return the helpers that a birth takes besides one that joins a group."""
        layers: list[_Layer] = []
        clone = self.clones[birth.pid]
        space = self._space(birth.creator)
        if self._must_be_moved_late(birth) or (birth.how in ("below", "entered") and not self._leaves(birth)):
            space = self._space(birth.parent)
            layers.append(_Layer("orphan-helper", space, birth.parent))
        if self._is_init(clone) and self._outer(clone) != space:
            layers.append(_Layer("jump-helper", self._outer(clone)))
        return layers

    def _must_be_moved_late(self, birth: Birth) -> bool:
        """Tell whether a process is moved to its group when its parent has its own session, so that a helper must do it.

        One that makes a group of its own is moved last, when all members have joined that.
        """
        if birth.pid in self._apart:
            return True
        creator = self.clones.get(birth.creator)
        if birth.moved_to is None or birth.how != "created" or creator is None or birth.pid not in self._makers:
            return False
        return creator.leads_session and birth.session != creator.pid

    def _rule(self, birth: Birth, clone: Clone) -> str:
        """Return the rule by which a process is cloned as it is."""
        if clone.rule != "parent-creates":
            return clone.rule
        if birth.how == "sibling":
            return "session-from-sibling"
        if birth.how != "created" and clone.leads_session:
            return "born-below"
        if birth.how != "created":
            assert birth.parent is not None
            return "session-enters" if self._is_init(self.clones[birth.parent]) else "session-below-parent"
        creator = self.clones.get(birth.creator)
        if creator is None or not creator.leads_session or birth.session == creator.pid:
            return "parent-creates"
        return "before-setsid"

    def _stage(self, birth: Birth) -> tuple[ProcessId, ProcessId | None]:
        """Return the stage of its creator in which a process is born, and the group that a helper must join for it."""
        creator = self.clones.get(birth.creator)
        group = birth.group
        if creator is None:
            return LAST, group or None
        above = self._births[creator.pid]
        if creator.leads_session and birth.session == creator.pid:
            return LAST, None if group in (None, creator.pid) else group
        if creator.leads_session:
            if group is None or group == above.group:
                return AS_BORN, None
        elif group is None or (group == creator.pid and creator.group == group):
            return LAST, None
        elif group == above.group:
            return AS_BORN, None
        elif group == creator.pid:
            return group, None
        if group in above.visits or not self._is_init(creator):
            return group, None
        return AS_BORN, group

    def _leaves(self, birth: Birth) -> bool:
        """Tell whether a creator ends and leaves a process to its final parent, and have it do so."""
        creator = self.clones.get(birth.creator)
        if creator is None or birth.parent is None or creator.namespace != self._space(birth.parent):
            return False
        if creator.adopter not in (None, birth.parent) or self._is_init(creator) or not may_end(self._forest, creator):
            return False
        self.clones[creator.pid] = msgspec.structs.replace(creator, adopter=birth.parent)
        return True

    def _helper(self, served: Clone, here: "_Here", layer: "_Layer", joined: ProcessId | None) -> "_Here":
        """Return how a helper clones its process: as its child where an adopter takes that, else as its sibling."""
        key = (here, layer, joined)
        pid = self._helpers.get(key)
        if pid is None:
            pids = self._spaces.free_pids(layer.namespace)
            pid = self._helpers[key] = ProcessId(pids[0])
            session = self._births[served.pid].session
            helper = Clone(
                pid=pid,
                pids=pids,
                namespace=layer.namespace,
                parent=None,
                session=session,
                group=joined,
                role="helper",
                order=served.order - 1,
                creator=here.creator,
                birth_session=session,
                adopter=layer.adopter,
                rule=layer.rule,
                because=served.because,
            )
            self.clones[pid] = _cloned(helper, here)
        return _Here(pid, LAST, layer.adopter is None)

    def _space(self, pid: ProcessId | None) -> NamespaceId:
        return EXECUTOR_SPACE if not pid else self.clones[pid].namespace

    def _outer(self, clone: Clone) -> NamespaceId:
        return self._spaces.outside(clone.namespace)

    def _sees(self, space: NamespaceId, group: ProcessId) -> bool:
        return group != OUTSIDE and self._spaces.covers(space, self.clones[group].namespace)

    def _is_init(self, clone: Clone) -> bool:
        return self._spaces.init(clone.namespace) == clone.pid
