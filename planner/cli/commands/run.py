"""`crplan run IMAGE`: rebuild the tree for real, say `ready PID`, and hold it until it is to end."""

import argparse
import contextlib
import errno
import os
import select
import signal

from planner.cli.files import open_to_write
from planner.cli.image_job import Job, add_image_arguments, errors_of, refusal_lines
from planner.cli.streams import say
from planner.cli.terminal import write_artefact
from planner.errors import CANNOT_RESTART, COULD_NOT, EXPECTED, UsageError
from planner.events.log import LogWriter
from planner.events.records import AnyEvent, RunEnded, RunReady, StepFailed
from planner.hookspecs import Executor
from planner.identity import StepNumber
from planner.library.rebuilding import DEFAULT_TIMEOUT, Prepared, carry_out, clocked, executor_named, prepare
from planner.options import filled, split
from planner.plans.wording import step_lines
from planner.plugins import Registry
from planner.text import shown

STANDARD_OUTPUT, STANDARD_ERROR = 1, 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_image_arguments(parser)
    parser.add_argument(
        "--into", metavar="PID", type=int, help="rebuild in the pid namespace of process PID, among those who live there"
    )
    parser.add_argument("--executor", metavar="NAME", help="executor to use (see `crplan plugins`)")
    parser.add_argument(
        "--option", metavar="NAME=VALUE", action="append", default=[], help="an option of the executor; may be repeated"
    )
    parser.add_argument("--log", metavar="FILE", help="write the whole log with the run's events to FILE as they happen")
    parser.add_argument(
        "--timeout", metavar="SECONDS", type=float, help="a step without progress for so long fails (CRPLAN_TIMEOUT, default 30)"
    )


def run(args: argparse.Namespace, registry: Registry) -> int:
    """Rebuild and hold; returns the executor's exit code, or 3 for what it refuses before its first step."""
    if signal.getsignal(signal.SIGTERM) == signal.SIG_IGN:
        # SIGTERM ends a rebuild always; other signals that were ignored from the start stay so.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    executor = executor_named(args.executor, registry)
    options = filled(executor.options, split(args.option), f"executor {executor.name}")
    timeout = _timeout(args.timeout)
    if args.until is not None:
        raise UsageError("--until is for looking; a rebuild needs the whole plan")
    job = Job(args, registry)
    try:
        artefact = job.artefact()
        if errors := errors_of(artefact):
            say(*refusal_lines(job, errors))
            return CANNOT_RESTART
        prepared = prepare(executor, artefact.plan, options, args.into)
        if os.environ.get("CRPLAN_DRY_RUN", "") not in {"", "0"}:
            write_artefact("".join(f"{line}\n" for line in step_lines(prepared.plan)), None)
            return 0
        return _carry_out(executor, prepared, job, args.log, timeout)
    except EXPECTED as error:
        return job.refuse(error).exit_code


def _timeout(given: float | None) -> float:
    text = os.environ.get("CRPLAN_TIMEOUT", "")
    try:
        value = given if given is not None else float(text) if text else DEFAULT_TIMEOUT
    except ValueError:
        raise UsageError(f"CRPLAN_TIMEOUT is {text!r}, and not a number of seconds") from None
    if not 0 < value < 1e9:
        raise UsageError(f"the timeout is {value}, and must be above 0 seconds")
    return value


def _carry_out(executor: Executor, prepared: Prepared, job: Job, log_file: str | None, timeout: float) -> int:
    with contextlib.ExitStack() as stack:
        writer = LogWriter(stack.enter_context(open_to_write(log_file)), job.history) if log_file is not None else None
        telling = _Telling(writer, timeout)
        try:
            return carry_out(executor, prepared, telling.record, timeout, job.registry)
        except Unheard as error:
            # The executor has ended everything: no reader knows that the tree stands, so none would end it.
            name = errno.errorcode.get(error.errno or 0, "EIO")
            if writer is not None:
                writer.add(clocked(StepFailed(step=StepNumber(0), error=name, detail=Unheard.what)))
                writer.add(clocked(RunEnded(code=COULD_NOT)))
            if _has_room(STANDARD_ERROR, timeout):
                say(shown(f"crplan: step 0 (executor): task {prepared.plan.root}: {Unheard.what}: {name}"))
            return COULD_NOT


class _Telling:
    """Says `ready PID` on standard output, and writes the log: whatever a signal interrupts, the log says what was said."""

    def __init__(self, writer: LogWriter | None, timeout: float) -> None:
        self._writer = writer
        self._timeout = timeout
        self._unwritten: list[AnyEvent] = []
        self._announced: list[int] = []

    def record(self, event: AnyEvent) -> None:
        """Take an event of the run; raises `Unheard` where the ready line was not written."""
        if isinstance(event, RunReady):
            self._unwritten.append(event)
            _announce(event.pid, self._timeout, self._announced)
            self._catch_up()
            return
        # A signal may have come between the line and its event, or before the line.
        if self._unwritten and self._announced:
            self._catch_up()
        elif self._unwritten and isinstance(event, RunEnded) and event.code == 0:
            raise Unheard(errno.EINTR)
        if self._writer is not None:
            self._writer.add(event)

    def _catch_up(self) -> None:
        """Write the event of the ready line to the log, which no signal interrupts."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            if self._writer is not None:
                self._writer.add(self._unwritten[0])
            self._unwritten.clear()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Unheard(OSError):
    """The ready line cannot be written; EINTR is a signal that came while it was waiting for a reader."""

    what = "the ready line cannot be written to standard output"

    def __init__(self, number: int) -> None:
        super().__init__(number, self.what)


def _announce(pid: int, timeout: float, announced: list[int]) -> None:
    """Write the ready line, for which a full pipe has as long as a step, and note that in `announced`; raises `Unheard`."""
    try:
        if not _has_room(STANDARD_OUTPUT, timeout):
            raise Unheard(errno.ETIMEDOUT)
        # A reader may answer the line with SIGTERM at once, and the executor's handler raises. Python runs handlers between two
        # instructions: `extend` writes and notes within a single one, so a line that is out never counts as one that is not.
        announced.extend(map(os.write, (STANDARD_OUTPUT,), (f"ready {pid}\n".encode(),)))
    except OSError as error:
        raise Unheard(error.errno or errno.EIO) from None


def _has_room(descriptor: int, timeout: float) -> bool:
    """Tell whether a line can be written without waiting, after waiting for that; a full pipe has as long as a step."""
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(timeout * 1000))
