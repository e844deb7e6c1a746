"""crplan-lines: reads images that are a plain text, a process a line, for crplan."""

from collections.abc import Iterator

from planner.errors import BadImage
from planner.events.records import AnyEvent, ImageClosed, ImageOpened, TaskRecorded, TaskStateRecorded
from planner.hookspecs import Reader, ReadRequest, Source, hookimpl
from planner.identity import Number, ProcessId

MAGIC = b"crplan_lines 1\n"
LONGEST = 4096
"""Bytes of a line: an image may be hostile, so whatever is held in memory has a bound."""


@hookimpl
def crplan_readers() -> tuple[Reader, ...]:
    """Return the reader."""
    return (Reader(name="crplan_lines", help="a text with a process a line", recognises=_recognises, read=_read),)


def _recognises(source: Source) -> bool:
    return source.head.startswith(MAGIC)


def _read(source: Source, request: ReadRequest) -> Iterator[AnyEvent]:
    """Yield the facts of an image: after the first line, `PID PARENT SESSION GROUP NAME` for each process."""
    with source.open() as stream:
        at = len(stream.readline(LONGEST))
        yield ImageOpened(format="crplan_lines", generation="1", at=0)
        tasks = 0
        while line := stream.readline(LONGEST):
            (pid, parent, session, group), name = _fields(line, at)
            yield TaskRecorded(
                pids=(Number(pid),), parent=ProcessId(parent), session=ProcessId(session), group=ProcessId(group), at=at
            )
            yield TaskStateRecorded(pid=ProcessId(pid), state="running", name=name, at=at)
            tasks += 1
            at += len(line)
        yield ImageClosed(tasks=tasks, complete=True, at=at)


def _fields(line: bytes, at: int) -> tuple[list[int], str]:
    """Return the numbers and the name of a line; raises BadImage with its place."""
    words = line.decode("utf-8", "backslashreplace").split()
    if len(words) != 5 or not all(word.isascii() and word.isdigit() and len(word) < 10 for word in words[:4]):
        raise BadImage(at, "expected PID PARENT SESSION GROUP NAME in a line")
    return [int(word) for word in words[:4]], words[4]
