"""The ready line is out or it is not, whatever signal comes while it is written, and the log says which."""

import errno
import fcntl
import io
import os
import re
import signal
import sys
from collections.abc import Iterator

import pytest

from planner.cli.commands import run
from planner.events.log import LogWriter
from planner.events.records import RunEnded, RunReady

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a pipe that sends SIGIO")


class Asked(BaseException):
    """What the handler of an executor raises."""


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A pipe as standard output. Its reader sends SIGIO within the write, so a handler raises as early as SIGTERM can have it."""

    def handler(number: int, frame: object) -> None:
        raise Asked

    reader, writer = os.pipe()
    monkeypatch.setattr(run, "STANDARD_OUTPUT", writer)
    before = signal.signal(signal.SIGIO, handler)
    fcntl.fcntl(reader, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(reader, fcntl.F_SETFL, os.O_ASYNC)
    yield reader
    signal.signal(signal.SIGIO, before)
    os.close(reader)
    os.close(writer)


def test_a_signal_that_answers_the_ready_line_does_not_make_it_unheard(reader: int) -> None:
    announced: list[int] = []
    with pytest.raises(Asked):
        run._announce(100, 5, announced)
    assert os.read(reader, 20) == b"ready 100\n"
    assert announced


def test_a_ready_line_that_is_out_is_in_the_log(reader: int) -> None:
    log = io.BytesIO()
    telling = run._Telling(LogWriter(log), 5)
    with pytest.raises(Asked):
        telling.record(RunReady(pid=100))
    telling.record(RunEnded(code=0))
    assert re.findall(rb'"(Run\w+)"', log.getvalue()) == [b"RunReady", b"RunEnded"]


def test_a_ready_line_that_is_not_out_is_a_failure_and_not_in_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(descriptor: int, timeout: float) -> bool:
        raise Asked

    monkeypatch.setattr(run, "_has_room", interrupted)
    log = io.BytesIO()
    telling = run._Telling(LogWriter(log), 5)
    with pytest.raises(Asked):
        telling.record(RunReady(pid=100))
    with pytest.raises(run.Unheard) as unheard:
        telling.record(RunEnded(code=0))
    assert unheard.value.errno == errno.EINTR
    assert log.getvalue() == b""
