"""`crplan run IMAGE`: rebuild the tree for real, say `ready PID`, and hold it until it is to end."""

import argparse
import contextlib
import os
import sys

from planner.cli.files import open_to_write
from planner.cli.image_job import Job, add_image_arguments, errors_of, refusal_lines
from planner.cli.streams import say
from planner.cli.terminal import write_artefact
from planner.errors import CANNOT_RESTART, EXPECTED, UsageError
from planner.events.log import LogWriter
from planner.events.records import AnyEvent, RunReady
from planner.hookspecs import Executor
from planner.library.rebuilding import DEFAULT_TIMEOUT, Prepared, carry_out, executor_named, prepare
from planner.options import filled, split
from planner.plans.wording import step_lines
from planner.plugins import Registry


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

        def record(event: AnyEvent) -> None:
            if writer is not None:
                writer.add(event)
            if isinstance(event, RunReady):
                # Whoever started us may have stopped listening; the tree stands all the same.
                with contextlib.suppress(BrokenPipeError):
                    sys.stdout.write(f"ready {event.pid}\n")
                    sys.stdout.flush()

        return carry_out(executor, prepared, record, timeout, job.registry)
