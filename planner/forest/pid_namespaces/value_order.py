"""Which namespace is the likeliest: a hint for the order of the search, never a law.

Three observations, in this order: numbers that a namespace gives rise with the outer ones; who shares a session or a group often
shares a namespace; and a task often comes soon after another one of its namespace. Only the order of numbers counts, so that
renumbering an image changes nothing.
"""

from bisect import bisect_left, insort
from typing import Final

from planner.forest.pid_namespaces.domains import Domains
from planner.identity import OUTSIDE

MOST_POINTS: Final = 32
"""How many holders of one cell are compared."""

MOST_COMPARED: Final = 2_000
"""In an image with more open cells, only holders whose namespace was certain from the start are compared."""

MOST_TRIED: Final = 256
"""How many values of one cell are compared; those whose inits came last before it, in image order."""

Point = tuple[int, int]
"""The rank of the number at level 0 and the number in a namespace, of one holder."""


class Hint:
    """Orders the values of open cells; a pure function of the problem's present domains."""

    def __init__(self, domains: Domains) -> None:
        self._problem = domains.problem
        holders, own = domains.bearers, domains.cells.own
        wanted = set(domains.open)
        for place, cell in enumerate(domains.open):
            found = domains.namespaces[domains.cells.level[cell]]
            rest = self._problem.domain[place]
            while rest:
                bit = rest & -rest
                rest ^= bit
                wanted.add(found[bit.bit_length() - 1])
        points: dict[int, list[Point]] = {cell: [] for cell in wanted}
        labels: dict[int, set[int]] = {cell: set() for cell in wanted}
        rank = {number: place for place, number in enumerate(sorted(holders.position))} if wanted else {}
        if wanted:
            for member in domains.members:
                vector = holders.vectors[member]
                for level, cell in enumerate(domains.line(own(member)) if len(vector) > 1 else (), start=1):
                    if cell in wanted:
                        points[cell].append((rank[vector[0]], vector[level]))
                        for label in (holders.groups[member], holders.sessions[member]):
                            leader = holders.position.get(label, member)
                            # A leader that stands further out says nothing about which namespace down here.
                            if len(holders.vectors[leader]) > level or leader >= holders.dead_from:
                                labels[cell].add(label)
        for cell in wanted:
            points[cell].sort()
            labels[cell].discard(OUTSIDE)
        self._points = [points[cell][:MOST_POINTS] for cell in domains.open]
        self._labels = [labels[cell] for cell in domains.open]
        self._value_points = [[points.get(cell, []) for cell in found] for found in domains.namespaces]
        self._value_labels = [[labels.get(cell, set()) for cell in found] for found in domains.namespaces]
        self._born = [
            [rank.get(holders.vectors[domains.cells.init[cell]][0], 0) for cell in found] for found in domains.namespaces
        ]
        """By level and value, the rank of the init's outer number."""
        self._compared: dict[int, list[int]] = {}
        if len(domains.open) <= MOST_COMPARED:
            for place, level in enumerate(self._problem.level):
                self._compared.setdefault(level, []).append(place)

    def order(self, place: int, *, kin_first: bool = False) -> list[int]:
        """Return the values that an open cell still has, the likeliest first.

        With `kin_first` a shared session or group counts more than rising numbers.
        """
        problem = self._problem
        level = problem.level[place]
        values: list[int] = []
        rest = problem.domain[place]
        while rest:
            bit = rest & -rest
            rest ^= bit
            values.append(bit.bit_length() - 1)
        if len(values) < 2:
            return values
        further: list[int] = []
        if len(values) > MOST_TRIED:
            born = self._born[level]
            before = [value for value in values if born[value] < self._points[place][0][0]] if self._points[place] else []
            near = set(before[-MOST_TRIED:] or values[:MOST_TRIED])
            further = [value for value in values if value not in near]
            values = [value for value in values if value in near]
        settled: dict[int, list[int]] = {}
        for other in self._compared.get(level, ()):
            domain = problem.domain[other]
            if domain & (domain - 1) == 0 and domain & problem.domain[place]:
                settled.setdefault(domain.bit_length() - 1, []).append(other)
        unlikely = {value: self._unlikely(place, level, value, settled.get(value, [])) for value in values}
        if kin_first:
            values.sort(key=lambda value: (unlikely[value][1], unlikely[value][0], unlikely[value][2], value))
        else:
            values.sort(key=lambda value: (*unlikely[value], value))
        return values + further

    def _unlikely(self, place: int, level: int, value: int, settled: list[int]) -> tuple[int, int, int]:
        """Return how much speaks against a value: broken order, no shared session or group, distance in time."""
        points = self._value_points[level][value]
        strange = self._labels[place].isdisjoint(self._value_labels[level][value])
        if settled:
            points = list(points)
            for other in settled:
                for point in self._points[other]:
                    insort(points, point)
                strange = strange and self._labels[place].isdisjoint(self._labels[other])
        broken = distance = 0
        for point in self._points[place]:
            at = bisect_left(points, point)
            if at:
                broken += _breaks(points[at - 1], point)
                distance += point[0] - points[at - 1][0]
            else:
                broken += 1
            if at < len(points):
                broken += _breaks(point, points[at])
        return broken, int(strange), distance


def _breaks(earlier: Point, later: Point) -> int:
    """Return 1 where the inner number does not rise."""
    return int(later[1] <= earlier[1])
