"""The standard streams, which a command may get closed, full, or without a reader.

Nothing is imported here that `crplan --version` does not need.
"""

import contextlib
import errno
import os
import sys
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from planner.text import Shown

OUTPUT_NAME: Final = "standard output"
INPUT_NAME: Final = "standard input"


def occupy() -> None:
    """Keep closed standard descriptors from being given to the next file that is opened.

    They are opened to nothing and the wrong way round, so that to use them fails as before.
    """
    for descriptor, flag in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_RDONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, flag), True)


def write(data: bytes) -> None:
    """Write all of `data` to standard output at once.

    Raises BrokenPipeError where it is not read any more, and OSError with the name of the stream where it cannot be written.
    """
    try:
        if sys.stdout is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        sys.stdout.flush()
        descriptor = _descriptor(sys.stdout)
        if descriptor is not None:
            _write_all(descriptor, data)
        else:
            sys.stdout.buffer.write(data)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), OUTPUT_NAME) from None


class Output:
    """Standard output as a stream that a log can be written to."""

    def write(self, data: bytes) -> int:
        """Write all of `data`; raises as `write` does."""
        write(data)
        return len(data)


def _descriptor(stream: TextIO) -> int | None:
    """Return the descriptor behind a stream, None for one in memory."""
    try:
        return stream.fileno()
    except (OSError, ValueError):
        return None


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:  # another program has made the pipe non-blocking, and it is full
            import select

            select.select([], [descriptor], [])


def say(*lines: "Shown") -> None:
    """Write human-readable lines to standard error; where that cannot be done, the exit code has to say it."""
    from planner.text import ascii_only, shown

    stream: TextIO | None = sys.stderr
    if stream is None:
        return
    text = "".join(f"{shown(line)}\n" for line in lines)
    try:
        stream.write(text if shows_unicode(stream) else ascii_only(text))
        stream.flush()
    except (OSError, ValueError):
        silence(stream)


def shows_unicode(stream: TextIO | None) -> bool:
    """Say whether box drawing characters can be shown: always in a file, which is UTF-8, else where the terminal is.

    No stream means a file.
    """
    if stream is None or not stream.isatty():
        return True
    return (stream.encoding or "").lower().replace("-", "") == "utf8" and os.environ.get("TERM") != "linux"


def columns(fallback: int) -> int:
    """Return the columns of the terminal, as COLUMNS or the terminal says, else `fallback`."""
    stated = os.environ.get("COLUMNS", "")
    if stated.isascii() and stated.isdigit() and int(stated) > 0:
        return int(stated)
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or fallback if sys.__stdout__ else fallback
    except (OSError, ValueError):  # no terminal, or a stream that is closed
        return fallback


def silence(stream: TextIO | None) -> None:
    """Send what is left in the buffer of a broken stream to nowhere: Python complains when it cannot flush it at its end."""
    if stream is None:
        return
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def errors_on_terminal() -> bool:
    """Whether standard error is a terminal, on which lines can be written over."""
    return sys.stderr is not None and sys.stderr.isatty()
