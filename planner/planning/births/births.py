"""Births: who creates whom, from where, and with the help of whom.

`planner.planning.births.sessions` says how each task becomes the child of its parent. Here that becomes creators: leaders are
put below the processes that they must serve, helpers are cast for every birth whose creator does not live on as the parent, and
`planner.planning.births.groups` sees to groups that can only be inherited. What is left is order, which
`planner.planning.births.order` finds.

A birth takes one of three forms. A *child* of its creator; a *sibling* (CLONE_PARENT); or *adopted*: the child of a helper that
dies, so that the task goes to the nearest subreaper among the helper's ancestors at its level, or to its namespace's init. The
adopter must be one of these, so an adopted task is always born below its final parent, or inside the final parent's namespace.
"""

from collections.abc import Iterable
from contextlib import suppress
from itertools import pairwise

from planner.errors import Contradiction
from planner.identity import OUTSIDE, NamespaceId, ProcessId, Sequence
from planner.planning.births.ancestry import Ancestry
from planner.planning.births.cast import ANY, SIGCHLD, Actor, Cast
from planner.planning.births.group_helpers import cast_anchors
from planner.planning.births.groups import settle_groups
from planner.planning.births.sessions import Sessions
from planner.planning.births.standins import add_stand_ins
from planner.planning.births.trapped_inits import refuse_trapped_inits


def decide_births(cast: Cast) -> None:
    """Give every actor of the cast its creator, adding stand-ins and helpers; raises Contradiction."""
    add_stand_ins(cast)
    refuse_trapped_inits(cast)
    sessions = Sessions(cast)
    sessions.resolve()
    _Births(cast, sessions).decide()
    settle_groups(cast)
    cast_anchors(cast)


