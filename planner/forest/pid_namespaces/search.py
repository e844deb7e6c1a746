"""Search for an assignment of open cells to namespaces, by propagation and bounded backtracking.

What propagation leaves open falls into independent parts, and each part is searched by itself: the cell of the last conflict
first, then the one with the fewest values for its history of conflicts, each time with the likeliest value first. Until a first
assignment is found the search restarts with what the conflicts taught it.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import chain, islice
from typing import Final

from planner.forest.pid_namespaces.constraints import Exhausted, OpenCells

FIRST_LIMIT: Final = 100
"""Choices before the first restart; every restart doubles them."""

WINDOW: Final = 256
"""How many open cells that were in conflict, and how many others in image order, are compared for the next choice."""

ValueOrder = Callable[[int], list[int]]
"""Gives the values that a cell still has, the likeliest first."""


class Walk:
    """A depth-first walk over the assignments of one part; `limit` choices at most, which may be raised between two of them."""

    def __init__(self, problem: OpenCells, part: list[int], order: ValueOrder, limit: int) -> None:
        self.problem = problem
        self.part = part
        self._within = frozenset(part)
        self.order = order
        self.limit = limit
        self.trail: list[tuple[int, int]] = []
        self._last_conflict = -1

    def undo(self, mark: int = 0) -> None:
        """Take back every narrowing since the trail had the length `mark`."""
        domain = self.problem.domain
        while len(self.trail) > mark:
            cell, before = self.trail.pop()
            domain[cell] = before

    def assign(self, cell: int, values: int) -> bool:
        """Narrow a cell to `values` and propagate; return whether that is still consistent."""
        problem = self.problem
        touched: list[int] = []
        wiped = cell if not problem.narrow(cell, values, self.trail, touched) else problem.propagate(touched, self.trail)
        if wiped < 0:
            return True
        for blamed in {wiped: None, problem.source: None}:
            if problem.weight[blamed] == 1:
                problem.contested.append(blamed)
            problem.weight[blamed] += 1
        self._last_conflict = cell
        return False

    def assignments(self) -> Generator[dict[int, int], None, None]:
        """Yield assignments, from each open cell to a set of one value.

        Raises `Exhausted` at the limit. After the last one, and when it is closed, all domains are as they were.
        """
        problem = self.problem
        frames: list[tuple[int, Iterator[int], int, int]] = []
        start = 0
        try:
            while True:
                cell, start = self._pick(start)
                if cell < 0:
                    yield {one: problem.domain[one] for one in self.part}
                else:
                    frames.append((cell, iter(self.order(cell)), len(self.trail), start))
                while frames:
                    cell, values, mark, start = frames[-1]
                    self.undo(mark)
                    value = next(values, None)
                    if value is None:
                        frames.pop()
                        continue
                    if self.limit <= 0:
                        raise Exhausted
                    self.limit -= 1
                    if self.assign(cell, 1 << value):
                        break
                else:
                    return
        finally:
            self.undo()

    def _pick(self, start: int) -> tuple[int, int]:
        """Return the next cell to choose for, -1 when none is open, and where the open ones begin."""
        domain, weight, part = self.problem.domain, self.problem.weight, self.part
        while start < len(part) and domain[part[start]] & (domain[part[start]] - 1) == 0:
            start += 1
        if start == len(part):
            return -1, start
        last = self._last_conflict
        if last >= 0 and domain[last] & (domain[last] - 1):
            return last, start
        best, best_score = -1, 0.0
        seen = 0
        contested = [cell for cell in self.problem.contested if cell in self._within]
        for cell in chain(contested[:WINDOW], islice(part, start, None)):
            values = domain[cell]
            if values & (values - 1) == 0:
                continue
            score = values.bit_count() / weight[cell]
            if best < 0 or score < best_score:
                best, best_score = cell, score
            seen += 1
            if seen == 2 * WINDOW:
                break
        return best, start


def search(problem: OpenCells, part: list[int], order: ValueOrder) -> Generator[dict[int, int], None, None]:
    """Yield the assignments of a part; restarts with what conflicts taught until the first one is found.

    Yields nothing when there is none, and raises `Exhausted` when the effort is spent.
    """
    limit = FIRST_LIMIT
    while True:
        walk = Walk(problem, part, order, limit)
        found = walk.assignments()
        try:
            first = next(found, None)
        except Exhausted:
            if problem.effort < 0:
                raise
            limit *= 2
            continue
        if first is None:
            return
        walk.limit = problem.effort
        yield first
        yield from found
        return


def possible(
    problem: OpenCells, part: list[int], order: ValueOrder, fixed: Iterable[tuple[int, int]], limit: int = FIRST_LIMIT
) -> dict[int, int] | None:
    """Return an assignment of the part in which each cell of `fixed` has its value, or None; raises `Exhausted` at the limit."""
    probe = Walk(problem, part, order, 0)
    try:
        if not all(probe.assign(cell, 1 << value) for cell, value in fixed):
            return None
        found = Walk(problem, part, order, limit).assignments()
        try:
            return next(found, None)
        finally:
            found.close()
    finally:
        probe.undo()
