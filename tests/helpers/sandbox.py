"""A pid namespace for one executor under test, as a script: `python -I -S sandbox.py REPORT OPTIONS... -- COMMAND...`.

The first process of the namespace stays until it is killed, so that whatever the executor leaves behind can be seen from the
host, and reaps as an init should. It writes `ended STATUS` (in wait's format) on the descriptor REPORT.

Options: `proc` mounts /proc anew (otherwise it shows the host's), `ignore` ignores SIGCHLD, `block` blocks every signal that can
be blocked, `uid=N` gives root away.
"""

import ctypes
import os
import shutil
import signal
import sys
import time

CLONE_NEWNS = 0x20000
CLONE_NEWPID = 0x20000000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
PR_SET_PDEATHSIG = 1
WALL = 0x40000000


def call(result: int, what: str) -> None:
    """Raise OSError when a call of the C library failed."""
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def start(options: list[str], command: list[str]) -> None:
    """Become the command, with the signals and the user that the options ask for."""
    if "ignore" in options:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    if "block" in options:
        signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals() - {signal.SIGTERM})
    for option in options:
        if option.startswith("uid="):
            uid = int(option[4:])
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
    try:
        os.execv(command[0], command)
    except OSError as error:
        os.write(2, f"{command[0]}: {error}\n".encode())
    os._exit(127)


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
