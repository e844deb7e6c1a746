"""The plan as JSON, and JSON as a plan."""

from collections.abc import Iterator

from planner.errors import BadImage, CannotEmit
from planner.events.records import AnyEvent
from planner.findings.problems import Problem
from planner.hookspecs import Artefact, Source
from planner.options import Options
from planner.plans.document import KIND, LONGEST_DOCUMENT, PlanDocument, decode, document, events_of
from planner.plans.model import FORMAT_VERSION
from planner.schemas import published
from planner.text import json_document


def emit(artefact: Artefact, options: Options) -> bytes:
    """Return the plan document."""
    return _encoded(document(artefact.plan, artefact.findings, proved=artefact.proved), options)


def emit_problem(problem: Problem, options: Options) -> bytes:
    """Return the document that holds an error instead of a plan."""
    return _encoded(PlanDocument(kind=KIND, format_version=FORMAT_VERSION, error=problem), options)


def _encoded(plan: PlanDocument, options: Options) -> bytes:
    indent = options.get("indent", 2)
    if not isinstance(indent, int) or not 0 <= indent <= 16:
        raise CannotEmit(f"option indent is {indent}, and must be between 0 and 16")
    return json_document(plan, indent)


def read(source: Source) -> Iterator[AnyEvent]:
    """Yield the facts and decisions of a plan document; raises `BadImage` for what is none."""
    with source.open() as stream:
        data = stream.read(LONGEST_DOCUMENT + 1)
    if len(data) > LONGEST_DOCUMENT:
        raise BadImage(LONGEST_DOCUMENT, f"the plan document is longer than {LONGEST_DOCUMENT} bytes")
    yield from events_of(decode(data))


def schema() -> bytes:
    """Return the published JSON Schema of plan documents, generated from the records."""
    return published(PlanDocument, f"crplan plan document, format version {FORMAT_VERSION}")
