"""Functions of the library that read: an image, several images, and a running tree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from planner.errors import BadImage
from planner.events.log import Log
from planner.events.records import AnyEvent
from planner.hookspecs import Detail, ReadRequest, Source
from planner.library.inputs import Input, log_of, naming, source_given
from planner.pipeline.inputs import Group, grouped
from planner.pipeline.reading import AnySource, default_registry, pod_events, stream_events
from planner.pipeline.sources import from_path
from planner.plugins import Registry


def read(source: Input, *others: AnySource) -> Log:
    """Return the event log of an image, `LogOpened` first; of a log or a plan all that it holds.

    With `others` the images are the containers of one pod, whose log is one. Raises `BadImage` with the place where the bytes
    cannot be decoded into facts, `Contradiction` where they exclude each other, and `PluginFailed`.
    """
    if not others:
        return log_of(source, "read")
    return _together([source_given(one, "read") for one in (source, *others)])


def read_many(sources: Iterable[AnySource]) -> list[Log]:
    """Return the logs of several images: one log for each group of images that are to be planned together.

    Images whose containers share a pid namespace, as far as they say so themselves, are one group; all others stand alone.
    The logs stand in the order in which the first image of each was given. Raises as `read` does.
    """
    if isinstance(sources, (str, bytes)):
        raise TypeError("planner.read_many takes several images, and this is one: planner.read reads it")
    given = {f"{position}": source_given(source, "read_many") for position, source in enumerate(sources)}
    names = {key: source.name for key, source in given.items()}
    found = grouped(list(given), given.__getitem__, default_registry(), label=names.__getitem__)
    return [_of_group(group) for group in found.groups]


def capture(pid: int) -> Log:
    """Return the event log of the running tree below process `pid`, a number of the caller's pid namespace.

    Reading changes nothing. Raises `BadImage` where there is no such process, or where /proc does not show it.
    """
    if not isinstance(pid, int) or isinstance(pid, bool):
        raise TypeError(f"planner.capture takes the number of a process, and not an object of type {type(pid).__name__}")
    place = f"/proc/{pid}"
    log = Log((), place)
    with naming(place, log):
        log.extend(captured(pid, default_registry()))
    return log


def captured(pid: int, registry: Registry, detail: Detail = "tree") -> Iterable[AnyEvent]:
    """Yield the log of the running tree below a process, with as much as a detail says; raises as `capture` does."""
    source = from_path(f"/proc/{pid}")
    if not source.directory:
        raise BadImage(source.name, "there is no such process")
    yield from stream_events(source, registry, ReadRequest(detail=detail))


def _of_group(group: Group) -> Log:
    """Return the one log of images that are planned together."""
    log = Log((), group.name)
    with naming(log.image, log):
        log.extend(group.events(default_registry()))
    return log


def _together(sources: Sequence[Source]) -> Log:
    """Return the one log of images that are planned together."""
    log = Log((), " + ".join(source.name for source in sources))
    with naming(log.image, log):
        if len(sources) == 1:
            log.extend(stream_events(sources[0], default_registry()))
        else:
            log.extend(pod_events(sources, default_registry()))
    return log
