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
        self.placeholders: dict[NamespaceId, list[Birth]] = {}
        for birth in solution.births:
            if clones[birth.pid].ends:
                self.placeholders.setdefault(birth.namespace, []).append(birth)
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
        leader = self.clones.get(group)
        if not self.is_init(birth.pid) or birth.pid == 1 or birth.how != "created" or leader is None:
            return None
        # An init's own number does not keep its namespace from ending.
        led = self.spaces.outside(leader.namespace) if self.is_init(group) else leader.namespace
        around = led != birth.namespace and self.spaces.covers(led, birth.namespace)
        outer = self.births[birth.creator].namespace if birth.creator else EXECUTOR_SPACE
        if not (around or self.clones[birth.pid].group == group) or not self.spaces.covers(outer, leader.namespace):
            return None
        return msgspec.structs.replace(birth, visits=tuple(dict.fromkeys((*birth.visits, group))))

    def from_outside(self, birth: Birth) -> None:
        """Have a process that enters be created by the executor, where its creator would have to do it before it changes."""
        creator = self.clones.get(birth.creator)
        enters = birth.how == "entered" and birth.session == OUTSIDE and birth.group in (None, OUTSIDE)
        moved = birth.moved_to is not None or birth.visits
        changes = creator is not None and (creator.leads_session or (birth.group == OUTSIDE and creator.group != OUTSIDE))
        if enters and not moved and changes:
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
                for session in dict.fromkeys((birth.session, clone.session)):
                    ending.setdefault((birth.namespace, session), []).append(birth)
        for birth in list(self.births.values()):
            if birth.how in LEFT and birth.parent and not self.leaves(birth.creator, birth.parent):
                place = self.births[birth.parent].namespace
                if not self.first_fitting(birth, ending.get((place, birth.session), []), self.left_by):
                    self.first_fitting(birth, self.placeholders.get(place, []), self.left_by_placeholder)

    def beside_others(self) -> None:
        """Have inits that are not directly below their creator's pid namespace be cloned by a process that is."""
        near: dict[tuple[NamespaceId, ProcessId], list[Birth]] = {}
        for birth in self.births.values():
            if not self.is_init(birth.pid):
                for session in dict.fromkeys((birth.session, self.clones[birth.pid].session)):
                    near.setdefault((birth.namespace, session), []).append(birth)
        for birth in list(self.births.values()):
            outer = self.spaces.outside(birth.namespace)
            above = self.births.get(birth.creator)
            jumps = self.is_init(birth.pid) and birth.how == "created"
            if jumps and (EXECUTOR_SPACE if above is None else above.namespace) != outer:
                if not self.first_fitting(birth, near.get((outer, birth.session), []), self.cloned_beside):
                    self.first_fitting(birth, self.placeholders.get(outer, []), self.beside_placeholder)

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
        if creator is not None and creator.creator == placeholder.creator and creator.how == placeholder.how == "created":
            if not self.is_init(creator.pid):
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

    def shares(self, pid: ProcessId) -> bool:
        """Tell whether a process shares anything with another one, which only its creator can pass on."""
        record = self.forest.sharing.get(pid)
        return record is not None and any((record.files, record.fs, record.sysv_undo, record.memory, record.signal_handlers))

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
