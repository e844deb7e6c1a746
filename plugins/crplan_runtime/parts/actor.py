"""What a process does: its own steps in plan order, each when its turn comes, and then it waits for ever."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import time
from collections.abc import Callable

from crplan_runtime.parts.board import Board
from crplan_runtime.parts.kernel import (
    CLONE_FILES,
    CLONE_FS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    CLONE_PARENT,
    CLONE_SYSVSEM,
    NR_EXIT,
    PR_SET_CHILD_SUBREAPER,
    PR_SET_NAME,
    WAIT_ALL,
    ThreadMaker,
    checked,
    clone,
    close_from,
    libc,
    prctl,
    syscall,
)
from crplan_runtime.parts.namespaces import join, map_ids, unshare
from crplan_runtime.parts.proc import Proc, check_vector, compare, mount, verify
from crplan_runtime.parts.tables import Plan, Process, Step

SHARE_FLAGS = {"files": CLONE_FILES, "fs": CLONE_FS, "sysv_undo": CLONE_SYSVSEM}
CORE_FLAG = 0x80
CORE_LIMIT = 4096
"""Bytes: the least with which the kernel begins to write a core file at all."""


class Rebuild:
    """All that a process inherits from its creator; `proc` is there as soon as the namespace is.

    What differs for the executor and for the first init is overridden in `Executor`.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.board = Board(plan)
        self.proc = Proc(-1)
        self.threads = ThreadMaker() if plan.has_threads else None
        self.all_signals = signal.valid_signals()
        self.always_blocked = plan.exit_signals & {int(number) for number in self.all_signals}

    def number(self, me: int, pid: int) -> int:
        """Return the number by which `me` knows `pid`; raises OSError when it cannot."""
        return self.plan.number(pid, self.plan.processes[me].level)

    def created(self, me: int, child: Process, number: int) -> None:
        """Check that the child of `me` got the numbers that were asked for; raises OSError and Mismatch."""
        compare("the number that clone3 returned", number, self.number(me, child.pid))
        check_vector(self.proc, self.plan, child.pid, str(child.pid))

    def open_namespace(self, me: int, init: int) -> int:
        """Open the pid namespace of `init` for `me`; raises OSError."""
        return self.proc.namespace(init)

    def verify_namespaces(self, step: Step) -> None:
        """Check the namespaces of a verify step's target."""

    def wait_until(self, done: Callable[[], object]) -> None:
        """Ask again and again, at first quickly. An actor needs no limit: the executor watches its progress."""
        pause = 0.00005
        while not done():
            self.waiting()
            time.sleep(pause)
            pause = min(pause * 1.5, 0.01)

    def waiting(self) -> None:
        """Do what is to be done while waiting."""

    def woken(self, me: int) -> None:
        """Do what is to be done whenever `me` wakes up."""

    def rest(self, me: int) -> None:
        """Wait for ever, open to all signals but those that an ended child may have sent: never returns."""
        if not self.plan.shares_files:
            close_from(3, [])
        signal.pthread_sigmask(signal.SIG_SETMASK, self.always_blocked)
        while True:
            signal.pause()


def live(rebuild: Rebuild, me: int) -> None:
    """Be the process `me`, and in the child every process that it creates: never returns."""
    board, last_step = rebuild.board, rebuild.plan.last_step
    while board.current <= last_step.get(me, -1):
        board.sleep(me)
        rebuild.woken(me)
        try:
            me = take_turn(rebuild, me)
        except Exception as error:
            board.fail(error)
            break
    rebuild.rest(me)


def take_turn(rebuild: Rebuild, me: int) -> int:
    """Do the steps of `me` that come next, and hand on; returns who the process is now: in a child, the child.

    Raises whatever a step raises; the board says which step that was.
    """
    board, steps = rebuild.board, rebuild.plan.steps
    if board.holder() != me or board.failure():
        return me
    if board.handed_on:
        last = steps[board.current]
        rebuild.wait_until(lambda: rebuild.proc.has_ended(last.actor, "thread_only" in last.words))
        board.advance()
    while not board.all_done and steps[board.current].actor == me:
        now = perform(rebuild, me, steps[board.current])
        if now != me:
            return now
        board.advance()
    board.wake()
    return me


def perform(rebuild: Rebuild, me: int, step: Step) -> int:
    """Do one step as `me`; returns who the process is now. Raises OSError and Mismatch."""
    if step.op == "create":
        return create(rebuild, me, step)
    DEEDS[step.op](rebuild, me, step)
    return me


def create(rebuild: Rebuild, me: int, step: Step) -> int:
    """Create the step's target and check its numbers; returns `me`, and in the child the child. Raises OSError and Mismatch."""
    child = rebuild.plan.processes[step.target]
    flags = sum(flag for word, flag in SHARE_FLAGS.items() if word in step.words)
    flags |= CLONE_NEWPID if "new_namespace" in step.words else 0
    flags |= CLONE_NEWUSER if "new_user" in step.words else 0
    flags |= CLONE_PARENT if "sibling" in step.words else 0
    number = clone(flags, step.value("signal", signal.SIGCHLD), child.pids)
    if not number:
        bear_name(child.name)
        return child.pid
    rebuild.created(me, child, number)
    return me


