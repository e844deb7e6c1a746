"""The report as Markdown, below the 1 MiB that a step's summary may have.

Texts that come from an image are written with character references for whatever Markdown, a forge's mentions, references, emoji,
formulas or HTML give a meaning to, so they stand there as they are. Source: CommonMark 0.31, "Entity and numeric character
references cannot be used in place of symbols indicating structure".
"""

import re
from collections.abc import Iterator
from typing import Final

from crplan_ci.wording import comparison, counts, ended, place, subject, unanswered
from planner.findings.report import ImageReport, Report, Reported
from planner.findings.verdicts import verdict_line
from planner.options import Options
from planner.text import Terminal

MOST_IMAGES: Final = 50
MOST_ROWS: Final = 200
LONGEST_TEXT: Final = 600
"""Characters of a text; with MOST_ROWS rows of each table, divided among the images, the whole stays below 1 MiB."""

_MARKS: Final = re.compile(r"[\\`*_{}\[\]<>#!|~&@:$^+=\"']|(?<=www)\.", re.IGNORECASE)


def render(report: Report, options: Options, terminal: Terminal) -> str:
    """Return the report."""
    return "".join(f"{line}\n" for line in _lines(report))


def _lines(report: Report) -> Iterator[str]:
    if report.error is not None:
        yield f"### crplan check: {_text(ended(report))}"
        yield ""
        yield f"**error** {_text(report.error.message)}"
    for number, image in enumerate(report.images[:MOST_IMAGES]):
        if number:
            yield ""
        yield from _image(report, image)
    yield from _more(len(report.images), MOST_IMAGES)


def _image(report: Report, image: ImageReport) -> Iterator[str]:
    most = max(MOST_ROWS // max(len(report.images), 1), 1)
    yield f"### crplan check {_text(image.image)}"
    yield ""
    if image.verdicts:
        for verdict in image.verdicts:
            yield f"- {_text(verdict_line(verdict))}"
        yield ""
    yield f"**{_text(ended(report, image))}**: {_text(counts(image))}"
    if image.broken() and image.error is not None:
        yield ""
        yield f"**error** {_text(image.error.message)}"
    if image.findings:
        yield ""
        yield "| | finding | subject | recorded, target | place |"
        yield "|---|---|---|---|---|"
        for found in image.findings[:most]:
            cells = (found.severity, _finding(found), _text(subject(found)), _text(comparison(found)), _text(place(found)))
            yield f"| {' | '.join(cells)} |"
        yield from _more(len(image.findings), most)
    if image.unknown:
        yield ""
        yield "| unknown | missing fact |"
        yield "|---|---|"
        for question in image.unknown[:most]:
            yield f"| {_text(question.code)} | {_text(unanswered(question))} |"
        yield from _more(len(image.unknown), most)
    yield ""
    yield "Not checked:"
    yield ""
    for sentence in image.not_checked[:most]:
        yield f"- {_text(sentence)}"


def _finding(found: Reported) -> str:
    suppressed = f", {found.suppressed}" if found.suppressed else ""
    said = f"{_text(found.message)} ({_text(found.code)}{suppressed})"
    return f"{said}. {_text(found.hint)}" if found.hint else said


def _more(count: int, most: int) -> Iterator[str]:
    if count > most:
        yield ""
        yield f"and {count - most} more"


def _text(text: str) -> str:
    shown = text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + " ..."
    return _MARKS.sub(lambda mark: f"&#{ord(mark[0])};", shown)
