"""Carries a plan out by raw system calls: the back ends `c` and `syscalls`, a program and a listing, and the executor `c`."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from planner.events.records import AnyEvent
from planner.hookspecs import Artefact, BackEnd, Executor, hookimpl
from planner.options import Option, Options
from planner.plans.model import Plan
from planner.plans.relax import MAPS, SHARING, conceded
from planner.text import Terminal

if TYPE_CHECKING:
    from planner.plans.retarget import Retargeted


@hookimpl
def crplan_backends() -> tuple[BackEnd, ...]:
    """Return the two back ends."""
    abi = Option(
        name="abi",
        help="clone3, or eclone: the calls of linux-cr's day",
        default="clone3",
        choices=("clone3", "eclone"),
    )
    return (
        BackEnd(
            name="c",
            help="a standalone C program of raw system calls that rebuilds the tree (cc -O2 -o r r.c)",
            emit=_emit_program,
            options=(MAPS,),
        ),
        BackEnd(name="syscalls", help="the calls by actor, in strace's notation", emit=_emit_listing, options=(abi,)),
    )


@hookimpl
def crplan_executors() -> tuple[Executor, ...]:
    """Return the executor that runs one compiled program with the plan as its data."""
    return (
        Executor(
            name="c",
            help="runs a C program, which is compiled once and gets the plan as data",
            run=_run,
            refuses=_refuses,
            run_into=_run_into,
            options=(SHARING, MAPS),
            concedes=conceded,
            missing=_missing,
            abilities=("threads", "files", "memory", "namespaces", "into", "many"),
            priority=60,
        ),
    )


def _run(plan: Plan, record: Callable[[AnyEvent], None], timeout: float) -> int:
    from crplan_syscalls.run import run

    return run(plan, record, timeout)


def _run_into(visit: "Retargeted", record: Callable[[AnyEvent], None], timeout: float) -> int:
    from crplan_syscalls.run import run_into

    return run_into(visit, record, timeout)


def _refuses(plan: Plan) -> str:
    from crplan_syscalls.run import refuses

    return refuses(plan)


def _missing() -> str:
    from crplan_syscalls.build import missing

    return missing()


def _emit_program(artefact: Artefact, options: Options, terminal: Terminal) -> str:
    from crplan_syscalls.program import emit_program

    return emit_program(conceded(artefact.plan, options))


def _emit_listing(artefact: Artefact, options: Options, terminal: Terminal) -> str:
    from crplan_syscalls.listing import emit_listing

    forest = artefact.forest
    generation = forest.generation if forest.format == "linux-cr" else ""
    return emit_listing(artefact.plan, str(options.get("abi", "clone3")), generation)


__all__ = ["crplan_backends", "crplan_executors"]
