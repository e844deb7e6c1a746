"""The human-readable report: findings, what is not known, what was asked, the predicted result, and what was not checked."""

from collections.abc import Iterator
from textwrap import wrap

from crplan_ci.wording import comparison, counts, place, subject, unanswered, verdict
from planner.findings.report import Report, Reported
from planner.options import Options
from planner.text import Terminal, ascii_only

_COLOURS = {"error": "1;31", "warning": "33", "note": "36", "unknown": "35", "heading": "1", "quiet": "2"}
_LABEL = 9
"""Columns of the severity in front of a finding."""


def render(report: Report, options: Options, terminal: Terminal) -> str:
    """Return the report as lines of at most the terminal's width, where words allow."""
    text = "".join(f"{line}\n" for line in _lines(report, terminal))
    return text if terminal.unicode else ascii_only(text)


def _lines(report: Report, terminal: Terminal) -> Iterator[str]:
    paint = _painter(terminal.colour)
    facts = [report.image_format, f"{report.tasks} task{'' if report.tasks == 1 else 's'}"] if report.plan_id else []
    facts += [f"plan {report.plan_id}"] if report.plan_id else []
    facts += [{"none": "no host", "here": "on this host", "file": "on the host of the file"}[report.host]]
    yield paint(report.image, "heading") + ": " + ", ".join(filter(None, facts))
    yield from _wrapped(f"{verdict(report)}: {counts(report)}", terminal, "")
    if report.error is not None and report.error.exit_code != 3:
        yield ""
        yield from _wrapped(f"{paint('error', 'error')}: {report.error.message} [{report.error.code}]", terminal, "  ")
    if report.findings:
        yield ""
        yield paint("Findings", "heading")
        for found in report.findings:
            yield from _finding(found, report, terminal)
    if report.unknown:
        yield ""
        yield paint("Unknown", "heading") + paint("   a fact is missing, so this is no pass", "quiet")
        for question in report.unknown:
            yield from _wrapped(f"{paint('unknown', 'unknown')}  {question.code}: {unanswered(question)[9:]}", terminal, "  ")
    if report.passed:
        yield ""
        yield paint("Passed", "heading")
        for answered in report.passed:
            if answered.detail:
                yield from _wrapped(f"{answered.code}: {answered.detail}", terminal, "  ")
        plain = ", ".join(answered.code for answered in report.passed if not answered.detail)
        yield from _wrapped(plain, terminal, "  ")
    if report.forecasts:
        yield ""
        yield paint("Predicted result", "heading")
        for forecast in report.forecasts:
            because = f" ({', '.join(forecast.because)})" if forecast.because else ""
            yield from _wrapped(f"{forecast.of}: {forecast.outcome}{because}", terminal, "  ")
    yield ""
    yield paint("Not checked", "heading")
    for sentence in report.not_checked:
        yield from _wrapped(sentence, terminal, "  ")


def _finding(found: Reported, report: Report, terminal: Terminal) -> Iterator[str]:
    paint = _painter(terminal.colour)
    suppressed = f", {found.suppressed}" if found.suppressed else ""
    where = f" at {place(found)}" if found.at is not None else ""
    first, *rest = wrap(f"{found.message}{where} [{found.code}{suppressed}]", max(terminal.width - _LABEL - 2, 20)) or [""]
    yield f"  {paint(found.severity.ljust(_LABEL), found.severity)}{first}"
    details = [*rest]
    for text in (subject(found), comparison(found)):
        details += wrap(text, max(terminal.width - _LABEL - 2, 20))
    for line in details:
        yield " " * (_LABEL + 2) + line
    if report.error is not None and found.code == report.error.code:
        for fact in report.error.because:
            where = "" if fact.at is None else f", offset {fact.at}" if isinstance(fact.at, int) else f", {fact.at}"
            for line in wrap(f"event {fact.seq}{where}: {fact.text}", max(terminal.width - _LABEL - 2, 20)):
                yield " " * (_LABEL + 2) + line
    for line in wrap(found.hint, max(terminal.width - _LABEL - 2, 20)):
        yield " " * (_LABEL + 2) + paint(line, "quiet")


def _wrapped(text: str, terminal: Terminal, indent: str) -> list[str]:
    return wrap(text, terminal.width, initial_indent=indent, subsequent_indent=indent + "  ", break_on_hyphens=False)


class _painter:
    """Puts the colour of a word around it, or nothing; the word itself always says what it means."""

    def __init__(self, colour: bool) -> None:
        self.colour = colour

    def __call__(self, text: str, style: str) -> str:
        return f"\x1b[{_COLOURS[style]}m{text}\x1b[0m" if self.colour else text
