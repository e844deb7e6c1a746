"""The event vocabulary: what an image says, what the planner decided, what a run did.

The log is the one source of truth. The forest is the fold of the image events, the plan the fold of the decision events, the
state of a rebuild the fold of the run events. Records are frozen; a field that a source does not hold has an explicit value
that says so, never None by accident. EventNumber numbers are positions and are written by `planner.events.log`.

Places: `at` is a byte offset (int) in a stream, or `"file#entry"` (str) in a directory or archive. In a log of several images
(`planner.pods.join`) the label of the image stands in front: `"image#offset"` or `"image/file#entry"`.
"""

from typing import Literal

import msgspec

from planner.events.base import Event as Event
from planner.events.base import Place as Place
from planner.events.contents import ContentsEvent
from planner.identity import EventNumber, NamespaceId, Number, Pids, ProcessId, StepNumber
from planner.steps import AnyStep, Process

FORMAT_VERSION = 2
"""Version of the log format; a reader refuses a newer version and upcasts an older one (`planner.events.upcasts`)."""

TaskState = Literal["running", "stopped", "zombie"]


class LogOpened(Event, frozen=True, kw_only=True):
    """The first line of every log."""

    format_version: int


# What the image says.


class ImageOpened(Event, frozen=True, kw_only=True):
    """A reader recognised the image.

    `format` is the reader's word ("linux-cr", "criu", "capture"), `generation` the variant of it ("P3", "4.2").
    `facts` are strings that the header holds: kernel release, machine, architecture, byte order, security module, ...
    `image` is the label of one of several images in a log, "" for the only one: what follows up to its `ImageClosed` is of it.
    """

    format: str
    generation: str
    image: str = ""
    facts: dict[str, str] = msgspec.field(default_factory=dict)
    at: Place


class TaskRecorded(Event, frozen=True, kw_only=True):
    """A process: the leader of a thread group, living or zombie.

    `parent`, `group` and `session` are level-0 numbers; 0 is outside the image. Entries come parents first where the image
    lists them so, but nothing relies on it.
    """

    pids: Pids
    parent: ProcessId
    group: ProcessId
    session: ProcessId
    at: Place
    pids_at: Place | None = None
    """Where the vector stands, when it stands elsewhere than the entry."""


class ThreadRecorded(Event, frozen=True, kw_only=True):
    """A thread that does not lead its thread group."""

    pids: Pids
    thread_group: ProcessId
    at: Place
    pids_at: Place | None = None


class PidRecorded(Event, frozen=True, kw_only=True):
    """A pid object without a task: the pid of a dead session or group leader, as far as it was seen.

    `numbers` is the known prefix, outermost first. `complete` says that the object has no deeper level.
    """

    numbers: Pids
    complete: bool
    at: Place


class TaskStateRecorded(Event, frozen=True, kw_only=True):
    """State and name of the task or thread `pid` (its level-0 number).

    `exit_status` is in wait(2)'s format and means something for zombies only. `exit_signal` is the signal that the parent
    gets, -1 where the image does not say.
    """

    pid: ProcessId
    state: TaskState
    exit_status: int = 0
    exit_signal: int = -1
    name: str = ""
    subreaper: bool = False
    at: Place


class SharingRecorded(Event, frozen=True, kw_only=True):
    """Numbers of the kernel objects that a task uses: equal numbers in one image mean a shared object; 0 is unknown."""

    pid: ProcessId
    memory: int = 0
    files: int = 0
    fs: int = 0
    signal_handlers: int = 0
    sysv_undo: int = 0
    at: Place


class NamespaceRecorded(Event, frozen=True, kw_only=True):
    """A namespace whose identity the image holds; `kind` is "pid", "user", "mnt", "net", "uts", "ipc", "cgroup" or "time".

    `parent` is the enclosing namespace of a pid or user namespace, `owner` the owning user namespace; -1 is unknown, and 0 of
    a kind is the root task's namespace of that kind.
    """

    kind: str
    id: NamespaceId
    parent: NamespaceId = NamespaceId(-1)
    owner: NamespaceId = NamespaceId(-1)
    facts: dict[str, str] = msgspec.field(default_factory=dict)
    at: Place


class TaskNamespacesRecorded(Event, frozen=True, kw_only=True):
    """The namespaces that a task is in, by kind; a kind that is missing is unknown."""

    pid: ProcessId
    namespaces: dict[str, NamespaceId]
    at: Place


class OuterNumberRecorded(Event, frozen=True, kw_only=True):
    """The pid of a task in the namespace of the process that took the checkpoint (`rpid` of linux-cr, the host pid)."""

    pid: ProcessId
    number: Number
    at: Place


class FactRecorded(Event, frozen=True, kw_only=True):
    """Any further fact, for checks: `pid` 0 is the whole image."""

    pid: ProcessId = ProcessId(0)
    property: str
    value: str
    at: Place


