"""The agent's beginning: what this machine lacks, and what it cannot do, said before the first step."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import signal
import time

from crplan_shell.agent.actor import CORE_MOST
from crplan_shell.agent.executor import ANSWERS, Executor
from crplan_shell.agent.kernel import CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER, CLOSE_RANGE, Libc, name_of

NOBODY = 0x7FFFFFFF
"""A descriptor that nobody has."""


class Lacking(Exception):
    """What this machine lacks, or what is wrong with the surroundings, as a sentence."""


def reap_the_writer() -> None:
    """Reap the process by which some shells hand over this program's text, if there is one: it is done by now."""
    for _ in range(1000):
        try:
            if not os.waitpid(-1, os.WNOHANG)[0]:
                time.sleep(0.001)
        except ChildProcessError:
            return


def probe(libc: Libc) -> str:
    """Ask clone3 for a namespace that begins with number 2; return the errno's name, or nothing where it gets that far.

    No such namespace can be: who may choose numbers is told EINVAL, and who may not is told why. No process comes of it.
    """
    try:
        number, _ = libc.clone(CLONE_NEWPID, [2], signal.SIGCHLD)
    except OSError as error:
        return "" if error.errno == errno.EINVAL else name_of(error)
    os._exit(int(number > 0))


def become_root_of_a_user_namespace(libc: Libc) -> None:
    """Get the capabilities that choosing numbers needs, in a user namespace of our own; raises OSError.

    Where the ids may not be mapped they stay unmapped, which is enough for all but the looks.
    """
    user, group = os.geteuid(), os.getegid()
    libc.call("unshare", CLONE_NEWUSER | CLONE_NEWNS)
    for file, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        with contextlib.suppress(OSError), open(f"/proc/self/{file}", "w") as out:
            out.write(text)


def missing(libc: Libc) -> str:
    """Return a sentence on what this machine lacks, or nothing."""
    try:
        libc.syscall(CLOSE_RANGE, NOBODY, NOBODY, 0)
    except OSError as error:
        return f"this kernel has no close_range (Linux 5.9), or a filter forbids it: {name_of(error)}"
    lack = probe(libc)
    if lack == "EPERM":
        try:
            become_root_of_a_user_namespace(libc)
        except OSError as forbidden:
            return (
                "choosing process numbers is not permitted: it needs root (CAP_SYS_ADMIN), or user namespaces, "
                f"which are forbidden here: {name_of(forbidden)}"
            )
        lack = probe(libc)
    if lack in ("ENOSYS", "E2BIG"):
        return f"this kernel has no clone3 with set_tid (Linux 5.5), or a filter forbids it: {lack}"
    return f"a process with a number of our choice cannot be created: {lack}" if lack else ""


def prepare() -> tuple[Libc, float]:
    """Prepare this process and return what it calls the kernel by, and the limit of a step; raises Refused."""
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, CORE_MOST))
    try:
        timeout = float(os.environ.get("CRPLAN_TIMEOUT") or 30)
    except ValueError:
        timeout = 0
    if not 0 < timeout < 1e6:
        raise Lacking("CRPLAN_TIMEOUT is no number of seconds")
    libc = Libc()
    lack = missing(libc)
    if lack:
        raise Lacking(lack)
    return libc, timeout


def main() -> None:
    """Prepare this process, tell the shell what is missing, and serve."""
    gc.disable()
    reap_the_writer()
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if number < 32:
            signal.signal(number, signal.SIG_DFL)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    try:
        import resource

        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        output = os.dup(1)
        libc, timeout = prepare()
        executor = Executor(libc, timeout, output)
    except Lacking as lacking:
        os.write(ANSWERS, f"no {lacking}\n".encode())
        os._exit(1)
    except OSError as error:
        os.write(ANSWERS, f"no step 0 (executor): task 0: the agent itself: {name_of(error)}\n".encode())
        os._exit(1)
    os.write(ANSWERS, b"ok\n")
    gc.freeze()
    os._exit(executor.serve())
