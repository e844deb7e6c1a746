"""What events say of pid namespaces: which there are, what encloses them, and who is in them.

An image may say all of it, some of it or nothing. What it does not say is unknown (-1) until a decision has found it
(`planner.forest.pid_namespaces.infer`); what it says stays, in any order of the events.
"""

from collections.abc import Mapping

from planner.errors import Contradiction
from planner.events.records import NamespaceInferred, NamespaceRecorded, TaskPlaced
from planner.forest.model import ROOT_NAMESPACE, UNPLACED, Forest, Leader, Namespace, Task
from planner.identity import OUTSIDE, EventNumber, Level, NamespaceId, ProcessId

UNKNOWN_LEVEL = Level(-1)


class PidNamespaces:
    """The pid namespaces while the forest grows."""

    def __init__(self) -> None:
        self._met: dict[NamespaceId, None] = {}
        self._records: dict[NamespaceId, tuple[EventNumber, NamespaceId]] = {}
        self._found: dict[NamespaceId, tuple[EventNumber, NamespaceInferred]] = {}
        self._said: dict[ProcessId, tuple[EventNumber, NamespaceId]] = {}
        self._placed: dict[ProcessId, NamespaceId] = {}

    @property
    def decided(self) -> bool:
        """Whether a decision has placed a task."""
        return bool(self._placed)

    def record(self, seq: int, event: "NamespaceRecorded") -> None:
        """Take note of a namespace that the image names; raises `Contradiction` where it lies in two."""
        if event.id < 0:
            return
        self._met[event.id] = None
        parent = event.parent if event.parent >= 0 and event.id != ROOT_NAMESPACE else UNPLACED
        before, known = self._records.get(event.id, (seq, UNPLACED))
        if known == UNPLACED:
            self._records[event.id] = (EventNumber(seq), parent)
        elif parent not in (UNPLACED, known):
            raise Contradiction(
                "namespace-recorded-apart",
                f"pid namespace {event.id} is recorded as lying in {known} and in {parent}",
                (before, seq),
            )

    def say(self, seq: int, pid: ProcessId, namespace: NamespaceId) -> None:
        """Take note of where the image says that a task is; raises `Contradiction` where it is in two namespaces."""
        if namespace < 0:
            return
        before, known = self._said.setdefault(pid, (EventNumber(seq), namespace))
        if known != namespace:
            raise Contradiction(
                "namespace-recorded-apart",
                f"task {pid} is recorded in the pid namespaces {known} and {namespace}",
                (before, seq),
                pid,
            )

    def infer(self, seq: int, event: "NamespaceInferred") -> None:
        """Take note of a namespace that inference found, or of what it found about a recorded one."""
        self._met[event.id] = None
        self._found[event.id] = (EventNumber(seq), event)

    def place(self, seq: int, event: "TaskPlaced") -> None:
        """Take note of where inference put a task."""
        self._placed[event.pid] = event.namespace

    def settle(self, forest: "Forest") -> None:
        """Place tasks, and give each namespace its level and its init from the tasks in it or the namespace around it."""
        named = {namespace for _, namespace in (*self._said.values(), *self._records.values())}
        for identity in self._met:
            recorded, parent = self._records.get(identity, (EventNumber(-1), UNPLACED))
            found_at, found = self._found.get(identity, (EventNumber(-1), None))
            forest.namespaces[identity] = Namespace(
                id=identity,
                parent=parent if found is None or parent >= 0 else found.parent,
                level=UNKNOWN_LEVEL,
                init=OUTSIDE if found is None else found.init,
                recorded=recorded if identity in self._records else found_at,
                inferred=identity not in self._records and identity not in named,
            )
        self._settle_root(forest)
        places: dict[ProcessId, NamespaceId] = {pid: namespace for pid, (_, namespace) in self._said.items()} | self._placed
        for pid, identity in places.items():
            task = forest.tasks.get(pid)
            if task is None:
                continue
            task.namespace = identity
            if pid in self._said:
                task.namespace_recorded = self._said[pid][0]
            if identity in forest.namespaces:
                _move_in(task, forest.namespaces[identity])
        _settle_levels(forest.namespaces)

    def _settle_root(self, forest: "Forest") -> None:
        init = forest.tasks.get(ProcessId(1))
        root = forest.namespaces.get(ROOT_NAMESPACE)
        first = next(iter(forest.tasks.values()), None)
        forest.namespaces[ROOT_NAMESPACE] = Namespace(
            id=ROOT_NAMESPACE,
            parent=UNPLACED,
            level=Level(0),
            init=OUTSIDE if init is None else init.pid,
            recorded=root.recorded if root else init.recorded if init else first.recorded if first else EventNumber(-1),
            inferred=root is not None and root.inferred,
        )


def _move_in(task: "Task", namespace: Namespace) -> None:
    if namespace.level == UNKNOWN_LEVEL:
        namespace.level = task.level
    if task.pids[-1] == 1 and namespace.init == OUTSIDE:
        namespace.init = task.pid


def _settle_levels(namespaces: Mapping[NamespaceId, Namespace]) -> None:
    """Give a namespace that no task has given its level that of the namespace around it and one more."""
    met: set[NamespaceId] = set()
    for namespace in namespaces.values():
        below: list[Namespace] = []
        outer: Namespace | None = namespace
        while outer is not None and outer.level == UNKNOWN_LEVEL and outer.id not in met:
            met.add(outer.id)
            below.append(outer)
            outer = namespaces.get(outer.parent)
        if outer is not None and outer.level != UNKNOWN_LEVEL:
            for depth, inner in enumerate(reversed(below), start=1):
                inner.level = Level(outer.level + depth)


def is_nested(leader: Leader) -> bool:
    """Whether a dead leader is known to have lived in a nested namespace, and at which level."""
    return len(leader.pids) > 1 and (leader.complete or leader.pids[-1] == 1)
