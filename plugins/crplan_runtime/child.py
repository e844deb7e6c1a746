"""Runs a program that carries out a plan as a child process, and turns what it tells into run events.

The program gets CRPLAN_EVENTS, the descriptor of a pipe for lines like `done FIRST CLOCK...`, and CRPLAN_TIMEOUT. It is a process
of its own, so that it stays small and creates others cheaply, and it ends everything when the reader of its events has ended.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import NamedTuple

from crplan_runtime.parts.streams import complain, fill_standard_streams
from planner.events.records import AnyEvent, RunEnded, RunReady, RunStarted, StepDone, StepFailed
from planner.identity import StepNumber

PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
"""Signals that ask for the end: SIGTERM always, the others unless they were ignored from the start."""


class Program(NamedTuple):
    """A program to run: its command, what it reads from standard input, and the descriptors and variables that it inherits.

    `executor` names it in the log. `plan_id` and `root` are those of the plan, for events and messages.
    """

    executor: str
    command: Sequence[str]
    plan_id: str
    root: int
    text: bytes = b""
    inherited: tuple[int, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()


def run_program(program: Program, record: Callable[[AnyEvent], None], timeout: float) -> int:
    """Run a program and block until the tree has ended; returns the exit code. `timeout` is in seconds, for one step."""
    fill_standard_streams()
    record(RunStarted(plan_id=program.plan_id, executor=program.executor))
    reader, writer = os.pipe()
    environment = {**os.environ, **dict(program.variables), "CRPLAN_EVENTS": str(writer), "CRPLAN_TIMEOUT": repr(timeout)}
    told = False
    with _passing_on() as passing_on, os.fdopen(reader, "rb") as events:
        try:
            child = passing_on.start(program, environment, [writer, *program.inherited])
        finally:
            os.close(writer)
        try:
            assert child.stdin
            with contextlib.suppress(BrokenPipeError), child.stdin:
                child.stdin.write(program.text)
            for line in events:
                for event in _events(line.decode("ascii", "replace").split()):
                    told = told or isinstance(event, StepFailed)
                    passing_on.announcing = isinstance(event, RunReady)
                    try:
                        record(event)
                    finally:
                        passing_on.announcing = False
        except _Interrupted:
            pass
        except BaseException:
            # The reader of the events has ended: the program ends everything that it made, and then itself.
            child.terminate()
            child.wait()
            raise
        code = child.wait()
    if code and not told and code in {1, *range(-64, 0)}:
        what = f"the executor was killed by signal {-code}" if code < 0 else "the executor ended by itself"
        record(StepFailed(step=StepNumber(0), error="ECHILD", detail=what))
        if code < 0:
            complain(f"step 0 (executor): task {program.root}: {what}: ECHILD", timeout)
    record(RunEnded(code=code if code >= 0 else 1))
    return code if code >= 0 else 1


def _events(words: list[str]) -> Iterator[AnyEvent]:
    match words:
        case ["done", first, *clocks]:
            for number, clock in enumerate(map(int, clocks), int(first)):
                yield StepDone(step=StepNumber(number), clock=clock)
        case ["failed", number, error, *detail]:
            yield StepFailed(step=StepNumber(int(number)), error=error, detail=" ".join(detail))
        case ["ready", pid]:
            yield RunReady(pid=int(pid))


class _Interrupted(BaseException):
    """A signal came while the ready line was waiting for a reader; the child has the signal, and ends."""


class _passing_on:
    """Passes the signals that ask for the end on to the child, while the block lasts.

    They are held back until the child is there, and the child is born with them held back: so none of them is lost, and none
    ends an interpreter that has yet to begin.
    """

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._before: list[tuple[signal.Signals, object]] = []
        self.announcing = False
        """Whether the ready line is being written, which may take its time where a pipe is full."""

    def __enter__(self) -> "_passing_on":
        signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
        for number in PASSED_ON:
            if number == signal.SIGTERM or signal.getsignal(number) != signal.SIG_IGN:
                self._before.append((number, signal.signal(number, self._pass_on)))
        return self

    def start(self, program: Program, environment: dict[str, str], inherited: list[int]) -> "subprocess.Popen[bytes]":
        """Start the program; raises OSError."""
        self._child = subprocess.Popen(
            program.command,
            stdin=subprocess.PIPE,
            stdout=None if os.environ.get("CRPLAN_DRY_RUN", "0") not in ("", "0") else subprocess.DEVNULL,
            pass_fds=inherited,
            env=environment,
        )
        signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
        return self._child

    def __exit__(self, *_: object) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
        for number, handler in self._before:
            signal.signal(number, handler)  # type: ignore[arg-type]
        signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        if self._child is not None:
            self._child.send_signal(number)
        if self.announcing:
            raise _Interrupted
