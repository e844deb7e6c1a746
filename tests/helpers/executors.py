"""Runs an executor in a pid namespace of its own and reads back from the host's /proc what stands there.

The executor under test is any command line. What it rebuilt is compared with the plan's `Verify` steps by `expected` and
`Sandbox.standing`, which share nothing with any executor's own verification. Linux and root only.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

import msgspec

from planner.plans.model import Plan
from planner.steps import Create, Stop, Verify

SANDBOX_LEVELS: Final = 2
"""Entries of `NSpid` in front of level 0: the number on the host and the number in the sandbox."""

EXECUTOR_NUMBER: Final = 2
"""The executor's number in the sandbox: the first child of its init."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A process as /proc shows it; numbers are level-0 numbers, `pids` and the vectors of `threads` outermost first.

    `status` is in wait(2)'s format and 0 for the living.
    """

    pids: tuple[int, ...]
    parent: int
    group: int
    session: int
    zombie: bool = False
    status: int = 0
    threads: tuple[tuple[int, ...], ...] = ()
    stopped: bool = False


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A process of the sandbox as the host sees it: its host number, and everything that status and stat say."""

    host: int
    pids: tuple[int, ...]
    parent: int
    group: int
    session: int
    zombie: bool
    status: int
    exit_signal: int
    threads: tuple[tuple[int, ...], ...]
    stopped: bool


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How an executor ended: its exit code (minus the signal that killed it) and its whole output."""

    code: int
    stdout: str
    stderr: str


def expected(plan: Plan) -> dict[int, Standing]:
    """Return what the plan's Verify steps say, by level-0 number, and who is stopped."""
    processes = plan.process_table()
    stopped = {step.target for step in plan.steps if isinstance(step, Stop)}
    return {
        step.target: Standing(
            pids=processes[step.target].pids,
            parent=step.parent,
            group=step.group,
            session=step.session,
            zombie=step.zombie,
            status=step.status,
            threads=tuple(sorted(processes[thread].pids for thread in step.threads)),
            stopped=step.target in stopped,
        )
        for step in plan.steps
        if isinstance(step, Verify)
    }


def expected_exit_signals(plan: Plan) -> dict[int, int]:
    """Return the exit signals of processes that are still children of their creators; adoption sets SIGCHLD."""
    parents = {step.target: step.parent for step in plan.steps if isinstance(step, Verify)}
    return {
        step.child: step.exit_signal
        for step in plan.steps
        if isinstance(step, Create) and not step.sibling and parents.get(step.child) == step.actor
    }


