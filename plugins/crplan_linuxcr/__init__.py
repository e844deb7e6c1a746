"""Reader of linux-cr checkpoint streams, all generations from October 2009 on, in both byte orders."""

from collections.abc import Iterator

from planner.events.records import AnyEvent
from planner.hookspecs import Member, Reader, ReadRequest, Source, hookimpl


def _recognises(source: Source) -> bool:
    from crplan_linuxcr.recognise import recognises

    if not source.directory:
        return recognises(source.head)
    from crplan_linuxcr.directory import streams

    return next(streams(source.directory), "") != ""


def _read(source: Source, request: ReadRequest) -> Iterator[AnyEvent]:
    if source.directory:
        from crplan_linuxcr.directory import read_directory

        yield from read_directory(source.directory, request)
        return
    from crplan_linuxcr.read import read

    with source.open() as stream:
        yield from read(stream)


def _members(source: Source) -> Iterator[Member]:
    from crplan_linuxcr.directory import members

    return members(source)


@hookimpl
def crplan_readers() -> tuple[Reader, ...]:
    """Return the reader."""
    return (
        Reader(
            name="linux-cr",
            help="linux-cr checkpoint streams, A3 to P3",
            recognises=_recognises,
            read=_read,
            members=_members,
        ),
    )
