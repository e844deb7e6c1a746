"""A solution with fewer helpers: the same forest, by births that take less.

What the search finds need not be the cheapest. A process that is born in its group need not be moved there. A parent that is in
the right session and group creates its child itself. A process that has its creator's parent is cloned beside it. A change is
made only where every other birth stays what it is: those that have to be below a process still are.
"""

from collections.abc import Callable, Mapping

import msgspec

from planner.forest.model import Forest
from planner.identity import OUTSIDE, NamespaceId, ProcessId
from planner.planning.builder.changes import makers_of
from planner.planning.builder.clones import EXECUTOR_SPACE, SIGCHLD, Clone
from planner.planning.builder.spaces import Spaces
from planner.planning.solver.solution import Birth, Solution

LEFT = ("below", "entered")
"""How a process becomes the child of its parent where another one leaves it to that."""

MOST_TRIED = 8
"""How many processes are tried for one birth."""

MOST_ABOVE = 64
"""How many creators are looked at to see that no process is born below itself; where there are more, nothing is changed."""


def thrifty(forest: Forest, spaces: Spaces, solution: Solution, clones: Mapping[ProcessId, Clone]) -> Solution:
    """Return a solution for the same forest that takes no more helpers; `clones` are its processes."""
    saving = _Saving(forest, spaces, solution, clones)
    return msgspec.structs.replace(solution, births=saving.run())


