"""Output of the program, on standard streams that may be closed, full, or without a reader."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import time
from collections.abc import Callable

PIPE_BUF = 4096
"""Bytes for which a pipe that can be written to has room (pipe(7))."""


def fill_standard_streams() -> None:
    """Open closed streams to nothing, the wrong way round, before other files take their place: to use them fails as before."""
    for number, mode in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_RDONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, mode), True)


def write_in_time(descriptor: int, text: str, seconds: float, heed: Callable[[], object] = lambda: None) -> None:
    """Write a text; raises OSError, ETIMEDOUT where a pipe stays full, and what `heed` raises, which is called meanwhile."""
    data = text.encode("ascii", "backslashreplace")
    deadline = time.monotonic() + seconds
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    while data:
        if poll.poll(50):
            try:
                data = data[os.write(descriptor, data[:PIPE_BUF]) :]
            except BlockingIOError:
                time.sleep(0.01)
        else:
            heed()
        if data and time.monotonic() > deadline:
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))


def complain(line: str, seconds: float) -> None:
    """Say a line on standard error, where it can be read."""
    with contextlib.suppress(OSError):
        write_in_time(2, f"crplan: {line}\n", seconds)
