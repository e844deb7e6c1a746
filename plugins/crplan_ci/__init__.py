"""Formats of the report that `crplan check` writes: human-readable, for programs, and for the CI systems that show findings."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from planner.hookspecs import ReportFormat, hookimpl
from planner.options import Option, Options
from planner.text import Terminal

if TYPE_CHECKING:
    from planner.findings.report import Report

_FORMATS = (
    ("text", "a human-readable report", False),
    ("json", "the report as a JSON document with a published schema; an earlier one serves as --baseline", True),
    ("github", "workflow commands of GitHub Actions, the most severe findings first; the whole as $GITHUB_STEP_SUMMARY", True),
    ("gitlab", "a Code Quality report of GitLab", True),
    ("sarif", "SARIF 2.1.0, for code scanning", True),
    ("junit", "JUnit XML: a suite an image, a case a question, skipped where a fact is missing", True),
    ("in-toto", "the report as the predicate of an in-toto Statement v1, for cosign and policy engines", True),
    ("markdown", "the report as Markdown, for summaries and comments", False),
)


@hookimpl
def crplan_reports() -> tuple[ReportFormat, ...]:
    """Return the formats."""
    return tuple(
        ReportFormat(
            name=name,
            help=help,
            render=_render(name),
            pieces=_pieces(name) if name in _IN_PIECES else None,
            machine=machine,
            options=_OPTIONS.get(name, ()),
            summary_variable="GITHUB_STEP_SUMMARY" if name == "github" else "",
            summary=_summary if name == "github" else None,
        )
        for name, help, machine in _FORMATS
    )


_IN_PIECES = ("text", "json")

_OPTIONS = {
    "text": (Option(name="passed", help="list the questions that were asked and found nothing", kind="switch", default=False),),
    "json": (Option(name="indent", help="columns of indentation, 0 for one line", kind="number", default=2),),
    "github": (Option(name="annotations", help="annotations at most; GitHub shows about 10 a step", kind="number", default=10),),
}


def _render(name: str) -> Callable[["Report", Options, Terminal], str | bytes]:
    def render(report: "Report", options: Options, terminal: Terminal) -> str | bytes:
        from importlib import import_module

        module = import_module(f"crplan_ci.{name.replace('-', '_')}_format")
        rendered: str | bytes = module.render(report, options, terminal)
        return rendered

    return render


def _pieces(name: str) -> Callable[["Report", Options, Terminal], Iterator[str | bytes]]:
    def pieces(report: "Report", options: Options, terminal: Terminal) -> Iterator[str | bytes]:
        from importlib import import_module

        yield from import_module(f"crplan_ci.{name}_format").pieces(report, options, terminal)

    return pieces


def _summary(report: "Report", options: Options) -> str:
    from crplan_ci.markdown_format import render

    return render(report, options, Terminal())