class _Saving:
    def __init__(self, forest: Forest, spaces: Spaces, solution: Solution, clones: Mapping[ProcessId, Clone]) -> None:
        self.forest = forest
        self.spaces = spaces
        self.clones = clones
        self.births = {birth.pid: birth for birth in solution.births}
        self.makers = makers_of(clones, solution)
        self.relied_on: dict[ProcessId, set[ProcessId]] = {}
        """Those that must be born below their creators, for which births."""
        self.children: dict[ProcessId, set[ProcessId]] = {}
        """The processes that each one creates."""
        for birth in solution.births:
            self.children.setdefault(birth.creator, set()).add(birth.pid)
            self.rely(birth)

    def run(self) -> tuple[Birth, ...]:
        for birth in list(self.births.values()):
            self.bear_late(birth)
        self.bear_early()
        for pid in self.births:
            self.inherit_group(self.births[pid])
        for pid in self.births:
            birth = self.births[pid]
            if birth.how != "created" and not self.by_parent(birth):
                self.beside(birth)
        self.by_others()
        self.beside_others()
        for birth in list(self.births.values()):
            if birth.how in LEFT:
                self.by_parent(birth)
        for birth in list(self.births.values()):
            self.from_outside(birth)
        return in_order(self.spaces, self.births)

    def path(self, birth: Birth) -> list[ProcessId]:
        """Return those between a process and the parent that it is born below, from the creator up; none where it is not."""
        path: list[ProcessId] = []
        here = birth.creator
        while birth.how == "below" and here not in (birth.parent, OUTSIDE):
            path.append(here)
            here = self.births[here].creator
        return path

    def put(self, *births: Birth) -> None:
        """Put births in the place of those that they change."""
        for birth in births:
            before = self.births[birth.pid]
            self.children[before.creator].discard(birth.pid)
            self.children.setdefault(birth.creator, set()).add(birth.pid)
            self.births[birth.pid] = birth

    # Sessions.

    def is_free(self, birth: Birth) -> bool:
        """Tell whether a process may be born in any session: it leads one, and creates no process before that."""
        clone = self.clones[birth.pid]
        if not clone.leads_session or birth.group is not None or birth.visits or birth.how == "sibling":
            return False
        return all(self.births[child].session == birth.pid for child in self.children.get(birth.pid, ()))

    def bear_late(self, birth: Birth) -> None:
        """Have a process that may be born in any session be born when its creator has its own, so that nothing waits for it."""
        creator = self.clones.get(birth.creator)
        if creator is not None and creator.leads_session and birth.session != creator.pid and self.is_free(birth):
            self.put(msgspec.structs.replace(birth, session=creator.pid))

    def born_in_session(self, pid: ProcessId, session: ProcessId) -> list[Birth] | None:
        """Return the births by which a process can be born in a session, those changed alone; None where it cannot."""
        changed: list[Birth] = []
        for _ in range(MOST_ABOVE):
            birth = self.births[pid]
            if birth.session == session:
                return changed
            if not self.is_free(birth) or birth.creator == OUTSIDE:
                return None
            creator = self.clones[birth.creator]
            if creator.session != session and not creator.leads_session:
                return None
            changed.append(msgspec.structs.replace(birth, session=session))
            if creator.session == session:
                return changed
            pid = birth.creator
        return None

    def beside_leader(self, birth: Birth, session: ProcessId) -> list[Birth] | None:
        """Return how a process is cloned by a session's leader, which has the same parent; None where that cannot be."""
        leader = self.births.get(session)
        if leader is None or self.is_init(session) or not self.is_free(birth) or birth.how != "created":
            return None
        if self.relied_on.get(birth.pid) or not self.is_child_of(leader, birth.creator) or not self.alike(birth.pid, session):
            return None
        if not self.is_apart(birth.pid, session) or not self.spaces.covers(leader.namespace, birth.namespace):
            return None
        outer = self.spaces.outside(birth.namespace)
        if self.is_init(birth.pid) and leader.namespace != outer:
            return None
        return [msgspec.structs.replace(birth, creator=session, session=session, how="sibling")]

    def bear_early(self) -> None:
        """Have processes be born before their creator's own setsid where another one that it creates then lives below them."""
        for birth in list(self.births.values()):
            creator = self.clones.get(birth.creator)
            if creator is None or not creator.leads_session or birth.session == creator.pid:
                continue
            here = self.spaces.init(birth.namespace)
            for _ in range(MOST_ABOVE):
                if here in (OUTSIDE, birth.pid):
                    break
                if self.births[here].creator == creator.pid:
                    self.put(*(self.born_in_session(here, birth.session) or ()))
                    break
                here = self.births[here].creator

    # Groups.

    def inherit_group(self, birth: Birth) -> None:
        """Have a process be born in its group where its creator is in that anyway."""
        for group in (birth.moved_to, *birth.visits):
            if birth.group is None and group is not None:
                changed = self.born_in_group(birth, group)
                if changed is not None:
                    visits = tuple(visit for visit in birth.visits if visit != group)
                    returns = bool(visits) or birth.pid in self.makers
                    moved_to = birth.moved_to if birth.moved_to != group or returns else None
                    self.put(*changed, msgspec.structs.replace(birth, group=group, moved_to=moved_to, visits=visits))
                    return

    def born_in_group(self, birth: Birth, group: ProcessId) -> list[Birth] | None:
        """Return the births by which a process is born in a group that no creator joins for it; None where it cannot.

        An init above it is moved to the group by its own parent where that is the only way.
        """
        changed: list[Birth] = []
        moved: list[Birth] | None = None
        for _ in range(MOST_ABOVE):
            if birth.group == group:
                return changed
            if birth.group is not None:
                return moved
            changed.append(msgspec.structs.replace(birth, group=group))
            if birth.creator == OUTSIDE:
                return changed if group == OUTSIDE else moved
            creator = self.clones[birth.creator]
            if creator.leads_session and birth.session == creator.pid:
                return changed if group == creator.pid else moved
            if (group == creator.pid and not creator.leads_session) or group in self.births[creator.pid].visits:
                return changed
            if self.joins_first(creator, group):
                return changed
            above = self.births[creator.pid]
            if moved is None and above.session == birth.session and (visited := self.visited(above, group)):
                moved = [*changed, visited]
            birth = above
        return None

    def joins_first(self, creator: Clone, group: ProcessId) -> bool:
        """Tell whether a process can come into its final group, which it sees, before it creates others."""
        leader = self.clones.get(group)
        if leader is None or creator.group != group or creator.pid in self.makers or self.is_init(creator.pid):
            return False
        return self.spaces.covers(creator.namespace, leader.namespace)

    def is_init(self, pid: ProcessId) -> bool:
        """Tell whether a process is the init of its pid namespace."""
        return self.spaces.init(self.clones[pid].namespace) == pid

    def visited(self, birth: Birth, group: ProcessId) -> Birth | None:
        """Return the birth of an init that its parent moves to a group before it creates others; None where that cannot be.

        The parent sees the group. If it is not the final one, it is led around the init, which could not end otherwise.
        """
        leader, parent = self.clones.get(group), self.births.get(birth.creator)
        if not self.is_init(birth.pid) or birth.how != "created" or leader is None or parent is None:
            return None
        # An init's own number does not keep its namespace from ending.
        led = self.spaces.outside(leader.namespace) if self.is_init(group) else leader.namespace
        around = led != birth.namespace and self.spaces.covers(led, birth.namespace)
        if not (around or self.clones[birth.pid].group == group) or not self.spaces.covers(parent.namespace, leader.namespace):
            return None
        return msgspec.structs.replace(birth, visits=tuple(dict.fromkeys((*birth.visits, group))))

    def from_outside(self, birth: Birth) -> None:
        """Have a process that enters be created by the executor, where a leader would have to do it before its own setsid."""
        creator = self.clones.get(birth.creator)
        enters = birth.how == "entered" and birth.session == OUTSIDE and birth.group in (None, OUTSIDE)
        moved = birth.moved_to is not None or birth.visits
        if enters and not moved and creator is not None and creator.leads_session:
            self.put(msgspec.structs.replace(birth, creator=OUTSIDE))

    # Creators.

    def by_parent(self, birth: Birth) -> bool:
        """Have a parent create a process itself where it can be in the session and group; tell whether it does."""
        parent = self.births.get(birth.parent or OUTSIDE)
        if parent is None or self.relied_on.get(birth.pid) or not self.is_apart(birth.pid, parent.pid):
            return False
        by_parent = msgspec.structs.replace(birth, creator=parent.pid, how="created", group=None)
        moved: list[Birth] | None = []
        if birth.session != self.clones[parent.pid].session:
            moved = self.born_in_session(parent.pid, birth.session)
            if moved is None:
                moved = self.beside_leader(parent, birth.session)
        if moved is None:
            return False
        before = [self.births[one.pid] for one in moved]
        self.put(*moved)
        changed: list[Birth] | None = []
        if birth.group is not None:
            changed = self.born_in_group(by_parent, birth.group)
        if changed is None:
            self.put(*before)
            return False
        self.release(birth)
        self.put(*changed, msgspec.structs.replace(by_parent, group=birth.group))
        return True

    def beside(self, birth: Birth) -> bool:
        """Have a creator with the same parent clone a process beside itself, if no helper must move it; tell whether it does."""
        creator = self.births.get(birth.creator)
        if birth.moved_to is not None or birth.visits or birth.how not in ("below", "entered"):
            return False
        if creator is None or not self.is_child_of(creator, birth.parent):
            return False
        if self.spaces.init(creator.namespace) == creator.pid or not self.alike(birth.pid, creator.pid):
            return False
        if any(self.births[other].parent == creator.pid for other in self.relied_on.get(birth.pid, ())):
            return False
        self.release(birth)
        self.put(msgspec.structs.replace(birth, how="sibling"))
        return True

    def by_others(self) -> None:
        """Have processes that end leave their children to the init that adopts them, or to their parent, as helpers would."""
        ending: dict[tuple[NamespaceId, ProcessId], list[Birth]] = {}
        for birth in self.births.values():
            clone = self.clones[birth.pid]
            if not self.is_init(birth.pid) and may_end(self.forest, clone):
                for session in {birth.session, clone.session}:
                    ending.setdefault((birth.namespace, session), []).append(birth)
        for birth in list(self.births.values()):
            if birth.how in ("below", "entered") and birth.parent and not self.leaves(birth.creator, birth.parent):
                place = self.births[birth.parent].namespace
                self.first_fitting(birth, ending.get((place, birth.session), []), self.left_by)

    def beside_others(self) -> None:
        """Have inits that are not directly below their creator's pid namespace be cloned by a process that is."""
        near: dict[tuple[NamespaceId, ProcessId], list[Birth]] = {}
        for birth in self.births.values():
            if not self.is_init(birth.pid):
                for session in {birth.session, self.clones[birth.pid].session}:
                    near.setdefault((birth.namespace, session), []).append(birth)
        for birth in list(self.births.values()):
            outer = self.spaces.outside(birth.namespace)
            above = self.births.get(birth.creator)
            jumps = self.is_init(birth.pid) and birth.how == "created"
            if jumps and (EXECUTOR_SPACE if above is None else above.namespace) != outer:
                self.first_fitting(birth, near.get((outer, birth.session), []), self.cloned_beside)

    def leaves(self, pid: ProcessId, parent: ProcessId) -> bool:
        """Tell whether a process ends where its final parent lives, and leaves its children to that alone."""
        birth = self.births.get(pid)
        if birth is None or birth.namespace != self.births[parent].namespace or self.spaces.init(birth.namespace) == pid:
            return False
        return may_end(self.forest, self.clones[pid]) and all(
            self.births[child].parent == parent for child in self.children.get(pid, ()) if self.births[child].how in LEFT
        )

    def first_fitting(self, birth: Birth, others: list[Birth], changed: Callable[[Birth, Birth], Birth | None]) -> None:
        """Have the first of some processes that fits create another one, `changed` as it says."""
        for other in others[:MOST_TRIED]:
            candidate = changed(birth, self.births[other.pid])
            if candidate is None or self.relied_on.get(birth.pid) or not self.is_apart(birth.pid, other.pid):
                continue
            further = [] if birth.group is None else self.born_in_group(candidate, birth.group)
            if further is not None:
                self.release(birth)
                self.put(*further, msgspec.structs.replace(candidate, group=birth.group))
                self.rely(self.births[birth.pid])
                return

    def left_by(self, birth: Birth, other: Birth) -> Birth | None:
        """Return how a process is created by one that ends and leaves it to its final parent; None where it does not."""
        assert birth.parent is not None
        if birth.moved_to is not None or birth.visits or not self.leaves(other.pid, birth.parent):
            return None
        adopts = self.spaces.init(other.namespace) == birth.parent
        if not adopts and (other.creator not in (birth.parent, birth.creator) or other.how == "sibling"):
            return None
        return msgspec.structs.replace(birth, creator=other.pid, how="entered" if adopts else "below", group=None)

    def cloned_beside(self, birth: Birth, other: Birth) -> Birth | None:
        """Return how an init is cloned beside a process with the same creator; None where that does not give it its parent."""
        if other.creator != birth.creator or other.how != "created":
            return None
        if not self.alike(birth.pid, other.pid):
            return None
        return msgspec.structs.replace(birth, creator=other.pid, how="sibling", group=None)

    def is_child_of(self, birth: Birth, parent: ProcessId | None) -> bool:
        """Tell whether a process becomes the child of a parent, or is its child until it ends."""
        return birth.parent == parent or (birth.parent is None and birth.how == "created" and birth.creator == parent)

    def rely(self, birth: Birth) -> None:
        """Note that a process must be born below its parent, where it is."""
        for pid in self.path(birth):
            self.relied_on.setdefault(pid, set()).add(birth.pid)

    def release(self, birth: Birth) -> None:
        """Note that a process need not be born below its parent any more."""
        for pid in self.path(birth):
            self.relied_on[pid].discard(birth.pid)

    def alike(self, pid: ProcessId, other: ProcessId) -> bool:
        """Tell whether a process gets its exit signal by being cloned beside another one, or would not by adoption either."""
        tasks = self.forest.tasks
        wanted = tasks[pid].exit_signal if pid in tasks else -1
        had = tasks[other].exit_signal if other in tasks else -1
        return wanted not in (-1, SIGCHLD) or had in (-1, SIGCHLD)

    def is_apart(self, pid: ProcessId, other: ProcessId) -> bool:
        """Tell whether `pid` is not among the creators of `other`, nor `other` itself."""
        for _ in range(MOST_ABOVE):
            if other == pid:
                return False
            if other == OUTSIDE:
                return True
            other = self.births[other].creator
        return False


def may_end(forest: Forest, clone: Clone) -> bool:
    """Tell whether a process can end before all adoptions are done: not with threads, or a flag that is set last."""
    if not clone.zombie:
        return clone.ends
    return clone.pid not in forest.threads and not forest.tasks[clone.pid].subreaper


def in_order(spaces: Spaces, births: Mapping[ProcessId, Birth]) -> tuple[Birth, ...]:
    """Return births in an order of events: as they are, each behind those that it needs."""
    ordered: dict[ProcessId, Birth] = {}
    for pid in births:
        stack = [pid]
        while stack:
            birth = births[stack[-1]]
            init = spaces.init(birth.namespace)
            if init == birth.pid:
                init = spaces.init(spaces.outside(birth.namespace))
            needs = [other for other in (birth.creator, init, birth.group) if other and other not in ordered and other in births]
            if needs and len(stack) <= len(births):
                stack += needs[:1]
            else:
                ordered[birth.pid] = birth
                stack.pop()
    return tuple(ordered.values())
