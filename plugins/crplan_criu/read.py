"""From a source to image events: an image directory, an unpacked archive, an OCI image layout, or an archive as a stream."""

import os
from collections.abc import Iterator

from crplan_criu import archive, directory, events
from crplan_criu.dump import Dump
from crplan_criu.images import shown
from crplan_criu.recognise import directory_kind
from crplan_criu.streams import opened
from planner.events import AnyEvent
from planner.hookspecs import Source


def read(source: Source) -> Iterator[AnyEvent]:
    """Yield the image events of a source; raises BadImage."""
    yield from events.events(_from_directory(source.directory) if source.directory else _from_stream(source))


def _from_stream(source: Source) -> Dump:
    where = shown(os.path.basename(source.name) or source.name)
    with source.open() as file:
        return archive.the_only(list(archive.from_stream(opened(file, source.head, where))), where)


def _from_directory(path: str) -> Dump:
    if directory_kind(path) == "layout":
        return archive.the_only(directory.collect_layout(path), shown(os.path.basename(path) or path))
    return directory.collect(path)
