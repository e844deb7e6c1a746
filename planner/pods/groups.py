"""Which images belong together: those whose containers share a pid namespace, by what the images say.

Only images that name the same path, the same container or each other are compared, so the cost is linear where images have
nothing in common. What nothing speaks for is kept apart.
"""

from collections.abc import Iterable, Sequence

import msgspec

from planner.events.records import AnyEvent, ImageOpened, NamespaceRecorded, TaskRecorded
from planner.identity import OUTSIDE
from planner.pods.evidence import Member, compare, member_of
from planner.pods.join import MOST_PARTS
from planner.pods.parts import Part

KEPT = frozenset(("container_id", "pod_id", "run_id"))
KEPT_OF_NAMESPACE = frozenset(("joined", "joined_container", "specified", "created"))
"""Facts by which images are compared; an image that waits keeps no others."""


def evidence_of(label: str, events: Iterable[AnyEvent], formats: Sequence[str], file: str = "") -> Member | None:
    """Return what an image says about the pid namespace of its container, None for what is no image of one container.

    No more is read than up to the root task.
    """
    said: list[AnyEvent] = []
    for event in events:
        if isinstance(event, ImageOpened):
            if event.format not in formats or said:
                return None
            said.append(msgspec.structs.replace(event, facts=_kept(event.facts, KEPT)))
        elif isinstance(event, NamespaceRecorded) and event.kind == "pid" and event.id == 0:
            said.append(msgspec.structs.replace(event, facts=_kept(event.facts, KEPT_OF_NAMESPACE)))
        elif isinstance(event, TaskRecorded) and event.parent == OUTSIDE:
            said.append(event)
            return member_of(Part(label, said, file))
    return None


def _kept(facts: dict[str, str], names: frozenset[str]) -> dict[str, str]:
    return {name: value for name, value in facts.items() if name in names}


def together(members: Sequence[Member | None]) -> list[list[int]]:
    """Return the positions of the images in groups that share a pid namespace, each in the order in which they were given."""
    group_of = {position: [position] for position in range(len(members))}
    for bucket in _buckets(members).values():
        for position in bucket[1:]:
            for other in bucket[:MOST_PARTS]:
                if other == position:
                    break
                if group_of[other] is not group_of[position] and _share(
                    members, group_of[other], group_of[position], other, position
                ):
                    joined = sorted(group_of[other] + group_of[position])
                    group_of.update(dict.fromkeys(joined, joined))
                    break
    return sorted({id(group): group for group in group_of.values()}.values())


def _buckets(members: Sequence[Member | None]) -> dict[tuple[str, str], list[int]]:
    """Return the images that name one path, or one container, by that."""
    buckets: dict[tuple[str, str], list[int]] = {}
    for position, member in enumerate(members):
        if member is None:
            continue
        keys = {("path", member.says("joined")), ("container", member.says("joined_container")), ("container", member.identity)}
        for key in sorted(keys):
            if key[1]:
                buckets.setdefault(key, []).append(position)
    return buckets


def _share(members: Sequence[Member | None], one: list[int], other: list[int], first: int, second: int) -> bool:
    """Whether two groups are one: something says so of two images, and nothing excludes it of any two."""
    if len(one) + len(other) > MOST_PARTS or _kind(members[first], members[second]) != "same":
        return False
    return all(_kind(members[left], members[right]) in ("same", "unknown") for left in one for right in other)


def _kind(one: Member | None, other: Member | None) -> str:
    return compare(one, other).kind if one is not None and other is not None else "apart"


def undecided(members: Sequence[Member | None], most: int = 50) -> list[int]:
    """Return the positions of the first two images of which nothing says whether they share a pid namespace, [] for none."""
    known = [position for position, member in enumerate(members) if member is not None][:most]
    for index, position in enumerate(known):
        for other in known[:index]:
            if _kind(members[other], members[position]) == "unknown":
                return [other, position]
    return []
