"""The executor as a guest: it rebuilds the tree in a pid namespace that is there already, where no init dies with it.

Two processes of it live in the namespace, each with a number that the plan does not need: the keeper, and below it the executor,
whose first child is the plan's reaper. All three are subreapers, so the orphans that one of them leaves become children of the
one above, which kills them: the executor when the reaper dies, the keeper when the executor does. The executor ends all when the
keeper dies, the keeper when the program outside does. An executor that has lost its keeper is for the namespace's init to reap,
as any orphan.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import socket
import struct
import time
from collections.abc import Callable

from crplan_runtime.parts.actor import Rebuild
from crplan_runtime.parts.executor import AT_THE_END, SCM_CREDENTIALS, TICK, Executor
from crplan_runtime.parts.kernel import (
    CLONE_NEWPID,
    NR_PIDFD_OPEN,
    PR_SET_CHILD_SUBREAPER,
    PR_SET_PDEATHSIG,
    WAIT_ALL,
    checked,
    clone,
    error_name,
    libc,
    prctl,
    syscall,
)
from crplan_runtime.parts.privileges import mount_proc
from crplan_runtime.parts.proc import Mismatch, Proc, check_vector, shown
from crplan_runtime.parts.program import give_up, hold_back_signals, rebuild
from crplan_runtime.parts.signals import Failed, asking_signals, hung_up
from crplan_runtime.parts.streams import complain
from crplan_runtime.parts.tables import Plan, Process


class Guest(Executor):
    """The executor inside: it knows every task by its number at level 0, and needs no translation."""

    first_child = "the reaper"

    def __init__(self, plan: Plan, tell: list[int], timeout: float, proc: Proc, outside: socket.socket) -> None:
        super().__init__(plan, tell, timeout)
        self.proc = proc
        self._outside_link = outside

    def number(self, me: int, pid: int) -> int:
        """Return the number by which `me` knows `pid`; raises OSError when it cannot."""
        return self.plan.number(pid, 0) if not me else Rebuild.number(self, me, pid)

    def created(self, me: int, child: Process, number: int) -> None:
        """Check a child's numbers, and watch the first; raises OSError and Mismatch."""
        if me:
            Rebuild.created(self, me, child, number)
            return
        self.outer[child.pid] = number
        self._init = child.pid
        self._init_descriptor = syscall(NR_PIDFD_OPEN, number, 0)
        check_vector(self.proc, self.plan, child.pid, str(child.pid))

    def kept(self, first: bool) -> int:
        """Return the descriptor that a child of the executor needs besides those of the board."""
        return self.proc.top

    def settle(self) -> None:
        """As the reaper, adopt orphans as an init does."""
        prctl(PR_SET_CHILD_SUBREAPER, 1)

    def woken(self, me: int) -> None:
        """The reaper is never asked for numbers."""

    def rest(self, me: int) -> None:
        """Wait for ever."""
        Rebuild.rest(self, me)

    def check_nothing_else(self) -> None:
        """Check that no descendant is left that the plan does not want to stay; raises Mismatch and OSError."""
        wanted = {step.target for step in self.plan.steps if step.op == "verify"} | {self._init}
        parents = {pid: int(words[1]) for pid in self.proc.list(".") for words in [self.proc.stat(pid)] if words}
        children: dict[int, list[int]] = {}
        for pid, parent in parents.items():
            children.setdefault(parent, []).append(pid)
        descendants: list[int] = list(children.get(os.getpid(), []))
        for pid in descendants:
            descendants += children.get(pid, [])
        extra = set(descendants) - wanted
        if extra:
            raise Mismatch(f"there are processes that should not be left: {shown(extra)}")

    def announce(self, number: int) -> None:
        """Give the root's number to the program outside, as the kernel translates it; raises OSError."""
        credentials = struct.pack("iII", number, os.getuid(), os.getgid())
        self._outside_link.sendmsg([b"ready"], [(socket.SOL_SOCKET, SCM_CREDENTIALS, credentials)])

    def finish(self) -> None:
        """Kill whatever was created and reap it; raises Failed."""
        try:
            end_children(self.proc)
        except OSError as error:
            raise Failed(-1, self._init, "what was created does not end", error_name(error)) from None


def end_children(proc: Proc) -> None:
    """Kill the caller's children and what becomes one by it, until there are none; raises TimeoutError.

    Only its parent can reap a child, so its number cannot have become that of another process.
    """
    me, deadline, pause = os.getpid(), 0.0, 0.0
    while True:
        for child in children_of(proc, me):
            os.kill(child, signal.SIGKILL)
        reaped = False
        try:
            while os.waitpid(-1, os.WNOHANG | WAIT_ALL)[0]:
                reaped = True
        except ChildProcessError:
            return
        if reaped or not deadline:
            deadline, pause = time.monotonic() + AT_THE_END, 0.0002
        elif time.monotonic() > deadline:
            raise TimeoutError(errno.ETIMEDOUT, "what was created does not end")
        time.sleep(pause)
        pause = min(pause * 2, 0.02)


