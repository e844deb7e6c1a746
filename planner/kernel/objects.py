"""The objects that the model kernel holds: pid namespaces, pid objects, processes.

They are mutable and belong to one kernel. A pid object stands for the number vector of one task; as in Linux it outlives the
task while a group or session has its number, and its numbers are taken for as long.
"""

from typing import Final, Literal

from planner.identity import Pids, ProcessId

State = Literal["living", "dying", "zombie"]

LIVING: Final = "living"
DYING: Final = "dying"
"""An init that has begun to end and waits for its namespace to empty: neither alive nor a zombie."""
ZOMBIE: Final = "zombie"


class Namespace:
    """A pid namespace: the pid objects visible in it by number, its init, and the user namespace that owns it.

    `closed` says that the init has begun to die. `subreapers` counts the living subreapers that live in it: a search for one
    is not begun where there is none, which keeps long chains linear.
    """

    __slots__ = ("closed", "init", "level", "numbers", "parent", "subreapers", "user")

    def __init__(self, parent: "Namespace | None", user: "OtherNamespace") -> None:
        self.parent = parent
        self.user = user
        self.level: int = -1 if parent is None else parent.level + 1
        self.numbers: dict[int, Pid] = {}
        self.init: Process | None = None
        self.closed = False
        self.subreapers = 0

    def within(self, other: "Namespace") -> bool:
        """Whether this is `other` or one of its descendants."""
        space: Namespace | None = self
        while space is not None and space.level > other.level:
            space = space.parent
        return space is other


class OtherNamespace:
    """A namespace of another kind than pid; `owner` is its user namespace, for a user namespace the one above it.

    `mapped` says that a user namespace has its id maps.
    """

    __slots__ = ("kind", "mapped", "owner")

    def __init__(self, kind: str, owner: "OtherNamespace | None") -> None:
        self.kind = kind
        self.owner = owner
        self.mapped = False

    def within(self, other: "OtherNamespace | None") -> bool:
        """Whether this, a user namespace, is `other` or one of its descendants."""
        space: OtherNamespace | None = self
        while space is not None and space is not other:
            space = space.owner
        return space is other


class SharedObject:
    """Memory, a table of files or the like that processes share since a clone; `users` counts those that live.

    `ignoring` says of signal handlers that SIGCHLD is ignored: who has them keeps no zombie.
    """

    __slots__ = ("ignoring", "users")

    def __init__(self, ignoring: bool = False) -> None:
        self.users = 1
        self.ignoring = ignoring


class Pid:
    """A pid object: a vector, outermost first, and who uses it.

    `owner` is the process whose task has it, None once that is gone; `thread` says that the task does not lead its thread
    group. `members` and `sessions` count the processes that have it as group and as session; `session` is the one session that
    all members of the group are in.
    """

    __slots__ = ("first", "members", "namespace", "numbers", "owner", "session", "sessions", "thread")

    def __init__(self, numbers: Pids, namespace: Namespace, owner: "Process | None", thread: bool) -> None:
        self.numbers = numbers
        self.first: ProcessId = ProcessId(numbers[0])
        self.namespace = namespace
        self.owner = owner
        self.thread = thread
        self.members = 0
        self.sessions = 0
        self.session: Pid | None = None

    def number_in(self, namespace: Namespace) -> int:
        """Return the number that `namespace` knows this by, 0 where it cannot be seen; level -1 uses the numbers of level 0."""
        if namespace.level < 0:
            return self.numbers[0]
        return self.numbers[namespace.level] if self.namespace.within(namespace) else 0


class Process:
    """A thread group: `pid` is its leader's, `threads` the other threads' pid objects.

    `others` are its namespaces of other kinds than pid; several processes may hold the same dictionary, so it is never changed.
    `objects` are what it shares or has shared with other processes, by kind.
    `births` is the namespace that children are born in (`pid_ns_for_children`), `ran` says that it has called execve. A process
    that was reaped is a zombie to which nothing leads any more.
    """

    __slots__ = (
        "births",
        "children",
        "exit_signal",
        "group",
        "leads_session",
        "main_ended",
        "namespace",
        "objects",
        "others",
        "parent",
        "pid",
        "ran",
        "session",
        "state",
        "status",
        "stopped",
        "subreaper",
        "threads",
    )

    def __init__(self, namespace: Namespace, exit_signal: int) -> None:
        self.parent: Process
        self.namespace = namespace
        self.births = namespace
        self.others: dict[str, OtherNamespace] = {}
        self.objects: dict[str, SharedObject] | None = None
        self.exit_signal = exit_signal
        self.pid: Pid
        self.session: Pid
        self.group: Pid
        self.children: dict[Process, None] | None = None
        self.threads: dict[int, Pid] | None = None
        self.leads_session = False
        self.subreaper = False
        self.ran = False
        self.state: State = LIVING
        self.stopped = False
        self.main_ended = False
        self.status = 0
