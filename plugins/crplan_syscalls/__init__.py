"""Writes a plan as raw system calls: the back ends `c`, a standalone program, and `syscalls`, a listing as strace writes it."""

from planner.hookspecs import Artefact, BackEnd, hookimpl
from planner.options import Option, Options
from planner.plans.relax import MAPS, conceded
from planner.text import Terminal


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


def _emit_program(artefact: Artefact, options: Options, terminal: Terminal) -> str:
    from crplan_syscalls.program import emit_program

    return emit_program(conceded(artefact.plan, options))


def _emit_listing(artefact: Artefact, options: Options, terminal: Terminal) -> str:
    from crplan_syscalls.listing import emit_listing

    forest = artefact.forest
    generation = forest.generation if forest.format == "linux-cr" else ""
    return emit_listing(artefact.plan, str(options.get("abi", "clone3")), generation)


__all__ = ["crplan_backends"]
