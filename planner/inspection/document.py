"""The document of `crplan inspect`: an entry an image, with its tasks, open files and mounts.

Objects that several tasks hold stand once, and tasks name them by number. Unknown fields are to be ignored within a version.
"""

from typing import Final

import msgspec

from planner.findings.problems import Problem
from planner.schemas import published
from planner.text import json_document

KIND: Final = "crplan-inspect"
FORMAT_VERSION: Final = 1
"""Version of the JSON document; within it fields are only added."""


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A part of the document; what is missing is not recorded, or nothing."""


class Socket(Record, frozen=True, kw_only=True):
    """What a socket is bound and connected to; `peer_file` is the open file at the other end of a unix socket."""

    family: str
    kind: str
    protocol: str = ""
    state: str = ""
    local: str = ""
    local_port: int = 0
    remote: str = ""
    remote_port: int = 0
    inode: int = 0
    peer: int = 0
    peer_file: int = 0
    backlog: int = 0
    send_buffer: int = 0
    receive_buffer: int = 0
    unread: int = 0
    unsent: int = 0
    interface: str = ""
    namespace: int = 0
    external: bool = False
    options: tuple[str, ...] = ()


class OpenFile(Record, frozen=True, kw_only=True):
    """An open file. `deleted` says how a name that was gone comes back, "" where it was there.

    `held_by` are the tasks that hold it by a descriptor, a mapping or as a directory, at most `MOST_HOLDERS` of them; `holders`
    is how many there are.
    """

    id: int
    kind: str
    path: str = ""
    access: str = ""
    flags: int = 0
    position: int = 0
    size: int | None = None
    mode: str = ""
    mount: int | None = None
    deleted: str = ""
    external: bool = False
    build_id: str = ""
    facts: dict[str, str] = {}
    socket: Socket | None = None
    held_by: tuple[int, ...] = ()
    holders: int = 0


class Descriptor(Record, frozen=True, kw_only=True):
    """A descriptor, and the open file that it refers to."""

    number: int
    file: int
    close_on_exec: bool = False


class MappedFile(Record, frozen=True, kw_only=True):
    """A file that is mapped, in all its areas together."""

    file: int
    bytes: int
    areas: int
    executable: bool = False
    shared: bool = False


class Memory(Record, frozen=True, kw_only=True):
    """Sizes in bytes; None is not recorded."""

    areas: int | None = None
    mapped: int | None = None
    shared: int = 0
    stored: int | None = None
    in_parent: int = 0


class Pages(Record, frozen=True, kw_only=True):
    """Pages that lie behind each other, from an address on; `kept` says where their bytes are, as in the event log."""

    start: str
    count: int
    kept: str = "here"


class MemoryArea(Record, frozen=True, kw_only=True):
    """An area of memory; addresses are hexadecimal, `end` is behind it. The fields are those of the event log.

    `pages` are those in it that the image tells of.
    """

    start: str
    end: str
    bytes: int
    access: str
    kind: str = ""
    file: int = 0
    offset: int = 0
    segment: int = 0
    dumped: bool = True
    pages: tuple[Pages, ...] = ()


class InspectedTask(Record, frozen=True, kw_only=True):
    """A task. `descriptors_of` is the task whose table of descriptors it shares, where that stands; then it lists none itself.

    `cwd`, `root` and `executable` are open files by number, 0 where nothing is recorded. `facts` are credentials and the like.
    `command` is the command line with secrets masked, `variables` are the names of its environment, None where that was not
    found; `values` and `areas` are there where they were asked for.
    """

    pid: int
    pids: tuple[int, ...]
    parent: int
    group: int
    session: int
    name: str = ""
    state: str
    threads: int = 0
    executable: int = 0
    cwd: int = 0
    root: int = 0
    umask: str = ""
    descriptors_of: int = 0
    descriptors: tuple[Descriptor, ...] = ()
    mapped: tuple[MappedFile, ...] = ()
    areas: tuple[MemoryArea, ...] = ()
    memory: Memory | None = None
    limits: dict[str, tuple[int, int]] = {}
    registers: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    variables: tuple[str, ...] | None = None
    values: dict[str, str] = {}
    facts: dict[str, str] = {}


class Mount(Record, frozen=True, kw_only=True):
    """A mount of a mount namespace; `external` is the key by which its source is given at the restore."""

    namespace: int
    id: int
    parent: int
    mountpoint: str
    file_system: str = ""
    source: str = ""
    root: str = ""
    options: str = ""
    shared: int = 0
    master: int = 0
    external: str = ""
    deleted: bool = False


class Sums(Record, frozen=True, kw_only=True):
    """Counts over all tasks; sizes in bytes, `stored` of pages in this image and `images` of its files."""

    tasks: int = 0
    threads: int = 0
    descriptors: int = 0
    files: dict[str, int] = {}
    mapped: int = 0
    stored: int = 0
    in_parent: int = 0
    images: dict[str, int] = {}


class InspectedImage(Record, frozen=True, kw_only=True):
    """What an image holds. `not_recorded` names what it says nothing of; an empty list elsewhere means that there is none."""

    image: str
    format: str = ""
    generation: str = ""
    image_id: str = ""
    content_id: str = ""
    facts: dict[str, str] = {}
    sums: Sums = Sums()
    tasks: tuple[InspectedTask, ...] = ()
    files: tuple[OpenFile, ...] = ()
    mounts: tuple[Mount, ...] = ()
    processors: tuple[str, ...] = ()
    properties: dict[str, str] = {}
    not_recorded: tuple[str, ...] = ()
    error: Problem | None = None


class InspectDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What `crplan inspect` found: one entry an image, in the order of the command line."""

    kind: str = KIND
    format_version: int = FORMAT_VERSION
    images: tuple[InspectedImage, ...] = ()


def encoded(document: InspectDocument) -> bytes:
    """Return the document as JSON."""
    return json_document(document)


def schema() -> bytes:
    """Return the published JSON Schema of the document, generated from the records."""
    return published(InspectDocument, f"crplan inspection, format version {FORMAT_VERSION}")
