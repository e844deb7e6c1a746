"""The ready line is out or it is not, whatever signal comes while it is written."""

import fcntl
import os
import signal
import sys

import pytest

from planner.cli.commands import run

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a pipe that sends SIGIO")


class Asked(BaseException):
    """What the handler of an executor raises."""


def test_a_signal_that_answers_the_ready_line_does_not_make_it_unheard(monkeypatch: pytest.MonkeyPatch) -> None:
    """The read end sends SIGIO within the write, so the handler raises as early as any reader's SIGTERM can have it."""

    def handler(number: int, frame: object) -> None:
        raise Asked

    reader, writer = os.pipe()
    monkeypatch.setattr(run, "STANDARD_OUTPUT", writer)
    before = signal.signal(signal.SIGIO, handler)
    try:
        fcntl.fcntl(reader, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(reader, fcntl.F_SETFL, os.O_ASYNC)
        announced: list[int] = []
        with pytest.raises(Asked):
            run._announce(100, 5, announced)
        assert os.read(reader, 20) == b"ready 100\n"
        assert announced
    finally:
        signal.signal(signal.SIGIO, before)
        os.close(reader)
        os.close(writer)
