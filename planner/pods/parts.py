"""One image among several: its label, what it says, and how its places are told from those of the others."""

from collections.abc import Sequence

import msgspec

from planner.errors import BadImage
from planner.events.contents import ContentsEvent
from planner.events.records import AnyEvent, ImageEvent, ImageOpened, Place, TaskRecorded
from planner.identity import OUTSIDE
from planner.text import escaped

IMAGE_EVENTS = (*ImageEvent.__args__, *ContentsEvent.__args__)
"""What an image says of its tree and of what its processes hold; decisions of a log are made anew for the whole."""


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
        ends: list[str] = [escaped("/".join(path[-depth:])) for path in paths]
        if len(set(ends)) == len(ends):
            return ends
    return [f"{number}:{escaped(path[-1])}" for number, path in enumerate(paths, start=1)]


def labelled(label: str, at: Place | None) -> str:
    """Return a place in one of several images: the image, then the file and entry or the offset in it."""
    if at is None:
        return label
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
