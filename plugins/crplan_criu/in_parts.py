"""Reader of a checkpoint in parts: the tree from its event log, one part from the images of that part.

CRIU's images hold one number of each task. The log beside them holds the numbers in all pid namespaces, and who is in which part.
"""

import io
import os
from collections.abc import Iterator
from typing import Final

import msgspec

from crplan_criu.read import read as read_images
from planner.checkpoint import manifest as manifests
from planner.checkpoint.manifest import Manifest, PartRecord
from planner.errors import BadImage
from planner.events import log
from planner.events.records import AnyEvent, FactRecorded, ImageOpened, LogOpened
from planner.hookspecs import Member, ReadRequest, Source
from planner.identity import ProcessId
from planner.text import escaped

FORMAT: Final = "checkpoint"
"""The format of the whole, as the log of it says; a part is of format criu."""


def read(source: Source, request: ReadRequest) -> Iterator[AnyEvent]:
    """Yield the image events of the whole tree, or of the part that a request names; raises BadImage."""
    manifest, data = manifests.read(source.directory)
    if request.member:
        part = next((part for part in manifest.parts if part.name == request.member), None)
        if part is None:
            known = ", ".join(part.name for part in manifest.parts[:20])
            raise BadImage(manifests.FILE, f"names no part {escaped(request.member)}; there is: {known}")
        return read_images(_part(source, part), msgspec.structs.replace(request, member=""))
    return _whole(manifest, data)


def members(source: Source) -> Iterator[Member]:
    """Yield the parts; raises BadImage."""
    manifest, _ = manifests.read(source.directory)
    for part in manifest.parts:
        tasks = f"{part.tasks} task{'' if part.tasks == 1 else 's'}"
        below = f" below task {part.parent} of {part.enclosing}" if part.enclosing else ""
        yield Member(
            name=part.name, help=f"{tasks}, root {'/'.join(map(str, part.root))}{below}, {part.size / (1 << 20):.1f} MiB"
        )


def _part(source: Source, part: PartRecord) -> Source:
    directory = os.path.join(source.directory, part.name)
    return msgspec.structs.replace(source, name=directory, directory=directory, seen=None)


def _whole(manifest: Manifest, data: bytes) -> Iterator[AnyEvent]:
    if not log.recognises(data):
        raise BadImage(manifests.LOG, "is no event log")
    for event in log.read(io.BytesIO(data)):
        if isinstance(event, LogOpened):
            continue
        if isinstance(event, ImageOpened):
            facts = {**event.facts, "parts": str(len(manifest.parts)), "criu": manifest.criu}
            yield msgspec.structs.replace(event, format=FORMAT, generation=str(manifest.format_version), facts=facts)
            for part in manifest.parts:
                value = f"{part.name}, whose images are in {part.name}/"
                yield FactRecorded(
                    pid=ProcessId(part.root[0]), property="root of a part", value=value, at=f"{manifests.FILE}#{part.name}"
                )
        else:
            yield event
