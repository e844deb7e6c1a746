"""Features of the kernel, found by trying them in a child: what works for this user here, independent of the version.

Each trial runs in a child of its own, in new namespaces where it needs some, is given a few seconds, and leaves nothing behind:
the child and the inits of its namespaces die with this process. What a child may not do is "no" with the errno; what could not be
tried is "unknown". No trial enters a pid namespace that is there already, but for `pid_max_of`: a process that is forked into one
takes a number there and moves its last pid, which breaks a restore that runs beside it.
"""

import contextlib
import ctypes
import errno
import os
import select
import signal
import struct
import sys
from collections.abc import Callable, Iterable
from typing import Final

from planner.host.facts import Feature

SECONDS: Final = 20.0
"""How long a trial may take: much more than it needs, as a machine may be busy."""

NEW: Final = {
    "mnt": 0x20000, "cgroup": 0x2000000, "uts": 0x4000000, "ipc": 0x8000000, "user": 0x10000000, "pid": 0x20000000,
    "net": 0x40000000, "time": 0x80,
}  # fmt: skip
"""CLONE_NEW flags by kind of namespace; the one of time is unshare's alone."""

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_CAP_SYS_ADMIN = 21
_NR_FSOPEN, _NR_FSCONFIG, _NR_FSMOUNT, _NR_PIDFD_OPEN, _NR_CLONE3 = 430, 431, 432, 434, 435
_FSCONFIG_CMD_CREATE = 6
_DEEPEST: Final = 40
"""Levels that are tried; the kernel's limit is 32 in all."""

Trial = Callable[["_Kernel"], str]
"""Raises OSError when it does not work; returns a detail to record."""


