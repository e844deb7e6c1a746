"""The problem that the search solves, as records: processes, their possible pid namespaces, and what the image states of them.

Processes are the tasks of the image, the dead leaders that its sessions and groups name, and the init above a subtree image.
Contradictions that the fold of the forest finds are not looked for again.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Final

import msgspec

from planner.forest.model import Forest, Task
from planner.identity import OUTSIDE, NamespaceId, Number, Pids, ProcessId, Sequence
from planner.planning.solver.solution import LostNamespace

EXECUTOR_NAMESPACE: Final = NamespaceId(-1)
"""Where the executor stands: around the container's root namespace."""

ROOT_NAMESPACE: Final = NamespaceId(0)

INIT: Final = ProcessId(1)

MOST_PLACES: Final = 64
"""How many pid namespaces are weighed for a dead leader."""


class Process(msgspec.Struct, frozen=True, gc=False):
    """A process of the rebuild, with what the image states of it; None is what it does not state."""

    pid: ProcessId
    places: tuple[NamespaceId, ...]
    """Pid namespaces that it can have lived in, best first; a task has one."""
    possible: tuple[NamespaceId, ...]
    """Those, and pid namespaces in which it can have lived by its numbers alone, without regard to its members."""
    parent: ProcessId | None
    session: ProcessId | None
    group: ProcessId | None
    is_init: bool = False
    """Whether it is the init of its pid namespace, whichever that is."""
    ended: bool = False
    """Whether it is a zombie in the image, with no thread left."""
    dead: bool = False
    """Whether it is a dead leader, for which a placeholder is created."""
    or_outside: bool = False
    """Whether the executor may be its parent as well: the root of a subtree, whose parent is outside the image."""
    facts: tuple[Sequence, ...] = ()


class Namespaces:
    """The pid namespaces of a rebuild, and which of them encloses which; the executor's is around all."""

    def __init__(self, forest: Forest) -> None:
        self.parent: dict[NamespaceId, NamespaceId] = {}
        self.level: dict[NamespaceId, int] = {EXECUTOR_NAMESPACE: -1}
        self.init: dict[NamespaceId, ProcessId] = {}
        self._lines: dict[NamespaceId, frozenset[NamespaceId]] = {EXECUTOR_NAMESPACE: frozenset((EXECUTOR_NAMESPACE,))}
        for record in sorted(forest.namespaces.values(), key=lambda record: record.level):
            self.add(record.id, record.parent if record.level > 0 else EXECUTOR_NAMESPACE, record.init)

    def add(self, namespace: NamespaceId, parent: NamespaceId, init: ProcessId) -> None:
        """Add a namespace whose parent is known already."""
        self.parent[namespace] = parent
        self.level[namespace] = self.level[parent] + 1
        self.init[namespace] = init
        self._lines[namespace] = self._lines[parent] | {namespace}

    def covers(self, outer: NamespaceId, inner: NamespaceId) -> bool:
        """Return whether a process in `outer` sees those of `inner`: it is the same namespace or one around it."""
        return outer in self._lines[inner]

    def is_above(self, outer: NamespaceId, inner: NamespaceId) -> bool:
        """Return whether `outer` lies around `inner` and is another one."""
        return outer != inner and outer in self._lines[inner]

    def line(self, namespace: NamespaceId) -> list[NamespaceId]:
        """Return the namespaces from the container's root down to this one."""
        line = [namespace]
        while self.level[line[-1]] > 0:
            line.append(self.parent[line[-1]])
        return line[::-1]


class Problem(msgspec.Struct, frozen=True):
    """All processes of a rebuild in image order, each dead leader in front of its first member."""

    processes: dict[ProcessId, Process]
    namespaces: Namespaces
    lost: tuple[LostNamespace, ...]
    sessions: dict[ProcessId, ProcessId]
    """The session of each group."""
    led: dict[ProcessId, list[ProcessId]]
    """For each group its other members: where there is one, the leader has left its birth group."""

    def is_init(self, pid: ProcessId) -> bool:
        """Return whether a process is the init of its pid namespace."""
        return pid != OUTSIDE and self.processes[pid].is_init

    def init_before(self, pid: ProcessId, place: NamespaceId) -> ProcessId:
        """Return the init that must be there before a process can be born in a namespace, the executor for the first."""
        namespaces = self.namespaces
        if namespaces.init[place] == pid:
            place = namespaces.parent[place]
        return namespaces.init.get(place, OUTSIDE)


