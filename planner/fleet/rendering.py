"""The report as text, Markdown, JSON, and as one page; names are those of hostile images, and every form escapes them."""

import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from html import escape
from importlib.resources import files
from typing import Final

from planner.fleet.querying import Cell
from planner.fleet.report import FleetReport, Section
from planner.text import escaped, json_document, shortened

LONGEST: Final = 120
"""Characters of a cell in a form for people."""

_MARKS: Final = re.compile(r"[\\`*_{}\[\]<>#!|~&@:$^+=\"']")


def text(report: FleetReport) -> bytes:
    """Return the report as text."""
    return "".join(f"{line}\n" for line in _text_lines(report)).encode()


def _text_lines(report: FleetReport) -> Iterator[str]:
    yield ", ".join(f"{_words(name)} {_shown(value)}" for name, value in report.totals.items())
    for section in report.sections:
        yield ""
        yield f"{escaped(section.title)}{_more(section)}"
        if not section.rows:
            yield f"  {section.nothing}"
            continue
        table = [tuple(map(_words, section.columns)), *(tuple(map(_shown, row)) for row in section.rows)]
        widths = [max(len(row[place]) for row in table) for place in range(len(section.columns))]
        right = [_is_number(section, place) for place in range(len(section.columns))]
        for row in table:
            cells = (
                cell.rjust(width) if number else cell.ljust(width) for cell, width, number in zip(row, widths, right, strict=True)
            )
            yield f"  {'  '.join(cells)}".rstrip()
    yield from _failed(report)


def markdown(report: FleetReport) -> bytes:
    """Return the report as Markdown; what Markdown or HTML give a meaning to is a character reference."""
    return "".join(f"{line}\n" for line in _markdown_lines(report)).encode()


def _markdown_lines(report: FleetReport) -> Iterator[str]:
    yield "# crplan fleet"
    yield ""
    yield ", ".join(f"{_words(name)} **{_marked(value)}**" for name, value in report.totals.items())
    for section in report.sections:
        yield ""
        yield f"## {_marked(section.title)}{_more(section)}"
        yield ""
        if not section.rows:
            yield section.nothing
            continue
        yield f"| {' | '.join(map(_words, section.columns))} |"
        yield f"|{'|'.join('---:' if _is_number(section, place) else '---' for place in range(len(section.columns)))}|"
        for row in section.rows:
            yield f"| {' | '.join(map(_marked, row))} |"
    yield from _failed(report)


def json(report: FleetReport) -> bytes:
    """Return the report as JSON."""
    return json_document(report)


def html(report: FleetReport) -> bytes:
    """Return the report as one page, which fetches nothing: its content policy allows its own style and script by digest."""
    style, script = _part("page.css"), _part("page.js")
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; base-uri 'none'; form-action 'none'"
    )
    totals = "".join(
        f"<div><dt>{_words(name)}</dt><dd>{escape(_shown(value))}</dd></div>" for name, value in report.totals.items()
    )
    failed = "".join(f'<p class="failed">{escape(line)}</p>' for line in _failed(report) if line)
    body = "".join(map(_html_section, report.sections))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>crplan fleet</title>\n'
        f"<style>{style}</style></head>\n<body><main><h1>crplan fleet</h1><dl>{totals}</dl>{failed}{body}</main>\n"
        f"<script>{script}</script></body></html>\n"
    ).encode("utf-8", "backslashreplace")


def _html_section(section: Section) -> str:
    head = f'<section id="{section.name}"><h2>{escape(escaped(section.title))}{escape(_more(section))}</h2>'
    if not section.rows:
        return f"{head}<p>{escape(section.nothing)}</p></section>\n"
    picture = PICTURES[section.name](section) if section.name in PICTURES else ""
    numbers = [_is_number(section, place) for place in range(len(section.columns))]
    heads = "".join(
        f'<th scope="col"{" class=number" if number else ""}><button type="button">{escape(_words(name))}</button></th>'
        for name, number in zip(section.columns, numbers, strict=True)
    )
    rows = "".join(f"<tr>{_html_cells(row, numbers)}</tr>\n" for row in section.rows)
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>\n{rows}</tbody></table>"
    return f'{head}{picture}<div class="wide">{table}</div></section>\n'


