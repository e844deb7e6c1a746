"""Calls that the standard library does not have, by ctypes; numbers from 424 on are the same on every architecture."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import platform
import struct

CLONE_VM = 0x100
CLONE_FS = 0x200
CLONE_FILES = 0x400
CLONE_SIGHAND = 0x800
CLONE_PARENT = 0x8000
CLONE_THREAD = 0x10000
CLONE_NEWNS = 0x20000
CLONE_SYSVSEM = 0x40000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
WAIT_ALL = 0x40000000

NR_PIDFD_OPEN = 434
NR_PIDFD_SEND_SIGNAL = 424
NR_CLONE3 = 435
NR_CLOSE_RANGE = 436
NR_FSOPEN = 430
NR_FSCONFIG = 431
NR_FSMOUNT = 432

PR_SET_DUMPABLE = 4
PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
PR_SET_CHILD_SUBREAPER = 36

THREAD_FLAGS = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM

# clone3(args, size), and a new thread that waits for ever; it never touches the stack, so it needs none of its own.
THREAD_CODE = {
    "x86_64": bytes.fromhex(
        "b8b3010000"  # mov eax, 435
        "0f05"  # syscall
        "4885c0"  # test rax, rax
        "7401"  # jz thread
        "c3"  # ret
        "b822000000"  # thread: mov eax, 34 (pause)
        "0f05"  # syscall
        "ebf7"  # jmp thread
    ),
    "aarch64": struct.pack(
        "<12I",
        0xD2803668,  # mov x8, 435
        0xD4000001,  # svc 0
        0xB4000040,  # cbz x0, thread
        0xD65F03C0,  # ret
        0xD2800000,  # thread: mov x0, 0
        0xD2800001,  # mov x1, 0
        0xD2800002,  # mov x2, 0
        0xD2800003,  # mov x3, 0
        0xD2800004,  # mov x4, 0
        0xD2800928,  # mov x8, 73 (ppoll)
        0xD4000001,  # svc 0
        0x17FFFFF9,  # b thread
    ),
}
NR_EXIT = {"x86_64": 60, "aarch64": 93}

# PyDLL keeps the interpreter's lock: a clone3 in the middle of a call must find it as it was.
libc = ctypes.PyDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def checked(result: int) -> int:
    """Return the result of a C call, or raise OSError with its errno."""
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def syscall(number: int, *arguments: int | None) -> int:
    """Make a system call; raises OSError."""
    return checked(libc.syscall(ctypes.c_long(number), *[ctypes.c_long(argument or 0) for argument in arguments]))


def prctl(option: int, value: int) -> None:
    """Call prctl with one number; raises OSError."""
    checked(libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0))


def clone_arguments(flags: int, exit_signal: int, pids: tuple[int, ...]) -> ctypes.Array[ctypes.c_uint64]:
    """Build clone3's argument block; `pids` is outermost first, and the kernel wants `set_tid` innermost first.

    The numbers stand in the same block, behind the ten words that the kernel reads.
    """
    block = (ctypes.c_uint64 * (10 + (len(pids) + 1) // 2))()
    block[0] = flags
    block[4] = exit_signal
    block[8] = ctypes.addressof(block) + 80
    block[9] = len(pids)
    struct.pack_into(f"={len(pids)}i", block, 80, *reversed(pids))
    return block


def clone(flags: int, exit_signal: int, pids: tuple[int, ...]) -> int:
    """Create a process with the numbers `pids`; returns its number, or 0 in the child; raises OSError."""
    block = clone_arguments(flags, exit_signal, pids)
    return syscall(NR_CLONE3, ctypes.addressof(block), 80)


class ThreadMaker:
    """Machine code that makes threads which wait for ever; raises OSError where memory may not be made executable."""

    def __init__(self) -> None:
        code = THREAD_CODE[platform.machine()]
        page = mmap.PAGESIZE
        self._memory = mmap.mmap(-1, page, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._memory.write(code)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        checked(libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(page), mmap.PROT_READ | mmap.PROT_EXEC))
        self._call = ctypes.PYFUNCTYPE(ctypes.c_long, ctypes.c_void_p, ctypes.c_size_t)(address)

    def create(self, pids: tuple[int, ...]) -> int:
        """Create a thread with the numbers `pids` and return its number; raises OSError."""
        block = clone_arguments(THREAD_FLAGS, 0, pids)
        result = int(self._call(ctypes.addressof(block), 80))
        if result < 0:
            raise OSError(-result, os.strerror(-result))
        return result


def error_name(error: OSError) -> str:
    """Return the errno's name."""
    return errno.errorcode.get(error.errno or 0, "EIO")


def close_from(first: int, kept: list[int]) -> None:
    """Close every descriptor from `first` on that is not in `kept`."""
    for low, high in zip([first, *(number + 1 for number in sorted(kept))], [*sorted(kept), 0x7FFFFFFF + 1]):  # noqa: B905 (Python 3.8)
        if low < high:
            try:
                syscall(NR_CLOSE_RANGE, low, high - 1, 0)
            except OSError:
                os.closerange(low, min(high, os.sysconf("SC_OPEN_MAX")))
