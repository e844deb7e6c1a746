"""Reads the events of an image from a source, by the reader that recognises it."""

import io
import os
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import chain, islice
from typing import BinaryIO

import msgspec

from planner.errors import BadImage, Contradiction, PluginFailed, SeveralImages
from planner.events import log
from planner.events.records import FORMAT_VERSION, AnyEvent, LogOpened, TaskRecorded, ThreadRecorded
from planner.hookspecs import Detail, Reader, ReadRequest, Source
from planner.identity import MOST_TASKS
from planner.pipeline import sources
from planner.plugins import Registry, load
from planner.pods.join import join
from planner.pods.parts import Part, labelled, labels, part_of
from planner.text import escaped

AnySource = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | Source
"""What the library takes for an image: a path, bytes, an open binary stream, or a source."""


WHOLE = ReadRequest()
"""The only checkpoint of an input, as much of it as a plan needs."""


@cache
def default_registry() -> Registry:
    """Return the installed plugins, loaded once for the library's functions."""
    return load()


def source_of(source: AnySource) -> Source:
    """Return a path, bytes or an open binary stream as a source; raises `BadImage` for a path that cannot be opened."""
    if isinstance(source, Source):
        return source
    if isinstance(source, (bytes, bytearray, memoryview)):
        return sources.from_bytes(bytes(source))
    if isinstance(source, (str, os.PathLike)):
        return sources.from_path(os.fspath(source))
    return sources.from_stream(source, str(getattr(source, "name", "stream")))


def _bounded(events: Iterator[AnyEvent], most: int = MOST_TASKS) -> Iterator[AnyEvent]:
    """Pass events on; raises `BadImage` where they are of more tasks and threads than there can be."""
    bearers = 0
    for event in events:
        if type(event) is TaskRecorded or type(event) is ThreadRecorded:
            bearers += 1
            if bearers > most:
                raise BadImage(event.at, f"the image has more than {most} tasks and threads; no pid namespace has more numbers")
        yield event


def stream_events(source: Source, registry: Registry, request: ReadRequest = WHOLE) -> Iterator[AnyEvent]:
    """Yield the log of a source as it is read, `LogOpened` first: what the image says, and in a log or plan what was decided.

    Several checkpoints in one source are the containers of one pod. Raises `BadImage` where the bytes cannot be decoded, and
    `PluginFailed` where a reader raises anything else.
    """
    try:
        yield from image_events(source, registry, request)
    except SeveralImages as several:
        yield from join([Part(name, list(said)) for name, said in _flat(several, request)])


def _flat(several: SeveralImages, request: ReadRequest) -> Iterator[tuple[str, Iterator[AnyEvent]]]:
    """Yield every checkpoint by name, those of an archive in a directory included."""
    for name in several.names:
        try:
            events = several.events(name, request.detail)
            first = next(events, None)
        except SeveralImages as inner:
            yield from _flat(inner, request)
        else:
            yield name, chain((first,) if first is not None else (), events)


def image_events(source: Source, registry: Registry, request: ReadRequest = WHOLE) -> Iterator[AnyEvent]:
    """Yield the log of one checkpoint of a source; raises as `stream_events` does, and `SeveralImages` where it holds several."""
    if log.recognises(source.head):
        with source.open() as stream:
            yield from _bounded(log.read(stream))
        return
    readers = recognised(source, registry)
    yield LogOpened(format_version=FORMAT_VERSION)
    if len(readers) == 1:
        yield from _read_by(readers[0], source, registry, request)
        return
    several = _of_several_kinds(readers, source, registry)
    if not request.member:
        raise several
    yield from several.events(request.member, request.detail)


def _read_by(reader: Reader, source: Source, registry: Registry, request: ReadRequest) -> Iterator[AnyEvent]:
    """Yield what one reader reads; raises as `image_events` does."""
    try:
        yield from _bounded(reader.read(with_inside(source, reader, registry), request))
    except (BadImage, Contradiction, PluginFailed, GeneratorExit):
        raise
    except RecursionError:
        raise BadImage(0, "the image is nested too deeply") from None
    except Exception as error:  # whatever a plugin raises, the user is told which plugin
        plugin = registry.provider("reader", reader.name)
        raise PluginFailed(f"reader {reader.name} of plugin {plugin} failed: {type(error).__name__}: {error}") from error


