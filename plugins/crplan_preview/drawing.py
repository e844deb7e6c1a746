"""Lines of styled words: what a preview is made of."""

from collections.abc import Iterator
from typing import Final

STYLES: Final = {
    "heading": "bold",
    "number": "bold",
    "name": "",
    "quiet": "dim",
    "session": "green",
    "group": "magenta",
    "zombie": "red",
    "helper": "magenta",
    "error": "bold red",
    "warning": "bold magenta",
    "note": "green",
    "done": "bold green",
}
"""Colours repeat what the words say; nothing is said by colour alone.

Each can be read on a light and on a dark background: plain blue cannot on the one, and yellow and cyan cannot on the other.
"""

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


def counted(number: int, word: str) -> str:
    """Return a number with its word, in the plural where it is not one."""
    return f"{number} {word}{'' if number == 1 else 's'}"