class _Kernel:
    """The calls that Python does not have."""

    def __init__(self) -> None:
        # PyDLL keeps the interpreter's lock: a child that is cloned in the middle of a call must find it as it was.
        self.libc = ctypes.PyDLL(None, use_errno=True)
        self.libc.syscall.restype = ctypes.c_long

    def _checked(self, result: int) -> int:
        if result == -1:
            raise OSError(ctypes.get_errno(), "")
        return result

    def call(self, number: int, *arguments: int) -> int:
        return self._checked(self.libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments)))

    def unshare(self, flags: int) -> None:
        self._checked(self.libc.unshare(ctypes.c_int(flags)))

    def setns(self, descriptor: int, kind: int) -> None:
        self._checked(self.libc.setns(descriptor, kind))

    def prctl(self, option: int, value: int) -> None:
        self._checked(self.libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0))

    def clone3(self, flags: int, pids: tuple[int, ...]) -> int:
        """Clone with numbers, outermost first, as fork does; returns 0 in the child."""
        block = (ctypes.c_uint64 * (10 + (len(pids) + 1) // 2))()
        block[0], block[4] = flags, signal.SIGCHLD
        block[8], block[9] = ctypes.addressof(block) + 80, len(pids)
        struct.pack_into(f"={len(pids)}i", block, 80, *reversed(pids))
        return self.call(_NR_CLONE3, ctypes.addressof(block), 80)

    def child(self, body: Callable[[], str], *, pids: tuple[int, ...] = ()) -> str:
        """Run `body` in a child, with numbers if they are given, and return its result; raises what it raised."""
        read, write = os.pipe()
        pid = self.clone3(0, pids) if pids else os.fork()
        if pid == 0:
            os.close(read)
            self.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            _finish(write, body)
        os.close(write)
        with os.fdopen(read, "rb") as stream:
            answer = stream.read(4096)
        os.waitpid(pid, 0)
        return _result(answer)


def _finish(write: int, body: Callable[[], str]) -> None:
    """Send what `body` comes to, and end the process."""
    try:
        answer = f"0 {body()}"
    except OSError as error:
        answer = f"{error.errno or errno.EIO} "
    except BaseException:  # noqa: BLE001, RUF100 - whatever happens in here, the child must not go on as its parent
        answer = f"{errno.EIO} "
    os.write(write, answer.encode()[:4096])
    os._exit(0)


def _result(answer: bytes) -> str:
    code, _, text = answer.decode("utf-8", "replace").partition(" ")
    if not code.isdigit():
        raise OSError(errno.ECHILD, "")
    if code != "0":
        raise OSError(int(code), "")
    return text


def attempt(trial: Trial) -> Feature:
    """Try something in a child and say what came of it; the child is gone when this returns."""
    if not sys.platform.startswith("linux"):
        return Feature(state="unknown", detail="this is no Linux")
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        kernel = _Kernel()
        kernel.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        _finish(write, lambda: trial(kernel))
    os.close(write)
    try:
        ready, _, _ = select.select([read], [], [], SECONDS)
        answer = os.read(read, 4096) if ready else None
    finally:
        os.close(read)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    if answer is None:
        return Feature(state="unknown", detail=f"no answer within {SECONDS:.0f} seconds")
    try:
        return Feature(state="yes", detail=_result(answer))
    except OSError as error:
        if error.errno in (errno.EIO, errno.ECHILD, errno.EMFILE, errno.ENOMEM, errno.EAGAIN):
            return Feature(state="unknown", detail=errno.errorcode.get(error.errno, str(error.errno)))
        return Feature(state="no", detail=errno.errorcode.get(error.errno or 0, str(error.errno)))


def _new(kind: str) -> Trial:
    def trial(kernel: _Kernel) -> str:
        kernel.unshare(NEW[kind])
        return ""

    return trial


def _as_executor(trial: Trial) -> Trial:
    """Return a trial in the way of the executors: without CAP_SYS_ADMIN as root of a user namespace of one's own."""

    def in_its_way(kernel: _Kernel) -> str:
        if not _may_administrate():
            user, group = os.getuid(), os.getgid()
            kernel.unshare(NEW["user"] | NEW["mnt"])
            for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
                with contextlib.suppress(OSError), open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                    file.write(text)
        return trial(kernel)

    return in_its_way


def _may_administrate() -> bool:
    with open("/proc/self/status", encoding="ascii", errors="replace") as stream:
        effective = next((line.split()[1] for line in stream if line.startswith("CapEff:")), "0")
    return bool(int(effective, 16) >> _CAP_SYS_ADMIN & 1)


def _in_new_pid_namespace(body: Callable[[_Kernel], str], *, with_user: bool = False) -> Trial:
    """Return a trial that runs `body` as the init of a new pid namespace."""

    def trial(kernel: _Kernel) -> str:
        kernel.unshare(NEW["pid"] | (NEW["user"] if with_user else 0))
        return kernel.child(lambda: body(kernel))

    return trial


def _set_tid(kernel: _Kernel) -> str:
    """Create a child with a number of our choice."""
    number = 7
    if kernel.child(lambda: str(os.getpid()), pids=(number,)) != str(number):
        raise OSError(errno.ENOSYS, "")
    return ""


def _pid_max(kernel: _Kernel) -> str:
    with open("/proc/sys/kernel/pid_max", encoding="ascii") as stream:
        return stream.read().strip()


def _pidfd(kernel: _Kernel) -> str:
    os.close(kernel.call(_NR_PIDFD_OPEN, os.getpid(), 0))
    return ""


def _enter(kernel: _Kernel) -> str:
    """Enter the pid namespace of a child of ours by its pidfd, and create a task in it."""
    own = kernel.call(_NR_PIDFD_OPEN, os.getpid(), 0)
    read, write = os.pipe()
    kernel.unshare(NEW["pid"])
    init = os.fork()
    if init == 0:
        kernel.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        os.close(write)
        os.read(read, 1)
        os._exit(0)
    os.close(read)
    kernel.setns(own, NEW["pid"])
    kernel.setns(kernel.call(_NR_PIDFD_OPEN, init, 0), NEW["pid"])
    number = kernel.child(lambda: str(os.getpid()))
    os.close(write)
    os.waitpid(init, 0)
    if number != "2":
        raise OSError(errno.ENOSYS, "")
    return ""


def _own_proc(kernel: _Kernel) -> str:
    """Make a proc instance without mounting it anywhere."""
    name = ctypes.create_string_buffer(b"proc")
    context = kernel.call(_NR_FSOPEN, ctypes.addressof(name), 1)
    kernel.call(_NR_FSCONFIG, context, _FSCONFIG_CMD_CREATE, 0, 0, 0)
    mount = kernel.call(_NR_FSMOUNT, context, 1, 0)
    os.stat("self", dir_fd=mount, follow_symlinks=False)
    return ""


def _subreaper(kernel: _Kernel) -> str:
    kernel.prctl(_PR_SET_CHILD_SUBREAPER, 1)
    return ""


def levels(most: int = _DEEPEST) -> Trial:
    """Return a trial that creates pid namespaces, each in the one before, until there are `most` or the kernel refuses.

    Its result is how many there were. Each costs some milliseconds.
    """

    def trial(kernel: _Kernel) -> str:
        def deeper(level: int) -> str:
            if level == most:
                return str(level)
            try:
                kernel.unshare(NEW["pid"])
                return kernel.child(lambda: deeper(level + 1))
            except OSError:
                return str(level)

        return deeper(0)

    return _as_executor(trial)


def pid_max_of(process: int, vectors: Iterable[tuple[int, ...]]) -> int | None:
    """Return the limit of the pid namespace of `process`, read by a child inside it; None where that cannot be had.

    The kernel shows the limit to members only. The child takes the numbers of one of `vectors`, outermost first, one for each
    level below the caller's: numbers that are chosen, unlike those that the kernel gives, do not move a namespace's last pid.
    """

    def trial(kernel: _Kernel) -> str:
        kernel.setns(kernel.call(_NR_PIDFD_OPEN, process, 0), NEW["pid"])
        for vector in vectors:
            with contextlib.suppress(FileExistsError):
                return kernel.child(lambda: _pid_max(kernel), pids=vector)
        raise FileExistsError(errno.EEXIST, "")

    found = attempt(trial)
    return int(found.detail) if found.state == "yes" and found.detail.isdigit() else None


LEVELS: Final = "levels_below"
TRIALS: Final[dict[str, Trial]] = {
    **{f"{kind}_namespaces": _new(kind) for kind in NEW},
    "set_tid": _in_new_pid_namespace(_set_tid),
    "set_tid_without_root": _in_new_pid_namespace(_set_tid, with_user=True),
    "new_namespace_pid_max": _as_executor(_in_new_pid_namespace(_pid_max)),
    LEVELS: levels(),
    "pidfd": _pidfd,
    "enter_by_pidfd": _as_executor(_enter),
    "own_proc": _as_executor(_in_new_pid_namespace(_own_proc)),
    "subreaper": _subreaper,
}
"""What is tried, by the name that a host file has for it.

Kinds of namespace and `set_tid` say what this user may do as it is, `set_tid_without_root` what a user namespace adds; the others
are tried in the way of the executors.
"""
