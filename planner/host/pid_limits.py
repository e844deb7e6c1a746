"""The limit of a pid namespace, `pid_max`: since Linux 6.14 each has its own, which only its members can read.

So that of another namespace is read by a child inside it, of the one namespace that is judged and of no other: what is done in
the rest could break a restore there.
"""

from collections.abc import Collection, Iterator
from itertools import islice
from typing import Final

import msgspec

from planner.host.facts import PidNamespace
from planner.host.probes import pid_max_of
from planner.ranges import parse_ranges

LOW: Final = 300
"""A namespace gives no number below this one again once it has come to its limit, and no limit is below 301 (kernel/pid.c)."""

TRIES: Final = 8
"""Children that are tried where one number after the other has been taken meanwhile."""


def with_own_limit(namespaces: tuple[PidNamespace, ...], limit: int | None) -> tuple[PidNamespace, ...]:
    """Return the namespaces with the limit of the caller's own, which is the one with id 0."""
    return tuple(msgspec.structs.replace(space, pid_max=limit) if space.id == 0 else space for space in namespaces)


def limit_of(namespaces: tuple[PidNamespace, ...], target: int, process: int, avoided: Collection[int]) -> int | None:
    """Return the limit of the namespace with id `target`, None where it cannot be had.

    `process` is a member of it, a number in the caller's own namespace. The child that is sent there takes no number in use and
    none of `avoided`: those of an image, say.
    """
    if target == 0:
        with open("/proc/sys/kernel/pid_max", encoding="ascii") as stream:
            return int(stream.read())
    return pid_max_of(process, islice(_free(namespaces, target, avoided), TRIES))


def _free(namespaces: tuple[PidNamespace, ...], target: int, avoided: Collection[int]) -> Iterator[tuple[int, ...]]:
    """Yield vectors of numbers that are free, outermost first, from the level below the caller's own down to `target`."""
    spaces = {space.id: space for space in namespaces}
    chain = [spaces[target]]
    while chain[-1].parent > 0:
        chain.append(spaces[chain[-1].parent])
    yield from zip(*(_numbers(space, avoided) for space in reversed(chain)), strict=False)


def _numbers(space: PidNamespace, avoided: Collection[int]) -> Iterator[int]:
    taken = parse_ranges(space.taken)
    for number in (*range(LOW, 1, -1), *range(LOW + 1, 1 << 22)):
        if number not in taken and number not in avoided:
            yield number
