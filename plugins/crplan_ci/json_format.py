"""The report as a JSON document, and the schema that is published for it."""

from planner.errors import CannotEmit
from planner.findings.report import FORMAT_VERSION, Report
from planner.options import Options
from planner.schemas import published
from planner.text import Terminal, json_document


def render(report: Report, options: Options, terminal: Terminal) -> bytes:
    """Return the document; raises `CannotEmit` for an indentation out of range."""
    indent = options.get("indent", 2)
    if not isinstance(indent, int) or not 0 <= indent <= 16:
        raise CannotEmit(f"option indent is {indent}, and must be between 0 and 16")
    return json_document(report, indent)


def schema() -> bytes:
    """Return the published JSON Schema of reports, generated from the records."""
    return published(Report, f"crplan check report, format version {FORMAT_VERSION}")