class DefectRecorded(Event, frozen=True, kw_only=True):
    """Something is odd about the image, and reading could go on; `code` is a finding's code of `planner.findings.registry`."""

    code: str
    detail: str
    pid: ProcessId = ProcessId(0)
    at: Place


class CheckpointFailed(Event, frozen=True, kw_only=True):
    """The image says itself that its checkpoint failed (linux-cr's ERROR record)."""

    message: str
    at: Place


class ImageClosed(Event, frozen=True, kw_only=True):
    """The reader came to the end; `complete` is false where a tail is missing."""

    tasks: int
    complete: bool
    at: Place


# What the planner decided.


class NamespaceInferred(Event, frozen=True, kw_only=True):
    """A pid namespace was found by inference; `init` is the level-0 number of its first task, living, zombie or 0 for dead."""

    id: NamespaceId
    parent: NamespaceId
    init: ProcessId
    rule: str
    because: tuple[EventNumber, ...] = ()


class TaskPlaced(Event, frozen=True, kw_only=True):
    """A task's pid namespace was inferred; `choices` above 1 says that others would have fitted."""

    pid: ProcessId
    namespace: NamespaceId
    rule: str
    choices: int = 1
    because: tuple[EventNumber, ...] = ()


class BirthDecided(Event, frozen=True, kw_only=True):
    """Who creates a process, in which state of the creator, and by which rule; and why its final parent does not.

    A creator other than `instead_of` was taken because the facts `because_not` exclude each other with that one, where the
    processes `given` are born as was decided before.
    """

    pid: ProcessId
    creator: ProcessId
    rule: str
    because: tuple[EventNumber, ...] = ()
    instead_of: ProcessId | None = None
    because_not: tuple[EventNumber, ...] = ()
    given: tuple[ProcessId, ...] = ()


class ProcessPlanned(Event, frozen=True, kw_only=True):
    """A process or thread that the plan creates."""

    process: Process


class StepPlanned(Event, frozen=True, kw_only=True):
    """A step of the plan, in plan order."""

    step: AnyStep
    because: tuple[EventNumber, ...] = ()


class FindingRaised(Event, frozen=True, kw_only=True):
    """A finding of the planner or of a check; see `planner.findings.registry`."""

    code: str
    pid: ProcessId = ProcessId(0)
    property: str = ""
    recorded: str = ""
    target: str = ""
    detail: str = ""
    because: tuple[EventNumber, ...] = ()


class PlanProved(Event, frozen=True, kw_only=True):
    """The model kernel ended in exactly the image's forest."""

    image_id: str
    plan_id: str


# What a run did.


class RunStarted(Event, frozen=True, kw_only=True):
    """An executor began to work on a plan.

    The `clock` of a run's events is CLOCK_MONOTONIC in nanoseconds, 0 where none was recorded: its differences are times.
    """

    plan_id: str
    executor: str
    clock: int = 0


class StepDone(Event, frozen=True, kw_only=True):
    """A step was carried out."""

    step: StepNumber
    clock: int = 0


class StepFailed(Event, frozen=True, kw_only=True):
    """A step failed; `error` is the errno's name, or a word where the kernel returned none. Step 0 is the executor itself."""

    step: StepNumber
    error: str
    detail: str = ""
    clock: int = 0


class RunReady(Event, frozen=True, kw_only=True):
    """Every task stands and was checked against /proc; `pid` is the root's number as the caller sees it."""

    pid: int
    clock: int = 0


class RunEnded(Event, frozen=True, kw_only=True):
    """The executor ended everything; `code` is its exit code."""

    code: int
    clock: int = 0


class UnknownEvent(Event, frozen=True, kw_only=True):
    """A line of a type that this version does not know; it is kept and written back as it was."""

    name: str
    raw: bytes


ImageEvent = (
    ImageOpened
    | TaskRecorded
    | ThreadRecorded
    | PidRecorded
    | TaskStateRecorded
    | SharingRecorded
    | NamespaceRecorded
    | TaskNamespacesRecorded
    | OuterNumberRecorded
    | FactRecorded
    | DefectRecorded
    | CheckpointFailed
    | ImageClosed
)
"""What builds the forest; what the processes hold beside it is in `planner.events.contents`."""

DecisionEvent = NamespaceInferred | TaskPlaced | BirthDecided | ProcessPlanned | StepPlanned | FindingRaised | PlanProved
RunEvent = RunStarted | StepDone | StepFailed | RunReady | RunEnded
WrittenEvent = LogOpened | ImageEvent | ContentsEvent | DecisionEvent | RunEvent
"""What a line of a log can decode to; `UnknownEvent` stands for the lines that do not."""

AnyEvent = WrittenEvent | UnknownEvent