def read_problem(forest: Forest) -> Problem:
    """Return the question that a forest poses; its tasks must have been placed in pid namespaces.

    A dead leader that can have lived nowhere has no places.
    """
    return _Reading(forest).problem()


class _Reading:
    def __init__(self, forest: Forest) -> None:
        self.forest = forest
        self.root = forest.root
        self.namespaces = Namespaces(forest)
        self.lost: list[LostNamespace] = []
        self.pids_in_use = _pids_in_use(forest, self.namespaces)

    def problem(self) -> Problem:
        tasks = self.forest.tasks
        processes: dict[ProcessId, Process] = {}
        if self.root != INIT:
            self.namespaces.init[ROOT_NAMESPACE] = INIT
            processes[INIT] = self._reaper()
        sessions: dict[ProcessId, list[Task]] = {}
        groups: dict[ProcessId, list[Task]] = {}
        for task in tasks.values():
            sessions.setdefault(task.session, []).append(task)
            groups.setdefault(task.group, []).append(task)
        for pid, task in tasks.items():
            for leader in (task.session, task.group):
                if leader not in tasks and leader not in processes and leader != OUTSIDE:
                    processes[leader] = self._dead_leader(leader, task, sessions.get(leader), groups.get(leader, []), processes)
            processes[pid] = self._task(pid, task)
        session_of = {OUTSIDE: OUTSIDE, **{group: members[0].session for group, members in groups.items()}}
        led = {group: [member.pid for member in members if member.pid != group] for group, members in groups.items()}
        return Problem(processes, self.namespaces, tuple(self.lost), session_of, led)

    def _task(self, pid: ProcessId, task: Task) -> Process:
        parent = INIT if pid == self.root != INIT else task.parent
        is_init = self.namespaces.init.get(task.namespace) == pid
        ended = is_ended(self.forest, task)
        places = (task.namespace,)
        return Process(
            pid,
            places,
            places,
            parent,
            task.session,
            task.group,
            is_init,
            ended,
            or_outside=parent != task.parent,
            facts=(task.recorded,),
        )

    def _reaper(self) -> Process:
        """Return the init above a subtree image; it leads session or group 1 where the image names them."""
        tasks = self.forest.tasks.values()
        leads_session = any(task.session == INIT for task in tasks)
        leads_group = leads_session or any(task.group == INIT for task in tasks)
        session, group = (INIT if leads_session else OUTSIDE), (INIT if leads_group else OUTSIDE)
        return Process(INIT, (ROOT_NAMESPACE,), (ROOT_NAMESPACE,), OUTSIDE, session, group, is_init=True, dead=True)

    def _dead_leader(
        self,
        leader: ProcessId,
        first: Task,
        session: list[Task] | None,
        group: list[Task],
        processes: Mapping[ProcessId, Process],
    ) -> Process:
        record = self.forest.leaders.get(leader)
        pids, complete = ((Number(leader),), False) if record is None else (record.pids, record.complete)
        facts = () if record is None else (record.recorded,)
        is_init = len(pids) > 1 and pids[-1] == 1
        if is_init:
            found: Iterable[NamespaceId] = self._lost_namespaces(leader, pids)
        elif session is not None:
            found = self._session_places(session, pids, complete)
        else:
            found = self._group_places(first.session, group, pids, complete, processes)
        places = tuple(islice(found, MOST_PLACES))
        others = (place for place in self.namespaces.parent if place not in places and self._fits(place, pids, complete))
        possible = places if is_init else (*places, *islice(others, MOST_PLACES - len(places)))
        led = leader if session is not None else first.session
        return Process(leader, places, possible, None, led, leader, is_init, dead=True, facts=facts)

    def _session_places(self, members: list[Task], pids: Pids, complete: bool) -> Iterator[NamespaceId]:
        """Yield where a dead session leader can have lived, outermost first: a session's members live there or below."""
        covers = self.namespaces.covers
        for place in self.namespaces.line(members[0].namespace):
            if self._fits(place, pids, complete) and all(covers(place, member.namespace) for member in members):
                yield place

    def _group_places(
        self,
        session: ProcessId,
        members: list[Task],
        pids: Pids,
        complete: bool,
        processes: Mapping[ProcessId, Process],
    ) -> Iterator[NamespaceId]:
        """Yield where a dead group leader can have lived: first where the members that live deepest see it, then elsewhere."""
        namespaces = self.namespaces
        deepest = sorted(dict.fromkeys(member.namespace for member in members), key=lambda place: -namespaces.level[place])
        near = dict.fromkeys(place for start in deepest for place in reversed(namespaces.line(start)))
        leader = self.forest.tasks.get(session) or processes.get(session)
        around: Iterable[NamespaceId] = (ROOT_NAMESPACE,)
        if isinstance(leader, Task):
            around = (leader.namespace,)
        elif leader is not None:
            around = leader.places
        others = [other for other in namespaces.parent if other not in near]
        if len(others) > MOST_PLACES:
            others.sort(key=lambda place: not is_harmless(namespaces, place, self.forest.tasks))
        for place in chain(near, others):
            if self._fits(place, pids, complete) and any(namespaces.covers(outer, place) for outer in around):
                yield place

    def _fits(self, place: NamespaceId, pids: Pids, complete: bool) -> bool:
        """Return whether a process with such numbers can have lived somewhere: a living init, and no number is taken."""
        level = self.namespaces.level[place]
        if level < len(pids) - 1 or (complete and level > len(pids) - 1):
            return False
        pid = self.namespaces.init[place]
        init = self.forest.tasks.get(pid)
        has_living_init = place in self.forest.namespaces if init is None else not is_ended(self.forest, init)
        return has_living_init and self._is_free(place, pids)

    def _is_free(self, place: NamespaceId, pids: Pids) -> bool:
        line = self.namespaces.line(place)
        return all(number not in self.pids_in_use[here] for here, number in zip(line[1:], pids[1:], strict=False))

    def _lost_namespaces(self, leader: ProcessId, pids: Pids) -> Iterator[NamespaceId]:
        """Add and yield namespaces that a dead leader can have been the init of, one of which is gone.

        Any other number of a dead leader keeps its namespace from ending. Source: tried on 6.18; zap_pid_ns_processes waits until
        no number but the init's own is in use.
        """
        for place in list(self.namespaces.parent):
            if self.namespaces.level[place] == len(pids) - 2 and self._fits(place, pids[:-1], True):
                namespace = NamespaceId(max(self.namespaces.parent) + 1)
                self.namespaces.add(namespace, place, leader)
                self.pids_in_use[namespace] = {1}
                self.lost.append(LostNamespace(id=namespace, parent=place, init=leader))
                yield namespace


def is_harmless(
    namespaces: Namespaces, place: NamespaceId, known: Mapping[ProcessId, Task] | Mapping[ProcessId, Process]
) -> bool:
    """Return whether no init of those around a namespace waits for another one by its group, wherever groups are led."""
    inits = (known.get(namespaces.init[here]) for here in namespaces.line(place)[1:])
    return all(init is not None and init.group in (OUTSIDE, init.pid, init.session) for init in inits)


def is_ended(forest: Forest, task: Task) -> bool:
    """Return whether the whole process has ended: a zombie none of whose other threads lives."""
    return task.state == "zombie" and all(thread.state == "zombie" for thread in forest.threads.get(task.pid, ()))


def _pids_in_use(forest: Forest, namespaces: Namespaces) -> dict[NamespaceId, set[int]]:
    """Return the numbers that tasks and threads have in each nested namespace."""
    used: dict[NamespaceId, set[int]] = {namespace: set() for namespace in namespaces.parent}
    for task in forest.tasks.values():
        if len(task.pids) > 1:
            line = namespaces.line(task.namespace)
            for bearer in (task, *forest.threads.get(task.pid, ())):
                for namespace, number in zip(line[1:], bearer.pids[1:], strict=False):
                    used[namespace].add(number)
    return used
