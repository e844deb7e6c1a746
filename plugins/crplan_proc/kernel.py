"""Two questions that /proc leaves open and a system call answers: which namespace encloses another, and who shares what.

Sources: ioctl_ns(2) for NS_GET_PARENT and NS_GET_USERNS, kcmp(2) for the comparison. Neither changes anything.
"""

import ctypes
import errno
import fcntl
import os
import socket
import struct
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


KCMP_FILE: Final = 0
"""Kind of the comparison of two open files, which takes their descriptors."""


def same_file(one: int, descriptor: int, other: int, others: int) -> bool:
    """Return whether descriptors of two processes are one open file; False where that cannot be asked."""
    call = KCMP_NUMBERS.get(os.uname().machine)
    if call is None:
        return False
    answer: int = ctypes.CDLL(None, use_errno=True).syscall(call, one, other, KCMP_FILE, descriptor, others)
    return answer == 0


def file_order(one: tuple[int, int], other: tuple[int, int]) -> int:
    """Return 0 where two descriptors, each of a process, are one open file, and otherwise which one the kernel puts first.

    Where that cannot be asked they are two files, in the order of their numbers.
    """
    call = KCMP_NUMBERS.get(os.uname().machine)
    answer: int = (
        -1 if call is None else ctypes.CDLL(None, use_errno=True).syscall(call, one[0], other[0], KCMP_FILE, one[1], other[1])
    )
    return (one > other) - (one < other) if answer not in (0, 1, 2) else (0, -1, 1)[answer]


NETLINK_SOCK_DIAG: Final = 4
SOCK_DIAG_BY_FAMILY: Final = 20
REQUEST_DUMP: Final = 0x301
"""NLM_F_REQUEST and NLM_F_DUMP."""
UDIAG_SHOW_PEER: Final = 4
UNIX_DIAG_PEER: Final = 2
"""Names of `include/uapi/linux/sock_diag.h` and `unix_diag.h`."""


def unix_peers(process: int) -> dict[int, int]:
    """Return the inodes of both ends of each unix connection in the net namespace of a process; nothing where it cannot be asked.

    A child asks, since it has to enter that namespace.
    """
    here, there = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            os.close(here)
            namespace = os.open(f"/proc/{process}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            if ctypes.CDLL(None).setns(namespace, 0) == 0:
                with os.fdopen(there, "wb") as stream:
                    stream.write("".join(f"{inode} {peer}\n" for inode, peer in _peers()).encode())
                code = 0
        finally:
            os._exit(code)
    os.close(there)
    with os.fdopen(here, "rb") as stream:
        pairs = [line.split() for line in stream]
    os.waitpid(child, 0)
    return {int(inode): int(peer) for inode, peer in pairs}


def _peers() -> Iterator[tuple[int, int]]:
    """Yield the inodes of both ends of each unix connection in this process's net namespace."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as diagnostics:
        body = struct.pack("=BBHIII2I", socket.AF_UNIX, 0, 0, 0xFFFFFFFF, 0, UDIAG_SHOW_PEER, 0, 0)
        diagnostics.send(struct.pack("=IHHII", 16 + len(body), SOCK_DIAG_BY_FAMILY, REQUEST_DUMP, 1, 0) + body)
        while True:
            data = diagnostics.recv(1 << 16)
            while len(data) >= 16:
                length, kind = struct.unpack_from("=IH", data)
                if kind != SOCK_DIAG_BY_FAMILY or length < 16:
                    return
                yield from _peer(data[16:length])
                data = data[(length + 3) & ~3 :]


def _peer(message: bytes) -> Iterator[tuple[int, int]]:
    """Yield the inodes that one answer holds: a head of 16 bytes, then attributes."""
    inode = struct.unpack_from("=I", message, 4)[0]
    rest = message[16:]
    while len(rest) >= 4:
        length, kind = struct.unpack_from("=HH", rest)
        if length < 4:
            return
        if kind == UNIX_DIAG_PEER:
            yield inode, struct.unpack_from("=I", rest, 4)[0]
        rest = rest[(length + 3) & ~3 :]
