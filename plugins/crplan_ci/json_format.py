"""The report as a JSON document, and the schema that is published for it."""

from collections.abc import Iterator

import msgspec

from planner.errors import CannotEmit
from planner.findings.report import FORMAT_VERSION, Report
from planner.options import Options
from planner.schemas import published
from planner.text import Terminal, json_document


def render(report: Report, options: Options, terminal: Terminal) -> bytes:
    """Return the document; raises `CannotEmit` for an indentation out of range."""
    return b"".join(pieces(report, options, terminal))


def pieces(report: Report, options: Options, terminal: Terminal) -> Iterator[bytes]:
    """Yield the document image by image; raises as `render` does."""
    indent = options.get("indent", 2)
    if not isinstance(indent, int) or not 0 <= indent <= 16:
        raise CannotEmit(f"option indent is {indent}, and must be between 0 and 16")
    # No text holds this: its quotes would have escapes.
    begin, none, end = json_document(msgspec.structs.replace(report, images=()), indent).partition(
        b'"images": []' if indent else b'"images":[]'
    )
    if not report.images:
        yield begin + none + end
        return
    line = b"\n" + b" " * (2 * indent) if indent else b""
    yield begin + none[:-1]
    for number, image in enumerate(report.images):
        entry = json_document(image, indent).rstrip(b"\n")
        yield (b"," if number else b"") + line + (entry.replace(b"\n", line) if indent else entry)
    yield line[:-indent] + b"]" + end if indent else b"]" + end


def schema() -> bytes:
    """Return the published JSON Schema of reports, generated from the records."""
    return published(Report, f"crplan check report, format version {FORMAT_VERSION}")
