"""Back ends `shell`, a plan as a script that a person can read and run, and `agent`, the machinery of such scripts."""

from typing import Final

from planner.hookspecs import Artefact, BackEnd, hookimpl
from planner.options import Option, Options
from planner.plans.relax import MAPS, SHARING, conceded
from planner.text import Terminal

AGENT: Final = Option(
    name="agent",
    help="where the Python stands that makes the calls: in the script, or in the file that --emit agent writes",
    default="embedded",
    choices=("embedded", "external"),
)


def _emit(artefact: Artefact, options: Options, terminal: Terminal) -> str:
    from crplan_shell.emit import emit

    return emit(conceded(artefact.plan, options), str(options.get("agent", AGENT.default)))


def _emit_agent(artefact: Artefact, options: Options, terminal: Terminal) -> str:
    from crplan_shell.emit import emit_agent

    return emit_agent()


@hookimpl
def crplan_backends() -> tuple[BackEnd, ...]:
    """Return the two back ends."""
    return (
        BackEnd(
            name="shell",
            help="a shell script that rebuilds the tree, one line a step",
            emit=_emit,
            options=(SHARING, MAPS, AGENT),
            executable=True,
        ),
        BackEnd(
            name="agent",
            help="the machinery that shell scripts with agent=external source (crplan-agent.sh), the same for every image",
            emit=_emit_agent,
        ),
    )
