"""`crplan run IMAGE`: rebuild the tree for real, say `ready PID`, and hold it until it is to end."""

import argparse
import contextlib
import errno
import os
import select
import signal
from collections.abc import Callable
from functools import partial

from planner.cli.files import open_to_write
from planner.cli.image_job import Job, add_image_arguments, errors_of, finding_line
from planner.cli.terminal import say, write_artefact
from planner.errors import CANNOT_RESTART, EXPECTED, CannotEmit, PluginFailed, UsageError
from planner.events.log import LogWriter
from planner.events.records import AnyEvent, RunEnded, RunReady, StepFailed
from planner.hookspecs import Executor
from planner.identity import ProcessId, StepNumber
from planner.options import chosen, filled, split
from planner.plans.model import Plan
from planner.plans.wording import step_lines
from planner.plugins import Registry
from planner.text import escaped

CarryOut = Callable[[Callable[[AnyEvent], None], float], int]

STANDARD_OUTPUT, STANDARD_ERROR = 1, 2
COULD_NOT = 1

DEFAULT_TIMEOUT = 30.0
"""Seconds without progress after which a step has failed, where CRPLAN_TIMEOUT says nothing else."""


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
    if not registry.executors:
        raise UsageError("no executor is installed")
    executor = chosen(registry.executors, args.executor, "executor") if args.executor else registry.executors[0]
    options = filled(executor.options, split(args.option), f"executor {executor.name}")
    timeout = _timeout(args.timeout)
    if args.until is not None:
        raise UsageError("--until is for looking; a rebuild needs the whole plan")
    job = Job(args, registry)
    try:
        artefact = job.artefact()
        if errors := errors_of(artefact):
            say(f"crplan: {escaped(job.image)}: cannot be restarted as it is", *(f"  {finding_line(found)}" for found in errors))
            return CANNOT_RESTART
        plan = executor.concedes(artefact.plan, options)
        if reason := executor.refuses(plan):
            raise CannotEmit(f"executor {executor.name} cannot do this: {reason}")
        carry_out: CarryOut = partial(executor.run, plan)
        if args.into is not None:
            plan, carry_out = _inside(executor, plan, args.into)
        if os.environ.get("CRPLAN_DRY_RUN", "") not in {"", "0"}:
            write_artefact("".join(f"{line}\n" for line in step_lines(plan)), None)
            return 0
        return _carry_out(executor, carry_out, plan.root, job, args.log, timeout)
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


def _inside(executor: Executor, plan: Plan, pid: int) -> tuple[Plan, CarryOut]:
    """Turn the plan towards the pid namespace of a process; raises `UsageError` and `CannotEmit`."""
    from planner.host.pid_limits import limit_of
    from planner.host.pids_in_use import occupied
    from planner.plans.retarget import into
    from planner.ranges import parse_ranges

    if executor.run_into is None:
        raise CannotEmit(f"executor {executor.name} always makes a pid namespace of its own")
    spaces = occupied()
    space = next((found for found in spaces if pid in parse_ranges(found.members)), None)
    if space is None:
        raise UsageError(f"there is no process {pid}, or nothing says in which pid namespace it is")
    limit = limit_of(spaces, space.id, pid, {process.pid for process in plan.processes})
    if limit is None:
        raise CannotEmit(f"the pid namespace of process {pid} cannot be entered: that takes CAP_SYS_ADMIN over it")
    session, group = (os.getsid(0), os.getpgid(0)) if space.id == 0 else (0, 0)
    visit = into(plan, pid=pid, taken=parse_ranges(space.taken), limit=limit, session=ProcessId(session), group=ProcessId(group))
    return visit.plan, partial(executor.run_into, visit)


def _carry_out(executor: Executor, carry_out: CarryOut, root: ProcessId, job: Job, log_file: str | None, timeout: float) -> int:
    with contextlib.ExitStack() as stack:
        writer = LogWriter(stack.enter_context(open_to_write(log_file)), job.history) if log_file is not None else None

        announced: list[bool] = []

        def record(event: AnyEvent) -> None:
            if isinstance(event, RunReady):
                announced.append(False)
                _announce(event.pid, timeout)
                announced[:] = [True]
            if writer is not None:
                writer.add(event)

        try:
            code = carry_out(record, timeout)
            if code == 0 and announced == [False]:
                # A signal came while the line was waiting for a reader.
                raise Unheard("EINTR")
            return code
        except Unheard as error:
            # The executor has ended everything: nobody knows that the tree stands, so nobody would end it.
            if writer is not None:
                writer.add(StepFailed(step=StepNumber(0), error=error.name, detail=error.what))
                writer.add(RunEnded(code=COULD_NOT))
            if _has_room(STANDARD_ERROR, timeout):
                say(f"crplan: step 0 (executor): task {root}: {error.what}: {error.name}")
            return COULD_NOT
        except (OSError, *EXPECTED):
            raise
        except Exception as error:  # whatever a plugin raises, the user is told which plugin
            plugin = job.registry.provider("executor", executor.name)
            raise PluginFailed(f"executor {executor.name} of plugin {plugin} failed: {type(error).__name__}: {error}") from error


class Unheard(Exception):
    """The ready line cannot be written; `name` is the errno's."""

    what = "the ready line cannot be written to standard output"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def _announce(pid: int, timeout: float) -> None:
    """Write the ready line, for which a full pipe has as long as a step; raises `Unheard`."""
    try:
        if not _has_room(STANDARD_OUTPUT, timeout):
            raise Unheard("ETIMEDOUT")
        os.write(STANDARD_OUTPUT, f"ready {pid}\n".encode())
    except OSError as error:
        raise Unheard(errno.errorcode.get(error.errno or 0, "EIO")) from None


def _has_room(descriptor: int, timeout: float) -> bool:
    """Wait until a line can be written without waiting, or never; a full pipe has as long as a step."""
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(timeout * 1000))
