"""Previews of a plan: `text` is human-readable, `json` is for programs; and the reader of such JSON."""

from collections.abc import Iterator

from planner.events.records import AnyEvent
from planner.findings.problems import Problem
from planner.hookspecs import Artefact, BackEnd, Reader, ReadRequest, Source, hookimpl
from planner.options import Option, Options
from planner.text import Terminal


@hookimpl
def crplan_backends() -> tuple[BackEnd, ...]:
    """Return the two previews."""
    return (
        BackEnd(
            name="text",
            help="a human-readable preview: verdict, tree, what is special, steps by phase",
            emit=_text,
            forecasts=True,
            options=(
                Option(name="steps", help="with the numbered steps", kind="switch", default=True),
                Option(name="fold", help="show what is alike once, and the first of many lines", kind="switch", default=True),
                Option(name="ascii", help="draw the tree in ASCII", kind="switch", default=False),
            ),
        ),
        BackEnd(
            name="json",
            help="the plan as a JSON document with a published schema",
            emit=_json,
            options=(Option(name="indent", help="columns of indentation, 0 for one line", kind="number", default=2),),
            machine=True,
            problem=_json_problem,
        ),
    )


@hookimpl
def crplan_readers() -> tuple[Reader, ...]:
    """Return the reader of plan documents."""
    return (Reader(name="plan", help="plan documents, as --emit json writes them", recognises=_recognises, read=_read),)


def _text(artefact: Artefact, options: Options, terminal: Terminal) -> str:
    from crplan_preview.text import emit

    return emit(artefact, options, terminal)


def _json(artefact: Artefact, options: Options, terminal: Terminal) -> bytes:
    from crplan_preview.document import emit

    return emit(artefact, options)


def _json_problem(problem: Problem, options: Options) -> bytes:
    from crplan_preview.document import emit_problem

    return emit_problem(problem, options)


def _recognises(source: Source) -> bool:
    head = source.head.lstrip()
    if not head.startswith(b"{"):
        return False
    from planner.plans.document import recognises

    return recognises(head)


def _read(source: Source, request: ReadRequest) -> Iterator[AnyEvent]:
    from crplan_preview.document import read

    yield from read(source)