def _html_cells(row: Sequence[Cell], numbers: Sequence[bool]) -> str:
    cells = zip(row, numbers, strict=True)
    return "".join(f"<td{' class=number' if number else ''}>{escape(_shown(cell))}</td>" for cell, number in cells)


WIDTH: Final = 640
BAR: Final = 18


def _verdict_bars(section: Section) -> str:
    """Return a bar for each host and consumer, divided by verdict."""
    bars: dict[str, list[tuple[str, int]]] = {}
    for host, consumer, verdict, count in section.rows:
        bars.setdefault(f"{_shown(host) or 'image only'}, {_shown(consumer)}", []).append((str(verdict), int(count or 0)))
    lines = []
    for row, (name, parts) in enumerate(list(bars.items())[:40]):
        total, at = sum(count for _, count in parts), 0.0
        lines.append(f'<text x="0" y="{row * 2 * BAR + 13}">{escape(name)}</text>')
        for verdict, count in parts:
            width = WIDTH * count / total
            lines.append(
                f'<rect class="{verdict if verdict in COLOURED else "unknown"}" x="{at:.1f}" y="{row * 2 * BAR + BAR}"'
                f' width="{width:.1f}" height="{BAR - 4}"><title>{escape(verdict)}: {count}</title></rect>'
            )
            at += width
    return _svg("Verdicts by host and consumer", lines, min(len(bars), 40) * 2 * BAR)


COLOURED: Final = ("ok", "refused", "wrong", "hangs", "unknown")


def _day_bars(section: Section) -> str:
    """Return a bar for each day: images, and those with errors."""
    days = sorted((str(day), int(count or 0), int(bad or 0)) for day, count, bad in section.rows)
    most = max(count for _, count, _ in days)
    width, height, lines = WIDTH / len(days), 6 * BAR, []
    for place, (day, count, bad) in enumerate(days):
        for kind, number in (("ok", count), ("refused", bad)):
            tall = height * number / most
            lines.append(
                f'<rect class="{kind}" x="{place * width:.1f}" y="{height - tall:.1f}" width="{max(width - 2, 1):.1f}"'
                f' height="{tall:.1f}"><title>{escape(escaped(day))}: {count} images, {bad} with errors</title></rect>'
            )
    return _svg("Images by day", lines, height)


def _svg(title: str, lines: Sequence[str], height: int) -> str:
    return f'<svg role="img" aria-label="{title}" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}">{"".join(lines)}</svg>'


PICTURES: Final[dict[str, Callable[[Section], str]]] = {"verdicts": _verdict_bars, "days": _day_bars}


def _more(section: Section) -> str:
    return f" (the first {len(section.rows)} of {section.total})" if section.total > len(section.rows) else ""


def _failed(report: FleetReport) -> Iterator[str]:
    if report.failed:
        yield ""
        yield f"fails on: {', '.join(report.failed)}"


def _words(name: str) -> str:
    return escaped(name.replace("_", " "))


def _shown(value: Cell) -> str:
    if value is None:
        return ""
    return shortened(escaped(value), LONGEST) if isinstance(value, str) else str(value)


def _marked(value: Cell) -> str:
    return _MARKS.sub(lambda found: f"&#{ord(found[0])};", _shown(value))


def _is_number(section: Section, place: int) -> bool:
    return all(isinstance(row[place], (int, float)) or row[place] is None for row in section.rows)


def _part(name: str) -> str:
    return files("planner.fleet").joinpath("page", name).read_text(encoding="utf-8")


def _digest(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


FORMATS: Final[dict[str, Callable[[FleetReport], bytes]]] = {"text": text, "json": json, "markdown": markdown, "html": html}
"""The forms of a report by name."""
