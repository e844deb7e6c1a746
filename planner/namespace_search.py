"""Search for an assignment of open cells to namespaces, by propagation and bounded backtracking.

The problem is small and regular. Each open cell must be one of the namespaces at its level (a set of bits). Two constraints:

* *above*: when a cell is a namespace, the cells that the two lie directly below are one as well;
* *apart*: cells that bear the same number at their level are in different namespaces.

Propagation keeps every cell's possible values consistent with both. What stays open falls into independent parts, and each part
is searched by itself: the cell with the fewest values for its history of conflicts first, the cell of the last conflict before
all others, the likeliest value first. Nothing recurses, nothing depends on the order of a set, and the work is bounded.
"""

from collections.abc import Callable, Generator, Iterator
from typing import Final

EFFORT: Final = 3_000_000
"""Steps of propagation that one forest may cost in all; around a few seconds."""

FIRST_LIMIT: Final = 100
"""Choices before the first restart; every restart doubles them."""

WINDOW: Final = 256
"""How many open cells, in image order, are compared for the next choice."""

TOP: Final = -(1 << 60)
"""What a cell at level 1 lies below: nothing that could be open."""


class Exhausted(Exception):
    """The search was given up: it neither found an assignment nor showed that there is none."""


class Problem:
    """Open cells and their values.

    `above` and `value_above` hold the number of an open cell, or `~value` of a namespace one level up, or `TOP`.
    """

    def __init__(
        self,
        level: list[int],
        domain: list[int],
        above: list[int],
        value_above: list[list[int]],
        apart: list[list[int]],
        effort: int = EFFORT,
    ) -> None:
        self.level = level
        self.domain = domain
        self.above = above
        self.value_above = value_above
        self.apart = apart
        self.effort = effort
        self.weight = [1] * len(domain)
        self.cliques: list[list[int]] = [[] for _ in domain]
        for number, clique in enumerate(apart):
            for cell in clique:
                self.cliques[cell].append(number)
        self._clique_sets = [frozenset(cliques) for cliques in self.cliques]
        self._below: list[list[int]] = [[] for _ in domain]
        self._at_level: dict[int, list[int]] = {}
        self._value_of: list[int] = [0] * len(domain)
        for cell, over in enumerate(above):
            self._at_level.setdefault(level[cell], []).append(cell)
            if over >= 0:
                self._below[over].append(cell)
        for values in value_above:
            for value, over in enumerate(values):
                if over >= 0:
                    self._value_of[over] |= 1 << value

    def propagate(self, changed: list[int], trail: list[tuple[int, int]]) -> int:
        """Restore consistency after `changed`; return -1, or the cell that no value is left for.

        Every domain that is narrowed is put on `trail` as it was. Raises `Exhausted` when the effort is spent.
        """
        pending = dict.fromkeys(changed)
        while pending:
            cell = next(iter(pending))
            del pending[cell]
            self.effort -= 1
            if self.effort < 0:
                raise Exhausted
            touched: list[int] = []
            domain = self.domain[cell]
            if domain & (domain - 1) == 0:
                for clique in self.cliques[cell]:
                    for other in self.apart[clique]:
                        if other != cell and self.domain[other] & domain and not self.narrow(other, ~domain, trail, touched):
                            return other
                    self.effort -= 1
            for low in (cell, *self._below[cell], *self._hanging(cell)):
                wiped = self._revise(low, trail, touched)
                if wiped >= 0:
                    return wiped
            pending.update(dict.fromkeys(touched))
        return -1

    def refute(self, cell: int, value: int) -> None:
        """Take a value away for good, because no assignment has it."""
        self.domain[cell] &= ~(1 << value)
        self.propagate([cell], [])

    def _hanging(self, cell: int) -> list[int]:
        """Return the cells that may be a namespace of which it is open that it lies directly below `cell`."""
        values = self._value_of[cell]
        if not values:
            return []
        return [low for low in self._at_level.get(self.level[cell] + 1, ()) if self.domain[low] & values]

    def narrow(self, cell: int, values: int, trail: list[tuple[int, int]], touched: list[int]) -> bool:
        """Leave a cell only what it has of `values`, and note that on `trail` and `touched`; return whether anything is left."""
        before = self.domain[cell]
        after = before & values
        if after != before:
            trail.append((cell, before))
            self.domain[cell] = after
            touched.append(cell)
        return after != 0

    def _revise(self, cell: int, trail: list[tuple[int, int]], touched: list[int]) -> int:
        """Make the values of a cell and of what it lies below fit; return -1, or the cell that no value is left for."""
        over = self.above[cell]
        if over == TOP:
            return -1
        domain = self.domain[cell]
        over_domain = self.domain[over] if over >= 0 else 1 << ~over
        overs = self.value_above[self.level[cell]]
        keep = reach = 0
        rest = domain
        self.effort -= 1
        while rest:
            bit = rest & -rest
            rest ^= bit
            high = overs[bit.bit_length() - 1]
            if high < 0:
                common = over_domain & (1 << ~high)
            elif high != over and over >= 0 and not self._clique_sets[high].isdisjoint(self._clique_sets[over]):
                common = 0
            else:
                common = over_domain & self.domain[high]
            if common:
                keep |= bit
                reach |= common
        if not self.narrow(cell, keep, trail, touched):
            return cell
        if over >= 0 and not self.narrow(over, reach, trail, touched):
            return over
        if keep & (keep - 1) == 0:
            high = overs[keep.bit_length() - 1]
            if high >= 0 and not self.narrow(high, reach, trail, touched):
                return high
        return -1

    def parts(self) -> list[list[int]]:
        """Return the open cells in parts that do not constrain each other, each in image order."""
        leader = list(range(len(self.domain)))

        def find(cell: int) -> int:
            while leader[cell] != cell:
                leader[cell] = leader[leader[cell]]
                cell = leader[cell]
            return cell

        def join(one: int, other: int) -> None:
            low, high = sorted((find(one), find(other)))
            leader[high] = low

        is_open = [domain & (domain - 1) != 0 for domain in self.domain]
        for clique in self.apart:
            # Two members of a clique that can never meet do not constrain each other.
            by_value: dict[int, int] = {}
            for cell in clique:
                rest = self.domain[cell] if is_open[cell] else 0
                while rest:
                    bit = rest & -rest
                    rest ^= bit
                    join(by_value.setdefault(bit, cell), cell)
        for cell, over in enumerate(self.above):
            if not is_open[cell] and (over < 0 or not is_open[over]):
                continue
            related = [over] if over >= 0 and is_open[over] else []
            rest = self.domain[cell] if over != TOP else 0
            overs = self.value_above[self.level[cell]] if rest else []
            while rest:
                bit = rest & -rest
                rest ^= bit
                high = overs[bit.bit_length() - 1]
                if high >= 0 and is_open[high]:
                    related.append(high)
            if is_open[cell]:
                related.append(cell)
            for other in related[1:]:
                join(related[0], other)
        parts: dict[int, list[int]] = {}
        for cell, still in enumerate(is_open):
            if still:
                parts.setdefault(find(cell), []).append(cell)
        return list(parts.values())


