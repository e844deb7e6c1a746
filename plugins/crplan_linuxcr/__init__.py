"""Reader of linux-cr checkpoint streams, all generations from October 2009 on, in both byte orders."""

from collections.abc import Iterator

from planner.events.records import AnyEvent
from planner.hookspecs import Reader, ReadRequest, Source, hookimpl


def _recognises(source: Source) -> bool:
    from crplan_linuxcr.recognise import recognises

    return recognises(source.head)


def _read(source: Source, request: ReadRequest) -> Iterator[AnyEvent]:
    from crplan_linuxcr.read import read

    with source.open() as stream:
        yield from read(stream)


@hookimpl
def crplan_readers() -> tuple[Reader, ...]:
    """Return the reader."""
    return (Reader(name="linux-cr", help="linux-cr checkpoint streams, A3 to P3", recognises=_recognises, read=_read),)