def with_inside(source: Source, reader: Reader, registry: Registry) -> Source:
    """Return the source for a reader of archives, which gives the files that it does not know to the others."""
    others = [one for one in registry.readers if one is not reader]

    def inside(name: str, head: bytes) -> Callable[[BinaryIO], Iterator[AnyEvent]] | None:
        if log.recognises(head):
            return lambda stream: islice(log.read(stream), 1, None)
        file = Source(name=name, head=head, open=lambda: io.BytesIO(head))
        chosen = next((one for one in others if one.recognises(file)), None)
        if chosen is None:
            return None
        return lambda stream: _read_by(chosen, msgspec.structs.replace(file, open=lambda: stream), registry, WHOLE)

    return source if source.inside is not None else msgspec.structs.replace(source, inside=inside)


def _of_several_kinds(readers: Sequence[Reader], source: Source, registry: Registry) -> SeveralImages:
    """Return the checkpoints of a directory in which several readers find some."""
    found: dict[str, tuple[Reader, SeveralImages | None]] = {}
    for reader in readers:
        try:
            next(_read_by(reader, source, registry, ReadRequest(detail="pod")), None)
        except SeveralImages as several:
            found |= dict.fromkeys(several.names, (reader, several))
            continue
        except BadImage:  # told when it is asked for
            pass
        only = next(reader.members(with_inside(source, reader, registry)), None) if reader.members is not None else None
        found[only.name if only is not None else reader.name] = (reader, None)

    def events(name: str, detail: Detail) -> Iterator[AnyEvent]:
        begins = [one for one in found if name == one or name.startswith(f"{one}/")]
        if inside := [one for one in found if one.startswith(f"{name}/")]:
            raise SeveralImages(inside, events)
        if not begins:
            raise BadImage(None, f"holds no checkpoint {escaped(name)}; there is: {', '.join(list(found)[:20])}")
        reader, several = found[max(begins, key=len)]
        if several is not None and name in several.names:
            return several.events(name, detail)
        return _read_by(reader, source, registry, ReadRequest(member=name if several is not None else "", detail=detail))

    return SeveralImages(sorted(found), events)


def pod_events(given: Sequence[Source], registry: Registry) -> Iterator[AnyEvent]:
    """Yield the log of several images, which are containers of one pod, `LogOpened` first; see `planner.pods.join`.

    What a log of one of them has decided is left out: it was decided for that one alone. Raises as `stream_events` does, with
    the image in the place.
    """
    yield LogOpened(format_version=FORMAT_VERSION)
    formats = [reader.name for reader in registry.readers if reader.containers]
    parts: list[Part] = []
    for source, label in zip(given, labels([source.name for source in given]), strict=True):
        try:
            events = list(stream_events(source, registry))
        except BadImage as error:
            raise BadImage(labelled(label, error.at), error.message) from None
        parts.append(part_of(label, events, formats, os.path.realpath(source.name) if os.path.exists(source.name) else ""))
    yield from join(parts)


def recognised(source: Source, registry: Registry) -> list[Reader]:
    """Return the first reader, by priority and name, that recognises the source, and of a directory every one.

    Raises `BadImage` when none does.
    """
    found = []
    for reader in registry.readers:
        try:
            if reader.recognises(source):
                found.append(reader)
                if not source.directory:
                    break
        except Exception as error:  # whatever a plugin raises, the user is told which plugin
            plugin = registry.provider("reader", reader.name)
            raise PluginFailed(f"reader {reader.name} of plugin {plugin} failed: {type(error).__name__}: {error}") from error
    if found:
        return found
    if advice := _advice(source, registry):
        raise BadImage(None, advice)
    known = "; ".join(dict.fromkeys(reader.help for reader in registry.readers))
    empty = "it is empty, and so " if not (source.head or source.directory) else ""
    raise BadImage(None, f"{empty}is not a checkpoint image; supported are: {known}")


def _advice(source: Source, registry: Registry) -> str:
    """Return what the first reader that knows the input says of it, "" where none does."""
    for reader in registry.readers:
        if reader.advise is None:
            continue
        try:
            advice = reader.advise(source)
        except Exception as error:  # whatever a plugin raises, the user is told which plugin
            plugin = registry.provider("reader", reader.name)
            raise PluginFailed(f"reader {reader.name} of plugin {plugin} failed: {type(error).__name__}: {error}") from error
        if advice:
            return advice
    return ""
