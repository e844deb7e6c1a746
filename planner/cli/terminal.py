"""Standard output for artefacts, standard error for people, and what the terminal behind them can show."""

import contextlib
import os
import sys
from typing import Final, TextIO, TypeGuard

from planner.cli.files import replace
from planner.hookspecs import Source
from planner.pipeline.sources import STANDARD_INPUT, from_path, from_stream
from planner.text import ascii_only

FILE_WIDTH: Final = 100
"""Columns of a preview that does not go to a terminal."""

STANDARD_OUTPUT: Final = "-"


def open_image(name: str) -> Source:
    """Return the source that an IMAGE argument names; `-` is standard input."""
    return from_stream(sys.stdin.buffer, "standard input") if name == STANDARD_INPUT else from_path(name)


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


def shows_unicode(stream: TextIO | None) -> bool:
    """Say whether box drawing characters can be shown: always in a file, which is UTF-8, else where the terminal is."""
    if not _is_terminal(stream):
        return True
    return (stream.encoding or "").lower().replace("-", "") == "utf8" and os.environ.get("TERM") != "linux"


def width(stream: TextIO | None) -> int:
    """Return the columns to fill, between 60 and 160."""
    if not _is_terminal(stream):
        return FILE_WIDTH
    from shutil import get_terminal_size

    return min(max(get_terminal_size((FILE_WIDTH, 24)).columns, 60), 160)


def say(*lines: str) -> None:
    """Write lines to standard error, for people."""
    text = "".join(f"{line}\n" for line in lines)
    if not shows_unicode(sys.stderr):
        text = ascii_only(text)
    with contextlib.suppress(BrokenPipeError):
        sys.stderr.write(text)
        sys.stderr.flush()


def write_artefact(data: str | bytes, file: str | None, *, executable: bool = False) -> None:
    """Write an artefact to standard output, or to `file`, which is then whole or not there.

    Raises `UsageError` for a file without a name, and OSError where it cannot be written.
    """
    encoded = data.encode("utf-8", "backslashreplace") if isinstance(data, str) else data
    if file is None or file == STANDARD_OUTPUT:
        sys.stdout.flush()
        sys.stdout.buffer.write(encoded)
        sys.stdout.buffer.flush()
        return
    replace(file, encoded, executable=executable)
