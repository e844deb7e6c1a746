"""JUnit XML: one suite an image, one case a finding or question; a fact that is missing is `skipped`, never passed.

Source: the schema that Jenkins' xUnit plugin publishes (`junit-10.xsd`), and GitLab's "Unit test reports" on what is shown there:
of failures, errors and skipped cases the content, of cases with one name the first, and no output of a suite. A finding below
`--fail-on` is a case that passes and says so in `system-out`.
"""

from collections import Counter
from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from crplan_ci.wording import subject, unanswered, whole
from planner.findings.report import Report, Reported
from planner.options import Options
from planner.text import Terminal


def render(report: Report, options: Options, terminal: Terminal) -> str:
    """Return the document."""
    cases = list(_numbered(_cases(report)))
    failures = sum(report.fails(found) for found in report.findings)
    errors = int(_broken(report))
    skipped = 1 + len(report.unknown) + sum(bool(found.suppressed) for found in report.findings)
    head = f'tests="{len(cases)}" failures="{failures}" errors="{errors}"'
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<testsuites {head}>\n"
        f'  <testsuite name={quoteattr(report.image)} {head} skipped="{skipped}">\n'
        + "".join(f"    {case}\n" for case in cases)
        + "  </testsuite>\n"
        "</testsuites>\n"
    )


def _broken(report: Report) -> bool:
    return report.error is not None and report.error.exit_code != 3


Case = tuple[str, str, str]
"""Class, name and content."""


def _cases(report: Report) -> Iterator[Case]:
    if _broken(report):
        assert report.error is not None
        yield "image", report.error.code, _element("error", report.error.message, report.error.message, report.error.code)
    for found in report.findings:
        yield found.check or "image", _name(found), _outcome(report, found)
    for question in report.unknown:
        name = f"{question.code}: task {question.pid}" if question.pid else question.code
        yield question.check, name, _element("skipped", unanswered(question), unanswered(question))
    for passed in report.passed:
        yield passed.check, passed.code, ""
    yield "report", "not-checked", _element("skipped", "not checked", "Not checked:\n" + "\n".join(report.not_checked))


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


def _outcome(report: Report, found: Reported) -> str:
    if found.suppressed:
        words = f"{found.suppressed}: {found.message}"
        return _element("skipped", words, words)
    if report.fails(found):
        return _element("failure", found.message, whole(found), found.code)
    return f"<system-out>{escape(f'{found.severity}: {whole(found)}')}</system-out>"


def _element(tag: str, message: str, content: str, code: str = "") -> str:
    kind = f" type={quoteattr(code)}" if code else ""
    return f"<{tag}{kind} message={quoteattr(message)}>{escape(content)}</{tag}>"
