"""The groups of images in the given inputs: which checkpoints an input holds, and which of them are planned together.

An image that waits to be planned is a name and a way to read it. The first pass over several images reads no more than what says
how they belong together.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Final, Literal

import msgspec

from planner.errors import BadImage, CrplanError, SeveralImages
from planner.events.records import FORMAT_VERSION, AnyEvent, LogOpened
from planner.hookspecs import Detail, ReadRequest, Source
from planner.pipeline.reading import image_events
from planner.pipeline.sources import STANDARD_INPUT
from planner.pipeline.waiting import Waiting
from planner.plugins import Registry
from planner.pods.evidence import Member
from planner.pods.groups import evidence_of, together, undecided
from planner.pods.join import join
from planner.pods.parts import Part, labelled, labels, part_of

SEPARATOR: Final = "::"
"""Stands between the name of an input and the name of one checkpoint in it."""

Grouping = Literal["evidence", "pod", "apart"]
"""How images are put together: by what they say, all as one pod, or none."""

Open = Callable[[str], Source]
"""Returns the source of a name; raises `BadImage`."""


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """One checkpoint: its name as it was given, with `::` and a name for one of several in an input, and how its log is read.

    `file` is the real path where it has one, for telling whether an image was given twice.
    """

    name: str
    events: Callable[[], Iterator[AnyEvent]]
    file: str = ""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Images that are planned together."""

    images: tuple[Image, ...]

    @property
    def name(self) -> str:
        """What messages and reports call the group."""
        return " + ".join(image.name for image in self.images)

    def events(self, registry: Registry) -> Iterator[AnyEvent]:
        """Yield the one log of the group, `LogOpened` first; raises what reading raises, with the image in the place."""
        if len(self.images) == 1:
            yield from self.images[0].events()
            return
        yield LogOpened(format_version=FORMAT_VERSION)
        formats = _formats(registry)
        parts: list[Part] = []
        for image, label in zip(self.images, labels([_spoken(image.name) for image in self.images]), strict=True):
            try:
                events = list(image.events())
            except BadImage as error:
                raise BadImage(labelled(label, error.at), error.message) from None
            parts.append(part_of(label, events, formats, image.file))
        yield from join(parts)


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """The groups of everything that was given, and two images of which nothing says whether they belong together."""

    groups: tuple[Group, ...]
    undecided: tuple[str, ...] = ()


def _spoken(name: str) -> str:
    return "standard input" if name == STANDARD_INPUT else name


def located(name: str) -> tuple[str, str]:
    """Return the path of an input and the name of the checkpoint that is meant in it, "" for all; a path that exists wins."""
    if SEPARATOR not in name or os.path.lexists(name):
        return name, ""
    parts = name.split(SEPARATOR)
    for end in range(len(parts) - 1, 0, -1):
        path = SEPARATOR.join(parts[:end])
        if os.path.lexists(path):
            return path, SEPARATOR.join(parts[end:])
    return parts[0], SEPARATOR.join(parts[1:])


def grouped(
    names: Sequence[str],
    open_source: Open,
    registry: Registry,
    grouping: Grouping = "evidence",
    seen: Callable[[], None] = lambda: None,
    label: Callable[[str], str] = str,
    detail: Detail = "tree",
) -> Inputs:
    """Return the images of everything that was given in the groups in which they are planned.

    Raises nothing for an input that cannot be read: it is an image whose reading raises. `seen` is called for every name, and
    `label` tells what a name is called. `detail` is how much is read of each image.
    """
    found: list[tuple[Image, Member | None]] = []
    survey = _Survey(open_source=open_source, registry=registry, waiting=Waiting(), many=len(names) > 1, detail=detail)
    for name in names:
        found += survey.images(name, label(name))
        seen()
    images = [image for image, _ in found]
    if grouping == "pod" or len(images) == 1:
        return Inputs(groups=(Group(images=tuple(images)),))
    if grouping == "apart":
        return Inputs(groups=tuple(Group(images=(image,)) for image in images))
    members = [member for _, member in found]
    return Inputs(
        groups=tuple(Group(images=tuple(images[position] for position in group)) for group in together(members)),
        undecided=tuple(images[position].name for position in undecided(members)),
    )


class _Survey(msgspec.Struct, frozen=True, kw_only=True):
    """The first pass over what was given; where others wait for what an image says, its log is kept in `waiting`."""

    open_source: Open
    registry: Registry
    waiting: Waiting
    many: bool
    detail: Detail

    def images(self, given: str, name: str) -> Iterator[tuple[Image, Member | None]]:
        """Yield the images of one input, with what they say about their pid namespace."""
        path, member = located(given)
        try:
            source = self.open_source(path)
        except CrplanError as error:
            reason = _kept(error)
            yield Image(name=name, events=lambda: _raising(reason)), None
            return
        file = os.path.realpath(path) if os.path.exists(path) and not member else ""
        try:
            if not self.many or not source.repeatable:
                yield self._once(source, member, name, file)
            else:
                yield self._again(partial(self._opened, path, member), name, file)
        except SeveralImages as several:
            yield from self._each_of(name.removesuffix(f"{SEPARATOR}{member}"), several)

    def _once(self, source: Source, member: str, name: str, file: str) -> tuple[Image, Member | None]:
        """Return an image that is read once: the only one, or one whose log is kept where others wait for what it says."""
        events = image_events(source, self.registry, ReadRequest(member=member, detail=self.detail))
        begun: list[AnyEvent] = []
        try:
            for event in events:
                begun.append(event)
                if len(begun) == 2 and not self.many:
                    break
        except SeveralImages:
            raise
        except CrplanError as error:
            failure = _kept(error)
            return Image(name=name, events=lambda: chain(begun, _raising(failure)), file=file), None
        return Image(name=name, events=lambda: chain(begun, events), file=file), self._said(name, begun, file)

    def _again(self, events: Callable[[Detail], Iterator[AnyEvent]], name: str, file: str = "") -> tuple[Image, Member | None]:
        """Return an image that can be read again."""
        begun, log = self.waiting.first_pass(events, self.detail)
        return Image(name=name, events=log, file=file), self._said(name, begun, file)

    def _opened(self, path: str, member: str, detail: Detail) -> Iterator[AnyEvent]:
        yield from image_events(self.open_source(path), self.registry, ReadRequest(member=member, detail=detail))

    def _each_of(self, name: str, several: SeveralImages) -> Iterator[tuple[Image, Member | None]]:
        """Yield the checkpoints of an input; an archive in a directory may hold several itself."""
        for one in several.names:
            try:
                yield self._again(partial(_one_of, several, one), f"{name}{SEPARATOR}{one}")
            except SeveralImages as inner:
                yield from self._each_of(name, inner)

    def _said(self, name: str, events: list[AnyEvent], file: str) -> Member | None:
        return evidence_of(name, events, _formats(self.registry), file)


def _one_of(several: SeveralImages, one: str, detail: Detail) -> Iterator[AnyEvent]:
    yield LogOpened(format_version=FORMAT_VERSION)
    yield from several.events(one, detail)


def _kept(error: CrplanError) -> CrplanError:
    """Return an error that may be raised later, without what was at work when it was raised; that memory gave out stays known."""
    error.__cause__ = MemoryError() if isinstance(error.__cause__, MemoryError) else None
    error.__context__ = None
    return error.with_traceback(None)


def _raising(error: CrplanError) -> Iterator[AnyEvent]:
    raise error
    yield


def _formats(registry: Registry) -> list[str]:
    return [reader.name for reader in registry.readers if reader.containers]