Order = Callable[[int], list[int]]
"""Gives the values that a cell still has, the likeliest first."""


class Walk:
    """A depth-first walk over the assignments of one part; `limit` choices at most, which may be raised between two of them."""

    def __init__(self, problem: Problem, part: list[int], order: Order, limit: int) -> None:
        self.problem = problem
        self.part = part
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
        problem.weight[wiped] += 1
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
        for place in range(start, len(part)):
            cell = part[place]
            values = domain[cell]
            if values & (values - 1) == 0:
                continue
            score = values.bit_count() / weight[cell]
            if best < 0 or score < best_score:
                best, best_score = cell, score
            seen += 1
            if seen == WINDOW:
                break
        return best, start


def search(problem: Problem, part: list[int], order: Order) -> Generator[dict[int, int], None, None]:
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
        walk.limit = EFFORT
        yield first
        yield from found
        return


def possible(problem: Problem, part: list[int], order: Order, cell: int, value: int) -> dict[int, int] | None:
    """Return an assignment of the part in which `cell` has `value`, or None; raises `Exhausted` if that takes long."""
    probe = Walk(problem, part, order, 0)
    try:
        if not probe.assign(cell, 1 << value):
            return None
        found = Walk(problem, part, order, FIRST_LIMIT).assignments()
        try:
            return next(found, None)
        finally:
            found.close()
    finally:
        probe.undo()
