"""From a source to image events: an image directory, an unpacked archive, an OCI image layout, or an archive as a stream."""

import os
from collections.abc import Iterator

from crplan_criu import archive, directory, events
from crplan_criu.archive import Checkpoint
from crplan_criu.images import shown
from crplan_criu.recognise import directory_kind
from crplan_criu.streams import opened
from planner.errors import BadImage
from planner.events.records import AnyEvent
from planner.hookspecs import Source
from planner.pods.join import join
from planner.pods.parts import Part, labelled


def read(source: Source) -> Iterator[AnyEvent]:
    """Yield the image events of a source; raises BadImage."""
    path = source.directory
    where = shown(os.path.basename(path or source.name) or path or source.name)
    if not path:
        with source.open() as file:
            found = list(archive.from_stream(opened(file, source.head, where)))
    elif directory_kind(path) == "layout":
        found = directory.collect_layout(path)
    else:
        yield from events.events(directory.collect(path))
        return
    if not found:
        raise BadImage(where, "the archive holds no CRIU images (no inventory.img, no pstree.img)")
    yield from events.events(found[0].dump) if len(found) == 1 else join([_part(one) for one in found])


def _part(checkpoint: Checkpoint) -> Part:
    """Return one of several checkpoints as a container of a pod; its label is the directory that it stands in."""
    label = shown(checkpoint.directory) or "the top"
    try:
        return Part(label, list(events.events(checkpoint.dump)))
    except BadImage as error:
        raise BadImage(labelled(label, error.at), error.message) from None
