"""The events of detail "all": what the processes of an image hold beside their tree.

None of them builds the forest, and the digest of the process tree does not count them: it is the same whatever detail was read.
A file stands for what the kernel calls an open file description. Descriptors of all tasks that share a table are recorded once,
under the number of the table in `SharingRecorded.files`. -1 is unknown wherever a number can be 0.
"""

from typing import Literal

import msgspec

from planner.events.base import Event, Place
from planner.identity import NamespaceId, ProcessId

FileKind = Literal[
    "file", "directory", "device", "pipe", "fifo", "inet socket", "unix socket", "packet socket", "netlink socket", "eventfd",
    "epoll", "inotify", "fanotify", "signalfd", "timerfd", "terminal", "namespace", "tun", "memfd", "bpf map", "pidfd",
    "external", "unknown",
]  # fmt: skip

Remap = Literal["ghost", "link", "procfs"]
"""How the name of a file that was deleted is brought back: from a copy in the image, from a link, or by its process in /proc."""


class ContentsRecorded(Event, frozen=True, kw_only=True):
    """The image was read with detail "all"; it stands before what was found.

    `images` counts the files of each kind that the image has, and `sizes` are their bytes where they are known. A kind that is
    missing was not recorded.
    """

    images: dict[str, int] = msgspec.field(default_factory=dict)
    sizes: dict[str, int] = msgspec.field(default_factory=dict)
    at: Place


class FileRecorded(Event, frozen=True, kw_only=True):
    """An open file: its number in the image, and the path by which it was opened.

    `flags` are those of open(2), `mode` is st_mode with the type. `mount` is the number of its mount in its namespace. `facts`
    hold what only files of its kind have, such as the index of a terminal or the targets of an epoll.
    """

    id: int
    kind: FileKind
    path: str = ""
    flags: int = 0
    position: int = 0
    size: int = -1
    mode: int = -1
    mount: int = -1
    external: bool = False
    build_id: str = ""
    facts: dict[str, str] = msgspec.field(default_factory=dict)
    at: Place


class DeletedFileRecorded(Event, frozen=True, kw_only=True):
    """The name of an open file was gone at the checkpoint; `remap` is how it comes back, `to` the file or process that it is."""

    file: int
    remap: Remap
    to: int = 0
    at: Place


class DescriptorRecorded(Event, frozen=True, kw_only=True):
    """A descriptor of a table of descriptors."""

    table: int
    number: int
    file: int
    close_on_exec: bool = False
    at: Place


class SocketRecorded(Event, frozen=True, kw_only=True):
    """What an open file that is a socket is bound and connected to.

    `local` and `remote` are addresses, or the path of a unix socket, which begins with `@` in the abstract namespace. `peer` is
    the inode of the other end of a unix socket, 0 for none. `unread` and `unsent` are bytes that wait in it. `namespace` is the
    number that the image gives the network namespace.
    """

    file: int
    inode: int = 0
    family: str
    kind: str
    protocol: str = ""
    state: str = ""
    local: str = ""
    local_port: int = 0
    remote: str = ""
    remote_port: int = 0
    peer: int = 0
    backlog: int = 0
    send_buffer: int = 0
    receive_buffer: int = 0
    unread: int = 0
    unsent: int = 0
    interface: str = ""
    namespace: int = 0
    external: bool = False
    options: tuple[str, ...] = ()
    at: Place


class TaskFilesRecorded(Event, frozen=True, kw_only=True):
    """The files that a task holds without a descriptor: executable, working and root directory; 0 where nothing is recorded."""

    pid: ProcessId
    cwd: int = 0
    root: int = 0
    executable: int = 0
    umask: int = -1
    at: Place


class MappedFileRecorded(Event, frozen=True, kw_only=True):
    """A file that a task has mapped, in all its areas together; `bytes` are those of the areas."""

    pid: ProcessId
    file: int
    areas: int
    bytes: int
    executable: bool = False
    shared: bool = False
    at: Place


