"""JUnit XML: one suite an image, one case a finding or question; a fact that is missing is `skipped`, never passed.

Source: the schema that Jenkins' xUnit plugin publishes (`junit-10.xsd`), and GitLab's "Unit test reports" on what is shown there:
of failures, errors and skipped cases the content, of cases with one name the first, and no output of a suite. A finding below
`--fail-on` is a case that passes and says so in `system-out`, and so is every verdict: what decides it is a failure by itself.
"""

from collections import Counter
from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

import msgspec

from crplan_ci.wording import subject, unanswered, whole
from planner.findings.problems import Problem
from planner.findings.report import ImageReport, Report, Reported
from planner.findings.verdicts import WORDS, verdict_line
from planner.options import Options
from planner.text import Terminal


def render(report: Report, options: Options, terminal: Terminal) -> str:
    """Return the document."""
    suites = [_suite(image) for image in report.images]
    if report.error is not None:
        suites.append(_Suite("crplan check", (_error("command", report.error),), errors=1))
    tests, failures = sum(len(suite.cases) for suite in suites), sum(suite.failures for suite in suites)
    errors = sum(suite.errors for suite in suites)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<testsuites {_head(tests, failures, errors)}>\n" + "".join(map(_written, suites)) + "</testsuites>\n"
    )


Case = tuple[str, str, str]
"""Class, name and content."""


class _Suite(msgspec.Struct, frozen=True):
    name: str
    cases: tuple[Case, ...]
    failures: int = 0
    errors: int = 0
    skipped: int = 0


def _head(tests: int, failures: int, errors: int) -> str:
    return f'tests="{tests}" failures="{failures}" errors="{errors}"'


def _written(suite: _Suite) -> str:
    head = _head(len(suite.cases), suite.failures, suite.errors)
    return (
        f'  <testsuite name={quoteattr(suite.name)} {head} skipped="{suite.skipped}">\n'
        + "".join(f"    {case}\n" for case in _numbered(iter(suite.cases)))
        + "  </testsuite>\n"
    )


def _suite(image: ImageReport) -> _Suite:
    return _Suite(
        image.image,
        tuple(_cases(image)),
        failures=sum(found.fails for found in image.findings),
        errors=int(image.broken()),
        skipped=1 + len(image.unknown) + sum(bool(found.suppressed) for found in image.findings),
    )


def _cases(image: ImageReport) -> Iterator[Case]:
    if image.broken() and image.error is not None:
        yield _error("image", image.error)
    for verdict in image.verdicts:
        name = " on ".join(filter(None, (WORDS[verdict.consumer], verdict.host)))
        yield "verdict", name, f"<system-out>{escape(verdict_line(verdict))}</system-out>"
    for found in image.findings:
        yield found.check or "image", _name(found), _outcome(found)
    for question in image.unknown:
        name = f"{question.code}: task {question.pid}" if question.pid else question.code
        yield question.check, name, _element("skipped", unanswered(question), unanswered(question))
    for passed in image.passed:
        yield passed.check, passed.code, ""
    yield "report", "not-checked", _element("skipped", "not checked", "Not checked:\n" + "\n".join(image.not_checked))


def _error(kind: str, problem: Problem) -> Case:
    return kind, problem.code, _element("error", problem.message, problem.message, problem.code)


def _numbered(cases: Iterator[Case]) -> Iterator[str]:
    """Yield the cases, a number behind a name that has come before."""
    seen: Counter[tuple[str, str]] = Counter()
    for check, name, content in cases:
        seen[check, name] += 1
        count = seen[check, name]
        head = f"<testcase classname={quoteattr(f'crplan.{check}')} name={quoteattr(f'{name} ({count})' if count > 1 else name)}"
        yield f"{head}>{content}</testcase>" if content else f"{head}/>"


def _name(found: Reported) -> str:
    return ": ".join(filter(None, (found.code, subject(found))))


def _outcome(found: Reported) -> str:
    if found.suppressed:
        words = f"{found.suppressed}: {found.message}"
        return _element("skipped", words, words)
    if found.fails:
        return _element("failure", found.message, whole(found), found.code)
    return f"<system-out>{escape(f'{found.severity}: {whole(found)}')}</system-out>"


def _element(tag: str, message: str, content: str, code: str = "") -> str:
    kind = f" type={quoteattr(code)}" if code else ""
    return f"<{tag}{kind} message={quoteattr(message)}>{escape(content)}</{tag}>"
