"""A conformance suite for report formats: one line in a plugin author's test, `conforms(format)`."""

from collections.abc import Iterator, Mapping

import msgspec

from planner.checks.report import Settings, gather, image_report
from planner.findings.problems import Problem
from planner.findings.registry import KINDS, Finding
from planner.findings.report import Report
from planner.hookspecs import ReportFormat
from planner.options import filled
from planner.testing.backends import HOSTILE_NAME, artefact, hostile
from planner.testing.contracts import assert_record, assert_text
from planner.testing.plans import PLANS
from planner.text import FILE

_FOUND = Finding(code="namespace-ambiguous", severity="warning", message=f"task 1 is called {HOSTILE_NAME}", at=77)


def conforms(report_format: ReportFormat, options: Mapping[str, str] | None = None) -> None:
    """Assert that a report format keeps the contract; raises AssertionError that says what it broke.

    It writes reports of one image and of many, with findings, with errors and with nothing at all, twice the same, and lets no
    escape sequence of a name through.
    """
    assert_record(report_format, report_format.render)
    settings = filled(report_format.options, options or {}, f"format {report_format.name}")
    for name, report in _reports():
        before = msgspec.json.encode(report)
        first = assert_text(report_format.render(report, settings, FILE), name)
        assert assert_text(report_format.render(report, settings, FILE), name) == first, f"{name}: two calls, two documents"
        assert msgspec.json.encode(report) == before, f"{name}: the report was changed"
        if report_format.summary is not None:
            assert_text(report_format.summary(report, settings), name)


def _reports() -> Iterator[tuple[str, Report]]:
    problem = Problem(exit_code=3, code="two-inits", message=f"number 1 twice: {HOSTILE_NAME}", pid=1)
    images = []
    for make in PLANS.values():
        given = msgspec.structs.replace(artefact(hostile(make())), findings=(_FOUND,))
        images.append(image_report(image=HOSTILE_NAME, artefact=given, asked=(), not_checked=("memory",), settings=Settings()))
    refused = image_report(image="bad", artefact=None, asked=(), not_checked=(), settings=Settings(), error=problem)
    yield "one image", gather(images[:1], kinds=KINDS)
    yield "many images", gather([*images, refused], kinds=KINDS, hosts=("host.json",))
    yield "an image that is refused", gather([refused], kinds=KINDS)
    yield "a usage error", gather((), kinds=KINDS, error=problem)
    yield "nothing", gather((), kinds=KINDS)
