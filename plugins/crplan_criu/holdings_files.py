"""Open files of a dump: `files.img`, `fdinfo-*.img`, `fs-*.img` and what remaps and describes them.

Source: CRIU 4.2 `images/fdinfo.proto` and the messages that it names, `criu/files.c`.
"""

import stat
from collections.abc import Callable, Iterator
from typing import Final

from crplan_criu import messages_contents as messages
from crplan_criu.holdings_sockets import SOCKETS
from crplan_criu.image_file import ImageFile, text
from crplan_criu.wire import Fields, Message, number, numbers, octets, parts, scalars
from planner.events.contents import (
    ContentsEvent,
    DeletedFileRecorded,
    DescriptorRecorded,
    FileKind,
    FileRecorded,
    PropertyRecorded,
    Remap,
    TaskFilesRecorded,
)
from planner.identity import ProcessId

FD_CLOEXEC: Final = 1

REMAPS: Final[dict[int, Remap]] = {0: "link", 1: "ghost", 2: "procfs"}

GHOST: Final = 1 << 31
"""Set in the number of a remap of a dump before 1.6, which names a copy."""

NAMESPACES: Final = {
    0x20000: "mnt", 0x2000000: "cgroup", 0x4000000: "uts", 0x8000000: "ipc", 0x10000000: "user", 0x20000000: "pid",
    0x40000000: "net", 0x80: "time",
}  # fmt: skip
"""Kinds of namespace by their CLONE_NEW flag."""

MOST_LISTED: Final = 20
"""Targets of an epoll that are named."""


def files(image: ImageFile) -> Iterator[ContentsEvent]:
    """Yield the open files, and of those that are sockets what they are bound to."""
    for entry in image.entries():
        fields = image.decode(messages.FILE, entry)
        name = next((name for name in fields if name in READ), "")
        data = octets(fields, name) if name else b""
        if name == "reg":
            yield _regular(image, data)
        elif name in SOCKETS:
            yield from SOCKETS[name](image, data)
        elif name:
            yield _other(image, name, data)
        else:
            yield FileRecorded(id=number(fields, "id"), kind="unknown", at=image.at)


def _regular(image: ImageFile, data: bytes) -> FileRecorded:
    fields = image.decode(messages.REGULAR_FILE, data)
    mode = number(fields, "mode", -1)
    return FileRecorded(
        id=number(fields, "id"),
        kind=_kind_of_mode(mode),
        path=text(octets(fields, "name")),
        flags=number(fields, "flags"),
        position=number(fields, "pos"),
        size=number(fields, "size", -1),
        mode=mode,
        mount=number(fields, "mnt_id", -1),
        external=bool(number(fields, "ext")),
        build_id=_build_id(numbers(fields, "build_id")) if "build_id" in fields else "",
        at=image.at,
    )


def _build_id(words: list[int]) -> str:
    """Return the build id that stands in words of the machine's byte order; those of images come from little-endian machines."""
    return b"".join(word.to_bytes(4, "little") for word in words[:16]).hex()


def _kind_of_mode(mode: int) -> FileKind:
    if mode < 0 or stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "directory"
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        return "device"
    return "fifo" if stat.S_ISFIFO(mode) else "file"


def _other(image: ImageFile, name: str, data: bytes) -> FileRecorded:
    """Return an open file that is neither regular nor a socket."""
    message, kind, facts = _KINDS[name]
    fields = image.decode(message, data)
    return FileRecorded(
        id=number(fields, "id"),
        kind=kind,
        flags=number(fields, "flags"),
        position=number(fields, "pos"),
        facts={fact: value for fact, value in facts(image, fields).items() if value},
        at=image.at,
    )


Facts = Callable[[ImageFile, Fields], dict[str, str]]


def _named(**names: str) -> Facts:
    """Return what takes numbers of a message as facts by these names."""
    return lambda image, fields: {fact: str(fields[field]) for fact, field in names.items() if field in fields}


def _namespace(image: ImageFile, fields: Fields) -> dict[str, str]:
    return {
        "namespace": f"{NAMESPACES.get(number(fields, 'ns_cflag'), 'unknown')} {number(fields, 'ns_id')}",
    }


def _epoll(image: ImageFile, fields: Fields) -> dict[str, str]:
    targets = parts(fields, "tfd")
    shown = [str(number(image.decode(messages.EPOLL_TARGET, part), "tfd")) for part in targets[:MOST_LISTED]]
    return {"descriptors": " ".join(shown) + (" ..." if len(targets) > MOST_LISTED else "")}


def _counted(fact: str, field: str) -> Facts:
    return lambda image, fields: {fact: str(len(parts(fields, field)))}


