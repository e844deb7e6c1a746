"""JUnit XML: one suite an image, one case a finding or question; a fact that is missing is `skipped`, never passed.

Source: the schema that Jenkins' xUnit plugin publishes (`junit-10.xsd`), which CI systems agree on. A finding below `--fail-on`
is a case that passes and says so in `system-out`.
"""

from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from crplan_ci.wording import subject, unanswered, whole
from planner.hookspecs import Options, Terminal
from planner.report import Report, Reported


def render(report: Report, options: Options, terminal: Terminal) -> str:
    """Return the document."""
    cases = list(_cases(report))
    failures = sum(report.fails(found) for found in report.findings)
    errors = int(_broken(report))
    skipped = len(report.unknown) + sum(bool(found.suppressed) for found in report.findings)
    head = f'tests="{len(cases)}" failures="{failures}" errors="{errors}"'
    not_checked = escape("Not checked:\n" + "\n".join(report.not_checked))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<testsuites {head}>\n"
        f'  <testsuite name={quoteattr(report.image)} {head} skipped="{skipped}">\n'
        + "".join(f"    {case}\n" for case in cases)
        + f"    <system-out>{not_checked}</system-out>\n"
        "  </testsuite>\n"
        "</testsuites>\n"
    )


def _broken(report: Report) -> bool:
    return report.error is not None and report.error.exit_code != 3


def _cases(report: Report) -> Iterator[str]:
    if _broken(report):
        assert report.error is not None
        code, message = quoteattr(report.error.code), quoteattr(report.error.message)
        yield _case("image", report.error.code, f"<error type={code} message={message}/>")
    for found in report.findings:
        yield _case(found.check or "image", _name(found), _outcome(report, found))
    for question in report.unknown:
        name = f"{question.code}: task {question.pid}" if question.pid else question.code
        yield _case(question.check, name, f"<skipped message={quoteattr(unanswered(question))}/>")
    for question in report.passed:
        yield _case(question.check, question.code, "")


def _name(found: Reported) -> str:
    return ": ".join(filter(None, (found.code, subject(found))))


def _outcome(report: Report, found: Reported) -> str:
    if found.suppressed:
        return f"<skipped message={quoteattr(f'{found.suppressed}: {found.message}')}/>"
    if report.fails(found):
        return f"<failure type={quoteattr(found.code)} message={quoteattr(found.message)}>{escape(whole(found))}</failure>"
    return f"<system-out>{escape(f'{found.severity}: {whole(found)}')}</system-out>"


def _case(check: str, name: str, content: str) -> str:
    head = f"<testcase classname={quoteattr(f'crplan.{check}')} name={quoteattr(name)}"
    return f"{head}>{content}</testcase>" if content else f"{head}/>"
