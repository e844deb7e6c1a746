"""Sets of numbers that are written as ranges: `1-40,52`."""

from bisect import bisect_right
from collections.abc import Iterable

from planner.errors import UsageError


def ranges(numbers: Iterable[int]) -> str:
    """Write a set of numbers as ranges, in order: `1-40,52`."""
    parts: list[list[int]] = []
    for number in sorted(set(numbers)):
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)


class RangeSet:
    """A set of numbers that was written as ranges; membership costs a look-up in a sorted list."""

    def __init__(self, pairs: list[tuple[int, int]]) -> None:
        self.pairs = sorted(pairs)
        self.firsts = [first for first, _ in self.pairs]

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self.firsts, number) - 1
        return at >= 0 and number <= self.pairs[at][1]

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self.pairs)


def parse_ranges(text: str) -> RangeSet:
    """Read what `ranges` writes; raises `UsageError`."""
    pairs = []
    for part in text.split(",") if text else ():
        first, _, last = part.partition("-")
        try:
            pair = int(first), int(last or first)
        except ValueError:
            raise UsageError(f"the host file has {part[:40]!r} among its numbers, expected N or N-M") from None
        if not 0 < pair[0] <= pair[1] < 1 << 31:
            raise UsageError(f"the host file has the numbers {part[:40]!r}, which are no range")
        pairs.append(pair)
    return RangeSet(pairs)
