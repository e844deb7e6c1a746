"""The forest: what the image events add up to.

`fold` turns image events (and the decision events that place tasks in namespaces) into tasks, threads, leaders without a task,
namespaces and sharing. It keeps for every fact the sequence number of the event that it came from, so that decisions can name
their evidence. Facts that contradict each other raise `Contradiction`, which is exit code 3: the bytes were read, and what they
say cannot be.
"""

from collections.abc import Iterable

import msgspec

from planner.events import (
    AnyEvent,
    CheckpointFailed,
    DefectRecorded,
    FactRecorded,
    ImageClosed,
    ImageOpened,
    NamespaceInferred,
    NamespaceRecorded,
    OuterNumberRecorded,
    PidRecorded,
    SharingRecorded,
    TaskNamespacesRecorded,
    TaskPlaced,
    TaskRecorded,
    TaskState,
    TaskStateRecorded,
    ThreadRecorded,
    UnknownEvent,
)
from planner.identity import OUTSIDE, Level, NamespaceId, Number, Pids, ProcessId, Sequence

ROOT_NAMESPACE = NamespaceId(0)


class Contradiction(Exception):
    """Facts of the image exclude each other; `because` are the sequence numbers of the smallest set that does."""

    def __init__(self, code: str, message: str, because: Iterable[int] = (), pid: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.because = tuple(Sequence(seq) for seq in because)
        self.pid = ProcessId(pid)


class Task(msgspec.Struct, kw_only=True, gc=False):
    """A process of the image with all that is known of it; threads other than the leader are in `Forest.threads`."""

    pids: Pids
    parent: ProcessId
    group: ProcessId
    session: ProcessId
    state: TaskState = "running"
    exit_status: int = 0
    exit_signal: int = -1
    name: str = ""
    subreaper: bool = False
    namespace: NamespaceId = NamespaceId(-1)
    """The task's own pid namespace; -1 until inference has placed it."""
    recorded: Sequence
    state_recorded: Sequence = Sequence(-1)

    @property
    def pid(self) -> ProcessId:
        """The level-0 number, which is the task's identity."""
        return ProcessId(self.pids[0])

    @property
    def level(self) -> Level:
        """The level of the task's own namespace."""
        return Level(len(self.pids) - 1)

    @property
    def zombie(self) -> bool:
        """Whether the task has ended (or, with living threads, its leading thread has)."""
        return self.state == "zombie"


class Thread(msgspec.Struct, kw_only=True, gc=False):
    """A thread that does not lead its thread group."""

    pids: Pids
    thread_group: ProcessId
    state: TaskState = "running"
    name: str = ""
    recorded: Sequence


class Leader(msgspec.Struct, kw_only=True, gc=False):
    """A number that sessions or groups bear and that no task bears: its leader is dead.

    `pids` is the known prefix of the vector; `complete` says that there is no deeper level.
    """

    pids: Pids
    complete: bool
    recorded: Sequence


class Namespace(msgspec.Struct, kw_only=True, gc=False):
    """A pid namespace; `init` is the level-0 number of its first task, 0 where that is dead or unknown."""

    id: NamespaceId
    parent: NamespaceId
    level: Level
    init: ProcessId
    recorded: Sequence


class Forest(msgspec.Struct, kw_only=True):
    """Everything that image events say, with the evidence; dictionaries are in image order."""

    tasks: dict[ProcessId, Task] = {}
    threads: dict[ProcessId, list[Thread]] = {}
    """Threads by the thread group that they belong to."""
    leaders: dict[ProcessId, Leader] = {}
    """Numbers of dead session and group leaders."""
    namespaces: dict[NamespaceId, Namespace] = {}
    """Pid namespaces by id; 0 is the root task's."""
    sharing: dict[ProcessId, SharingRecorded] = {}
    other_namespaces: dict[ProcessId, dict[str, NamespaceId]] = {}
    namespace_records: list[NamespaceRecorded] = []
    outer_numbers: dict[ProcessId, Number] = {}
    facts: list[tuple[Sequence, FactRecorded]] = []
    defects: list[tuple[Sequence, DefectRecorded]] = []
    format: str = ""
    generation: str = ""
    image_facts: dict[str, str] = {}
    complete: bool = True
    unknown_events: int = 0

    @property
    def root(self) -> ProcessId:
        """The first task whose parent is outside: the container's init, or the root of a subtree."""
        return next(task.pid for task in self.tasks.values() if task.parent == OUTSIDE)

    def children(self) -> dict[ProcessId, list[ProcessId]]:
        """Return the children of every task (and of 0, outside), in image order."""
        children: dict[ProcessId, list[ProcessId]] = {}
        for task in self.tasks.values():
            children.setdefault(task.parent, []).append(task.pid)
        return children
