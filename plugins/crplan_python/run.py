"""The executor `python`: the standalone program, read by an interpreter that is a child process of `crplan run`."""

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from crplan_runtime.child import Program, run_program

from crplan_python.emit import emit, emit_visit
from planner.events.records import AnyEvent
from planner.plans.model import Plan

if TYPE_CHECKING:
    from planner.plans.retarget import Retargeted

INTERPRETER = (sys.executable, "-I", "-S", "-")


def run(plan: Plan, record: Callable[[AnyEvent], None], timeout: float) -> int:
    """Rebuild the tree and block until it has ended; returns the exit code. `timeout` is in seconds, for one step.

    With CRPLAN_DRY_RUN the program prints the steps.
    """
    program = Program("python", INTERPRETER, plan.plan_id, plan.root, emit(plan).encode())
    return run_program(program, record, timeout)


def run_into(visit: "Retargeted", record: Callable[[AnyEvent], None], timeout: float) -> int:
    """Rebuild the tree in a pid namespace that is there, otherwise as `run` does; raises OSError where its process is not."""
    pidfd = os.pidfd_open(visit.into)
    try:
        text = emit_visit(visit, pidfd).encode()
        program = Program("python", INTERPRETER, visit.plan_id, visit.plan.root, text, (pidfd,))
        return run_program(program, record, timeout)
    finally:
        os.close(pidfd)
