"""Id maps of user namespaces: from the words of an image to what a rebuild writes.

An image has them as /proc/PID/uid_map showed them to the process that took it: lines of first id inside, first id in the reader's
user namespace, count (user_namespaces(7)). Who writes a map gives ids of the user namespace above, so a map below another is
taken through that one. The kernel takes at most 340 lines, and less than a page in one write (map_write).
"""

from bisect import bisect_right
from collections.abc import Mapping
from typing import Final

import msgspec

from planner.identity import NamespaceId
from planner.steps import Extent

MAP_NAMES: Final = ("uid_map", "gid_map")
MOST_LINES: Final = 340
MOST_BYTES: Final = 4095
HIGHEST_ID: Final = 0xFFFF_FFFE
"""The number above stands for no id."""


class Maps(msgspec.Struct, frozen=True, gc=False):
    """The id maps of a user namespace as they are written; `own` where the image has none."""

    own: bool
    uid_map: tuple[Extent, ...] = ()
    gid_map: tuple[Extent, ...] = ()


OWN: Final = Maps(True)

Lost = dict[NamespaceId, tuple[str, str]]
"""Which map of a user namespace cannot be written, and why."""


def settle_maps(
    texts: Mapping[NamespaceId, Mapping[str, str | None]], around: Mapping[NamespaceId, NamespaceId]
) -> tuple[dict[NamespaceId, Maps], Lost]:
    """Return what is written for each user namespace, and what cannot be.

    `texts` are the recorded maps by MAP_NAMES, None for unknown ones, the outer namespaces first; `around` names the user
    namespace above those that lie in another of them, and any other for those that do not.
    """
    recorded: dict[NamespaceId, dict[str, tuple[Extent, ...]]] = {}
    maps: dict[NamespaceId, Maps] = {}
    lost: Lost = {}
    for user, words in texts.items():
        maps[user] = OWN
        outer = around.get(user)
        mine: dict[str, tuple[Extent, ...]] = {}
        through: list[tuple[Extent, ...]] = []
        for name in MAP_NAMES:
            text = words[name]
            if text is None:
                break
            try:
                mine[name] = parse(text)
                if outer in texts and outer not in recorded:
                    raise ValueError("the maps of the user namespace above are unknown")
                through.append(below(mine[name], recorded[outer][name]) if outer in recorded else mine[name])
            except ValueError as error:
                lost[user] = name, str(error)
                break
        else:
            recorded[user] = mine
            maps[user] = Maps(False, *through)
    return maps, lost


def parse(text: str) -> tuple[Extent, ...]:
    """Return a recorded map (lines joined by ", "), in ascending order of ids inside; raises ValueError for what is none."""
    extents: list[Extent] = []
    if text.count(",") >= MOST_LINES:
        raise ValueError(f"it has more than {MOST_LINES} lines")
    for line in filter(None, text.split(", ")):
        words = line.split()
        if len(words) != 3 or not all(word.isascii() and word.isdigit() and len(word) <= 10 for word in words):
            raise ValueError("a line is not three numbers")
        inside, outside, count = map(int, words)
        if not count or max(inside, outside) + count - 1 > HIGHEST_ID:
            raise ValueError("a line goes beyond the ids that there are")
        extents.append(Extent(inside=inside, outside=outside, count=count))
    extents.sort(key=lambda extent: extent.inside)
    for side in (extents, sorted(extents, key=lambda extent: extent.outside)):
        ends = [(one.inside if side is extents else one.outside) + one.count for one in side]
        begins = [one.inside if side is extents else one.outside for one in side]
        if any(end > begin for end, begin in zip(ends, begins[1:], strict=False)):
            raise ValueError("two lines give one id")
    return written(extents)


def below(recorded: tuple[Extent, ...], above: tuple[Extent, ...]) -> tuple[Extent, ...]:
    """Return a map in ids of the user namespace above, whose own map is `above`; both are as recorded, in one reader's ids.

    Raises ValueError where the namespace above has no such ids.
    """
    ranges = sorted(above, key=lambda extent: extent.outside)
    begins = [extent.outside for extent in ranges]
    extents: list[Extent] = []
    for extent in recorded:
        done = 0
        while done < extent.count:
            place = bisect_right(begins, extent.outside + done) - 1
            around = ranges[place] if place >= 0 else None
            into = 0 if around is None else extent.outside + done - around.outside
            if around is None or into >= around.count:
                raise ValueError("it maps ids that the user namespace above does not have")
            count = min(extent.count - done, around.count - into)
            extents.append(Extent(inside=extent.inside + done, outside=around.inside + into, count=count))
            done += count
    return written(extents)


def written(extents: list[Extent]) -> tuple[Extent, ...]:
    """Return the lines as they are written; raises ValueError for more than the kernel takes."""
    if len(extents) > MOST_LINES or len(text_of(extents)) > MOST_BYTES:
        raise ValueError("it is longer than the kernel takes")
    return tuple(extents)


def text_of(extents: tuple[Extent, ...] | list[Extent]) -> str:
    """Return the text of a map, which goes to the kernel in one write."""
    return "".join(f"{extent.inside} {extent.outside} {extent.count}\n" for extent in extents)
