"""Open files of the tasks of a tree, as /proc/PID/fd and fdinfo show them; one that several descriptors have stands once.

Which descriptors are one open file the kernel says by kcmp(2); where it may not be asked, each is one of its own. Source:
proc(5), and CRIU 4.2 `criu/files.c` for what counts as what.
"""

import os
import re
import stat
from collections.abc import Iterator, Mapping
from functools import cmp_to_key
from typing import Final

import msgspec

from crplan_proc.held_sockets import FILE_KINDS, Connection, connections, unlisted
from crplan_proc.kernel import file_order
from planner.events.contents import (
    ContentsEvent,
    DeletedFileRecorded,
    DescriptorRecorded,
    FileKind,
    FileRecorded,
    PropertyRecorded,
    SocketRecorded,
)

CLOSE_ON_EXEC: Final = 0o2000000
MEMORY: Final = "/memfd:"
"""How the path of a file of memfd_create begins."""
GONE: Final = " (deleted)"
"""What the kernel adds to the path of a file whose name is gone."""
TERMINALS: Final = frozenset((4, 5, *range(136, 144)))
"""Majors of devices that are terminals."""
TUN: Final = (10, 200)
ANONYMOUS: Final[dict[str, FileKind]] = {
    "[eventfd]": "eventfd", "[eventpoll]": "epoll", "[timerfd]": "timerfd", "[signalfd]": "signalfd", "inotify": "inotify",
    "[fanotify]": "fanotify", "[pidfd]": "pidfd", "bpf-map": "bpf map",
}  # fmt: skip
"""Files without a path by what stands behind `anon_inode:`."""
WATCHED: Final = ("inotify wd", "fanotify ino", "fanotify mnt_id", "fanotify sdev")
"""How lines of `fdinfo` begin that are about something that is watched."""
MOST_LISTED: Final = 20
NUMBERED: Final = re.compile(r"([a-z_]+):\[(\d+)\]")


Status = tuple[int, int, int, int, int, int]
"""Mode, device, inode, links, size and device number of a file."""


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A descriptor of a process with what is known of its open file."""

    process: int
    number: int
    link: str
    status: Status
    info: tuple[str, ...]

    @property
    def at(self) -> str:
        """The place of it."""
        return f"/proc/{self.process}/fd/{self.number}"

    def said(self, name: str) -> str:
        """Return what `fdinfo` says under a name, "" for nothing."""
        return next((line.partition(":")[2].strip() for line in self.info if line.startswith(f"{name}:")), "")

    @property
    def flags(self) -> int:
        """The flags of open(2)."""
        return int(self.said("flags") or "0", 8)


def opened(process: int) -> list[Opened]:
    """Return the descriptors of a process by number, without those that go meanwhile; raises OSError where they are not shown."""
    found = []
    for name in sorted(os.listdir(f"/proc/{process}/fd"), key=int):
        file = f"/proc/{process}/fd/{name}"
        try:
            link, status = os.readlink(os.fsencode(file)), os.stat(file)
            with open(f"/proc/{process}/fdinfo/{name}", encoding="utf-8", errors="backslashreplace") as stream:
                info = tuple(stream.read(1 << 20).splitlines())
        except OSError:
            continue
        found.append(
            Opened(
                process=process, number=int(name), link=link.decode("utf-8", "backslashreplace"), status=facts(status), info=info
            )
        )
    return found


def facts(status: os.stat_result) -> Status:
    """Return what of a file's status is used."""
    return status.st_mode, status.st_dev, status.st_ino, status.st_nlink, status.st_size, status.st_rdev


