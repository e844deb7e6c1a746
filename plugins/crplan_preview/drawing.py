"""Lines of styled words: what a preview is made of, with colours or without."""

import io
from collections.abc import Iterable, Iterator
from typing import Final

from planner.text import ascii_only

Span = tuple[str, str]
"""Text and the name of its style, "" for none."""

Line = list[Span]

STYLES: Final = {
    "heading": "bold",
    "number": "cyan",
    "name": "bold",
    "quiet": "dim",
    "session": "green",
    "group": "blue",
    "zombie": "magenta",
    "helper": "yellow",
    "error": "bold red",
    "warning": "yellow",
    "note": "cyan",
    "done": "green",
}
"""Colours repeat what the words say; nothing is said by colour alone."""

SHORTEST: Final = 20
"""Columns that are left for text at least, however far it is indented."""


def plain(line: Line) -> str:
    """Return a line without its styles."""
    return "".join(text for text, _ in line).rstrip()


def render(lines: Iterable[Line], *, colour: bool, unicode: bool) -> str:
    """Return lines as text; colours are ANSI sequences, and without `unicode` everything is ASCII."""
    if not colour:
        text = "".join(f"{plain(line)}\n" for line in lines)
        return text if unicode else ascii_only(text)
    from rich.console import Console
    from rich.text import Text

    out = io.StringIO()
    console = Console(
        file=out, force_terminal=True, color_system="standard", width=1 << 16, highlight=False, legacy_windows=False
    )
    for line in lines:
        spans = [(text if unicode else ascii_only(text), STYLES.get(style, "")) for text, style in line]
        console.print(Text.assemble(*spans), soft_wrap=True)
    return out.getvalue()


def wrapped(text: str, width: int, indent: str, first: str | None = None) -> Iterator[str]:
    """Break text into lines of at most `width` columns, indented (the first by `first`); a word that is longer stays whole."""
    room = max(width, len(indent) + SHORTEST)
    line = indent if first is None else first
    empty = True
    for word in text.split():
        if not empty and len(line) + 1 + len(word) > room:
            yield line
            line, empty = indent, True
        line = line + word if empty else f"{line} {word}"
        empty = False
    yield line
