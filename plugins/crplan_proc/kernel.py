"""Two questions that /proc leaves open and a system call answers: which namespace encloses another, and who shares what.

Sources: ioctl_ns(2) for NS_GET_PARENT and NS_GET_USERNS, kcmp(2) for the comparison. Neither changes anything.
"""

import ctypes
import errno
import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cmp_to_key
from typing import Final

from crplan_proc.status import Gone

NS_GET_USERNS: Final = 0xB701
NS_GET_PARENT: Final = 0xB702

KCMP_NUMBERS: Final = {
    "x86_64": 312, "i686": 349, "aarch64": 272, "riscv64": 272, "loongarch64": 272, "armv7l": 378, "ppc64le": 354, "ppc64": 354,
    "s390x": 343,
}  # fmt: skip
"""Number of the system call by machine, from the kernel's tables."""

KCMP_KINDS: Final = {"memory": 1, "files": 2, "fs": 3, "signal_handlers": 4, "sysv_undo": 6}
"""Kinds of kernel object that tasks may share (`include/uapi/linux/kcmp.h`)."""


def related_namespaces(file: str, request: int) -> list[tuple[int, int]]:
    """Return (inode, inode of the related one) upwards from the namespace `file`, as far as the kernel lets us see.

    `request` is NS_GET_PARENT, followed to the top, or NS_GET_USERNS, which answers once. Raises Gone.
    """
    found: list[tuple[int, int]] = []
    try:
        current = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError):
        raise Gone(file) from None
    except PermissionError:
        return found
    try:
        while True:
            try:
                above = fcntl.ioctl(current, request)
            except OSError:
                # EPERM: it lies outside of what this process may see.
                return found
            found.append((os.fstat(current).st_ino, os.fstat(above).st_ino))
            os.close(current)
            current = above
            if request == NS_GET_USERNS:
                return found
    finally:
        os.close(current)


def shared_objects(numbers: Sequence[int]) -> dict[str, dict[int, int]]:
    """Return for each kind of object the number of the one that each process uses, counted from 1 in the order of `numbers`.

    The kernel orders objects without telling their addresses, so sorting finds all that are equal with few comparisons. A kind
    that cannot be compared (no kcmp in this kernel, no permission) is left out: unknown. Processes without any semaphore to undo
    compare as equal and share nothing: they are known by being equal to a process that has none. Raises Gone.
    """
    call = KCMP_NUMBERS.get(os.uname().machine)
    if call is None:
        return {}
    libc = ctypes.CDLL(None, use_errno=True)
    found: dict[str, dict[int, int]] = {}
    for kind, code in KCMP_KINDS.items():

        def compare(left: int, right: int, code: int = code) -> int:
            answer: int = libc.syscall(call, left, right, code, 0, 0)
            if answer < 0:
                raise OSError(ctypes.get_errno(), "kcmp")
            return (0, -1, 1, 1)[answer]

        try:
            idle: set[int] = set()
            if kind == "sysv_undo":
                with _nothing_to_undo() as reference:
                    idle = {number for number in numbers if compare(reference, number) == 0}
            ordered = sorted((number for number in numbers if number not in idle), key=cmp_to_key(compare))
            groups: list[list[int]] = []
            for number in ordered:
                if groups and compare(groups[-1][0], number) == 0:
                    groups[-1].append(number)
                else:
                    groups.append([number])
        except OSError as error:
            if error.errno == errno.ESRCH:
                raise Gone("kcmp") from None
            continue
        place = {number: position for position, number in enumerate(numbers)}
        groups.sort(key=lambda group: min(map(place.__getitem__, group)))
        found[kind] = {number: count for count, group in enumerate(groups, start=1) for number in group}
    return found


@contextmanager
def _nothing_to_undo() -> Iterator[int]:
    """Hold a process that has no list of semaphores to undo, and yield its number.

    This one may: a process gets such a list with its first thread, and keeps it (clone with CLONE_SYSVSEM; copy_semundo).
    """
    here, there = os.pipe()
    child = os.fork()
    if not child:
        os.close(there)
        os.read(here, 1)
        os._exit(0)
    try:
        os.close(here)
        yield child
    finally:
        os.close(there)
        os.waitpid(child, 0)