class Sandbox:
    """A command that runs in a pid namespace of its own; leave the `with` block and all of it is killed.

    `options` are those of `tests.helpers.sandbox`. `environment` is added to a small one. Raises TimeoutError from every
    method that waits.
    """

    def __init__(
        self, command: Sequence[str], *, options: Sequence[str] = (), environment: Mapping[str, str] | None = None
    ) -> None:
        self._report, writer = os.pipe()
        script = Path(__file__).with_name("sandbox.py")
        variables = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", **(environment or {})}
        self._outer = subprocess.Popen(
            [sys.executable, "-I", "-S", str(script), str(writer), *options, "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[writer],
            env=variables,
        )
        os.close(writer)
        assert self._outer.stdout is not None and self._outer.stderr is not None
        self._output: dict[int, bytes] = {
            self._outer.stdout.fileno(): b"",
            self._outer.stderr.fileno(): b"",
            self._report: b"",
        }
        self._open = set(self._output)
        self._stdout, self._stderr, _ = self._output
        self._init = 0

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Kill whatever is left, and wait until it is gone."""
        self._members()
        if self._init:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._init, signal.SIGKILL)
        try:
            self._outer.wait(60)
        except subprocess.TimeoutExpired:
            self._outer.kill()
            self._outer.wait()
            raise
        for stream in (self._outer.stdout, self._outer.stderr):
            if stream:
                stream.close()
        os.close(self._report)

    def ready(self, timeout: float = 30) -> int:
        """Wait for the line `ready PID` and return the number; raises AssertionError when the executor ends before."""
        self._pump(lambda: b"\n" in self._output[self._stdout] or bool(self._output[self._report]), timeout, "no ready line")
        line = self._output[self._stdout].decode()
        if not line.startswith("ready ") or line.count("\n") != 1:
            raise AssertionError(f"not ready: {line!r} {self._output[self._stderr].decode()!r}")
        return int(line.split()[1])

    def refused(self, timeout: float = 30) -> bool:
        """Wait until the executor is ready or has ended, and tell whether it ended with 3, the code of a refusal."""
        streams = (self._stdout, self._report)
        self._pump(lambda: any(self._output[stream] for stream in streams), timeout, "neither ready nor ended")
        return bool(self._output[self._report]) and self.ended().code == 3

    def is_ready(self) -> bool:
        """Tell whether anything came on stdout, without waiting."""
        self._pump(lambda: True, 0, "")
        return bool(self._output[self._stdout])

    def has_ended(self) -> bool:
        """Tell whether the executor has ended, without waiting."""
        self._pump(lambda: True, 0, "")
        return bool(self._output[self._report])

    def ended(self, timeout: float = 30) -> Ended:
        """Wait until the executor ended and nothing holds its stdout and stderr open any more."""
        streams = {self._stdout, self._stderr}
        self._pump(lambda: bool(self._output[self._report]), timeout, "the executor does not end")
        self._pump(lambda: not streams & self._open, 30, "stdout or stderr is still open somewhere")
        status = int(self._output[self._report].split()[1])
        return Ended(
            code=os.waitstatus_to_exitcode(status),
            stdout=self._output[self._stdout].decode(),
            stderr=self._output[self._stderr].decode(),
        )

    def signal(self, number: int) -> None:
        """Send a signal to the executor."""
        os.kill(self.executor(), number)

    def executor(self) -> int:
        """Return the executor's number on the host."""
        found: list[int] = []

        def look() -> bool:
            found[:] = [seen.host for seen in self._members() if self._number(seen.host) == EXECUTOR_NUMBER]
            return bool(found)

        _until(look, 60, "there is no executor")
        return found[0]

    def members(self) -> list[int]:
        """Return the host numbers of all processes in the sandbox but its init: the executor and what it made."""
        return [seen.host for seen in self._members() if seen.host != self._init]

    def processes(self) -> list[Seen]:
        """Return the processes inside the rebuilt container."""
        return [seen for seen in self._members() if seen.pids]

    def standing(self) -> dict[int, Standing]:
        """Return the rebuilt processes by level-0 number."""
        seen = self.processes()
        numbers = {process.host: process.pids[0] for process in seen}
        return {
            process.pids[0]: Standing(
                pids=process.pids,
                parent=numbers.get(process.parent, 0),
                group=process.group,
                session=process.session,
                zombie=process.zombie,
                status=process.status if process.zombie else 0,
                threads=process.threads,
                stopped=process.stopped,
            )
            for process in seen
        }

    def sandbox_number(self, host: int) -> int:
        """Return the number by which the executor's caller knows the process `host`."""
        return self._number(host)

    def left(self, grace: float = 2.0) -> list[int]:
        """Return the host numbers of what still lives in the sandbox after `grace` seconds, its init excepted."""
        deadline = time.monotonic() + grace
        while (members := self.members()) and time.monotonic() < deadline:
            time.sleep(0.01)
        return members

    def _members(self) -> list[Seen]:
        """Return the descendants of the sandbox's init: every process of the sandbox is one."""
        if not self._init:
            self._init = next(iter(_children(self._outer.pid)), 0)
        found: list[Seen] = []
        queue = [self._init] if self._init else []
        while queue:
            host = queue.pop()
            queue += _children(host)
            if seen := _look(host):
                found.append(seen)
        return found

    def _number(self, host: int) -> int:
        status = _status(f"/proc/{host}")
        vector = status.get("NSpid", "").split()
        return int(vector[SANDBOX_LEVELS - 1]) if len(vector) >= SANDBOX_LEVELS else 0

    def _pump(self, done: Callable[[], bool], timeout: float, complaint: str) -> None:
        deadline = time.monotonic() + timeout
        while True:
            self._read(0)
            if done():
                return
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"{complaint}; so far: {[text.decode() for text in self._output.values()]}")
            self._read(min(left, 1))

    def _read(self, timeout: float) -> None:
        readable = select.select(sorted(self._open), [], [], timeout)[0] if self._open else []
        for descriptor in readable:
            block = os.read(descriptor, 65536)
            if block:
                self._output[descriptor] += block
            else:
                self._open.discard(descriptor)


def shares(first: int, second: int, what: str) -> bool:
    """Tell whether two processes (host numbers) share "files", "fs" or "sysv_undo", by kcmp(2)."""
    import ctypes
    import platform

    number = {"x86_64": 312, "aarch64": 272}[platform.machine()]
    kind = {"memory": 1, "files": 2, "fs": 3, "signal_handlers": 4, "sysv_undo": 6}[what]
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(number, first, second, kind, 0, 0)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return bool(result == 0)


def _children(host: int) -> list[int]:
    """Return the children of all threads of a process (needs CONFIG_PROC_CHILDREN); none when it has gone."""
    found: list[int] = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for thread in os.listdir(f"/proc/{host}/task"):
            found += map(int, Path(f"/proc/{host}/task/{thread}/children").read_text().split())
    return found


def _status(directory: str) -> dict[str, str]:
    """Read a status file; a process that has gone gives an empty dictionary."""
    try:
        with open(f"{directory}/status", encoding="ascii", errors="replace") as file:
            return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    except (FileNotFoundError, ProcessLookupError):
        return {}


def _inside(field: str) -> tuple[int, ...]:
    return tuple(int(number) for number in field.split())[SANDBOX_LEVELS:]


def _look(host: int) -> Seen | None:
    directory = f"/proc/{host}"
    status = _status(directory)
    try:
        stat = Path(directory, "stat").read_text(errors="replace").rpartition(")")[2].split()
        others = [thread for thread in os.listdir(f"{directory}/task") if int(thread) != host]
    except (FileNotFoundError, ProcessLookupError):
        return None
    if not status:
        return None
    group, session = _inside(status["NSpgid"]), _inside(status["NSsid"])
    threads = (_inside(_status(f"{directory}/task/{thread}").get("NSpid", "")) for thread in others)
    return Seen(
        host=host,
        pids=_inside(status["NSpid"]),
        parent=int(status["PPid"]),
        group=group[0] if group else 0,
        session=session[0] if session else 0,
        zombie=stat[0] == "Z",
        status=int(stat[49]),
        exit_signal=int(stat[35]),
        threads=tuple(sorted(threads)),
        stopped=stat[0] == "T",
    )


def _until(condition: Callable[[], bool], timeout: float, complaint: str) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(complaint)
        time.sleep(0.005)
