"""Which numbers are taken in which pid namespace, as far as this process sees, from /proc.

A number is taken while a task, a session or a group has it. A task has a number in its own pid namespace and in every one
above, and status lists those from the reader's namespace on, so the vectors of all tasks give the numbers of all namespaces
that are seen. Sources: proc(5), NSpid and its like; ioctl_ns(2), NS_GET_PARENT.
"""

import contextlib
import os
from collections.abc import Iterator

from planner.host.facts import PidNamespace
from planner.ranges import ranges

NS_GET_PARENT = 0xB702
_VECTORS = ("NSpid:", "NSpgid:", "NSsid:")


class _Seen:
    """A namespace while it is gathered."""

    def __init__(self, level: int, parent: int) -> None:
        self.level = level
        self.parent = parent
        self.taken: set[int] = set()
        self.members: set[int] = set()


def occupied() -> tuple[PidNamespace, ...]:
    """Return the pid namespaces that are seen, without their limits.

    Namespace 0 is the caller's own; the others follow by level and by the number of their first member. The calling process is
    counted, too. Returns nothing where /proc cannot be read.
    """
    seen = _gather()
    own = _inode("/proc/self/ns/pid")
    if own not in seen:
        return ()
    order = sorted(seen, key=lambda inode: (inode != own, seen[inode].level, min(seen[inode].members, default=0)))
    ids = {inode: identifier for identifier, inode in enumerate(order)}
    return tuple(
        PidNamespace(
            id=ids[inode],
            parent=ids.get(seen[inode].parent, -1),
            level=seen[inode].level,
            taken=ranges(seen[inode].taken),
            members=ranges(seen[inode].members),
        )
        for inode in order
    )


def _gather() -> dict[int, _Seen]:
    own = _inode("/proc/self/ns/pid")
    if not own:
        return {}
    seen = {own: _Seen(0, 0)}
    for directory in _tasks():
        vectors = _vectors(f"{directory}/status")
        if vectors is None:
            continue
        # The numbers at level 0 are known even where the namespace of a foreign task may not be looked at.
        for vector in vectors:
            if vector and vector[0]:
                seen[own].taken.add(vector[0])
        chain = _chain(f"{directory}/ns/pid", own, seen)
        pids = vectors[0]
        if len(chain) != len(pids):
            continue
        for level, inode in enumerate(chain):
            for vector in vectors:
                if level < len(vector) and vector[level]:
                    seen[inode].taken.add(vector[level])
        seen[chain[-1]].members.add(pids[0])
    return seen


def _tasks() -> Iterator[str]:
    """Yield the directories of all threads of all processes."""
    with contextlib.suppress(OSError):
        for name in os.listdir("/proc"):
            if name.isdigit():
                with contextlib.suppress(OSError):
                    for thread in os.listdir(f"/proc/{name}/task"):
                        yield f"/proc/{name}/task/{thread}"


def _vectors(file: str) -> list[list[int]] | None:
    """Return the task's numbers, groups and sessions by level, None when it is gone."""
    found: dict[str, list[int]] = {}
    try:
        with open(file, encoding="utf-8", errors="replace") as stream:
            for line in stream:
                name, *values = line.split()
                if name in _VECTORS:
                    found[name] = [int(value) for value in values]
    except (OSError, ValueError):
        return None
    return [found[name] for name in _VECTORS] if len(found) == len(_VECTORS) else None


def _chain(file: str, own: int, seen: dict[int, _Seen]) -> list[int]:
    """Return the namespaces from the caller's own down to that of `file`, and note new ones; empty where that is not seen."""
    import fcntl

    inode = _inode(file)
    if not inode:
        return []
    if inode not in seen:
        upwards = [inode]
        try:
            current = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return []
        try:
            while upwards[-1] not in seen:
                above = fcntl.ioctl(current, NS_GET_PARENT)
                os.close(current)
                current = above
                upwards.append(os.fstat(current).st_ino)
        except OSError:
            # It lies outside of what this process may see.
            return []
        finally:
            os.close(current)
        for below, parent in zip(upwards[-2::-1], upwards[:0:-1], strict=True):
            seen[below] = _Seen(seen[parent].level + 1, parent)
    chain = [inode]
    while chain[-1] != own:
        chain.append(seen[chain[-1]].parent)
    return chain[::-1]


def _inode(file: str) -> int:
    try:
        return os.stat(file).st_ino
    except OSError:
        return 0
