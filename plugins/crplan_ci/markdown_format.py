"""The report as Markdown, below the 1 MiB that a step's summary may have.

Texts that come from an image are written with character references for whatever Markdown, a forge's mentions, references, emoji,
formulas or HTML give a meaning to, so they stand there as they are. Source: CommonMark 0.31, "Entity and numeric character
references cannot be used in place of symbols indicating structure".
"""

import re
from collections.abc import Iterator
from typing import Final

from crplan_ci.wording import comparison, counts, place, subject, unanswered, verdict
from planner.findings.report import Report, Reported
from planner.options import Options
from planner.text import Terminal

MOST_ROWS: Final = 200
LONGEST_TEXT: Final = 600
"""Characters of a text; with MOST_ROWS rows of each table the whole stays below 1 MiB."""

_MARKS: Final = re.compile(r"[\\`*_{}\[\]<>#!|~&@:$^+=\"']|(?<=www)\.", re.IGNORECASE)


def render(report: Report, options: Options, terminal: Terminal) -> str:
    """Return the report."""
    return "".join(f"{line}\n" for line in _lines(report))


def _lines(report: Report) -> Iterator[str]:
    yield f"### crplan check {_text(report.image)}"
    yield ""
    yield f"**{_text(verdict(report))}**: {_text(counts(report))}"
    if report.error is not None and report.error.exit_code != 3:
        yield ""
        yield f"**error** {_text(report.error.message)}"
    if report.findings:
        yield ""
        yield "| | finding | subject | recorded, target | place |"
        yield "|---|---|---|---|---|"
        for found in report.findings[:MOST_ROWS]:
            cells = (found.severity, _finding(found), _text(subject(found)), _text(comparison(found)), _text(place(found)))
            yield f"| {' | '.join(cells)} |"
        yield from _more(len(report.findings))
    if report.unknown:
        yield ""
        yield "| unknown | missing fact |"
        yield "|---|---|"
        for question in report.unknown[:MOST_ROWS]:
            yield f"| {_text(question.code)} | {_text(unanswered(question))} |"
        yield from _more(len(report.unknown))
    if report.forecasts:
        yield ""
        for forecast in report.forecasts:
            because = f" ({_text(', '.join(forecast.because))})" if forecast.because else ""
            yield f"- {_text(forecast.of)}: **{forecast.outcome}**{because}"
    yield ""
    yield "Not checked:"
    yield ""
    for sentence in report.not_checked[:MOST_ROWS]:
        yield f"- {_text(sentence)}"


def _finding(found: Reported) -> str:
    suppressed = f", {found.suppressed}" if found.suppressed else ""
    said = f"{_text(found.message)} ({_text(found.code)}{suppressed})"
    return f"{said}. {_text(found.hint)}" if found.hint else said


def _more(count: int) -> Iterator[str]:
    if count > MOST_ROWS:
        yield ""
        yield f"and {count - MOST_ROWS} more"


def _text(text: str) -> str:
    shown = text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + " ..."
    return _MARKS.sub(lambda mark: f"&#{ord(mark[0])};", shown)
