"""The forest: what the image events add up to.

`fold` turns image events (and the decision events that place tasks in namespaces) into tasks, threads, leaders without a task,
namespaces and sharing. It keeps for every fact the sequence number of the event that it came from, so that decisions can name
their evidence. Facts that contradict each other raise `Contradiction`, which is exit code 3: the bytes were read, and what they
say cannot be.
"""

import msgspec

from planner.events.records import (
    DefectRecorded,
    FactRecorded,
    NamespaceRecorded,
    SharingRecorded,
    TaskState,
)
from planner.identity import OUTSIDE, EventNumber, Level, NamespaceId, Number, Pids, ProcessId

ROOT_NAMESPACE = NamespaceId(0)


UNPLACED = NamespaceId(-1)


class Namespace(msgspec.Struct, kw_only=True, gc=False):
    """A pid namespace; `init` is the level-0 number of its first task, 0 where that is dead or unknown."""

    id: NamespaceId
    parent: NamespaceId
    level: Level
    init: ProcessId
    recorded: EventNumber
    inferred: bool = False
    """Whether inference found it; otherwise the image names it."""


SHARED_KINDS = ("memory", "files", "fs", "signal_handlers", "sysv_undo")
"""What tasks may share, as `SharingRecorded` and `Create.share` call it."""


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
    recorded: EventNumber
    state_recorded: EventNumber = EventNumber(-1)
    namespace_recorded: EventNumber = EventNumber(-1)
    """The event that says in which pid namespace the task is, -1 where none does."""

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
    recorded: EventNumber
    state_recorded: EventNumber = EventNumber(-1)


class Leader(msgspec.Struct, kw_only=True, gc=False):
    """A number that sessions or groups have and no task has: its leader is dead.

    `pids` is the known prefix of the vector; `complete` says that there is no deeper level.
    """

    pids: Pids
    complete: bool
    recorded: EventNumber


class Forest(msgspec.Struct, kw_only=True):
    """Everything that image events say, with the evidence; dictionaries are in image order."""

    tasks: dict[ProcessId, Task] = {}
    threads: dict[ProcessId, list[Thread]] = {}
    """Threads by the thread group that they belong to."""
    leaders: dict[ProcessId, Leader] = {}
    """Numbers of dead session and group leaders."""
    namespaces: dict[NamespaceId, Namespace] = {}
    """Pid namespaces by id; 0 is the container's root namespace."""
    sharing: dict[ProcessId, SharingRecorded] = {}
    other_namespaces: dict[ProcessId, dict[str, NamespaceId]] = {}
    """Namespaces of other kinds than "pid", by kind, as far as the image names them."""
    namespace_records: list[NamespaceRecorded] = []
    outer_numbers: dict[ProcessId, Number] = {}
    facts: list[tuple[EventNumber, FactRecorded]] = []
    defects: list[tuple[EventNumber, DefectRecorded]] = []
    format: str = ""
    generation: str = ""
    image_facts: dict[str, str] = {}
    """What the headers say; of several images what all say, and what only some say with the image's label in front."""
    images: tuple[str, ...] = ()
    """Labels of the images where there are several, containers of one pod."""
    complete: bool = True
    """Whether the image was read to its proper end."""
    unknown_events: int = 0

    @property
    def root(self) -> ProcessId:
        """Number 1, the container's init, or else the first task whose parent is outside: the root of a subtree."""
        init = self.tasks.get(ProcessId(1))
        if init is not None and init.parent == OUTSIDE:
            return init.pid
        return next(task.pid for task in self.tasks.values() if task.parent == OUTSIDE)

    @property
    def source(self) -> str:
        """What the forest was read from, in words; "" where only a plan is at hand."""
        words = " ".join(filter(None, (self.format, self.generation)))
        return f"pod of {len(self.images)} containers, {words}" if self.images else words

    def __repr__(self) -> str:
        name = f" of {self.source}" if self.source else ""
        threads = sum(map(len, self.threads.values()))
        counts = ((len(self.tasks), "task"), (threads, "thread"), (len(self.namespaces), "pid namespace"))
        words = ", ".join(f"{count} {what}{'s' * (count != 1)}" for count, what in counts)
        return f"<Forest{name}: {words}>"

    def inhabited_namespaces(self) -> set[NamespaceId]:
        """Return the pid namespaces that tasks are in: the root namespace, and all others whose init is recorded."""
        return {
            task.namespace
            for task in self.tasks.values()
            if task.namespace == ROOT_NAMESPACE
            or (task.namespace in self.namespaces and self.namespaces[task.namespace].init in self.tasks)
        }

    def children(self) -> dict[ProcessId, list[ProcessId]]:
        """Return the children of every task (and of 0, outside), in image order."""
        children: dict[ProcessId, list[ProcessId]] = {}
        for task in self.tasks.values():
            children.setdefault(task.parent, []).append(task.pid)
        return children
