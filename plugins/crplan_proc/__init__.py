"""Capture: a running tree of processes, read from /proc, as the same image events that a checkpoint gives.

A tree is an image like any other: the directory `/proc/PID` is what the reader recognises.
"""

from collections.abc import Iterator

from planner.events.records import AnyEvent
from planner.hookspecs import Reader, ReadRequest, Source, hookimpl


def _recognises(source: Source) -> bool:
    from crplan_proc.recognise import number_of

    return number_of(source.directory) != 0


def _read(source: Source, request: ReadRequest) -> Iterator[AnyEvent]:
    from crplan_proc.capture import capture
    from crplan_proc.recognise import number_of

    yield from capture(number_of(source.directory), request.detail)


@hookimpl
def crplan_readers() -> tuple[Reader, ...]:
    """Return the reader."""
    return (
        Reader(name="capture", help="a running tree of processes: /proc/PID", recognises=_recognises, read=_read, priority=70),
    )
