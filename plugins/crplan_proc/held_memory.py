"""Areas of memory of a task as /proc/PID/maps lists them. Source: proc(5), `fs/proc/task_mmu.c`."""

import os
import re
from collections.abc import Iterator
from typing import Final

import msgspec

from crplan_proc.held_files import GONE, Files, below
from planner.events.contents import (
    Area,
    AreasRecorded,
    ContentsEvent,
    MappedFileRecorded,
    MemoryRecorded,
    PropertyRecorded,
)
from planner.identity import ProcessId

LINE: Final = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S{4}) ([0-9a-f]+) ([0-9a-f]+):([0-9a-f]+) (\d+) *(.*)")
AT_ONCE: Final = 1000
"""Areas of an event: a line of a log has a largest size."""
KINDS: Final = {
    "[heap]": "heap",
    "[stack]": "stack",
    "[vdso]": "vdso",
    "[vvar]": "vvar",
    "[vvar_vclock]": "vvar",
    "[vsyscall]": "vsyscall",
}
NEWLINE: Final = "\\012"
"""How the kernel writes a line end in a path."""


class Mapped(msgspec.Struct):
    """What is known of a file that is mapped, over all its areas."""

    areas: int = 0
    size: int = 0
    executable: bool = False
    shared: bool = False


def areas(process: int, pid: ProcessId, files: Files, root: str) -> Iterator[ContentsEvent]:
    """Yield the mapped files and the areas of a process, and how much they are; raises OSError where it has none or has ended."""
    at = f"/proc/{process}/maps"
    by_file: dict[int, Mapped] = {}
    listed: list[Area] = []
    size = shared = 0
    with open(at, encoding="utf-8", errors="backslashreplace", newline="\n") as stream:
        for line in stream:
            found = LINE.match(line.rstrip("\n"))
            if found is None:
                continue
            area, recorded = _area(found, files, root, at)
            yield from recorded
            listed.append(area)
            extent = area.end - area.start
            size += extent
            shared += extent if area.access[3] == "s" else 0
            if area.file:
                mapped = by_file.setdefault(area.file, Mapped())
                mapped.areas += 1
                mapped.size += extent
                mapped.executable |= area.access[2] == "x"
                mapped.shared |= area.access[3] == "s"
    for file, mapped in by_file.items():
        yield MappedFileRecorded(
            pid=pid, file=file, areas=mapped.areas, bytes=mapped.size, executable=mapped.executable, shared=mapped.shared, at=at
        )
    yield MemoryRecorded(pid=pid, areas=len(listed), mapped=size, shared=shared, at=at)
    for first in range(0, len(listed), AT_ONCE):
        yield AreasRecorded(pid=pid, areas=tuple(listed[first : first + AT_ONCE]), at=at)
    yield from _resident(process, pid)


def _area(found: re.Match[str], files: Files, root: str, at: str) -> tuple[Area, list[ContentsEvent]]:
    """Return an area, with the events that record its file the first time."""
    start, end, access, offset, major, minor, inode, path = found.groups()
    kind = KINDS.get(path, "")
    if path.startswith("/SYSV"):
        kind = "System V shared memory"
    elif path.startswith("/dev/zero") and path.endswith(GONE) and access[3] == "s":
        kind = "shared memory"
    file = 0
    recorded: list[ContentsEvent] = []
    if not kind and path.startswith("/") and int(inode):
        device = os.makedev(int(major, 16), int(minor, 16))
        gone = path.endswith(GONE)
        status = (0, device, int(inode), 0 if gone else 1, -1, 0)
        try:
            there = os.stat(f"/proc/{at.split('/')[2]}/map_files/{start}-{end}")
            status = (there.st_mode, device, there.st_ino, there.st_nlink, there.st_size, there.st_rdev)
        except OSError:
            # Only the superuser may ask.
            pass
        file, recorded = files.named(below(path.replace(NEWLINE, "\n"), root), status, at)
    return (
        Area(
            start=int(start, 16),
            end=int(end, 16),
            access=access,
            kind=kind,
            file=file,
            offset=int(offset, 16) if file else 0,
            segment=int(inode) if kind.endswith("shared memory") else 0,
            dumped=kind != "vsyscall",
        ),
        recorded,
    )


def _resident(process: int, pid: ProcessId) -> Iterator[PropertyRecorded]:
    """Yield how much of the memory of a process is in memory."""
    at = f"/proc/{process}/statm"
    with open(at, encoding="ascii") as stream:
        resident = int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    yield PropertyRecorded(pid=pid, property="resident memory", value=f"{resident} bytes", at=at)