class MemoryRecorded(Event, frozen=True, kw_only=True):
    """Sizes of the memory of a task in bytes: of all its areas, and of its pages in this dump and in those before.

    -1 is not recorded. `arguments` and `environment` are the ends of the two areas of its command line.
    """

    pid: ProcessId
    areas: int = -1
    mapped: int = -1
    shared: int = 0
    stored: int = -1
    in_parent: int = 0
    arguments: tuple[int, int] = (0, 0)
    environment: tuple[int, int] = (0, 0)
    at: Place


class Area(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """An area of memory from the address `start` to `end`, which is not part of it.

    `access` is `rwx` with `-` for what is not allowed, and behind it `s` for shared or `p` for private. `kind` says what it is
    that the kernel or the program laid there, "" for plain memory and files. `file` is an open file, mapped from `offset` on, and
    `segment` the number of shared memory. An area with `dumped` false has no pages in an image: the restore makes it anew.
    """

    start: int
    end: int
    access: str
    kind: str = ""
    file: int = 0
    offset: int = 0
    segment: int = 0
    dumped: bool = True


class AreasRecorded(Event, frozen=True, kw_only=True):
    """Areas of the memory of a task, in the order of the image; those of a large one stand in several events."""

    pid: ProcessId
    areas: tuple[Area, ...]
    at: Place


class PageRun(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Pages of memory that lie behind each other, from the address `start` on.

    `kept` says where their bytes are: in this image, in the one before, to be fetched while the task runs already, or nowhere.
    """

    start: int
    pages: int
    kept: Literal["here", "before", "lazy", "nowhere"] = "here"


class PagesRecorded(Event, frozen=True, kw_only=True):
    """Pages of the memory of a task that an image tells of, in its order; those of a large one stand in several events."""

    pid: ProcessId
    runs: tuple[PageRun, ...]
    at: Place


class MountRecorded(Event, frozen=True, kw_only=True):
    """A mount of a mount namespace; `external` is the key by which its source is given at the restore, "" for none."""

    namespace: NamespaceId
    id: int
    parent: int
    mountpoint: str
    root: str = ""
    source: str = ""
    file_system: str = ""
    options: str = ""
    shared: int = 0
    master: int = 0
    external: str = ""
    deleted: bool = False
    at: Place


class LimitsRecorded(Event, frozen=True, kw_only=True):
    """The resource limits of a task by name, soft and hard; -1 is unlimited."""

    pid: ProcessId
    limits: dict[str, tuple[int, int]]
    at: Place


class RegistersRecorded(Event, frozen=True, kw_only=True):
    """Which extended state of the processor a thread has in use, by the processor's own names."""

    pid: ProcessId
    state: tuple[str, ...]
    mask: int
    at: Place


class ProcessorRecorded(Event, frozen=True, kw_only=True):
    """The processor that the image was taken on, as far as it tells; `mask` is the extended state that the kernel had enabled."""

    vendor: str = ""
    family: int = -1
    model: int = -1
    stepping: int = -1
    name: str = ""
    features: tuple[str, ...] = ()
    mask: int = 0
    at: Place


class PropertyRecorded(Event, frozen=True, kw_only=True):
    """Any further thing that a task holds, `pid` 0 for the whole image."""

    pid: ProcessId = ProcessId(0)
    property: str
    value: str
    at: Place


class CommandRecorded(Event, frozen=True, kw_only=True):
    """The command line of a task, and the names of the variables of its environment, from the pages of its memory.

    What looks like a secret in an argument is masked, and `secrets` names what was, with the variables that are named like one.
    `variables` is None where the environment was not found. `values` are there only where they were asked for.
    """

    pid: ProcessId
    arguments: tuple[str, ...] = ()
    variables: tuple[str, ...] | None = None
    values: dict[str, str] = msgspec.field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    at: Place


ContentsEvent = (
    ContentsRecorded
    | FileRecorded
    | DeletedFileRecorded
    | DescriptorRecorded
    | SocketRecorded
    | TaskFilesRecorded
    | MappedFileRecorded
    | MemoryRecorded
    | AreasRecorded
    | PagesRecorded
    | MountRecorded
    | LimitsRecorded
    | RegistersRecorded
    | ProcessorRecorded
    | PropertyRecorded
    | CommandRecorded
)
