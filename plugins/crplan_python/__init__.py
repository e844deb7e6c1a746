"""Rebuilds a tree from Python: the back end `python` and the executor `python`."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from planner.events.records import AnyEvent
from planner.hookspecs import Artefact, BackEnd, Executor, hookimpl
from planner.options import Options
from planner.plans.model import Plan
from planner.plans.relax import MAPS, SHARING, conceded
from planner.text import Terminal

if TYPE_CHECKING:
    from planner.plans.retarget import Retargeted


@hookimpl
def crplan_backends() -> tuple[BackEnd, ...]:
    """Return the back end that writes a standalone program."""
    return (
        BackEnd(
            name="python",
            help="a standalone Python program that rebuilds the tree (standard library of 3.8 and later only)",
            emit=_emit,
            options=(SHARING, MAPS),
            executable=True,
        ),
    )


@hookimpl
def crplan_executors() -> tuple[Executor, ...]:
    """Return the executor that runs the same program as a child process."""
    return (
        Executor(
            name="python",
            help="runs the standalone Python program as a child process",
            run=_run,
            refuses=_refuses,
            run_into=_run_into,
            options=(SHARING, MAPS),
            concedes=conceded,
            abilities=("threads", "files", "namespaces", "into"),
        ),
    )


def _emit(artefact: Artefact, options: Options, terminal: Terminal) -> str:
    from crplan_python.emit import emit

    return emit(conceded(artefact.plan, options))


def _run(plan: Plan, record: Callable[[AnyEvent], None], timeout: float) -> int:
    from crplan_python.run import run

    return run(plan, record, timeout)


def _run_into(visit: "Retargeted", record: Callable[[AnyEvent], None], timeout: float) -> int:
    from crplan_python.run import run_into

    return run_into(visit, record, timeout)


def _refuses(plan: Plan) -> str:
    from crplan_runtime.limits import refuses

    return refuses(plan)
