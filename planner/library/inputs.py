"""What the library's functions accept: a path, bytes, a binary stream, an event log or a plan; anything else is a TypeError."""

import io
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeGuard, cast

from planner.errors import CrplanError
from planner.events.log import Log
from planner.events.records import FORMAT_VERSION, AnyEvent, Event, LogOpened
from planner.findings.problems import described
from planner.hookspecs import Detail, ReadRequest, Source
from planner.pipeline.reading import AnySource, default_registry, source_of, stream_events
from planner.pipeline.resolve import Resolved, resolve
from planner.plans.document import document, events_of
from planner.plans.model import Plan

Input = AnySource | Iterable[AnyEvent] | Plan
"""A path, bytes, an open binary stream, a source, an event log, or a plan."""


def log_of(given: Input, function: str, detail: Detail = "tree") -> Log:
    """Return the log of what a function of the library was given.

    `function` is its name, for messages, `detail` how much is read of an image. Raises `TypeError` for what is none of `Input`,
    and what reading raises.
    """
    if isinstance(given, Plan):
        return Log([LogOpened(format_version=FORMAT_VERSION), *events_of(document(given, ()))], f"plan {given.plan_id}")
    if _is_source(given):
        return _read(source_given(given, function), detail)
    if isinstance(given, io.TextIOBase):
        raise TypeError(f"planner.{function} takes a binary stream, and this one is of text: open it with mode 'rb'")
    if not isinstance(given, Iterable) or isinstance(given, dict):
        raise _unfit(given, function)
    events = list[object](given)
    for event in events:
        if not isinstance(event, Event):
            raise TypeError(f"planner.{function} takes a log of events, and this {type(given).__name__} holds {_kind(event)}")
    return Log(cast("list[AnyEvent]", events), given.image if isinstance(given, Log) else "event log")


def source_given(given: object, function: str) -> Source:
    """Return a path, bytes, stream or source as a source; raises `TypeError` for anything else, and `BadImage`."""
    if not _is_source(given):
        raise TypeError(f"planner.{function} takes paths, bytes and open binary streams, and not {_kind(given)}")
    with naming(os.fsdecode(given) if isinstance(given, (str, os.PathLike)) else "stream"):
        return source_of(given)


def resolved(given: Input, function: str, *, replan: bool = False) -> Resolved:
    """Return the forest, the proved plan and the whole log of what a function was given.

    Raises as `log_of` does, and `Contradiction`, `BadImage` and `NotProved` as `planner.pipeline.resolve.resolve` does.
    """
    log = log_of(given, function)
    with naming(log.image, log):
        return resolve(log, replan=replan)


@contextmanager
def naming(image: str, events: list[AnyEvent] | None = None) -> Iterator[None]:
    """Fill in the image's name, facts and hint of every error that passes; `events` is the log that evidence points into."""
    try:
        yield
    except CrplanError as error:
        described(error, error.image or image, events or ())
        raise


def _is_source(given: object) -> TypeGuard[AnySource]:
    if isinstance(given, (str, os.PathLike, bytes, bytearray, memoryview, Source)):
        return True
    return hasattr(given, "read") and not isinstance(given, io.TextIOBase)


def _read(source: Source, detail: Detail) -> Log:
    log = Log((), source.name)
    with naming(source.name, log):
        log.extend(stream_events(source, default_registry(), ReadRequest(detail=detail)))
    return log


def _unfit(given: object, function: str) -> TypeError:
    return TypeError(
        f"planner.{function} takes a path, bytes, an open binary stream, an event log or a plan, and not {_kind(given)}"
    )


def _kind(given: object) -> str:
    return "None" if given is None else f"an object of type {type(given).__name__}"