class Files:
    """The open files of a tree while they are found: each has a number, and one that was recorded is not recorded again."""

    def __init__(self, namespaces: Mapping[str, Mapping[int, int]]) -> None:
        self._namespaces = namespaces
        """Numbers of namespaces in the log, by their kind and inode."""
        self._connections: dict[int, dict[int, Connection]] = {}
        self._paths: dict[tuple[str, int, int], int] = {}
        self._memory: dict[int, int] = {}
        self.last = 0

    def tables(self, tables: dict[int, int], roots: dict[int, str]) -> Iterator[ContentsEvent]:
        """Yield the descriptors of tables, given as the number of a process that has each, and the files that they refer to.

        `roots` are the root directories of these processes.
        """
        groups: dict[tuple[object, ...], list[tuple[int, Opened]]] = {}
        for table, process in tables.items():
            try:
                for each in opened(process):
                    key = (each.link, each.status[1:3], each.flags & ~CLOSE_ON_EXEC, each.said("mnt_id"))
                    groups.setdefault(key, []).append((table, each))
            except OSError:
                yield PropertyRecorded(property="not shown", value=f"descriptors of process {process}", at=f"/proc/{process}/fd")
        listed: list[tuple[int, Opened, int]] = []
        for group in groups.values():
            for same in _same(group):
                self.last += 1
                yield from self._file(self.last, same[0][1], roots.get(same[0][1].process, "/"))
                listed += [(table, each, self.last) for table, each in same]
        for table, each, number in sorted(listed, key=lambda item: (item[0], item[1].number)):
            yield DescriptorRecorded(
                table=table,
                number=each.number,
                file=number,
                close_on_exec=bool(each.flags & CLOSE_ON_EXEC),
                at=f"/proc/{each.process}/fdinfo/{each.number}",
            )

    def named(self, path: str, status: Status, at: str) -> tuple[int, list[ContentsEvent]]:
        """Return the number of a file that is held without a descriptor, with the events that record it the first time."""
        key = (path, status[1], status[2])
        known = self._paths.get(key)
        if known is not None:
            return known, []
        self.last += 1
        self._paths[key] = self.last
        if path.startswith(MEMORY):
            said, recorded = self._in_memory(path, status, at)
            return self.last, [*recorded, FileRecorded(id=self.last, kind="memfd", facts=said, at=at)]
        return self.last, list(_regular(self.last, path, status, at))

    def _in_memory(self, path: str, status: Status, at: str) -> tuple[dict[str, str], list[ContentsEvent]]:
        """Return the facts of an open file of memfd_create, and what says the first time which one that is."""
        known = len(self._memory)
        inode = self._memory.setdefault(status[2], known + 1)
        value = f"{path.removeprefix(MEMORY).removesuffix(GONE)} ({status[4]} bytes)"
        new = inode > known
        return {"inode": str(inode)}, [PropertyRecorded(property=f"memfd {inode}", value=value, at=at)] if new else []

    def _file(self, number: int, each: Opened, root: str) -> Iterator[ContentsEvent]:
        named = NUMBERED.fullmatch(each.link)
        if named is not None and named[1] == "socket":
            yield from self._socket(number, each, int(named[2]))
            return
        kind, said = _special(each, named)
        if kind is None:
            yield from _regular(number, below(each.link, root), each.status, each.at, each)
            return
        if kind == "memfd":
            said, recorded = self._in_memory(each.link, each.status, each.at)
            yield from recorded
        if kind == "namespace" and named is not None:
            said = {"namespace": f"{named[1]} {self._namespaces.get(named[1], {}).get(int(named[2]), named[2])}"}
        path = below(each.link, root) if kind in ("fifo", "terminal", "tun") else ""
        yield FileRecorded(
            id=number,
            kind=kind,
            path=path.removesuffix(GONE),
            flags=each.flags & ~CLOSE_ON_EXEC,
            position=int(each.said("pos") or 0) if kind == "memfd" else 0,
            facts=said,
            at=each.at,
        )

    def _socket(self, number: int, each: Opened, inode: int) -> Iterator[ContentsEvent]:
        space = os.stat(f"/proc/{each.process}/ns/net").st_ino
        if space not in self._connections:
            self._connections[space] = connections(each.process)
        found = self._connections[space].get(inode) or unlisted(each.at) or Connection(family="unknown", kind="")
        yield FileRecorded(
            id=number, kind=FILE_KINDS.get(found.family, "inet socket"), flags=each.flags & ~CLOSE_ON_EXEC, at=each.at
        )
        yield SocketRecorded(
            file=number,
            inode=inode,
            namespace=self._namespaces.get("net", {}).get(space, 0),
            at=each.at,
            **msgspec.structs.asdict(found),
        )


