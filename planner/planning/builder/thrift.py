"""Changes of a solution that save helpers and end in the same forest.

What the search finds need not be the cheapest. A process that is born in its group need not be moved there. A parent that is in
the right session and group creates its child itself. A process that has its creator's parent is cloned beside it. A change is
made only where every other birth stays what it is: those that have to be below a process still are.
"""

from collections.abc import Callable, Mapping

import msgspec

from planner.forest.model import Forest
from planner.identity import OUTSIDE, NamespaceId, ProcessId
from planner.planning.builder.rewriting import MOST_ABOVE, Rewriting
from planner.planning.clones import EXECUTOR_SPACE, Clone
from planner.planning.solver.solution import Birth, Solution
from planner.planning.spaces import Spaces

LEFT = ("below", "entered")
"""How a process becomes the child of its parent where another one leaves it to that."""

MOST_TRIED = 8
"""How many processes are tried for one birth."""


def thrifty(forest: Forest, spaces: Spaces, solution: Solution, clones: Mapping[ProcessId, Clone]) -> Solution:
    """Return a solution for the same forest that takes no more helpers; `clones` are its processes."""
    saving = _Saving(forest, spaces, solution, clones)
    return msgspec.structs.replace(solution, births=saving.run())


class _Saving(Rewriting):
    def run(self) -> tuple[Birth, ...]:
        for birth in list(self.births.values()):
            self.bear_late(birth)
        self.bear_early()
        for pid in self.births:
            birth = self.births[pid]
            if birth.moved_to is not None or birth.visits:
                self.inherit_group(birth)
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
            if birth.how == "entered":
                self.from_outside(birth)
        return in_order(self.spaces, self.births)

    def bear_late(self, birth: Birth) -> None:
        """Have a process that may be born in any session be born when its creator has its own, so that nothing waits for it."""
        creator = self.clones.get(birth.creator)
        if creator is not None and creator.leads_session and birth.session != creator.pid and self.is_free(birth):
            self.put(msgspec.structs.replace(birth, session=creator.pid))

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
        """Have a process be born before its creator changes where another one that the creator clones then lives below it."""
        for birth in list(self.births.values()):
            creator = self.clones.get(birth.creator)
            before_setsid = creator is not None and creator.leads_session and birth.session != creator.pid
            before_group = birth.creator in self.makers and birth.group == self.births[birth.creator].group is not None
            if before_setsid or before_group:
                here = self.spaces.init(birth.namespace)
                for _ in range(MOST_ABOVE):
                    if here in (OUTSIDE, birth.pid) or self.births[here].creator == birth.creator:
                        break
                    here = self.births[here].creator
                if here in (OUTSIDE, birth.pid) or self.births[here].creator != birth.creator:
                    continue
                if before_setsid:
                    self.put(*(self.born_in_session(here, birth.session) or ()))
                elif self.births[here].group is None and self.is_moved_later(here):
                    self.put(msgspec.structs.replace(self.births[here], group=birth.group))

    def is_moved_later(self, pid: ProcessId) -> bool:
        """Tell whether a process comes into its final group from any other: it sees that, or its parent moves it."""
        clone, parent = self.clones[pid], self.clones.get(self.births[pid].creator)
        leader = self.clones.get(clone.group or OUTSIDE)
        if leader is None:
            return clone.group is None
        if self.spaces.covers(clone.namespace, leader.namespace):
            return True
        if parent is None or self.births[pid].how != "created" or parent.session != clone.session:
            return False
        return parent.namespace != clone.namespace and self.spaces.covers(parent.namespace, leader.namespace)

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

    def from_outside(self, birth: Birth) -> None:
        """Have a process that enters be created by the executor, where its creator would have to do it before it changes."""
        creator = self.clones.get(birth.creator)
        enters = birth.session == OUTSIDE and birth.group in (None, OUTSIDE)
        moved = birth.moved_to is not None or birth.visits
        changes = creator is not None and (creator.leads_session or (birth.group == OUTSIDE and creator.group != OUTSIDE))
        if enters and not moved and changes:
            self.put(msgspec.structs.replace(birth, creator=OUTSIDE))

    def by_parent(self, birth: Birth) -> bool:
        """Have a parent create a process itself where it can be in the session and group; tell whether it does."""
        parent = self.births.get(birth.parent or OUTSIDE)
        if parent is None or self.relied_on.get(birth.pid):
            return False
        by_parent = msgspec.structs.replace(birth, creator=parent.pid, how="created", group=None)
        moved: list[Birth] | None = []
        if birth.session != self.clones[parent.pid].session:
            moved = self.born_in_session(parent.pid, birth.session)
            if moved is None:
                moved = self.beside_leader(parent, birth.session)
        if moved is None or not self.is_apart(birth.pid, parent.pid):
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
            if may_end(self.forest, clone) and not self.is_init(birth.pid):
                for session in dict.fromkeys((birth.session, clone.session)):
                    ending.setdefault((birth.namespace, session), []).append(birth)
        for birth in list(self.births.values()):
            if birth.how in LEFT and birth.parent and not self.leaves(birth.creator, birth.parent):
                place = self.births[birth.parent].namespace
                if not self.first_fitting(birth, ending.get((place, birth.session), []), self.left_by):
                    self.first_fitting(birth, self.placeholders.get(place, []), self.left_by_placeholder)

    def beside_others(self) -> None:
        """Have inits that are not directly below their creator's pid namespace be cloned by a process that is."""
        inits = [birth for birth in self.births.values() if birth.how == "created" and self.is_init(birth.pid)]
        jumping = [birth for birth in inits if self.space_of(birth.creator) != self.spaces.outside(birth.namespace)]
        near: dict[tuple[NamespaceId, ProcessId], list[Birth]] = {}
        for birth in self.births.values() if jumping else ():
            if not self.is_init(birth.pid):
                for session in dict.fromkeys((birth.session, self.clones[birth.pid].session)):
                    near.setdefault((birth.namespace, session), []).append(birth)
        for birth in jumping:
            outer = self.spaces.outside(birth.namespace)
            if not self.first_fitting(birth, near.get((outer, birth.session), []), self.cloned_beside):
                self.first_fitting(birth, self.placeholders.get(outer, []), self.beside_placeholder)

    def space_of(self, pid: ProcessId) -> NamespaceId:
        """Return the pid namespace of a process, the executor's for the executor."""
        return self.births[pid].namespace if pid else EXECUTOR_SPACE

    def leaves(self, pid: ProcessId, parent: ProcessId) -> bool:
        """Tell whether a process ends where its final parent lives, and leaves its children to that alone."""
        birth = self.births.get(pid)
        if birth is None or birth.namespace != self.births[parent].namespace or self.spaces.init(birth.namespace) == pid:
            return False
        return may_end(self.forest, self.clones[pid]) and all(
            self.births[child].parent == parent for child in self.children.get(pid, ()) if self.births[child].how in LEFT
        )

    def first_fitting(self, birth: Birth, others: list[Birth], changed: Callable[[Birth, Birth], list[Birth] | None]) -> bool:
        """Have the first of some processes that fits create another one, `changed` as it says; tell whether one does."""
        if self.relied_on.get(birth.pid) or self.shares(birth.pid):
            return False
        for other in others[:MOST_TRIED]:
            found = changed(birth, self.births[other.pid])
            if found is None or not self.is_apart(birth.pid, other.pid):
                continue
            before = [self.births[one.pid] for one in found]
            self.release(birth)
            self.put(*found)
            further = [] if birth.group is None else self.born_in_group(found[-1], birth.group)
            if further is not None:
                self.put(*further, msgspec.structs.replace(found[-1], group=birth.group))
                self.rely(self.births[birth.pid])
                return True
            self.put(*before)
            self.rely(birth)
        return False

    def left_by(self, birth: Birth, other: Birth) -> list[Birth] | None:
        """Return how a process is created by one that ends and leaves it to its final parent; None where it does not."""
        assert birth.parent is not None
        if birth.moved_to is not None or birth.visits or not self.leaves(other.pid, birth.parent):
            return None
        adopts = self.spaces.init(other.namespace) == birth.parent
        if not adopts and (other.creator not in (birth.parent, birth.creator) or other.how == "sibling"):
            return None
        how = "entered" if adopts else "below"
        return [msgspec.structs.replace(birth, creator=other.pid, how=how, group=None)]

    def left_by_placeholder(self, birth: Birth, other: Birth) -> list[Birth] | None:
        """Return how a placeholder is born by a creator that stays, to leave a process to the init; None where it cannot."""
        if birth.moved_to is not None or birth.visits or birth.parent != self.spaces.init(other.namespace):
            return None
        moved = self.put_elsewhere(other, birth)
        return moved and [*moved, msgspec.structs.replace(birth, creator=other.pid, how="entered", group=None)]

    def cloned_beside(self, birth: Birth, other: Birth) -> list[Birth] | None:
        """Return how an init is cloned beside a process with the same creator; None where that does not give it its parent."""
        if other.creator != birth.creator or other.how != "created" or not self.alike(birth.pid, other.pid):
            return None
        return [msgspec.structs.replace(birth, creator=other.pid, how="sibling", group=None)]

    def beside_placeholder(self, birth: Birth, other: Birth) -> list[Birth] | None:
        """Return how a placeholder is born by the creator of an init and clones that beside itself; None where it cannot."""
        moved = self.put_elsewhere(other, birth)
        return moved and [*moved, msgspec.structs.replace(birth, creator=other.pid, how="sibling", group=None)]

    def put_elsewhere(self, placeholder: Birth, served: Birth) -> list[Birth] | None:
        """Return how a placeholder is created by the creator of another process, in its session; None where it must stay.

        The init of its pid namespace adopts its children wherever it is born.
        """
        pid, adopter = placeholder.pid, self.spaces.init(placeholder.namespace)
        if placeholder.group is not None or self.relied_on.get(pid):
            return None
        if not self.clones[pid].leads_session and placeholder.session != served.session:
            return None
        if not self.is_apart(pid, served.creator):
            return None
        creator = self.births.get(served.creator)
        if creator is not None and not self.is_init(creator.pid):
            alike = creator.creator == placeholder.creator and creator.how == placeholder.how == "created"
            if alike:
                return [msgspec.structs.replace(placeholder, creator=creator.pid, session=served.session, how="sibling")]
        if placeholder.parent is not None:
            return None
        moved = [msgspec.structs.replace(placeholder, creator=served.creator, session=served.session, how="created")]
        for child in sorted(self.children.get(pid, ())):
            birth = self.births[child]
            if birth.session != self.clones[pid].session or birth.parent not in (adopter, None) or child == served.pid:
                return None
            if birth.how == "sibling":
                if birth.parent is None:
                    return None
                moved.append(msgspec.structs.replace(birth, how="entered"))
        return moved


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
