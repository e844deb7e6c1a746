"""Back end `shell`: a plan as a shell script that a person can read, step through and run."""

from planner.hookspecs import Artefact, BackEnd, hookimpl
from planner.options import Options
from planner.plans.relax import MAPS, SHARING, conceded
from planner.text import Terminal


def _emit(artefact: Artefact, options: Options, terminal: Terminal) -> str:
    from crplan_shell.emit import emit

    return emit(conceded(artefact.plan, options))


@hookimpl
def crplan_backends() -> tuple[BackEnd, ...]:
    """Return the back end."""
    return (
        BackEnd(
            name="shell",
            help="a shell script that rebuilds the tree, one line a step",
            emit=_emit,
            options=(SHARING, MAPS),
            executable=True,
        ),
    )
