"""A tree at one moment: read twice, and taken only when both readings are equal.

Each fact is read once in either pass, and the second pass begins when the first has ended. A fact that has the same value in both
had it in between, so an equal pair is what really stood at one moment. A tree that keeps changing is refused.
"""

import os
import time
from typing import Final

import msgspec

from crplan_proc.kernel import NS_GET_PARENT, NS_GET_USERNS, related_namespaces, shared_objects
from crplan_proc.status import Gone, Status, read_status
from planner.errors import BadImage
from planner.identity import MOST_TASKS

TRIES: Final = 12
"""Readings before a tree is refused."""
PAUSE: Final = 0.02
"""Seconds between readings that differ."""

KINDS: Final = ("pid", "net", "ipc", "uts", "mnt", "user", "cgroup", "time")


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """A process with its threads and namespaces (inodes by kind; a kind that cannot be read is missing)."""

    status: Status
    threads: tuple[Status, ...]
    namespaces: tuple[tuple[str, int], ...]
    for_children: int
    """Pid namespace of its next children, 0 where unknown."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The whole tree; processes by the reader's number, in ascending order."""

    root: int
    processes: dict[int, Process]
    parents: dict[int, int]
    """Inode of the enclosing pid or user namespace."""
    owners: dict[int, int]
    """Inode of the user namespace that owns a namespace."""
    shared: dict[str, dict[int, int]]
    living: frozenset[int]
    """Numbers of processes outside the tree that lead a session or group of it."""


def steady(root: int) -> Snapshot:
    """Return the tree below `root` as it stood at one moment; raises BadImage when there is none or it keeps changing."""
    _check_proc(root)
    before: Snapshot | None = None
    reason = "processes come and go"
    for _ in range(TRIES):
        try:
            now = _read(root)
        except Gone as gone:
            before, reason = None, f"{gone} ended meanwhile"
            if not os.path.exists(f"/proc/{root}"):
                raise BadImage(f"/proc/{root}", "the process has ended") from None
        else:
            if now == before:
                _refuse_ending(now)
                return now
            reason = _difference(before, now) if before is not None else reason
            before = now
            continue
        time.sleep(PAUSE)
    raise BadImage(f"/proc/{root}", f"the tree changed while it was read ({reason}); stop or freeze it first")


def _check_proc(root: int) -> None:
    try:
        own = os.readlink("/proc/self")
    except OSError:
        raise BadImage(f"/proc/{root}", "/proc is not mounted") from None
    if own != str(os.getpid()):
        raise BadImage(f"/proc/{root}", "/proc shows another pid namespace than this process is in")
    if not os.path.exists(f"/proc/{root}/status"):
        raise BadImage(f"/proc/{root}", "there is no such process")
    if read_status(f"/proc/{root}").thread_group != root:
        raise BadImage(f"/proc/{root}", "is a thread; give the process that it belongs to")


def _refuse_ending(snapshot: Snapshot) -> None:
    for number, process in snapshot.processes.items():
        if process.status.ending or any(thread.ending for thread in process.threads):
            raise BadImage(
                f"/proc/{number}",
                "the process is ending and held up (an init waits for a zombie that entered its namespace): neither alive nor"
                " zombie, so nothing can stand for it; let that zombie be reaped and capture again",
            )


def _difference(before: Snapshot, now: Snapshot) -> str:
    """Return in words where two readings differ first."""
    if before.processes.keys() != now.processes.keys():
        changed = sorted(before.processes.keys() ^ now.processes.keys())[0]
        return f"process {changed} {'came' if changed in now.processes else 'went'}"
    for number, process in now.processes.items():
        if process != before.processes[number]:
            return f"process {number} changed"
    return "what is shared changed"


