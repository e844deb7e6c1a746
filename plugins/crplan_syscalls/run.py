"""The executor `c`: a compiled program that is a child process of `crplan run` and gets the plan as a file in memory."""

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from crplan_runtime.child import Program, run_program

from crplan_syscalls.build import CannotBuild, executable, program
from crplan_syscalls.data import plan_file
from planner.errors import CannotEmit
from planner.events.records import AnyEvent, RunEnded, RunStarted
from planner.plans.model import Plan
from planner.plans.wording import step_lines

if TYPE_CHECKING:
    from planner.plans.retarget import Retargeted


def refuses(plan: Plan) -> str:
    """Return a sentence that names the first task which cannot be made, or ""."""
    from crplan_syscalls.calls import calls

    try:
        calls(plan)
    except CannotEmit as error:
        return str(error)
    return ""


def run(plan: Plan, record: Callable[[AnyEvent], None], timeout: float) -> int:
    """Rebuild the tree and block until it has ended; returns the exit code. `timeout` is in seconds, for one step.

    With CRPLAN_DRY_RUN it prints the steps. Raises CannotEmit where this machine has no program.
    """
    if os.environ.get("CRPLAN_DRY_RUN", "0") not in {"", "0"}:
        return _dry_run(plan, record)
    with _prepared(plan_file(plan)) as (command, inherited, variables):
        return run_program(Program("c", command, plan.plan_id, plan.root, b"", inherited, variables), record, timeout)


def run_into(visit: "Retargeted", record: Callable[[AnyEvent], None], timeout: float) -> int:
    """Rebuild the tree in a pid namespace that is there, otherwise as `run` does; raises OSError where its process is not."""
    pidfd = os.pidfd_open(visit.into)
    try:
        data = plan_file(visit.plan, (int(visit.keeper), int(visit.executor), int(visit.watcher)))
        with _prepared(data) as (command, inherited, variables):
            variables = (*variables, ("CRPLAN_INTO", str(pidfd)))
            called = Program("c", command, visit.plan_id, visit.plan.root, b"", (*inherited, pidfd), variables)
            return run_program(called, record, timeout)
    finally:
        os.close(pidfd)


def _dry_run(plan: Plan, record: Callable[[AnyEvent], None]) -> int:
    record(RunStarted(plan_id=plan.plan_id, executor="c"))
    with open(1, "w", encoding="utf-8", closefd=False) as stream:
        stream.writelines(f"{line}\n" for line in step_lines(plan))
    record(RunEnded(code=0))
    return 0


@contextlib.contextmanager
def _prepared(data: bytes) -> Iterator[tuple[list[str], tuple[int, ...], tuple[tuple[str, str], ...]]]:
    """Give the command, the descriptors and the variables with which the program finds its plan; raises CannotEmit."""
    try:
        path = program()
    except CannotBuild as error:
        raise CannotEmit(f"executor c cannot run here: {error}") from None
    memory = os.memfd_create("plan", os.MFD_CLOEXEC)
    try:
        with open(memory, "wb", closefd=False) as stream:
            stream.write(data)
        with executable(path) as (name, descriptors):
            yield [name], (memory, *descriptors), (("CRPLAN_PLAN", str(memory)),)
    finally:
        os.close(memory)
