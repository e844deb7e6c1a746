"""What tasks of several pid namespaces hold together: pipes, open files, shared memory and sockets.

A dump in parts, one for each pid namespace, splits such an object silently. Pipes, memory and sockets are known by their inodes,
open files by kcmp(2), both ends of a unix connection by the kernel's socket diagnostics.
"""

import os
import re
import stat
from collections.abc import Iterator
from typing import Final

import msgspec

from crplan_proc.kernel import same_file, unix_peers
from crplan_proc.snapshot import Process, Snapshot

HARMLESS: Final = frozenset({(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0)})
"""Devices that keep nothing between two uses: null, zero, full, random, urandom, tty (Documentation/admin-guide/devices.txt)."""
MAPPED: Final = re.compile(r"\S+ ...s \S+ (\S+) (\d+) +(/dev/zero \(deleted\)|/memfd:.*|/SYSV.*|/\[aio\].*|anon_inode:.*)$")
"""A line of `maps` about memory that is shared and that no file keeps."""
MOST_PAIRS: Final = 10_000
"""Pairs of descriptors of one file that are compared; beyond, they count as one open file."""
APPENDING: Final = os.O_APPEND | os.O_WRONLY


class Held(msgspec.Struct, frozen=True):
    """A descriptor, or a piece of memory (`descriptor` -1), as a process holds it; `flags` are those of the open file."""

    process: int
    space: int
    descriptor: int
    flags: int = 0


class Crossing(msgspec.Struct, frozen=True, kw_only=True):
    """An object that tasks of several pid namespaces hold: what it is, and the tasks by the reader's numbers."""

    what: str
    processes: tuple[int, ...]


def crossings(snapshot: Snapshot) -> Iterator[Crossing]:
    """Yield what crosses pid namespaces of the tree, in the order of the first task that holds it; nothing for a tree of one."""
    spaces = {number: dict(process.namespaces).get("pid", 0) for number, process in snapshot.processes.items()}
    if len(set(spaces.values())) < 2:
        return
    objects: dict[tuple[str, str], list[Held]] = {}
    for number, process in snapshot.processes.items():
        if process.status.state != "zombie":
            for kind, name, held in _held(process, spaces[number]):
                objects.setdefault((kind, name), []).append(held)
    for (kind, name), holders in objects.items():
        found = _together(kind, holders)
        if found:
            yield Crossing(what=f"{kind} {name}", processes=tuple(sorted({held.process for held in found})))
    yield from _connections(objects)


def _together(kind: str, holders: list[Held]) -> list[Held]:
    """Return the holders of one object that a dump in parts would divide."""
    if len({held.space for held in holders}) < 2:
        return []
    if kind != "file":
        return holders
    tracked = [held for held in holders if held.flags & APPENDING != APPENDING]
    if len(tracked) ** 2 > MOST_PAIRS:
        return tracked
    for position, one in enumerate(tracked):
        same = [
            other
            for other in tracked[position + 1 :]
            if other.space != one.space and same_file(one.process, one.descriptor, other.process, other.descriptor)
        ]
        if same:
            return [one, *same]
    return []


def _held(process: Process, space: int) -> Iterator[tuple[str, str, Held]]:
    """Yield the kind and name of everything that may cross, and how the process holds it; what has gone meanwhile is left out."""
    number = process.status.number
    try:
        names = sorted(os.listdir(f"/proc/{number}/fd"), key=int)
    except OSError:
        names = []
    for name in names:
        file = f"/proc/{number}/fd/{name}"
        try:
            link, status = os.readlink(file), os.stat(file)
        except OSError:
            continue
        kind = _kind(link, status)
        if kind:
            yield kind, _name(link, status), Held(number, space, int(name), _flags(number, name) if kind == "file" else 0)
    try:
        with open(f"/proc/{number}/maps", encoding="utf-8", errors="backslashreplace") as stream:
            mapped = dict.fromkeys(match.groups() for line in stream if (match := MAPPED.match(line.rstrip("\n"))))
    except OSError:
        return
    for device, inode, name in mapped:
        yield "shared memory", f"{name.split(' ')[0]} {device}:{inode}", Held(number, space, -1)


def _kind(link: str, status: os.stat_result) -> str:
    """Return what an open file is, "" for what may be held by several parts."""
    if stat.S_ISFIFO(status.st_mode):
        return "pipe"
    if stat.S_ISSOCK(status.st_mode):
        return "socket"
    if stat.S_ISCHR(status.st_mode):
        device = os.major(status.st_rdev), os.minor(status.st_rdev)
        return "" if device in HARMLESS or 136 <= device[0] <= 143 else "file"
    if link.startswith("/memfd:"):
        return "memory file"
    return "file"


def _name(link: str, status: os.stat_result) -> str:
    return link if link.startswith(("pipe:", "socket:")) else f"{link} {status.st_dev:x}:{status.st_ino}"


def _flags(number: int, descriptor: str) -> int:
    try:
        with open(f"/proc/{number}/fdinfo/{descriptor}", encoding="ascii", errors="replace") as stream:
            for line in stream:
                if line.startswith("flags:"):
                    return int(line.split()[1], 8)
    except OSError:
        return 0
    return 0


def _connections(objects: dict[tuple[str, str], list[Held]]) -> Iterator[Crossing]:
    """Yield the unix connections whose ends are held in different pid namespaces."""
    ends = {int(name[8:-1]): held for (kind, name), held in objects.items() if kind == "socket" and name[8:-1].isdigit()}
    if not ends:
        return
    peers: dict[int, int] = {}
    networks: set[int] = set()
    for held in ends.values():
        try:
            network = os.stat(f"/proc/{held[0].process}/ns/net").st_ino
        except OSError:
            continue
        if network not in networks:
            networks.add(network)
            peers.update(unix_peers(held[0].process))
    for inode, peer in sorted(peers.items()):
        if inode in ends and peer in ends and inode < peer:
            both = [*ends[inode], *ends[peer]]
            if len({held.space for held in both}) > 1:
                yield Crossing(
                    what=f"unix connection socket:[{inode}] to socket:[{peer}]",
                    processes=tuple(sorted({held.process for held in both})),
                )
