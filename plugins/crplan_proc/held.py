"""What the tasks of a tree hold, as /proc tells it: files, sockets, memory, mounts, limits, cgroups, and the command line.

It is read after the tree itself, once and while the tasks may go on: what ends meanwhile is left out and named. /proc does not
show the pages of memory, nor registers, nor the buffers and options of sockets. Source: proc(5).
"""

import os
import re
from collections.abc import Iterator, Mapping
from typing import Final

from crplan_proc.held_files import Files, facts
from crplan_proc.held_memory import areas
from crplan_proc.snapshot import Process, Snapshot
from planner.contents.secrets import masked, secret_variables
from planner.events.contents import (
    CommandRecorded,
    ContentsEvent,
    ContentsRecorded,
    LimitsRecorded,
    MountRecorded,
    ProcessorRecorded,
    PropertyRecorded,
    TaskFilesRecorded,
)
from planner.hookspecs import Detail
from planner.identity import NamespaceId, ProcessId

LIMITS: Final = {
    "cpu time": "cpu", "file size": "fsize", "data size": "data", "stack size": "stack", "core file size": "core",
    "resident set": "rss", "processes": "nproc", "open files": "nofile", "locked memory": "memlock", "address space": "as",
    "file locks": "locks", "pending signals": "sigpending", "msgqueue size": "msgqueue", "nice priority": "nice",
    "realtime priority": "rtprio", "realtime timeout": "rttime",
}  # fmt: skip
"""Names of /proc/PID/limits without `Max`, and those of getrlimit(2)."""
VENDORS: Final = {"GenuineIntel": "intel", "AuthenticAMD": "amd"}
ESCAPE: Final = re.compile(r"\\([0-7]{3})")
MOST_BYTES: Final = 1 << 16
"""Bytes of a command line or environment that are read."""


class Held:
    """What the living tasks of a snapshot hold; `pids` are their numbers in the log, `namespaces` those of namespaces."""

    def __init__(self, snapshot: Snapshot, pids: Mapping[int, ProcessId], namespaces: Mapping[str, Mapping[int, int]]) -> None:
        self._living = [process for process in snapshot.processes.values() if process.status.state != "zombie"]
        self._snapshot, self._pids, self._namespaces = snapshot, pids, namespaces
        self._files = Files(namespaces)
        self._cgroups: dict[str, int] = {}

    def events(self, detail: Detail) -> Iterator[ContentsEvent]:
        """Yield what is held; with detail "commands" command lines and the names of variables, with "values" all of them."""
        tables: dict[int, int] = {}
        for number, table in self._snapshot.shared.get("files", {}).items():
            tables.setdefault(table, number)
        roots = {process.status.number: _link(process.status.number, "root") or "/" for process in self._living}
        counts = {"files": 1, "fdinfo": len(tables), "fs": len(self._living), "mm": len(self._living), "mountpoints": 1}
        counts = {kind: count for kind, count in counts.items() if count} | {"cpuinfo": 1}
        yield ContentsRecorded(images=counts, at=f"/proc/{self._snapshot.root}")
        yield from self._files.tables(tables, roots)
        for process in self._living:
            try:
                yield from self._task(process, roots[process.status.number], detail)
            except (OSError, ValueError):
                yield PropertyRecorded(
                    pid=self._pids[process.status.number],
                    property="not shown",
                    value="it ended meanwhile, or may not be read by this user",
                    at=f"/proc/{process.status.number}",
                )
        yield from self._mounts()
        yield from _processor()

    def _task(self, process: Process, root: str, detail: Detail) -> Iterator[ContentsEvent]:
        number, pid = process.status.number, self._pids[process.status.number]
        held: dict[str, int] = {}
        for name in ("cwd", "root", "exe"):
            path, at = _link(number, name), f"/proc/{number}/{name}"
            if path:
                seen = "/" if path == root and name != "exe" else path.removeprefix(root) if root != "/" else path
                held[name], recorded = self._files.named(seen, facts(os.stat(at)), at)
                yield from recorded
        yield TaskFilesRecorded(
            pid=pid,
            cwd=held.get("cwd", 0),
            root=held.get("root", 0),
            executable=held.get("exe", 0),
            umask=_umask(number),
            at=f"/proc/{number}/cwd",
        )
        yield from areas(number, pid, self._files, root)
        yield LimitsRecorded(pid=pid, limits=dict(_limits(number)), at=f"/proc/{number}/limits")
        yield from self._properties(number, pid)
        if detail in ("commands", "values"):
            yield _command(number, pid, values=detail == "values")

    def _properties(self, number: int, pid: ProcessId) -> Iterator[PropertyRecorded]:
        at = f"/proc/{number}/cgroup"
        groups = " ".join(sorted(line.partition(":")[2] for line in _text(at).splitlines()))
        if groups not in self._cgroups:
            self._cgroups[groups] = len(self._cgroups) + 1
            yield PropertyRecorded(property=f"cgroup_set {self._cgroups[groups]}", value=groups, at=at)
        if self._cgroups[groups] != 1:
            yield PropertyRecorded(pid=pid, property="cgroup_set", value=str(self._cgroups[groups]), at=at)
        label = _label(number)
        if label:
            yield PropertyRecorded(pid=pid, property="security_label", value=label, at=f"/proc/{number}/attr/current")
        for name, usual in (("oom_score_adj", "0"), ("loginuid", "4294967295")):
            value = _optional(f"/proc/{number}/{name}")
            if value and value != usual:
                yield PropertyRecorded(pid=pid, property=name, value=value, at=f"/proc/{number}/{name}")
        for timer in _optional(f"/proc/{number}/timers").split("ID: ")[1:]:
            identifier, *rest = timer.splitlines()
            yield PropertyRecorded(pid=pid, property=f"timer {identifier}", value=", ".join(rest), at=f"/proc/{number}/timers")

    def _mounts(self) -> Iterator[MountRecorded]:
        """Yield the mounts of every mount namespace of the tree, as the first task in it sees them."""
        seen: set[int] = set()
        for process in self._living:
            inode = dict(process.namespaces).get("mnt", 0)
            if inode in seen:
                continue
            seen.add(inode)
            at = f"/proc/{process.status.number}/mountinfo"
            for line in _optional(at).splitlines():
                yield _mount(line, NamespaceId(self._namespaces["mnt"].get(inode, 0)), at)