def _read(root: int) -> Snapshot:
    """Read the tree once; raises Gone."""
    everyone: dict[int, Status] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                everyone[int(name)] = read_status(f"/proc/{name}")
            except Gone:
                continue
    if root not in everyone:
        raise Gone(f"process {root}")
    numbers = sorted(_members(root, everyone))
    if len(numbers) > MOST_TASKS:
        raise BadImage(f"/proc/{root}", f"the tree has more than {MOST_TASKS} processes")
    processes = {number: _process(number) for number in numbers}
    parents, owners = _related(processes)
    alive = [number for number in numbers if processes[number].status.state != "zombie"]
    return Snapshot(
        root=root,
        processes=processes,
        parents=parents,
        owners=owners,
        shared=shared_objects(alive),
        living=frozenset(everyone.keys() - processes.keys()) & {n for p in processes.values() for n in _led_by(p.status)},
    )


def _led_by(status: Status) -> tuple[int, int]:
    return status.groups[0], status.sessions[0]


def _members(root: int, everyone: dict[int, Status]) -> set[int]:
    """Return the descendants of `root` and, where it is the init of its namespace, all who are in that namespace or below."""
    children: dict[int, list[int]] = {}
    for status in everyone.values():
        children.setdefault(status.parent, []).append(status.number)
    members: set[int] = set()
    waiting = [root]
    vector = everyone[root].pids
    parents: dict[int, int] = {}
    if vector[-1] == 1:
        inode = _inode(f"/proc/{root}/ns/pid")
        if not inode:
            raise BadImage(
                f"/proc/{root}/ns/pid", "may not be read, so who else is in that namespace is unknown; capture as root"
            )
        for status in everyone.values():
            if len(status.pids) >= len(vector) and status.number != root and _inside(status.number, inode, parents):
                waiting.append(status.number)
    while waiting:
        number = waiting.pop()
        if number not in members:
            members.add(number)
            waiting += children.get(number, ())
    return members


def _inside(number: int, inode: int, parents: dict[int, int]) -> bool:
    """Whether a process is in the pid namespace `inode` or below; `parents` grows by what was learnt."""
    try:
        current = _inode(f"/proc/{number}/ns/pid")
        if current != inode and current not in parents:
            parents.update(related_namespaces(f"/proc/{number}/ns/pid", NS_GET_PARENT))
    except Gone:
        return False
    while current != inode and current in parents:
        current = parents[current]
    return current == inode


def _inode(file: str) -> int:
    """Return a namespace's inode, 0 where it may not be read; raises Gone."""
    try:
        return os.stat(file).st_ino
    except PermissionError:
        return 0
    except OSError:
        raise Gone(file) from None


def _process(number: int) -> Process:
    """Read a process whole; raises Gone."""
    directory = f"/proc/{number}"
    status = read_status(directory)
    threads = []
    try:
        for name in sorted(os.listdir(f"{directory}/task"), key=int):
            if int(name) != number:
                threads.append(read_status(f"{directory}/task/{name}"))
    except (FileNotFoundError, ProcessLookupError):
        raise Gone(f"process {number}") from None
    if any(thread.state == "zombie" for thread in threads):
        raise Gone(f"a thread of process {number}")
    # A zombie has given its namespaces back but for those of its number and its credentials.
    namespaces = []
    for kind in KINDS:
        try:
            inode = _inode(f"{directory}/ns/{kind}")
        except Gone:
            continue
        if inode:
            namespaces.append((kind, inode))
    try:
        for_children = _inode(f"{directory}/ns/pid_for_children")
    except Gone:
        for_children = 0
    return Process(status=status, threads=tuple(threads), namespaces=tuple(namespaces), for_children=for_children)


def _related(processes: dict[int, Process]) -> tuple[dict[int, int], dict[int, int]]:
    """Return what encloses and what owns every namespace of the tree."""
    parents: dict[int, int] = {}
    owners: dict[int, int] = {}
    asked: set[int] = set()
    for number, process in processes.items():
        for kind, inode in process.namespaces:
            if inode in asked:
                continue
            asked.add(inode)
            file = f"/proc/{number}/ns/{kind}"
            if kind in ("pid", "user") and inode not in parents:
                parents.update(related_namespaces(file, NS_GET_PARENT))
            if kind != "user":
                owners.update(related_namespaces(file, NS_GET_USERNS))
    return parents, owners
