"""The human-readable report: the verdicts first, then what was found, what is not known, and what was not checked."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from textwrap import wrap

from crplan_ci.wording import comparison, counts, ended, place, subject, unanswered, whole_problem
from planner.findings.report import ImageReport, Report, Reported
from planner.findings.verdicts import verdict_line
from planner.options import Options
from planner.text import Terminal, ascii_only

_COLOURS = {
    "error": "1;31",
    "warning": "33",
    "note": "36",
    "unknown": "35",
    "heading": "1",
    "quiet": "2",
    "ok": "32",
    "refused": "1;31",
    "hangs": "1;31",
    "wrong": "1;31",
}
_LABEL = 9
"""Columns of the severity in front of a finding."""

MOST_ALIKE = 5
"""Findings of one kind that are shown where there are more."""


def render(report: Report, options: Options, terminal: Terminal) -> str:
    """Return the report as lines of at most the terminal's width, where words allow."""
    return "".join(pieces(report, options, terminal))


def pieces(report: Report, options: Options, terminal: Terminal) -> Iterator[str]:
    """Yield the lines of the report."""
    for line in _lines(report, terminal, bool(options.get("passed", False))):
        yield f"{line}\n" if terminal.unicode else ascii_only(f"{line}\n")


def _lines(report: Report, terminal: Terminal, passed: bool) -> Iterator[str]:
    paint = _painter(terminal.colour)
    if report.error is not None:
        yield from _wrapped(f"{paint('error', 'error')}: {whole_problem(report.error)}", terminal, "")
    several = len(report.images) > 1
    shared = _shared(report) if several else ()
    for number, image in enumerate(report.images):
        if number:
            yield ""
        yield from _image(report, image, terminal, passed)
        rest = [sentence for sentence in image.not_checked if sentence not in shared and (image.plan_id or not several)]
        yield from _not_checked(rest, terminal, several=several)
    if several:
        yield from _not_checked(shared, terminal, several=True, note="of any image")
        yield ""
        yield from _wrapped(_sum(report), terminal, "")


def _not_checked(sentences: Sequence[str], terminal: Terminal, *, several: bool, note: str = "") -> Iterator[str]:
    """Yield what was not checked; of one of several images nothing where that is nothing."""
    if sentences or not several:
        yield from _section("Not checked", terminal, note)
    for sentence in sentences:
        yield from _wrapped(sentence, terminal, "  ")


def _shared(report: Report) -> tuple[str, ...]:
    """Return what was checked of none of the images that have a plan."""
    shared: tuple[str, ...] | None = None
    for image in report.images:
        if image.plan_id:
            shared = tuple(one for one in (image.not_checked if shared is None else shared) if one in image.not_checked)
    return shared or ()


def _sum(report: Report) -> str:
    """Return how many images there are of each kind, in one line."""
    codes = [image.exit_code for image in report.images]
    passed, broken = codes.count(0), codes.count(1)
    parts = ((passed, "passed"), (len(codes) - passed - broken, "failed"), (broken, "could not be checked"))
    return f"{len(report.images)} images: " + ", ".join(f"{count} {words}" for count, words in parts if count)


def _image(report: Report, image: ImageReport, terminal: Terminal, passed: bool) -> Iterator[str]:
    """Yield the verdicts of an image, and then what they rest on."""
    paint = _painter(terminal.colour)
    if len(report.images) > 1:
        yield from _wrapped(paint(_facts(report, image, lambda text, style: text), "heading"), terminal, "")
    for verdict in image.verdicts:
        yield from _wrapped(paint(verdict_line(verdict), verdict.verdict), terminal, "")
        if verdict.command:
            yield from _wrapped(f"with: {verdict.command}", terminal, "  ")
    yield from _counted(report, image, terminal)
    if image.findings:
        yield from _section("Findings", terminal, "crplan plugins --findings explains each code")
        for alike in _alike(image.findings):
            yield from _group(alike, image, terminal)
    if image.unknown:
        yield from _section("Unknown", terminal, "a fact is missing, so this is no pass")
        for question in image.unknown:
            yield from _wrapped(f"{paint('unknown', 'unknown')}  {question.code}: {unanswered(question)[9:]}", terminal, "  ")
    if image.passed and passed:
        yield from _section("Passed", terminal)
        for answered in image.passed:
            if answered.detail:
                yield from _wrapped(f"{answered.code}: {answered.detail}", terminal, "  ")
        plain = ", ".join(answered.code for answered in image.passed if not answered.detail)
        yield from _wrapped(plain, terminal, "  ")