def _watches(image: ImageFile, fields: Fields) -> dict[str, str]:
    """Return how many files an inotify watches, and the paths of those whose names the image holds."""
    watches = parts(fields, "wd")
    handles = [
        image.decode(messages.FILE_HANDLE, octets(image.decode(messages.WATCH, part), "f_handle")) for part in watches[:100]
    ]
    paths = [text(octets(handle, "path").rstrip(b"\0")) for handle in handles if octets(handle, "path")]
    return {"watches": str(len(watches)), **{f"path {place}": path for place, path in enumerate(paths, 1)}}


def _signals(image: ImageFile, fields: Fields) -> dict[str, str]:
    return {"signals": f"{number(fields, 'sigmask'):016x}"}


def _device(image: ImageFile, fields: Fields) -> dict[str, str]:
    return {"device": text(octets(fields, "netdev"))}


def _nothing(image: ImageFile, fields: Fields) -> dict[str, str]:
    return {}


_KINDS: Final[dict[str, tuple[Message, FileKind, Facts]]] = {
    "nsf": (messages.NAMESPACE_FILE, "namespace", _namespace),
    "efd": (messages.EVENTFD, "eventfd", _named(counter="counter")),
    "epfd": (messages.EPOLL, "epoll", _epoll),
    "sgfd": (messages.SIGNALFD, "signalfd", _signals),
    "tunf": (messages.TUN, "tun", _device),
    "tfd": (messages.TIMERFD, "timerfd", _named(clock="clockid", seconds="vsec", interval="isec")),
    "ify": (messages.INOTIFY, "inotify", _watches),
    "ffy": (messages.FANOTIFY, "fanotify", _counted("marks", "mark")),
    "ext": (messages.EXTERNAL, "external", _nothing),
    "fifo": (messages.FIFO, "fifo", _named(pipe="pipe_id", file="regf_id")),
    "pipe": (messages.PIPE, "pipe", _named(pipe="pipe_id")),
    "tty": (messages.TERMINAL, "terminal", _named(terminal="tty_info_id", file="regf_id")),
    "memfd": (messages.MEMFD, "memfd", _named(inode="inode_id")),
    "bpf": (messages.BPF_MAP, "bpf map", _nothing),
    "pidfd": (messages.PIDFD, "pidfd", _named(process="nspid")),
}
"""Message, kind and facts of each sort of open file, by the field of its entry that holds it."""

READ: Final = frozenset((*_KINDS, *SOCKETS, "reg"))
"""Fields of an entry that hold an open file."""


def descriptors(image: ImageFile) -> Iterator[ContentsEvent]:
    """Yield the descriptors of the table that the file is named by."""
    for fields in image.read(messages.FDINFO):
        given = scalars(fields).get
        yield DescriptorRecorded(
            table=image.number,
            number=given("fd", 0),
            file=given("id", 0),
            close_on_exec=bool(given("flags", 0) & FD_CLOEXEC),
            at=image.at,
        )


def directories(image: ImageFile) -> Iterator[ContentsEvent]:
    """Yield the working and root directory of the task that the file is named by."""
    for fields in image.read(messages.FS):
        yield TaskFilesRecorded(
            pid=ProcessId(image.number),
            cwd=number(fields, "cwd_id"),
            root=number(fields, "root_id"),
            umask=number(fields, "umask", -1),
            at=image.at,
        )


def remaps(image: ImageFile) -> Iterator[ContentsEvent]:
    """Yield which open files had lost their names."""
    for fields in image.read(messages.REMAP):
        to = number(fields, "remap_id")
        kind = REMAPS.get(number(fields, "remap_type"), "link") if "remap_type" in fields else "ghost" if to & GHOST else "link"
        yield DeletedFileRecorded(file=number(fields, "orig_id"), remap=kind, to=to & ~GHOST, at=image.at)


def memory_files(image: ImageFile) -> Iterator[ContentsEvent]:
    """Yield the files of memfd_create."""
    for fields in image.read(messages.MEMFD_INODE):
        value = f"{text(octets(fields, 'name'))} ({number(fields, 'size')} bytes)"
        yield PropertyRecorded(property=f"memfd {number(fields, 'inode_id')}", value=value, at=image.at)


LOCKS: Final = {1: "POSIX", 2: "flock", 32: "lease", 1024: "OFD"}


def locks(image: ImageFile) -> Iterator[ContentsEvent]:
    """Yield the locks of files, each with its holder."""
    for fields in image.read(messages.FILE_LOCK):
        kind = next((name for bit, name in LOCKS.items() if number(fields, "flag") & bit), "lock")
        yield PropertyRecorded(
            pid=ProcessId(max(number(fields, "pid"), 0)),
            property="file lock",
            value=f"{kind} on descriptor {number(fields, 'fd')}",
            at=image.at,
        )
