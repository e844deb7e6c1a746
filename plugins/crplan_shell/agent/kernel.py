"""The kernel's calls, as the agent makes them: by number where the C library has no name for them."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
from collections.abc import Callable

MACHINE = os.uname().machine if hasattr(os, "uname") else ""
CLONE3, PIDFD_OPEN, PIDFD_SEND_SIGNAL, CLOSE_RANGE, FSOPEN, FSCONFIG, FSMOUNT = 435, 434, 424, 436, 430, 431, 432
EXIT_THREAD = 93 if MACHINE == "aarch64" else 60
CLONE_VM, CLONE_FS, CLONE_FILES, CLONE_SIGHAND, CLONE_PIDFD = 0x100, 0x200, 0x400, 0x800, 0x1000
CLONE_PARENT, CLONE_THREAD, CLONE_NEWNS, CLONE_SYSVSEM = 0x8000, 0x10000, 0x20000, 0x40000
CLONE_NEWUSER, CLONE_NEWPID = 0x10000000, 0x20000000
NAMESPACES = {
    "user": CLONE_NEWUSER,
    "mnt": CLONE_NEWNS,
    "uts": 0x4000000,
    "ipc": 0x8000000,
    "net": 0x40000000,
    "cgroup": 0x2000000,
    "time": 0x80,
}
SAME_PROCESS = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NAME, PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER = 1, 4, 15, 36, 37
RLIMIT_CORE = 4
WALL = 0x40000000

# clone3(args, size), where the child never returns: it pauses, on no stack, until its process dies.
THREAD_CODE = {
    "x86_64": "b8b3010000 0f05 85c0 7401 c3 b822000000 0f05 ebf7",
    "aarch64": "683680d2 010000d4 400000b4 c0035fd6 000080d2 010080d2 020080d2 030080d2 280980d2 010000d4 faffff17",
}


class Libc:
    """System calls by number and by name; a failure raises OSError."""

    def __init__(self) -> None:
        self.library = ctypes.PyDLL(None, use_errno=True)
        self.thread_code: mmap.mmap | None = None
        self.clone_thread: Callable[[int, int], int] = self.library.syscall

    def call(self, name: str, *arguments: object) -> int:
        """Call a function of the C library."""
        ctypes.set_errno(0)
        result: int = getattr(self.library, name)(*[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
        if result < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return result

    def syscall(self, number: int, *arguments: object) -> int:
        """Make a system call."""
        return self.call("syscall", number, *arguments)

    def prepare_threads(self) -> None:
        """Load the machine code that starts a thread; raises OSError where that is not allowed."""
        code = bytes.fromhex(THREAD_CODE[MACHINE])
        page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        page.write(code)
        address = ctypes.addressof(ctypes.c_char.from_buffer(page))
        self.call("mprotect", address, 4096, 5)
        self.thread_code = page
        self.clone_thread = ctypes.PYFUNCTYPE(ctypes.c_long, ctypes.c_void_p, ctypes.c_size_t)(address)

    def clone(self, flags: int, vector: list[int], exit_signal: int) -> tuple[int, int]:
        """Call clone3 for the vector, outermost first; return the number (0 in the child) and the child's pidfd."""
        innermost_first = (ctypes.c_int32 * len(vector))(*reversed(vector))
        pidfd = ctypes.c_int32(-1)
        handle = 0 if flags & CLONE_THREAD else ctypes.addressof(pidfd)
        numbers = ctypes.addressof(innermost_first)
        flags |= CLONE_PIDFD if handle else 0
        arguments = (ctypes.c_uint64 * 11)(flags, handle, 0, 0, exit_signal, 0, 0, 0, numbers, len(vector), 0)
        if flags & CLONE_THREAD:
            result = self.clone_thread(ctypes.addressof(arguments), 88)
            if result < 0:
                raise OSError(-result, os.strerror(-result))
            return result, -1
        return self.syscall(CLONE3, arguments, 88), pidfd.value

    def enter(self, pid: int, kind: int) -> None:
        """Enter a namespace of process `pid`; that of its number is for the next children only."""
        self.set_namespace(self.syscall(PIDFD_OPEN, pid, 0), kind)

    def set_namespace(self, descriptor: int, kind: int) -> None:
        """Enter a namespace, and close the descriptor."""
        try:
            self.call("setns", descriptor, kind)
        finally:
            os.close(descriptor)

    def mount(self, kind: bytes) -> int:
        """Make a file system that no directory shows, and return a descriptor of its root."""
        context = self.syscall(FSOPEN, kind, 1)
        try:
            self.syscall(FSCONFIG, context, 6, None, None, 0)
            return self.syscall(FSMOUNT, context, 1, 0)
        finally:
            os.close(context)


def name_of(error: OSError) -> str:
    """Return the errno's name."""
    return errno.errorcode.get(error.errno or 0, "EIO")


class Refused(Exception):
    """A step failed, or something happened that must not; the text goes to the shell."""

    def __init__(self, task: int, what: str, error: str) -> None:
        super().__init__(f"task {task}: {what}: {error}")
        self.error = error
