"""Reading a file that is named beside the images: facts of a host, or an earlier report.

It is a regular file, or a pipe from a program that writes it. What has no end, or never begins, is refused.
"""

import os
import select
import stat
import time
from typing import Final

from planner.errors import UsageError
from planner.text import escaped

LARGEST: Final = 256 << 20
"""Bytes that are read: a report has some hundred bytes for each finding."""

PATIENCE: Final = 30.0
"""Seconds for which a pipe may bring nothing."""

BLOCK: Final = 1 << 20


def read_beside(file: str | os.PathLike[str], word: str) -> bytes:
    """Return the bytes of a file; `word` says what it is, for messages. Raises `UsageError`."""
    named = f"the {word} {escaped(os.fspath(file))}"
    try:
        # Without O_NONBLOCK a pipe that no program has opened to write would block the command.
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"{named} cannot be read: {reason}") from None
    try:
        return _all_of(descriptor, named)
    except OSError as error:
        raise UsageError(f"{named} cannot be read: {error.strerror}") from None
    finally:
        os.close(descriptor)


def _all_of(descriptor: int, named: str) -> bytes:
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISDIR(mode):
        raise UsageError(f"{named} cannot be read: it is a directory")
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
        raise UsageError(f"{named} cannot be read: it is no regular file and no pipe")
    data = bytearray()
    while block := _next(descriptor, named, pipe=stat.S_ISFIFO(mode)):
        data += block
        if len(data) > LARGEST:
            raise UsageError(f"{named} is longer than {LARGEST} bytes, which is the most that is read")
    return bytes(data)


def _next(descriptor: int, named: str, *, pipe: bool) -> bytes:
    """Return the next bytes, none at the end; raises `UsageError` where a pipe brings nothing for too long."""
    if not pipe:
        return os.read(descriptor, BLOCK)
    deadline = time.monotonic() + PATIENCE
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    while (left := deadline - time.monotonic()) > 0:
        if poll.poll(left * 1000):
            try:
                return os.read(descriptor, BLOCK)
            except BlockingIOError:  # another reader of the pipe was faster
                continue
    raise UsageError(f"{named} is a pipe that brought nothing for {PATIENCE:g} s")