class _Births:
    def __init__(self, cast: Cast, sessions: Sessions) -> None:
        self.cast = cast
        self.sessions = sessions
        self.adopted: set[ProcessId] = set()
        self.tree = Ancestry(self._above)
        self.placing: list[tuple[ProcessId, ProcessId]] = []
        """Whom is being put below whom, each for the sake of the one before."""
        self.parted: list[list[ProcessId]] = []
        """The branches of which one is being put below the other."""
        self.held: set[ProcessId] = set()
        """Those that must be born below their creator, and not beside it."""
        self.helpers: dict[tuple[ProcessId, bool, ProcessId, NamespaceId], Actor] = {}

    def decide(self) -> None:
        """Place stand-ins, then leaders that must be born below others, then everybody whose mode is not the plain one."""
        cast = self.cast
        actors = cast.actors
        everybody = list(actors.values())
        for actor in everybody:
            if actor.mortal:
                self._place_stand_in(actor)
        for pid, mode in self.sessions.modes.items():
            actor = actors[pid]
            session = actor.birth_session
            leader = actors.get(session)
            if mode == "window":
                actor.early = True
                actor.rule = "before-setsid"
            elif mode == "sibling":
                actor.creator = session
                actor.sibling = True
                actor.rule = "session-from-sibling"
            elif mode == "below":
                actor.creator = session
                self.adopted.add(pid)
                actor.rule = "session-below-parent"
            elif mode == "entered":
                actor.creator = session
                self.adopted.add(pid)
                actor.rule = "session-enters"
            if leader is not None and session != OUTSIDE:
                actor.because = (*actor.because, *leader.because[:1])
        moved = [pid for pid in reversed(self.sessions.born_late) if pid in self.sessions.below]
        known = set(moved)
        moved += [pid for pid in self.sessions.below if pid not in known]
        for pid in moved:
            for above in self.sessions.below[pid]:
                try:
                    self._put_below(actors[pid], above)
                except ValueError:
                    raise self._birth_circle(pid) from None
        for actor in everybody:
            if actor.pid in self.adopted:
                self._hold_branch(actor)
        orphans = [actor for actor in everybody if actor.pid in self.adopted and not self._find_creator(actor)]
        for actor in orphans:
            self._adopt(actor)
        jumping = [actor for actor in actors.values() if self._must_jump(actor)]
        for actor in jumping:
            self._jump(actor)

    def _place_stand_in(self, actor: Actor) -> None:
        """Give a stand-in a creator: its session's leader for a group, somebody in its namespace for a session."""
        cast = self.cast
        if actor.leads_session():
            shared = self.sessions.stand_in_parent.get(actor.pid)
            actor.creator = cast.spaces[actor.space].init if shared is None else shared
        elif actor.session != OUTSIDE:
            actor.creator = actor.session
        else:
            actor.creator = ProcessId(1) if cast.actors[ProcessId(1)].session == OUTSIDE else OUTSIDE

    # Below whom.

    def _above(self, pid: ProcessId) -> ProcessId:
        """Return the process that `pid` is born below: its creator, or for a sibling its parent."""
        actor = self.cast.actors[pid]
        return actor.parent if actor.sibling and actor.parent != ANY else actor.creator

    def _path(self, pid: ProcessId) -> list[ProcessId]:
        """Return `pid` and everybody that it is born below, up to the container's init."""
        path = [pid]
        while path[-1] != OUTSIDE:
            path.append(self._above(path[-1]))
        return path

    def _put_below(self, actor: Actor, above: ProcessId) -> None:
        """Have `actor` born below `above`, besides whatever it is born below already; raises Contradiction."""
        self.placing.append((actor.pid, above))
        self._weave(actor, above)
        self.placing.pop()

    def _weave(self, actor: Actor, above: ProcessId) -> None:
        tree = self.tree
        if tree.is_below(actor.pid, above):
            self._hold(actor.pid, above)
            return
        if tree.is_above(actor.pid, above):
            raise self._circle(actor, above)
        if not tree.is_above(self._above(actor.pid), above) and not self._is_loose(actor):
            here, target = self._path(actor.pid), self._path(above)
            # Two branches: one must be born below the other, so that one chain holds both.
            others = set(target)
            meeting = next(pid for pid in here if pid in others)
            apart = meeting == OUTSIDE or self.cast.actors[meeting].space != actor.space
            if apart and actor.pid not in self.held and actor.parent == self.cast.spaces[actor.space].init:
                # Nobody in this pid namespace is above both, but its init adopts whoever is left by all that are above it.
                self._move(actor, above)
                return
            own_branch = self._top_of_branch(here, meeting)
            other_branch = self._top_of_branch(target, meeting)
            depth = len(self.placing), len(self.parted)
            self.parted += [here[: here.index(meeting)], target[: target.index(meeting)]]
            try:
                self._put_below(own_branch, above)
            except Contradiction:
                self.placing[depth[0] :] = []
                self.parted[depth[1] + 2 :] = []
                self._put_below(other_branch, here[1])
                self._put_below(actor, above)
            self.parted[depth[1] :] = []
            return
        self._move(actor, above)

    def _top_of_branch(self, path: list[ProcessId], meeting: ProcessId) -> Actor:
        """Return with whom a branch can be moved: the last one before the meeting, if nothing binds it to its place.

        Otherwise the first one further down that nothing binds, and that its namespace's init adopts, wherever it is born.
        """
        actors = self.cast.actors
        branch = path[path.index(meeting) - 1 :: -1]
        for pid in branch:
            actor = actors[pid]
            adopted = actor.parent == self.cast.spaces[actor.space].init and pid not in self.held
            if not self._is_bound(actor) and (adopted or pid == branch[0]):
                return actor
        return actors[branch[0]]

    def _is_bound(self, actor: Actor) -> bool:
        """Tell whether an actor is an init, or has or shares a parent outside its pid namespace: it is born below nobody else."""
        if self.cast.is_init(actor) or actor.pid in self.sessions.stand_in_parent:
            return True
        return actor.parent != ANY and (actor.parent == OUTSIDE or self.cast.actors[actor.parent].space != actor.space)

    def _bear_in(self, leader: Actor, session: ProcessId) -> bool:
        """Have a leader of which no birth session was demanded be born in `session`, if its birth as it stands allows it.

        The session may reach it through the windows of other such leaders, each of which creates the next before its setsid.
        """
        line: list[Actor] = []
        here: Actor | None = leader
        while here is not None and here.leads_session() and here.birth_session == ANY:
            line.append(here)
            here = self.cast.actors.get(here.creator)
            if (OUTSIDE if here is None else here.session) == session:
                break
        else:
            if here is None or not here.leads_session() or here.birth_session != session:
                return False
        for one in reversed(line):
            one.birth_session = session
            one.early = here is not None and here.session != session
            here = one
        return True

    def _is_loose(self, actor: Actor) -> bool:
        """Tell whether an actor is a stand-in that may be born anywhere."""
        return actor.mortal and actor.pid not in self.held and actor.pid not in self.sessions.stand_in_parent

    def _move(self, actor: Actor, above: ProcessId) -> None:
        """Give `actor` a creator at `above` or below it, in the session that it must be born in.

        Where nobody there is in that session, its leader must be born there first, and so on through the leaders' own sessions.
        """
        cast = self.cast
        target = cast.actors[above]
        moving = [actor]
        while moving:
            one = moving[-1]
            if one.space != target.space or one.sibling or self._is_bound(one):
                raise self._circle(one, above)
            session = one.birth_session
            if session in (ANY, target.session):
                self._settle(one, target, target, early=False)
            elif target.leads_session() and self._bear_in(target, session):
                self._settle(one, target, target, early=True)
            else:
                leader = cast.actors.get(session)
                if leader is None or leader in moving:
                    raise self._circle(one, above, self.sessions.facts(one))
                if not self.tree.is_below(leader.pid, above):
                    if self.tree.is_above(leader.pid, above):
                        raise self._circle(leader, above)
                    if self.tree.is_above(self._above(leader.pid), above) or self._is_loose(leader):
                        moving.append(leader)
                        self.placing.append((leader.pid, above))
                    else:
                        self._put_below(leader, above)
                    continue
                self._hold(leader.pid, above)
                self._settle(one, leader, target, early=False)
            if len(moving) > 1:
                self.placing.pop()
            moving.pop()

    def _hold(self, pid: ProcessId, above: ProcessId) -> None:
        """Keep `pid`, and whoever it is below on the way to `above`, below their creators."""
        while pid != above:
            self.held.add(pid)
            pid = self._above(pid)

    def _hold_branch(self, actor: Actor) -> None:
        """Keep below its creator the branch in which `actor` is born below its adopter: a sibling's children are not below it.

        An init adopts all the same, and of births in a circle, which the order will find, nothing needs to be kept.
        """
        adopter = self.cast.actors[actor.parent]
        if not self.cast.is_init(adopter):
            with suppress(ValueError):
                branch = self.tree.branch(actor.creator, adopter.pid)
                if self._above(branch) == adopter.pid:
                    self.held.add(branch)

    def _settle(self, actor: Actor, creator: Actor, target: Actor, early: bool) -> None:
        """Have `creator` create `actor`, which is born below `target`."""
        actor.creator = creator.pid
        self.tree.moved(actor.pid)
        actor.early = early
        actor.rule = "born-below"
        self.held.add(actor.pid)
        actor.because = (*actor.because, *target.because[:1])
        if actor.parent not in (ANY, creator.pid):
            self.adopted.add(actor.pid)
        else:
            self.adopted.discard(actor.pid)

    def _circle(self, actor: Actor, above: ProcessId, further_facts: Iterable[Sequence] = ()) -> Contradiction:
        leader, target = self.placing[0]
        further = "" if (leader, target) == (actor.pid, above) else f": {actor.pid} would have to be born below {above}"
        return Contradiction(
            "session-not-below",
            f"task {target} has a child in session {leader}, so that session's leader must have been below it once, and it "
            f"cannot have been{further}",
            dict.fromkeys((*self._reasons(actor, above), *further_facts)),
            target,
        )

    def _reasons(self, actor: Actor, above: ProcessId) -> list[Sequence]:
        """Return the facts by which `actor` must be born below `above`, and those by which others that this moves must be."""
        cast, sessions = self.cast, self.sessions
        found: list[Sequence] = []
        for leader, target in ((actor.pid, above), *self.placing):
            for pid in (leader, target):
                if pid in cast.forest.tasks or len(cast.spaces) > 1:
                    found += cast.whereabouts(pid)
            found += sessions.below_facts(leader, target)
        shared = sessions.stand_in_parent.get(actor.pid)
        found += () if shared is None else sessions.facts(sessions.witnesses[actor.pid, shared])
        for one, other in pairwise([*(leader for leader, _ in self.placing), actor.pid]):
            if one in sessions.asked_by and cast.actors[one].birth_session == other:
                found += sessions.facts(cast.actors[one])
        for branch in self.parted:
            for place, pid in enumerate(branch):
                found += cast.facts(pid)
                for target in sessions.below.get(pid, ()):
                    found += sessions.below_facts(pid, target) if target in branch[place:] else ()
        here = above
        while actor.pid != here and self.tree.is_above(actor.pid, here):
            before, here = here, self._above(here)
            found += sessions.below_facts(before, here)
            found += cast.whereabouts(here) if here in cast.forest.tasks else ()
        return list(dict.fromkeys(found))

    def _birth_circle(self, pid: ProcessId) -> Contradiction:
        """Explain that somebody would be born below itself, by all on the circle; `pid` is who was being put elsewhere."""
        found: list[Sequence] = []
        for here in self._circle_of_births():
            found += self.cast.facts(here)
            found += self.sessions.below_facts(here, self._above(here))
        message = f"task {pid} would have to be born below itself"
        return Contradiction("birth-circle", message, dict.fromkeys(found) or self.cast.facts(pid), pid)

    def _circle_of_births(self) -> list[ProcessId]:
        """Return the first processes that are born below each other; everybody is looked at once."""
        met: set[ProcessId] = {OUTSIDE}
        for start in self.cast.actors:
            line: dict[ProcessId, None] = {}
            here = start
            while here not in met:
                met.add(here)
                line[here] = None
                here = self._above(here)
            if here in line:
                walked = list(line)
                return walked[walked.index(here) :]
        return []

    # Helpers.

    def _find_creator(self, actor: Actor) -> bool:
        """Tell whether the creator can leave `actor` to its final parent, or is its sibling, so that no helper is needed."""
        cast = self.cast
        adopter = cast.actors[actor.parent]
        creator = cast.actors.get(actor.creator)
        space = self._orphaned_in(actor)
        if creator is not None and creator.space == space and not cast.is_init(creator):
            beside = actor.pid not in self.held and not actor.early and creator.pid not in self.adopted
            # Whoever has SIGCHLD, and would not have it from its sibling, gets it by adoption.
            alike = actor.exit_signal != SIGCHLD or self.cast.signal_of(creator) == SIGCHLD
            if beside and alike and self.cast.birth_parent(creator) == adopter.pid:
                actor.sibling = True
                actor.rule = "session-from-sibling"
                return True
            if creator.mortal and not actor.early and creator.adopter in (ANY, adopter.pid):
                creator.adopter = adopter.pid
                return True
        return False

    def _orphaned_in(self, actor: Actor) -> NamespaceId:
        """Return the pid namespace in which the creator of an adopted actor ends."""
        return actor.space if actor.rule == "born-below" else self.cast.actors[actor.parent].space

    def _adopt(self, actor: Actor) -> None:
        """Find or cast the mortal creator whose death gives `actor` to its final parent."""
        cast = self.cast
        adopter = cast.actors[actor.parent]
        creator = cast.actors.get(actor.creator)
        space = self._orphaned_in(actor)
        key = (actor.creator, actor.early, adopter.pid, space)
        helper = self.helpers.get(key)
        if helper is None:
            session = actor.birth_session
            if session == ANY:
                session = OUTSIDE if creator is None else creator.session
            helper = cast.add_helper(actor.creator, space, session, "orphan-helper", actor)
            helper.early = actor.early
            helper.adopter = adopter.pid
            self.helpers[key] = helper
        actor.creator = helper.pid
        actor.early = False

    def _must_jump(self, actor: Actor) -> bool:
        """Tell whether an actor is an init whose creator does not live one level above it."""
        cast = self.cast
        if actor.pids[-1] != 1 or actor.level == 0 or not cast.is_init(actor):
            return False
        creator = cast.actors.get(actor.creator)
        return creator is None or creator.space != cast.spaces[actor.space].parent

    def _jump(self, actor: Actor) -> None:
        """Cast a helper that creates an init from one level above it."""
        cast = self.cast
        creator = cast.actors.get(actor.creator)
        session = actor.birth_session
        if session == ANY:
            session = OUTSIDE if creator is None else creator.session
        helper = cast.add_helper(actor.creator, cast.spaces[actor.space].parent, session, "jump-helper", actor)
        helper.early = actor.early
        helper.sibling = actor.sibling
        actor.creator = helper.pid
        actor.early = False
        actor.sibling = True
