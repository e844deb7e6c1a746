"""From a source to image events: an image directory, an unpacked archive, an OCI image layout, or an archive as a stream.

An input that holds several checkpoints is read once; which of them is meant, a request says by name.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import msgspec

from crplan_criu import archive, directory, events, search, streamer
from crplan_criu.archive import Checkpoint, Seen
from crplan_criu.images import WANTED, WANTED_ALL, WANTED_OF_POD, shown
from crplan_criu.recognise import DIRECTORIES
from crplan_criu.streams import opened
from planner.errors import BadImage, SeveralImages
from planner.events.records import AnyEvent
from planner.hookspecs import Member, ReadRequest, Source
from planner.pods.parts import labelled
from planner.text import escaped

WHOLE = ReadRequest()

_WANTED = {"pod": WANTED_OF_POD, "tree": WANTED, "all": WANTED_ALL}
"""Kinds of image whose content is read, by how much is asked for."""

THE_TOP = "."
"""Name of the checkpoint at the top of an input that holds others below."""

Load = Callable[[], tuple[Checkpoint, str]]
"""Reads one checkpoint; returns it with the directory in which it was found where that is not the expected one."""


class Found(msgspec.Struct, frozen=True):
    """A checkpoint of an input: the name that selects it, and how it is read."""

    name: str
    load: Load
    help: str = ""


def read(source: Source, request: ReadRequest = WHOLE) -> Iterator[AnyEvent]:
    """Yield the image events of the checkpoint that a request names; raises BadImage, and SeveralImages where it names none."""
    pod = request.detail == "pod"
    found = {one.name or THE_TOP: one for one in _found(source, _WANTED[request.detail])}
    said = _evidence if pod else _events
    if len(found) == 1 and not request.member:
        return said(*found.values())
    if not request.member:
        raise SeveralImages(found, lambda name: _labelled(found[name]))
    if request.member not in found:
        known = ", ".join(list(found)[:20])
        raise BadImage(None, f"holds no checkpoint {escaped(request.member)}; there is: {known}")
    return said(found[request.member])


def members(source: Source) -> Iterator[Member]:
    """Yield what an input holds; raises BadImage."""
    for one in _found(source, WANTED):
        yield Member(name=one.name or THE_TOP, help=one.help or _help(one))


def _help(one: Found) -> str:
    try:
        checkpoint, _ = one.load()
    except BadImage as error:
        return f"cannot be read: {error.message}"
    if checkpoint.problem is not None:
        return f"cannot be read: {checkpoint.problem.message}"
    facts = checkpoint.dump.container.facts
    said = [f"{word} {escaped(facts[key])}" for word, key in WORDS if facts.get(key)]
    tasks = len(checkpoint.dump.tree or ())
    return ", ".join([f"{tasks} task{'' if tasks == 1 else 's'}", *said])


WORDS = (("container", "container"), ("of pod", "pod"), ("by", "engine"))


def _evidence(one: Found) -> Iterator[AnyEvent]:
    yield from events.evidence(one.load()[0].dump)


def _events(one: Found) -> Iterator[AnyEvent]:
    checkpoint, where = one.load()
    if checkpoint.problem is not None:
        raise checkpoint.problem
    yield from events.events(checkpoint.dump, where)


def _labelled(one: Found) -> Iterator[AnyEvent]:
    """Yield the events of one of several, whose name stands before the place of what is wrong."""
    try:
        yield from _events(one)
    except BadImage as error:
        raise BadImage(labelled(one.name or THE_TOP, error.at), error.message) from None


def _found(source: Source, wanted: frozenset[str]) -> Iterator[Found]:
    """Yield the checkpoints of a source by name; raises BadImage where there is none."""
    if source.directory:
        yield from _of_directory(source.directory, wanted, source.seen)
        return
    where = shown(os.path.basename(source.name) or source.name)
    with source.open() as file:
        stream = opened(file, source.head, where)
        if streamer.recognises(source.head):
            found = archive.of_streamer(streamer.files(stream), wanted)
        else:
            found = archive.from_stream(stream, wanted, source.seen)
    if not found:
        raise BadImage(where, "the archive holds no CRIU images (no inventory.img, no pstree.img)")
    yield from _of_archive(found)


def _of_archive(found: Sequence[Checkpoint], below: str = "") -> Iterator[Found]:
    for one in found:
        name = f"{below}/{one.name}" if below and one.name and len(found) > 1 else below or one.name
        unusual = one.directory if len(found) == 1 and one.directory not in DIRECTORIES else ""
        where = "/".join(part for part in (below, unusual) if part) if "blobs/" not in unusual else below
        yield Found(name, lambda one=one, where=where: (one, shown(where)))  # type: ignore[misc]  # mypy infers no default


def _of_directory(path: str, wanted: frozenset[str], seen: Seen | None) -> Iterator[Found]:
    places = search.places(path)
    for place in places:
        below = os.path.join(path, place.name)
        if place.kind == "images":
            yield Found(_name(place.name, places), partial(_images, below, place.name, wanted, seen))
        elif place.kind == "archive":
            yield Found(place.name, partial(_only, below, place.name, wanted, seen), "an archive")
        else:
            layout = directory.collect_layout if place.kind == "layout" else directory.collect_transport
            found = layout(below, wanted, seen)
            if not found and len(places) == 1:
                where = shown(os.path.basename(below) or below)
                raise BadImage(where, "the archive holds no CRIU images (no inventory.img, no pstree.img)")
            yield from _of_archive(found, place.name)


def _name(name: str, places: Sequence[search.Place]) -> str:
    """Return the name of a directory of images: its path without what engines call every such directory."""
    for ending in ("/checkpoint", "/state"):
        short = name.removesuffix(ending)
        if short != name and not any(other.name != name and other.name.startswith(f"{short}/") for other in places):
            return short
    return name


def _images(path: str, name: str, wanted: frozenset[str], seen: Seen | None) -> tuple[Checkpoint, str]:
    return Checkpoint("", "", directory.collect(path, wanted, seen)), shown(name)


def _only(path: str, name: str, wanted: frozenset[str], seen: Seen | None) -> tuple[Checkpoint, str]:
    """Return the checkpoint of an archive in a directory; raises BadImage where it holds several."""
    where = shown(os.path.basename(path))
    with open(path, "rb") as file:
        head = file.read(4096)
        file.seek(0)
        found = archive.from_stream(opened(file, head, where), wanted, seen)
    if len(found) != 1:
        reason = f"holds {len(found)} checkpoints; give it by itself" if found else "holds no CRIU images (no inventory.img)"
        raise BadImage(where, f"the archive {reason}")
    return found[0], name