def below(path: str, root: str) -> str:
    """Return a path as a task with a root directory sees it."""
    return path[len(root) :] if root != "/" and path.startswith(f"{root}/") else path


def _same(group: list[tuple[int, Opened]]) -> Iterator[list[tuple[int, Opened]]]:
    """Yield descriptors that look alike by the open file that they are."""

    def order(one: tuple[int, Opened], other: tuple[int, Opened]) -> int:
        return file_order((one[1].process, one[1].number), (other[1].process, other[1].number))

    if len(group) == 1:
        yield group
        return
    found: list[list[tuple[int, Opened]]] = []
    for each in sorted(group, key=cmp_to_key(order)):
        if found and order(found[-1][0], each) == 0:
            found[-1].append(each)
        else:
            found.append([each])
    yield from sorted(found, key=lambda same: min((each.process, each.number) for _, each in same))


def _regular(number: int, path: str, status: Status, at: str, each: Opened | None = None) -> Iterator[ContentsEvent]:
    """Yield a file that has a path, and that it is deleted where its name is gone."""
    mode, _, _, links, size, _ = status
    kind: FileKind = "directory" if stat.S_ISDIR(mode) else "device" if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) else "file"
    yield FileRecorded(
        id=number,
        kind=kind,
        path=path.removesuffix(GONE),
        flags=0 if each is None else each.flags & ~CLOSE_ON_EXEC,
        position=0 if each is None else int(each.said("pos") or 0),
        size=size if stat.S_ISREG(mode) else -1,
        mode=mode,
        mount=-1 if each is None else int(each.said("mnt_id") or -1),
        at=at,
    )
    if path.endswith(GONE):
        yield DeletedFileRecorded(file=number, remap="link" if links else "ghost", at=at)


def _special(each: Opened, named: re.Match[str] | None) -> tuple[FileKind | None, dict[str, str]]:
    """Return what sort of file it is with its facts, None for one that is no more than a path."""
    mode, device = each.status[0], (os.major(each.status[5]), os.minor(each.status[5]))
    if named is not None:
        return ("pipe", {"pipe": named[2]}) if named[1] == "pipe" else ("namespace", {})
    if each.link.startswith("anon_inode:"):
        kind = ANONYMOUS.get(each.link.removeprefix("anon_inode:"), "unknown")
        return kind, {name: value for name, value in _facts(kind, each).items() if value}
    if each.link.startswith(MEMORY):
        return "memfd", {}
    if stat.S_ISFIFO(mode):
        return "fifo", {"pipe": str(each.status[2])}
    if stat.S_ISCHR(mode) and device[0] in TERMINALS and device != (4, 0):
        return "terminal", {"index": str(device[1])} if device[0] >= 136 else {}
    if stat.S_ISCHR(mode) and device == TUN:
        return "tun", {"device": each.said("iff")} if each.said("iff") else {}
    return None, {}


def _facts(kind: FileKind, each: Opened) -> dict[str, str]:
    """Return what `fdinfo` says of a file without a path."""
    if kind == "eventfd":
        return {"counter": str(int(each.said("eventfd-count") or "0", 16))}
    if kind == "epoll":
        targets = [line.split()[1] for line in each.info if line.startswith("tfd:")]
        return {"descriptors": " ".join(targets[:MOST_LISTED]) + (" ..." if len(targets) > MOST_LISTED else "")}
    if kind == "signalfd":
        return {"signals": each.said("sigmask")}
    if kind == "timerfd":
        first, every = (each.said(name).strip("()").partition(",")[0] for name in ("it_value", "it_interval"))
        return {"clock": each.said("clockid"), "seconds": first, "interval": every}
    if kind == "pidfd":
        return {"process": (each.said("NSpid") or each.said("Pid")).split("\t")[-1].strip()}
    if kind in ("inotify", "fanotify"):
        name = "watches" if kind == "inotify" else "marks"
        return {name: str(sum(line.startswith(WATCHED) for line in each.info))}
    return {}
