"""Lines of styled words: what a preview is made of."""

from collections.abc import Iterator
from typing import Final

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
