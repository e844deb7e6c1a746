"""Changes in what the processes of two images hold: files, sockets, mounts, limits, sizes, and facts of the headers.

Files are the same where their paths are, sockets where what they are bound and connected to is, mounts where their mountpoints
are: the numbers that an image gives them say nothing. Limits and sizes are compared between the same tasks.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final, Literal

import msgspec

from planner.comparison.forests import ChangeKind, Matches
from planner.contents.model import Contents
from planner.events.contents import SocketRecorded
from planner.identity import ProcessId

What = Literal["file", "socket", "mount", "limit", "memory", "metadata"]

NO_DIFFERENCE: Final[frozenset[What]] = frozenset(("memory", "metadata"))
"""What is told and makes no difference by itself: any two checkpoints of one program differ in it."""

EVERY_TIME: Final = frozenset({"run_id", "dump_uptime", "checkpointed"})
"""Facts of a header that differ between any two checkpoints."""


class ContentChange(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is held by one side alone, or in another way: `before` and `after` are in words, "" for nothing.

    `pid` is the task after the change that a limit or a size is of, 0 for all else.
    """

    kind: ChangeKind
    what: What
    name: str
    before: str = ""
    after: str = ""
    pid: int = 0


def compare_contents(before: Contents, after: Contents, same: Matches) -> tuple[ContentChange, ...]:
    """Return what changed, sorted by what it is and by name; nothing where one of both was read for its tree alone."""
    if not (before.recorded and after.recorded):
        return ()
    changes = [
        *_changes("file", _files(before), _files(after)),
        *_changes("socket", _sockets(before), _sockets(after)),
        *_changes("mount", _mounts(before), _mounts(after)),
    ]
    for old, new in same.items():
        changes += _changes("limit", _limits(before, old), _limits(after, new), pid=new)
        changes += _changes("memory", _memory(before, old), _memory(after, new), pid=new)
    return tuple(changes)


def compare_headers(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[ContentChange, ...]:
    """Return which facts of the headers differ, but for those that always do."""
    old, new = ({fact: value for fact, value in facts.items() if fact not in EVERY_TIME} for facts in (before, after))
    return tuple(_changes("metadata", old, new))


def _changes(what: What, before: Mapping[str, str], after: Mapping[str, str], pid: int = 0) -> Iterator[ContentChange]:
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old != new:
            kind: ChangeKind = "added" if old is None else "removed" if new is None else "changed"
            yield ContentChange(kind=kind, what=what, name=name, before=old or "", after=new or "", pid=pid)


def _files(contents: Contents) -> dict[str, str]:
    """Return what is known of the file at each path, in words."""
    found: dict[str, str] = {}
    for number, file in contents.files.items():
        if file.path:
            size = f", {file.size} bytes" if file.size >= 0 else ""
            mode = f", mode {file.mode & 0o7777:04o}" if file.mode >= 0 else ""
            gone = ", deleted" if number in contents.deleted else ""
            words = f"{file.kind}{size}{mode}{gone}"
            # Of a file that is open several times what says most counts.
            found[file.path] = max(found.get(file.path, ""), words, key=len)
    return found


def _sockets(contents: Contents) -> dict[str, str]:
    """Return how many sockets there are of each sort and address."""
    counts = Counter(name for socket in contents.sockets.values() if (name := socket_name(socket)))
    return {name: f"{count} sockets" if count > 1 else "1 socket" for name, count in counts.items()}


def socket_name(socket: SocketRecorded) -> str:
    """Return what a socket is and where it is bound and connected to, "" for one without an address."""
    if socket.family == "unix":
        return f"unix {socket.kind} {socket.state} {socket.local}" if socket.local else ""
    if not socket.family.startswith("inet"):
        # The port of a netlink socket is a number that the kernel gave.
        return f"{socket.family} {socket.kind} {socket.protocol}"
    if not (socket.local_port or socket.remote_port):
        return ""
    remote = f" -> {_end(socket.remote, socket.remote_port)}" if socket.remote_port else ""
    return f"{socket.protocol} {socket.state} {_end(socket.local, socket.local_port)}{remote}"


def _end(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _mounts(contents: Contents) -> dict[str, str]:
    found: dict[str, str] = {}
    for mount in contents.mounts:
        external = f", external {mount.external}" if mount.external else ""
        found[mount.mountpoint] = f"{mount.file_system} {mount.source} {mount.options}".rstrip() + external
    return found


def _limits(contents: Contents, pid: ProcessId) -> dict[str, str]:
    record = contents.limits.get(pid)
    limits = record.limits if record is not None else {}
    return {name: " ".join("unlimited" if value < 0 else str(value) for value in pair) for name, pair in limits.items()}


def _memory(contents: Contents, pid: ProcessId) -> dict[str, str]:
    record = contents.memory.get(pid)
    if record is None:
        return {}
    sizes = {"mapped": record.mapped, "pages stored": record.stored}
    return {name: f"{size} bytes" for name, size in sizes.items() if size >= 0}
