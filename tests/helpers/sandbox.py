"""A pid namespace for one executor under test, as a script: `python -I -S sandbox.py REPORT OPTIONS... -- COMMAND...`.

The first process of the namespace stays until it is killed, so that whatever the executor leaves behind can be seen from the
host, and reaps as an init should. It writes `ended STATUS` (in wait's format) on the descriptor REPORT.

Options: `proc` mounts /proc anew (otherwise it shows the host's), `ignore` ignores SIGCHLD, `ignore=N` signal N, `block` blocks
every signal but SIGTERM, `block=N` signal N, `uid=N` gives root away, `bare` all capabilities alone, `descriptors=N` and
`processes=N` are limits, `forbid=N` has system call N fail with EPERM, and `closed=N`, `full=N`, `gone=N` and `stuck=N` are what
is wrong with standard stream N: it is closed, is /dev/full, a pipe without a reader, or a full pipe without an active reader.
"""

import contextlib
import ctypes
import os
import resource
import shutil
import signal
import struct
import sys
import time
from collections.abc import Callable

CLONE_NEWNS = 0x20000
CLONE_NEWPID = 0x20000000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 22, 24, 38
WALL = 0x40000000


def call(result: int, what: str) -> None:
    """Raise OSError when a call of the C library failed."""
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def start(options: list[str], command: list[str]) -> None:
    """Become the command, in the surroundings that the options ask for."""
    libc = ctypes.CDLL(None, use_errno=True)
    if "ignore" in options:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    if "block" in options:
        signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals() - {signal.SIGTERM})
    for option in options:
        name, _, value = option.partition("=")
        if value:
            VALUED[name](libc, int(value))
    if "bare" in options:
        give_up_capabilities(libc)
    for option in options:
        # These close what the others need.
        name, _, value = option.partition("=")
        if name in STREAMS:
            STREAMS[name](int(value))
    try:
        os.execv(command[0], command)
    except OSError as error:
        os.write(2, f"{command[0]}: {error}\n".encode())
    os._exit(127)


def become(libc: ctypes.CDLL, uid: int) -> None:
    """Give root away."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def give_up_capabilities(libc: ctypes.CDLL) -> None:
    """Stay root by number alone: without capabilities, and without any after exec."""
    for capability in range(64):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    header, data = struct.pack("Ii", 0x20080522, 0), bytes(24)
    call(libc.capset(header, data), "capset")


def forbid(libc: ctypes.CDLL, number: int) -> None:
    """Have a system call fail with EPERM, here and in every descendant (seccomp(2); the filter looks at the number alone)."""
    code = b"".join(
        struct.pack("HBBI", *instruction)
        for instruction in ((0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000))
    )
    buffer = ctypes.create_string_buffer(code)
    program = struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(buffer))
    call(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    call(libc.prctl(PR_SET_SECCOMP, 2, program, 0, 0), "seccomp")


def limit(kind: int) -> Callable[[ctypes.CDLL, int], None]:
    """Return what sets both limits of a kind."""
    return lambda libc, value: resource.setrlimit(kind, (value, value))


def replaced_by(make: Callable[[], int]) -> Callable[[int], None]:
    """Return what puts a new descriptor in the place of a standard stream."""

    def replace(stream: int) -> None:
        descriptor = make()
        os.dup2(descriptor, stream)
        if descriptor != stream:
            os.close(descriptor)

    return replace


def pipe_without_reader() -> int:
    """Return the writing end of a pipe without a reader."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def full_pipe() -> int:
    """Return the end of a pipe that has no room; the other end is open and is not read."""
    reader, writer = os.pipe()
    os.set_inheritable(reader, True)
    os.dup2(reader, SOMEWHERE)
    os.close(reader)
    os.set_blocking(writer, False)
    for size in (4096, 1):
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writer, bytes(size))
    os.set_blocking(writer, True)
    return writer


SOMEWHERE = 9
"""The descriptor by which a command holds the other end of a full pipe."""

VALUED: dict[str, Callable[[ctypes.CDLL, int], object]] = {
    "uid": become,
    "forbid": forbid,
    "descriptors": limit(resource.RLIMIT_NOFILE),
    "processes": limit(resource.RLIMIT_NPROC),
    "ignore": lambda libc, number: signal.signal(number, signal.SIG_IGN),
    "block": lambda libc, number: signal.pthread_sigmask(signal.SIG_BLOCK, [number]),
    **dict.fromkeys(("closed", "full", "gone", "stuck"), lambda libc, number: None),
}
STREAMS: dict[str, Callable[[int], None]] = {
    "closed": os.close,
    "full": replaced_by(lambda: os.open("/dev/full", os.O_WRONLY)),
    "gone": replaced_by(pipe_without_reader),
    "stuck": replaced_by(full_pipe),
}


def reap_for_ever(executor: int, report: int) -> None:
    """Reap whatever becomes a child, and report the end of the executor."""
    while True:
        try:
            pid, status = os.waitpid(-1, WALL)
        except ChildProcessError:
            time.sleep(0.005)
            continue
        if pid == executor:
            os.write(report, b"ended %d\n" % status)


def main() -> None:
    """Make the namespace, start the command in it, and stay."""
    report = int(sys.argv[1])
    split = sys.argv.index("--")
    options, command = sys.argv[2:split], sys.argv[split + 1 :]
    command[0] = shutil.which(command[0]) or command[0]
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    call(libc.unshare(CLONE_NEWPID | CLONE_NEWNS), "unshare")
    call(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "mount")
    init = os.fork()
    if init:
        for descriptor in (1, 2):
            os.dup2(0, descriptor)
        os.waitpid(init, 0)
        return
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if "proc" in options:
        call(libc.mount(b"proc", b"/proc", b"proc", 0, None), "mount /proc")
    executor = os.fork()
    if not executor:
        os.close(report)
        start(options, command)
    for descriptor in (1, 2):
        os.dup2(0, descriptor)
    reap_for_ever(executor, report)


if __name__ == "__main__":
    main()
