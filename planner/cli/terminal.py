"""Standard output for artefacts, standard error for messages, and what the terminal behind them can show."""

import os
import sys
from collections.abc import Iterable
from typing import Final, TextIO, TypeGuard

import msgspec

from planner.cli.files import replace
from planner.cli.streams import INPUT_NAME, columns, write
from planner.errors import BadImage
from planner.hookspecs import MAX_WINDOW, Source
from planner.pipeline.sources import STANDARD_INPUT, from_path, from_stream
from planner.text import without_controls

FILE_WIDTH: Final = 100
"""Columns of a preview that does not go to a terminal."""

STANDARD_OUTPUT: Final = "-"

AT_ONCE: Final = 1 << 16
"""Bytes of small pieces that are written together."""


def open_image(name: str, max_window: int = MAX_WINDOW) -> Source:
    """Return the source that an IMAGE argument names; `-` is standard input."""
    if name != STANDARD_INPUT:
        return msgspec.structs.replace(from_path(name), max_window=max_window)
    if sys.stdin is None:
        raise BadImage(0, "cannot be read: standard input is closed")
    return msgspec.structs.replace(from_stream(sys.stdin.buffer, INPUT_NAME), max_window=max_window)


def wants_colour(mode: str, stream: TextIO | None) -> bool:
    """Say whether colours are to be used: `--color` decides, then NO_COLOR, FORCE_COLOR, TERM=dumb, then the terminal.

    Here and below no stream means a file.
    """
    if mode != "auto":
        return mode == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return _is_terminal(stream) and os.environ.get("TERM") != "dumb"


def _is_terminal(stream: TextIO | None) -> TypeGuard[TextIO]:
    return stream is not None and stream.isatty()


def width(stream: TextIO | None) -> int:
    """Return the columns to fill, between 60 and 160."""
    if not _is_terminal(stream):
        return FILE_WIDTH
    return min(max(columns(FILE_WIDTH), 60), 160)


def write_artefact(data: str | bytes, file: str | None, *, executable: bool = False) -> None:
    """Write an artefact to standard output, or to `file`, which is then whole or not there.

    Text keeps no control character but the sequences of colours.
    Raises `UsageError` for a file without a name, and OSError where it cannot be written.
    """
    encoded = _encoded(data)
    if file is None or file == STANDARD_OUTPUT:
        write(encoded)
        return
    replace(file, (encoded,), executable=executable)


def write_pieces(pieces: Iterable[str | bytes], file: str | None) -> None:
    """Write what is too long to be in memory, as `write_artefact` does; standard output gets it piece by piece."""
    if file is not None and file != STANDARD_OUTPUT:
        replace(file, map(_encoded, pieces))
        return
    waiting, size = [], 0
    for piece in map(_encoded, pieces):
        waiting.append(piece)
        size += len(piece)
        if size > AT_ONCE:
            write(b"".join(waiting))
            waiting, size = [], 0
    write(b"".join(waiting))


def _encoded(data: str | bytes) -> bytes:
    return without_controls(data).encode() if isinstance(data, str) else data