def _mount(line: str, namespace: NamespaceId, at: str) -> MountRecorded:
    before, _, behind = line.partition(" - ")
    identifier, parent, _, root, mountpoint, _, *optional = before.split(" ")
    file_system, source, options = (*behind.split(" "), "", "", "")[:3]
    numbers = dict(field.partition(":")[::2] for field in optional)
    return MountRecorded(
        namespace=namespace,
        id=int(identifier),
        parent=int(parent),
        mountpoint=_unescaped(mountpoint),
        root=_unescaped(root).removesuffix("//deleted"),
        source=_unescaped(source),
        file_system=file_system,
        options=",".join(word for word in options.split(",") if word not in ("rw", "ro")),
        shared=int(numbers.get("shared", 0)),
        master=int(numbers.get("master", 0)),
        deleted=root.endswith("//deleted"),
        at=at,
    )


def _unescaped(text: str) -> str:
    """Return a path of mountinfo, in which spaces and line ends are written as octal numbers."""
    return ESCAPE.sub(lambda found: chr(int(found[1], 8)), text)


def _text(file: str) -> str:
    with open(file, encoding="utf-8", errors="backslashreplace", newline="\n") as stream:
        return stream.read()


def _optional(file: str) -> str:
    """Return what a file says, "" where this kernel has none or this user may not read it."""
    try:
        return _text(file).strip()
    except OSError:
        return ""


def _link(number: int, name: str) -> str:
    try:
        return os.readlink(os.fsencode(f"/proc/{number}/{name}")).decode("utf-8", "backslashreplace")
    except OSError:
        return ""


def _umask(number: int) -> int:
    line = next((line for line in _text(f"/proc/{number}/status").splitlines() if line.startswith("Umask:")), "")
    return int(line.split()[1], 8) if line else -1


def _limits(number: int) -> Iterator[tuple[str, tuple[int, int]]]:
    for line in _text(f"/proc/{number}/limits").splitlines()[1:]:
        words = re.split(r" {2,}", line.strip())
        name = LIMITS.get(words[0].removeprefix("Max "), "")
        if name:
            soft, hard = (-1 if word == "unlimited" else int(word) for word in words[1:3])
            yield name, (soft, hard)


def _label(number: int) -> str:
    """Return the label of a security module; the plain "unconfined" is none."""
    label = _optional(f"/proc/{number}/attr/current").rstrip("\0")
    return "" if label in ("", "unconfined", "kernel") else label


def _command(number: int, pid: ProcessId, *, values: bool) -> CommandRecorded:
    arguments, secrets = masked(_words(f"/proc/{number}/cmdline") or ())
    environment = _words(f"/proc/{number}/environ")
    pairs = [word.partition("=") for word in environment or () if "=" in word]
    names = tuple(name for name, _, _ in pairs)
    return CommandRecorded(
        pid=pid,
        arguments=arguments,
        variables=None if environment is None else names,
        values={name: value for name, _, value in pairs} if values else {},
        secrets=tuple(dict.fromkeys((*secrets, *secret_variables(names)))),
        at=f"/proc/{number}/cmdline",
    )


def _words(file: str) -> list[str] | None:
    """Return the words of a command line or environment, None where it may not be read."""
    try:
        with open(file, "rb") as stream:
            data = stream.read(MOST_BYTES)
    except OSError:
        return None
    return [word.decode("utf-8", "backslashreplace") for word in data.rstrip(b"\0").split(b"\0")] if data.strip(b"\0") else []


def _processor() -> Iterator[ProcessorRecorded]:
    """Yield the first processor of this machine, as far as its architecture tells."""
    given = dict(line.partition(":")[::2] for line in _optional("/proc/cpuinfo").partition("\n\n")[0].splitlines())
    said = {name.strip(): value.strip() for name, value in given.items()}
    if "vendor_id" in said:
        yield ProcessorRecorded(
            vendor=VENDORS.get(said["vendor_id"], said["vendor_id"]),
            family=int(said.get("cpu family", -1)),
            model=int(said.get("model", -1)),
            stepping=int(said["stepping"]) if said.get("stepping", "").isdecimal() else -1,
            name=said.get("model name", ""),
            at="/proc/cpuinfo",
        )
