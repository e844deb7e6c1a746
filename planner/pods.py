"""Containers of one pod: several images whose tasks live in one pid namespace become one log, and so one forest and one plan.

The log says first whether they share a pid namespace, with the evidence. Then it holds one image after the other, each from its
`ImageOpened` to its `ImageClosed`, every place with the image's label in front. The container with the lowest root comes first,
so that an init is the root of the whole and the order in which images are given does not matter.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from planner.events import AnyEvent, ImageEvent, ImageOpened, PidRecorded, Place, TaskRecorded, ThreadRecorded
from planner.hookspecs import BadImage
from planner.identity import OUTSIDE, Number, Pids
from planner.names import escaped
from planner.pod_evidence import sharing
from planner.pod_numbers import Numbers

IMAGE_EVENTS = ImageEvent.__args__

MOST_PARTS: Final = 200
"""Containers that are planned together, far more than a pod has: each is compared with every other."""


class Part(msgspec.Struct, frozen=True):
    """The image of one container: the label that stands before its places, and what it says.

    `file` is the real path of the image where it has one; it tells whether one was given twice, and is never written.
    """

    label: str
    events: Sequence[AnyEvent]
    file: str = ""

    @property
    def root(self) -> int:
        """The number of its first task, 0 where it has none."""
        return next((event.pids[0] for event in self.events if isinstance(event, TaskRecorded) and event.parent == OUTSIDE), 0)


def labels(names: Sequence[str]) -> list[str]:
    """Return the shortest ends of these paths that tell them apart; where none do, the last parts with a number in front."""
    paths = [[part for part in name.split("/") if part not in {"", "."}] or [name[:1]] for name in names]
    for depth in range(1, max(map(len, paths), default=0) + 1):
        ends = [escaped("/".join(path[-depth:])) for path in paths]
        if len(set(ends)) == len(ends):
            return ends
    return [f"{number}:{escaped(path[-1])}" for number, path in enumerate(paths, start=1)]


def labelled(label: str, at: Place) -> str:
    """Return a place in one of several images: the image, then the file and entry or the offset in it."""
    if isinstance(at, int):
        return f"{label}#{at}"
    # A reader of an archive names the archive itself where no member stands at the place.
    name = label.rpartition("/")[2]
    return label + at[len(name) :] if at == name or at.startswith(f"{name}#") else f"{label}/{at}"


def part_of(label: str, events: Sequence[AnyEvent], formats: Sequence[str], file: str = "") -> Part:
    """Return an image as a part of a pod; `formats` are those of container images. Raises BadImage for any other."""
    said = [event for event in events if isinstance(event, IMAGE_EVENTS)]
    opened = [event for event in said if isinstance(event, ImageOpened)]
    if len(opened) != 1:
        words = "holds several containers already; give their images instead" if opened else "holds no image"
        raise BadImage(label, words)
    if opened[0].format not in formats:
        known = " or ".join(formats) or "none that an installed reader reads"
        raise BadImage(
            label,
            f"is of format {escaped(opened[0].format)}; several images are planned together as containers of one pod,"
            f" and images of containers are {known} (`crplan diff A B` compares any two)",
        )
    return Part(label, said, file)


def join(parts: Sequence[Part]) -> Iterator[AnyEvent]:
    """Yield the image events of several containers as those of one tree, and whether they share a pid namespace.

    Raises BadImage for more of them than a pod has.
    """
    if len(parts) > MOST_PARTS:
        raise BadImage(parts[0].label, f"is one of {len(parts)} containers; at most {MOST_PARTS} are planned together")
    ordered = sorted(parts, key=lambda part: (part.root, part.label))
    yield from sharing([(part.label, part.file, part.events) for part in ordered], labelled)
    numbers = Numbers()
    borne = [{pids[0]: pids for pids in _vectors(part)} for part in ordered]
    for position, part in enumerate(ordered):
        numbers.next_image(part.events)
        for event in part.events:
            if isinstance(event, PidRecorded) and _lives(event.numbers, position, borne):
                continue
            renumbered = numbers.event(event)
            if renumbered is not None:
                yield _placed(part.label, renumbered)
        yield from numbers.remarks(part.label)


def _vectors(part: Part) -> Iterator[Pids]:
    for event in part.events:
        if isinstance(event, (TaskRecorded, ThreadRecorded)) and event.pids:
            yield event.pids


def _lives(numbers: Pids, position: int, borne: Sequence[dict[Number, Pids]]) -> bool:
    """Tell whether a leader that one image misses is a task of another; one that differs is left to contradict it."""
    return any(
        others.get(numbers[0], ())[: len(numbers)] == numbers
        for index, others in enumerate(borne)
        if index != position and numbers
    )


def _placed(label: str, event: AnyEvent) -> AnyEvent:
    places: dict[str, str] = {}
    for field in ("at", "pids_at"):
        at = getattr(event, field, None)
        if at is not None:
            places[field] = labelled(label, at)
    if isinstance(event, ImageOpened):
        return msgspec.structs.replace(event, image=label, **places)
    return msgspec.structs.replace(event, **places) if places else event
