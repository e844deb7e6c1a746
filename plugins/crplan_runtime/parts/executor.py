"""The executor: makes the namespace, watches the steps, verifies, says that all is ready, and ends everything."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import socket
import struct
import time

from crplan_runtime.parts.actor import Rebuild, live, take_turn
from crplan_runtime.parts.host_proc import HostProc
from crplan_runtime.parts.kernel import (
    NR_PIDFD_OPEN,
    PR_SET_PDEATHSIG,
    WAIT_ALL,
    close_from,
    error_name,
    prctl,
    syscall,
)
from crplan_runtime.parts.namespaces import Comparison
from crplan_runtime.parts.privileges import mount_proc
from crplan_runtime.parts.proc import Mismatch, Proc, check_vector, verify_nothing_else
from crplan_runtime.parts.signals import END_SIGNALS, Failed, asking_signals, has_ended, hung_up
from crplan_runtime.parts.streams import write_in_time
from crplan_runtime.parts.tables import Plan, Process, Step

TICK = 0.05
"""Seconds between looks at whether anything moves."""

HOLD_TICK = 0.2
"""Seconds between looks at a root whose end cannot be waited for."""

STOPPED_AFTER = 0.1
"""Seconds without progress after which the process at work is looked at: it may have been killed."""

SCM_CREDENTIALS = 2

AT_THE_END = 5.0
"""Seconds that what was killed may take to end, at least."""


class Executor(Rebuild):
    """The rebuild as the executor, actor 0, sees it; its children inherit it and go on as themselves.

    `outer` holds the numbers of the executor's children in its own namespace. `link` leads to the first init, which hands over
    the proc instance and translates numbers.
    """

    first_child = "the namespace's init"
    """What the executor's first child is, for messages."""

    def __init__(self, plan: Plan, tell: list[int], timeout: float) -> None:
        super().__init__(plan)
        self._tell = tell
        self._told = 0
        self._unheard = False
        """Whether a reader of the events is gone: then the rebuild ends, however far it has come."""
        self.timeout = timeout
        self._asking = asking_signals()
        self.outer: dict[int, int] = {}
        self.link, self._inner_link = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.link.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._own_namespace = syscall(NR_PIDFD_OPEN, os.getpid(), 0)
        if plan.returns_to_own_group and not os.getpgrp():
            # The group has no number in this pid namespace, by which children could be put back into it.
            os.setpgid(0, 0)
        self._init = 0
        self._init_descriptor = -1
        self._outside = True
        self._comparison: Comparison | None = None
        self._moved = time.monotonic()

    # The executor as an actor.

    def number(self, me: int, pid: int) -> int:
        """Return the number by which `me` knows `pid`; raises OSError when it cannot."""
        if me:
            return super().number(me, pid)
        if pid not in self.outer:
            self.outer[pid] = self._translate(pid)
        return self.outer[pid]

    def created(self, me: int, child: Process, number: int) -> None:
        """Check a child's numbers; the first init's after its proc instance has come. Raises OSError and Mismatch."""
        if me:
            super().created(me, child, number)
            return
        self.outer[child.pid] = number
        if not self._init:
            self._init = child.pid
            self._init_descriptor = syscall(NR_PIDFD_OPEN, number, 0)
            self._inner_link.close()
            self.proc = self._receive_proc()
        check_vector(self.proc, self.plan, child.pid, str(child.pid))

    def open_namespace(self, me: int, init: int) -> int:
        """Open the namespace of `init`, the executor's own for 0; raises OSError."""
        return os.dup(self._own_namespace) if not init else super().open_namespace(me, init)

    def verify_namespaces(self, step: Step) -> None:
        """Check the namespaces of other kinds that a task is in; raises Mismatch and OSError."""
        if not self._comparison:
            self._comparison = Comparison(self.plan)
        self._comparison.check(self.proc, step)

    def waiting(self) -> None:
        """While the executor itself waits, heed signals and the time; raises Failed."""
        if self._outside:
            self.heed_signals()
            if time.monotonic() - self._moved > self.timeout:
                raise self.failed(f"no progress for {self.timeout:g} seconds", "ETIMEDOUT")

    # The first init, and children of the executor.

    def begin(self, child: int) -> None:
        """Be `child`, and never return: what goes wrong here must not run on as a second executor."""
        try:
            self._outside = False
            self._leave(child)
            live(self, child)
        except OSError as error:
            self.board.fail(error)
        finally:
            os._exit(1)

    def _leave(self, child: int) -> None:
        """Leave the executor's descriptors, signals and directory behind; raises OSError."""
        first = not self._init
        for number in END_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        close_from(3, [*self.board.descriptors, self.kept(first)])
        os.chdir("/")
        if first:
            self._init = child
            self.settle()

    def kept(self, first: bool) -> int:
        """Return the descriptor that a child of the executor needs besides those of the board."""
        return self._inner_link.fileno() if first else self.proc.top

    def settle(self) -> None:
        """As the first child, do what the others rely on."""
        self._hand_over_proc()

    def woken(self, me: int) -> None:
        """Let the first init translate numbers when it is asked to."""
        if me == self._init:
            self._serve(socket.MSG_DONTWAIT)

    def rest(self, me: int) -> None:
        """Wait for ever; the first init answers questions meanwhile, and ends with the executor."""
        if me != self._init:
            super().rest(me)
        if not self.plan.shares_files:
            close_from(3, [self._inner_link.fileno()])
        signal.pthread_sigmask(signal.SIG_SETMASK, self.always_blocked)
        while True:
            self._serve(0)

    def _hand_over_proc(self) -> None:
        """As the first init: die with the executor, and give it a proc instance of the new namespace."""
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if hung_up(self._inner_link):
            os._exit(1)
        try:
            self.proc = Proc(mount_proc())
        except OSError as error:
            self._inner_link.send(error_name(error).encode())
            with contextlib.suppress(OSError):
                self.proc = HostProc(outside=False)
            return
        self._inner_link.sendmsg([b"proc"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", self.proc.top))])

    def _serve(self, flags: int) -> None:
        """As the first init: answer a number with credentials that name the same process; the kernel translates them."""
        try:
            question = self._inner_link.recv(16, flags)
        except BlockingIOError:
            return
        if not question:
            os._exit(0)
        credentials = struct.pack("iII", int(question), os.getuid(), os.getgid())
        try:
            self._inner_link.sendmsg([b"ok"], [(socket.SOL_SOCKET, SCM_CREDENTIALS, credentials)])
        except OSError as error:
            self._inner_link.send(error_name(error).encode())

    # The other end of the link.

    def _receive(self) -> tuple[bytes, list[tuple[int, int, bytes]]]:
        """Wait for a message of the first init; raises OSError when there is none in time."""
        deadline = time.monotonic() + self.timeout
        poll = select.poll()
        poll.register(self.link, select.POLLIN)
        while not poll.poll(TICK * 1000):
            self.heed_signals()
            if has_ended(self._init_descriptor):
                raise self.failed(f"{self.first_child} was killed", "killed")
            if time.monotonic() > deadline:
                raise TimeoutError(errno.ETIMEDOUT, "the namespace's init does not answer")
        message, ancillary, flags, _ = self.link.recvmsg(64, 256)
        if flags & socket.MSG_CTRUNC:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        failure = self.board.failure()
        if failure:
            raise self.failed(failure[1], failure[0])
        if not message:
            raise ChildProcessError(errno.ECHILD, "the namespace's init has ended")
        return message, ancillary

    def _receive_proc(self) -> Proc:
        """Return the proc instance of the new namespace, the machine's where it gets none; raises OSError."""
        message, ancillary = self._receive()
        for _, kind, data in ancillary:
            if kind == socket.SCM_RIGHTS:
                return Proc(int(struct.unpack("i", data[:4])[0]))
        with contextlib.suppress(OSError):
            return HostProc(outside=True)
        raise OSError(getattr(errno, message.decode(), errno.EIO), "no proc instance can be made, and /proc shows other tasks")

    def _translate(self, pid: int) -> int:
        """Ask the first init for the number of `pid` in the executor's namespace; raises OSError."""
        self.link.send(str(self.plan.number(pid, 0)).encode())
        self.board.nudge(self._init)
        message, ancillary = self._receive()
        for _, kind, data in ancillary:
            if kind == SCM_CREDENTIALS and message == b"ok":
                return int(struct.unpack("iII", data[:12])[0])
        raise OSError(getattr(errno, message.decode(), errno.ESRCH), f"the number of task {pid} outside is unknown")

    # Watching.

    def build(self) -> None:
        """See all steps done; raises Failed. Children return from here as themselves and never come back."""
        seen = -1
        while not self.board.all_done:
            if self.board.holder() == 0 and not self.board.failure():
                self._own_turn()
                continue
            self._wait_for_news()
            state = self.board.current * 2 + self.board.handed_on
            if state != seen:
                seen, self._moved = state, time.monotonic()
                self.report()
            elif time.monotonic() - self._moved > STOPPED_AFTER:
                self._look_for_the_dead()
                self.waiting()
                self.board.wake()
        self.report()

    def _own_turn(self) -> None:
        self.heed_signals()
        self._moved = time.monotonic()
        try:
            now = take_turn(self, 0)
        except Mismatch as error:
            raise self.failed(str(error), "mismatch") from None
        except OSError as error:
            raise self.failed(str(error.strerror or error), error_name(error)) from None
        if now:
            self.begin(now)

    def _wait_for_news(self) -> None:
        """Wait for a tick, the bell or the end of the first init; raises Failed."""
        poll = select.poll()
        poll.register(self.board.bell, select.POLLIN)
        poll.register(self._init_descriptor, select.POLLIN)
        self._watch_listener(poll)
        for descriptor, _ in poll.poll(TICK * 1000):
            if descriptor == self.board.bell:
                os.read(descriptor, 64)
            elif descriptor in self._tell:
                raise self.failed("the reader of the events has ended", "EPIPE")
        if self._unheard:
            raise self.failed("the reader of the events has ended", "EPIPE")
        failure = self.board.failure()
        if failure:
            raise self.failed(failure[1], failure[0])
        if has_ended(self._init_descriptor):
            raise self.failed(f"{self.first_child} was killed", "killed")
        self.heed_signals()

    def _look_for_the_dead(self) -> None:
        """Find out whether the process whose turn it is has been killed; raises Failed."""
        index = self.board.current
        suspects = {self.board.holder()} if self.board.handed_on else {self.plan.steps[index].actor}
        for pid in suspects - {0}:
            if self.proc.is_ending(pid) and self.board.current == index and not self.board.all_done:
                raise self.failed(f"process {pid} was killed", "killed")

    def heed_signals(self) -> None:
        """Raise Failed when a signal came that asks for the end."""
        information = signal.sigtimedwait(self._asking, 0)
        if information:
            raise self.failed("interrupted", signal.Signals(information.si_signo).name)

    def failed(self, what: str, error: str) -> Failed:
        """Blame the step in work; what fails in a namespace that is being killed fails for that reason."""
        if self._init and self.proc.top >= 0 and error in errno.errorcode.values():
            # Where descriptors are short nothing can be looked at either.
            with contextlib.suppress(OSError):
                if self.proc.is_ending(self._init):
                    what, error = f"{self.first_child} was killed", "killed"
        index = min(self.board.current, len(self.plan.steps) - 1)
        step = self.plan.steps[index]
        return Failed(index, step.target or self.plan.root, f"{step.op}: {what}", error)

    # The end.

    def hold(self) -> None:
        """Say that all is ready, and wait for a signal or for the end of the root; raises Failed."""
        try:
            self.check_nothing_else()
            number = self.number(0, self.plan.root)
            root = syscall(NR_PIDFD_OPEN, number, 0)
        except Mismatch as error:
            raise Failed(-1, self.plan.root, str(error), "mismatch") from None
        except OSError as error:
            raise Failed(-1, self.plan.root, str(error.strerror), error_name(error)) from None
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer)
        for number_of_signal in self._asking:
            signal.signal(number_of_signal, lambda *_: None)
        root_is_zombie = self.proc.has_ended(self.plan.root)
        try:
            self.announce(number)
        except OSError as error:
            what = "the ready line cannot be written to standard output"
            raise Failed(-1, self.plan.root, what, error_name(error)) from None
        if self._unheard:
            raise Failed(-1, self.plan.root, "the reader of the events has ended", "EPIPE")
        poll = select.poll()
        poll.register(reader, select.POLLIN)
        poll.register(self._init_descriptor if root_is_zombie else root, select.POLLIN)
        self._watch_listener(poll)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self._asking)
        # An init that was killed stays until the executor has reaped the tasks that it let enter: then only a look helps.
        look_after = HOLD_TICK * 1000 if len(self.outer) > 1 and not root_is_zombie else None
        while not poll.poll(look_after) and not self.proc.is_ending(self.plan.root):
            pass
        # The end has begun; a second signal, and the interpreter's own end, must not cut it short.
        signal.pthread_sigmask(signal.SIG_BLOCK, END_SIGNALS)

    def check_nothing_else(self) -> None:
        """Check that nothing but the tree stands; raises Mismatch and OSError."""
        verify_nothing_else(self.proc, self.plan)

    def announce(self, number: int) -> None:
        """Say that the root stands with this number; raises OSError."""
        self.tell(f"ready {number}")
        write_in_time(1, f"ready {number}\n", self.timeout, self.heed_signals)

    def finish(self) -> None:
        """Kill the namespace and reap until its init is gone: then nothing of it is left. Raises Failed."""
        init = self.outer.get(self._init)
        if not init:
            return
        os.kill(init, signal.SIGKILL)
        deadline, pause = time.monotonic() + max(self.timeout, AT_THE_END), 0.0002
        while True:
            pid = os.waitpid(-1, os.WNOHANG | WAIT_ALL)[0]
            if pid == init:
                return
            if not pid:
                if time.monotonic() > deadline:
                    raise Failed(-1, self._init, "the namespace's init does not end", "ETIMEDOUT")
                time.sleep(pause)
                pause = min(pause * 2, 0.02)

    # Events for `crplan run`.

    def _watch_listener(self, poll: select.poll) -> None:
        """Notice the end of the reader of the events: the rebuild must not outlive it."""
        for descriptor in self._tell:
            poll.register(descriptor, 0)

    def tell(self, line: str) -> None:
        """Write an event line where there is a reader."""
        if self._tell:
            try:
                os.write(self._tell[0], line.encode("ascii", "replace") + b"\n")
            except OSError:
                self._tell.clear()
                self._unheard = True

    def report(self) -> None:
        """Tell of the steps that have been done since the last time."""
        done = self.board.current
        if done > self._told:
            self.tell(f"done {self._told + 1} {' '.join(map(str, self.board.clocks(self._told, done)))}")
            self._told = done
