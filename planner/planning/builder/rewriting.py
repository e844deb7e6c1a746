"""A solution whose births are changed one by one: what is known of each birth, and which other birth keeps the rules.

A process that leads a session may be born in another one where its creator was in it. A group may be inherited from creators that
are in it anyway, that join it first, or that are inits whose parent moves them to it.
"""

from collections.abc import Mapping

import msgspec

from planner.forest.model import Forest
from planner.identity import OUTSIDE, NamespaceId, ProcessId
from planner.planning.clones import EXECUTOR_SPACE, SIGCHLD, Clone, makers_of
from planner.planning.solver.solution import Birth, Solution
from planner.planning.spaces import Spaces

MOST_ABOVE = 64
"""How many creators are looked at to see that no process is born below itself; where there are more, nothing is changed."""


class Rewriting:
    """The births of a solution, of which some are put in the place of others."""

    def __init__(self, forest: Forest, spaces: Spaces, solution: Solution, clones: Mapping[ProcessId, Clone]) -> None:
        """Begin with a solution; `clones` are its processes."""
        self.forest = forest
        self.spaces = spaces
        self.clones = clones
        self.births = {birth.pid: birth for birth in solution.births}
        self.makers = makers_of(clones)
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

    def path(self, birth: Birth) -> list[ProcessId]:
        """Return those between a process and the parent that it is born below, from the creator up; none where it is not.

        An init adopts all in its pid namespace, so that a process whose creator lives there relies on no others.
        """
        path: list[ProcessId] = []
        if birth.parent and self.is_init(birth.parent) and birth.creator and self.is_near(birth.creator, birth.parent):
            return path
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

    def is_free(self, birth: Birth) -> bool:
        """Tell whether a process may be born in any session: it leads one, and creates no process before that."""
        clone = self.clones[birth.pid]
        if not clone.leads_session or birth.group is not None or birth.visits or birth.how == "sibling":
            return False
        return all(self.births[child].session == birth.pid for child in self.children.get(birth.pid, ()))

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

    def is_init(self, pid: ProcessId) -> bool:
        """Tell whether a process is the init of its pid namespace."""
        return self.spaces.init(self.clones[pid].namespace) == pid

    def is_near(self, pid: ProcessId, other: ProcessId) -> bool:
        """Tell whether two processes live in the same pid namespace."""
        return self.births[pid].namespace == self.births[other].namespace

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

    def shares(self, pid: ProcessId) -> bool:
        """Tell whether a process shares anything with another one, which only its creator can pass on."""
        record = self.forest.sharing.get(pid)
        return record is not None and any((record.files, record.fs, record.sysv_undo, record.memory, record.signal_handlers))
