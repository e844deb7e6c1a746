"""Small dumps that were read whole, as what checks are given."""

from pathlib import Path

import msgspec
from crplan_criu.read import read

from planner.contents.fold import fold_contents
from planner.events.records import AnyEvent, LogOpened
from planner.hookspecs import Artefact, ReadRequest
from planner.pipeline import sources
from planner.pipeline.resolve import resolve
from tests.helpers import criu_dumps


def artefact(directory: Path, files: dict[str, bytes]) -> Artefact:
    """Return what the checks are given of the images."""
    source = sources.from_path(str(criu_dumps.write(directory, files)))
    events: list[AnyEvent] = [LogOpened(format_version=2), *read(source, ReadRequest(detail="all"))]
    return msgspec.structs.replace(resolve(events).artefact(), contents=fold_contents(events))


def held(directory: Path, entry: bytes, **files: bytes) -> Artefact:
    """Return an image whose one task holds file 1 by a descriptor."""
    images = criu_dumps.tree() | {"fdinfo-2.img": criu_dumps.descriptors((3, 1))}
    return artefact(directory, images | {"files.img": criu_dumps.image("files", entry)} | files)
