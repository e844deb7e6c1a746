"""The hook of the back end `outline`."""

from planner.hookspecs import Artefact, BackEnd, hookimpl
from planner.options import Option, Options
from planner.text import Terminal


@hookimpl
def crplan_backends() -> tuple[BackEnd, ...]:
    """Return the back end."""
    return (
        BackEnd(
            name="outline",
            help="the processes in the order of their creation, one a line, indented below their creators",
            emit=_emit,
            options=(Option(name="rules", help="with the rule behind each process", kind="switch", default=True),),
        ),
    )


def _emit(artefact: Artefact, options: Options, terminal: Terminal) -> str:
    # Imported here, so that runs which emit something else do not pay for it.
    from crplan_outline.outline import outline

    return outline(artefact.plan, with_rules=bool(options["rules"]))
