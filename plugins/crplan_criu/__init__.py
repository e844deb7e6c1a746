"""Reader of CRIU image directories and of the archives that container engines put them in."""

from collections.abc import Iterator

from planner.events.records import AnyEvent
from planner.hookspecs import Reader, ReadRequest, Source, hookimpl


def _recognises(source: Source) -> bool:
    from crplan_criu.recognise import recognises

    return recognises(source)


def _read(source: Source, request: ReadRequest) -> Iterator[AnyEvent]:
    from crplan_criu.read import read

    return read(source)


@hookimpl
def crplan_readers() -> tuple[Reader, ...]:
    """Return the reader."""
    help = "CRIU and Virtuozzo image directories, container checkpoint archives (tar, gzip, zstd, OCI layout)"
    return (Reader(name="criu", help=help, recognises=_recognises, read=_read, containers=True, priority=60),)
