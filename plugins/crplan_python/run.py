"""Runs the standalone program as a child process of `crplan run`, and turns what it tells into run events."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING

from crplan_python.emit import emit, emit_visit
from planner.events.records import AnyEvent, RunEnded, RunReady, RunStarted, StepDone, StepFailed
from planner.identity import StepNumber
from planner.plans.model import Plan

if TYPE_CHECKING:
    from planner.plans.retarget import Retargeted

PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def run(plan: Plan, record: Callable[[AnyEvent], None], timeout: float) -> int:
    """Rebuild the tree and block until it has ended; returns the exit code. `timeout` is in seconds, for one step.

    The program is a child process, so that it stays small and forks cheaply. It ends everything when this process dies, because
    then nobody reads its events any more. With CRPLAN_DRY_RUN it prints the steps.
    """
    return _run(emit(plan), plan.plan_id, (), record, timeout)


def run_into(visit: "Retargeted", record: Callable[[AnyEvent], None], timeout: float) -> int:
    """Rebuild the tree in a pid namespace that is there, otherwise as `run` does; raises OSError where its process is not."""
    pidfd = os.pidfd_open(visit.into)
    try:
        return _run(emit_visit(visit, pidfd), visit.plan_id, (pidfd,), record, timeout)
    finally:
        os.close(pidfd)


def _run(program: str, plan_id: str, inherited: tuple[int, ...], record: Callable[[AnyEvent], None], timeout: float) -> int:
    record(RunStarted(plan_id=plan_id, executor="python"))
    reader, writer = os.pipe()
    environment = {**os.environ, "CRPLAN_EVENTS": str(writer), "CRPLAN_TIMEOUT": repr(timeout)}
    child = subprocess.Popen(
        [sys.executable, "-I", "-S", "-"],
        stdin=subprocess.PIPE,
        stdout=None if os.environ.get("CRPLAN_DRY_RUN", "0") not in ("", "0") else subprocess.DEVNULL,
        pass_fds=[writer, *inherited],
        env=environment,
    )
    os.close(writer)
    with _passing_on(child), os.fdopen(reader, "rb") as events:
        assert child.stdin
        child.stdin.write(program.encode())
        child.stdin.close()
        for line in events:
            for event in _events(line.decode("ascii", "replace").split()):
                record(event)
        code = child.wait()
    record(RunEnded(code=code if code >= 0 else 1))
    return code if code >= 0 else 1


def _events(words: list[str]) -> Iterator[AnyEvent]:
    match words:
        case ["done", first, last]:
            for number in range(int(first), int(last) + 1):
                yield StepDone(step=StepNumber(number))
        case ["failed", number, error, *detail]:
            yield StepFailed(step=StepNumber(int(number)), error=error, detail=" ".join(detail))
        case ["ready", pid]:
            yield RunReady(pid=int(pid))


class _passing_on:
    """Passes the signals that ask for the end on to the child, while the block lasts."""

    def __init__(self, child: "subprocess.Popen[bytes]") -> None:
        self._child = child
        self._before: list[tuple[int, object]] = []

    def __enter__(self) -> None:
        for number in PASSED_ON:
            self._before.append((number, signal.signal(number, self._pass_on)))

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before:
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        self._child.send_signal(number)
