"""Containers of one pod: several images whose tasks live in one pid namespace become one log, and so one forest and one plan.

The log says first whether they share a pid namespace, with the evidence. Then it holds one image after the other, each from its
`ImageOpened` to its `ImageClosed`, every place with the image's label in front. The container with the lowest root comes first,
so that an init is the root of the whole and the order in which images are given does not matter.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from planner.errors import BadImage
from planner.events.records import AnyEvent, ImageOpened, PidRecorded, TaskRecorded, ThreadRecorded
from planner.identity import Number, Pids
from planner.pods.evidence import sharing
from planner.pods.parts import Part, labelled
from planner.pods.renumber import Renumbering

MOST_PARTS: Final = 200
"""Containers that are planned together, far more than a pod has: each is compared with every other."""


def join(parts: Sequence[Part]) -> Iterator[AnyEvent]:
    """Yield the image events of several containers as those of one tree, and whether they share a pid namespace.

    Raises BadImage for more of them than a pod has.
    """
    if len(parts) > MOST_PARTS:
        raise BadImage(parts[0].label, f"is one of {len(parts)} containers; at most {MOST_PARTS} are planned together")
    ordered = sorted(parts, key=lambda part: (part.root, part.label))
    yield from sharing(ordered)
    numbers = Renumbering()
    held = [{pids[0]: pids for pids in _vectors(part)} for part in ordered]
    for position, part in enumerate(ordered):
        numbers.next_image(part.events)
        for event in part.events:
            if isinstance(event, PidRecorded) and _lives(event.numbers, position, held):
                continue
            renumbered = numbers.event(event)
            if renumbered is not None:
                yield _placed(part.label, renumbered)
        yield from numbers.remarks(part.label)


def _vectors(part: Part) -> Iterator[Pids]:
    for event in part.events:
        if isinstance(event, (TaskRecorded, ThreadRecorded)) and event.pids:
            yield event.pids


def _lives(numbers: Pids, position: int, held: Sequence[dict[Number, Pids]]) -> bool:
    """Tell whether a leader that one image misses is a task of another; one that differs is left to contradict it."""
    return any(
        others.get(numbers[0], ())[: len(numbers)] == numbers
        for index, others in enumerate(held)
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