def create_thread(rebuild: Rebuild, me: int, step: Step) -> None:
    """Create a thread that waits for ever; raises OSError and Mismatch."""
    assert rebuild.threads
    thread = rebuild.plan.processes[step.target]
    signal.pthread_sigmask(signal.SIG_SETMASK, rebuild.always_blocked)
    try:
        number = rebuild.threads.create(thread.pids)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, rebuild.all_signals)
    compare("the number that clone3 returned", number, thread.pids[-1])
    check_vector(rebuild.proc, rebuild.plan, thread.pid, f"{me}/task/{thread.pid}")


def set_session(rebuild: Rebuild, me: int, step: Step) -> None:
    """Begin a session; raises OSError."""
    os.setsid()


def set_group(rebuild: Rebuild, me: int, step: Step) -> None:
    """Put a process into a group, 0 being the executor's own; raises OSError."""
    group = int(step.words[1])
    number = rebuild.number(me, group) if group else os.getpgrp()
    if not number:
        raise ProcessLookupError(3, "the executor's own group has no number in its pid namespace")
    os.setpgid(rebuild.number(me, step.target), number)


def set_subreaper(rebuild: Rebuild, me: int, step: Step) -> None:
    """Become a subreaper, or stop being one; raises OSError."""
    prctl(PR_SET_CHILD_SUBREAPER, int(step.words[0] == "on"))


def enter(rebuild: Rebuild, me: int, step: Step) -> None:
    """Let the next children be born in another pid namespace; raises OSError.

    Without root the executor is not allowed back to its own. It need not be: it creates nothing more there, and it enters other
    namespaces from wherever it is.
    """
    init = int(step.words[0])
    namespace = rebuild.open_namespace(me, init)
    try:
        checked(libc.setns(namespace, CLONE_NEWPID))
    except PermissionError:
        if me or init:
            raise
    finally:
        os.close(namespace)


def kill(rebuild: Rebuild, me: int, step: Step) -> None:
    """Kill a process and wait until it has ended; raises OSError."""
    os.kill(rebuild.number(me, step.target), int(step.words[1]))
    rebuild.wait_until(lambda: rebuild.proc.has_ended(step.target))


def reap(rebuild: Rebuild, me: int, step: Step) -> None:
    """Reap a child as soon as it has ended; raises OSError."""
    number = rebuild.number(me, step.target)
    rebuild.wait_until(lambda: os.waitpid(number, os.WNOHANG | WAIT_ALL)[0])


def stop(rebuild: Rebuild, me: int, step: Step) -> None:
    """Stop a process and wait until it stands still; raises OSError."""
    rebuild.proc.stop(step.target)
    rebuild.wait_until(lambda: rebuild.proc.is_stopped(step.target))


def check(rebuild: Rebuild, me: int, step: Step) -> None:
    """Compare a process with what the plan says; raises OSError and Mismatch."""
    verify(rebuild.proc, rebuild.plan, step)
    rebuild.verify_namespaces(step)


def end(rebuild: Rebuild, me: int, step: Step) -> None:
    """Hand on, and end with the step's wait status: never returns."""
    status = int(step.words[0])
    number = status & 0x7F
    if status & CORE_FLAG:
        os.fchdir(mount(b"tmpfs"))
    rebuild.board.hand_on_before_ending()
    if "thread_only" in step.words:
        syscall(NR_EXIT[platform.machine()], status >> 8 & 0xFF)
    if number:
        limit = CORE_LIMIT if status & CORE_FLAG else 0
        resource.setrlimit(resource.RLIMIT_CORE, (limit, limit))
        if number == signal.SIGSEGV and os.getpid() == 1:
            ctypes.string_at(0)
        if number in rebuild.all_signals - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
        os.kill(os.getpid(), number)
    os._exit(status >> 8 & 0xFF)


def bear_name(name: str) -> None:
    """Take the task's name, as far as 15 bytes go."""
    buffer = ctypes.create_string_buffer(name.encode("latin-1")[:15])
    prctl(PR_SET_NAME, ctypes.addressof(buffer))


DEEDS: dict[str, Callable[[Rebuild, int, Step], None]] = {
    "thread": create_thread,
    "setsid": set_session,
    "setpgid": set_group,
    "subreaper": set_subreaper,
    "enter": enter,
    "kill": kill,
    "reap": reap,
    "exit": end,
    "unshare": lambda rebuild, me, step: unshare(rebuild.proc, step.words),
    "map": lambda rebuild, me, step: map_ids(rebuild.proc, step),
    "join": lambda rebuild, me, step: join(rebuild.number(me, int(step.words[0])), step.words[1]),
    "stop": stop,
    "verify": check,
}
"""What is done for each op but `create`, by `me`."""