class Visit:
    """Carries a plan out in the pid namespace of the process behind `pidfd`; `keeper` and `executor` are free numbers there."""

    def __init__(self, pidfd: int, keeper: int, executor: int) -> None:
        self._pidfd = pidfd
        self._keeper = keeper
        self._executor = executor

    def __call__(self, plan: Plan, timeout: float, events: list[int]) -> int:
        """Stay outside: start the keeper, pass signals in and the root's number out; returns the exit code. Raises OSError."""
        hold_back_signals()
        link, inner = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        try:
            checked(libc.setns(self._pidfd, CLONE_NEWPID))
            keeper = clone(0, signal.SIGCHLD, (self._keeper,))
        except OSError as error:
            return give_up(plan, "the pid namespace cannot be entered", error)
        if not keeper:
            link.close()
            end_as(plan, lambda: self._keep(plan, timeout, events, inner))
        inner.close()
        reported = stand_by(link, keeper, events)
        status = os.waitpid(keeper, 0)[1]
        if os.WIFEXITED(status):
            return os.WEXITSTATUS(status)
        return reported if reported >= 0 else killed(plan, "keeper")

    def _keep(self, plan: Plan, timeout: float, events: list[int], link: socket.socket) -> int:
        """As the keeper: start the executor, pass signals on, and end what it leaves behind; returns the exit code."""
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        proc = Proc(mount_proc())
        children_of(proc, os.getpid())
        keeper = os.getpid()
        executor = clone(0, signal.SIGCHLD, (self._executor,))
        if not executor:
            end_as(plan, lambda: self._execute(plan, timeout, events, link, proc, keeper))
        if hung_up(link):
            os.kill(executor, signal.SIGTERM)
        while True:
            information = signal.sigwaitinfo({*asking_signals(), signal.SIGCHLD})
            ended, status = os.waitpid(executor, os.WNOHANG)
            if ended:
                break
            if information.si_signo != signal.SIGCHLD:
                os.kill(executor, information.si_signo)
        end_children(proc)
        return os.WEXITSTATUS(status) if os.WIFEXITED(status) else killed(plan, "executor")

    def _execute(self, plan: Plan, timeout: float, events: list[int], link: socket.socket, proc: Proc, keeper: int) -> int:
        """As the executor: rebuild, and tell outside how it ended; returns the exit code."""
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != keeper:
            return 1
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        code = rebuild(plan, lambda: Guest(plan, events, timeout, proc, link))
        link.send(b"ended %d" % code)
        return code


def stand_by(link: socket.socket, keeper: int, events: list[int]) -> int:
    """Pass signals in until keeper and executor have ended; returns the exit code that the executor told, -1 for none."""
    code = -1
    while True:
        if select.select([link], [], [], TICK)[0]:
            message, ancillary, _, _ = link.recvmsg(64, 256)
            if not message:
                return code
            word, _, value = message.decode().partition(" ")
            if word == "ended":
                code = int(value)
            else:
                say_ready(credentials_in(ancillary), events)
        information = signal.sigtimedwait(asking_signals(), 0)
        if information:
            with contextlib.suppress(ProcessLookupError):
                os.kill(keeper, information.si_signo)


def credentials_in(ancillary: list[tuple[int, int, bytes]]) -> int:
    """Return the number that came with a message, as this side of it sees the process."""
    return next(int(struct.unpack("iII", data[:12])[0]) for _, kind, data in ancillary if kind == SCM_CREDENTIALS)


def say_ready(number: int, events: list[int]) -> None:
    """Say that the root stands with this number, where there is a reader."""
    for descriptor, line in [(descriptor, f"ready {number}") for descriptor in events] + [(1, f"ready {number}")]:
        with contextlib.suppress(OSError):
            os.write(descriptor, line.encode() + b"\n")


def children_of(proc: Proc, pid: int) -> list[int]:
    """Return children of a process of one thread, not all where there are many; raises OSError.

    A blank stands behind each number, so one that the end of what was read has cut is left out.
    """
    return [int(number) for number in proc.read(f"{pid}/task/{pid}/children").rpartition(" ")[0].split()]


def killed(plan: Plan, who: str) -> int:
    """Say that a process of this program was killed; returns the exit code."""
    complain(f"step 0 (executor): task {plan.root}: the {who} was killed: killed", AT_THE_END)
    return 1


def end_as(plan: Plan, body: Callable[[], int]) -> None:
    """Be a child of this program to the end: what goes wrong in it must not run on as its parent. Never returns."""
    code = 1
    try:
        code = body()
    except OSError as error:
        code = give_up(plan, "the executor itself", error)
    finally:
        os._exit(code)