def _section(heading: str, terminal: Terminal, note: str = "") -> Iterator[str]:
    paint = _painter(terminal.colour)
    yield ""
    yield paint(heading, "heading") + (paint(f"   {note}", "quiet") if note else "")


def _counted(report: Report, image: ImageReport, terminal: Terminal) -> Iterator[str]:
    """Yield what was read, how many findings there are, and why the image could not be planned where that is so."""
    paint = _painter(terminal.colour)
    if len(report.images) == 1:
        yield from _wrapped(_facts(report, image, paint), terminal, "")
    yield from _wrapped(f"{ended(report, image)}: {counts(image)}", terminal, "")
    if image.broken() and image.error is not None:
        yield ""
        yield from _wrapped(f"{paint('error', 'error')}: {whole_problem(image.error)}", terminal, "  ")


def _facts(report: Report, image: ImageReport, paint: Callable[[str, str], str]) -> str:
    """Return what an image is, in one line."""
    facts = [image.image_format, f"{image.tasks} task{'' if image.tasks == 1 else 's'}"] if image.plan_id else []
    facts += [f"plan {image.plan_id}"] if image.plan_id else []
    facts += [] if report.hosts or (image.broken() and len(report.images) > 1) else ["no host"]
    return ": ".join(filter(None, (paint(image.image, "heading"), ", ".join(filter(None, facts)))))


def _alike(findings: Iterable[Reported]) -> list[list[Reported]]:
    """Return findings with the same code and hint together, in the order of the first of each kind."""
    groups: dict[tuple[str, ...], list[Reported]] = {}
    for found in findings:
        groups.setdefault((found.code, found.severity, found.hint, found.suppressed), []).append(found)
    return list(groups.values())


def _group(alike: list[Reported], image: ImageReport, terminal: Terminal) -> Iterator[str]:
    """Yield some findings that are alike, what they are followed by, and what to do about all of them."""
    paint = _painter(terminal.colour)
    shown = alike if len(alike) <= MOST_ALIKE + 1 else alike[:MOST_ALIKE]
    for found in shown:
        yield from _finding(found, image, terminal)
    words = (
        [f"and {len(alike) - len(shown)} more of [{alike[0].code}]: `--format json` has all"] if len(shown) < len(alike) else []
    )
    for text in (*words, alike[0].hint):
        for line in wrap(text, max(terminal.width - _LABEL - 2, 20), break_on_hyphens=False):
            yield " " * (_LABEL + 2) + paint(line, "quiet")


def _finding(found: Reported, image: ImageReport, terminal: Terminal) -> Iterator[str]:
    paint = _painter(terminal.colour)
    suppressed = f", {found.suppressed}" if found.suppressed else ""
    where = f" ({place(found)})" if found.at is not None else ""
    room = max(terminal.width - _LABEL - 2, 20)
    first, *rest = wrap(f"{found.message}{where} [{found.code}{suppressed}]", room, break_on_hyphens=False) or [""]
    yield f"  {paint(found.severity.ljust(_LABEL), found.severity)}{first}"
    details = [*rest]
    for text in (subject(found), comparison(found)):
        details += wrap(text, room, break_on_hyphens=False)
    for line in details:
        yield " " * (_LABEL + 2) + line
    if image.error is not None and found.code == image.error.code:
        for fact in image.error.because:
            where = "" if fact.at is None else f", offset {fact.at}" if isinstance(fact.at, int) else f", {fact.at}"
            for line in wrap(f"event {fact.seq}{where}: {fact.text}", room, break_on_hyphens=False):
                yield " " * (_LABEL + 2) + line


def _wrapped(text: str, terminal: Terminal, indent: str) -> list[str]:
    return wrap(text, terminal.width, initial_indent=indent, subsequent_indent=indent + "  ", break_on_hyphens=False)


class _painter:
    """Puts the colour of a word around it, or nothing; the word itself always says what it means."""

    def __init__(self, colour: bool) -> None:
        self.colour = colour

    def __call__(self, text: str, style: str) -> str:
        return f"\x1b[{_COLOURS[style]}m{text}\x1b[0m" if self.colour else text
