"""Pictures of a plan: `html`, a page that plays it on the model; `svg`, `dot` and `mermaid`, the forest that it ends in."""

from planner.findings.problems import Problem
from planner.hookspecs import Artefact, BackEnd, hookimpl
from planner.options import Option, Options
from planner.text import Terminal


@hookimpl
def crplan_backends() -> tuple[BackEnd, ...]:
    """Return the back ends that draw."""
    folded = Option(name="most", help="nodes drawn at most; what is more is folded", kind="number", default=150)
    return (
        BackEnd(
            name="html",
            help="one self-contained page: the tree, played step by step on the model, with reasons and findings",
            emit=_html,
            forecasts=True,
        ),
        BackEnd(
            name="svg",
            help="the tree as a picture that any browser shows; folded where it is very large",
            emit=_svg,
            options=(Option(name="most", help="nodes drawn at most; what is more is folded", kind="number", default=600),),
        ),
        BackEnd(
            name="dot",
            help="the tree for Graphviz, pid namespaces as clusters; folded where it is large",
            emit=_dot,
            options=(Option(name="most", help="nodes drawn at most; what is more is folded", kind="number", default=400),),
        ),
        BackEnd(
            name="trace",
            help="the steps by process on a time line, for trace viewers (Chrome's JSON, as Perfetto opens it)",
            emit=_trace,
            machine=True,
            problem=_trace_problem,
        ),
        BackEnd(
            name="mermaid",
            help="the tree as a Mermaid flowchart, as code hosts show it; folded",
            emit=_mermaid,
            options=(folded,),
        ),
    )


def _html(artefact: Artefact, options: Options, terminal: Terminal) -> str:
    from crplan_pictures.html import emit

    return emit(artefact)


def _svg(artefact: Artefact, options: Options, terminal: Terminal) -> str:
    from crplan_pictures.svg import emit

    return emit(artefact, options)


def _dot(artefact: Artefact, options: Options, terminal: Terminal) -> str:
    from crplan_pictures.dot import emit

    return emit(artefact, options)


def _trace(artefact: Artefact, options: Options, terminal: Terminal) -> bytes:
    from crplan_pictures.trace import emit

    return emit(artefact)


def _trace_problem(problem: Problem, options: Options) -> bytes:
    from crplan_pictures.trace import emit_problem

    return emit_problem(problem)


def _mermaid(artefact: Artefact, options: Options, terminal: Terminal) -> str:
    from crplan_pictures.mermaid import emit

    return emit(artefact, options)
