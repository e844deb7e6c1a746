"""The problem that open cells pose, and the propagation that keeps it consistent.

Each open cell must be one of the namespaces at its level (a set of bits). Two constraints:

* *above*: when a cell is a namespace, the cells that the two lie directly below are one as well;
* *apart*: cells that have the same number at their level are in different namespaces.

Nothing recurses, nothing depends on the order of a set, and the work is bounded.
"""

from collections.abc import Iterator
from typing import Final

TOP: Final = -(1 << 60)
"""What a cell at level 1 lies below: nothing that could be open."""


class Exhausted(Exception):
    """The search was given up: it neither found an assignment nor showed that there is none."""


class OpenCells:
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
        effort: int,
    ) -> None:
        self.level = level
        self.domain = domain
        self.above = above
        self.value_above = value_above
        self.apart = apart
        self.effort = effort
        self.weight = [1] * len(domain)
        """One more than the number of conflicts in which a cell was left without a value."""
        self.source = -1
        """The cell whose change was last propagated: it shares the blame for a conflict."""
        self.contested: list[int] = []
        """The cells that ever were, in that order."""
        self.cliques: list[list[int]] = [[] for _ in domain]
        for number, clique in enumerate(apart):
            for cell in clique:
                self.cliques[cell].append(number)
        self._seats: list[dict[int, int]] = [{} for _ in apart]
        self._clique_sets = [frozenset(cliques) for cliques in self.cliques]
        self._below: list[list[int]] = [[] for _ in domain]
        self._at_level: dict[int, list[int]] = {}
        self._value_of: list[int] = [0] * len(domain)
        for cell, over in enumerate(above):
            self._at_level.setdefault(level[cell], []).append(cell)
            if over >= 0:
                self._below[over].append(cell)
        self._certain: list[dict[int, int]] = []
        """By level, and by namespace of the next outer level, the namespaces that are known to lie directly below it."""
        self._uncertain: list[int] = []
        for values in value_above:
            certain: dict[int, int] = {}
            uncertain = 0
            for value, over in enumerate(values):
                if over >= 0:
                    self._value_of[over] |= 1 << value
                    uncertain |= 1 << value
                elif over != TOP:
                    certain[1 << ~over] = certain.get(1 << ~over, 0) | 1 << value
            self._certain.append(certain)
            self._uncertain.append(uncertain)

    def propagate(self, changed: list[int], trail: list[tuple[int, int]]) -> int:
        """Restore consistency after `changed`; return -1, or the cell that no value is left for.

        Every domain that is narrowed is put on `trail` as it was. Raises `Exhausted` when the effort is spent.
        """
        pending = dict.fromkeys(changed)
        crowded: dict[int, None] = {}
        while pending or crowded:
            if not pending:
                clique = next(iter(crowded))
                del crowded[clique]
                wiped = self._seat(clique)
                if wiped >= 0:
                    return wiped
                continue
            self.source = cell = next(iter(pending))
            del pending[cell]
            crowded.update(dict.fromkeys(self.cliques[cell]))
            self.effort -= 1
            if self.effort < 0:
                raise Exhausted
            touched: list[int] = []
            wiped = self._spread(cell, trail, touched)
            if wiped >= 0:
                return wiped
            pending.update(dict.fromkeys(touched))
        return -1

    def _spread(self, cell: int, trail: list[tuple[int, int]], touched: list[int]) -> int:
        """Narrow all that a changed cell constrains directly; return -1, or the cell that no value is left for."""
        domain = self.domain[cell]
        if domain & (domain - 1) == 0:
            for clique in self.cliques[cell]:
                for other in self.apart[clique]:
                    if other != cell and self.domain[other] & domain and not self.narrow(other, ~domain, trail, touched):
                        return other
                self.effort -= 1
        for low in (cell, *self._below[cell]):
            wiped = self._revise(low, trail, touched)
            if wiped >= 0:
                return wiped
        values = self._value_of[cell]
        for low in self._at_level.get(self.level[cell] + 1, ()) if values else ():
            if self.domain[low] & values:
                wiped = self._recheck(low, values, trail, touched)
                if wiped >= 0:
                    return wiped
        return -1

    def _seat(self, number: int) -> int:
        """Give each cell of a clique a namespace of its own; return -1, or a cell for which there is none (Hall's condition).

        The seats of the last time are kept where they still fit, and the rest is found along alternating paths.
        """
        seats = self._seats[number]
        taken: dict[int, int] = {}
        without: list[int] = []
        for cell in self.apart[number]:
            bit = seats.get(cell, 0)
            if bit & self.domain[cell] and bit not in taken:
                taken[bit] = cell
            else:
                without.append(cell)
        for cell in without:
            reached: dict[int, int] = {}
            asking = [cell]
            free = seen = 0
            while asking and not free:
                asker = asking.pop()
                fresh = self.domain[asker] & ~seen
                seen |= fresh
                self.effort -= 1
                while fresh:
                    bit = fresh & -fresh
                    fresh ^= bit
                    reached[bit] = asker
                    if bit not in taken:
                        free = bit
                        break
                    asking.append(taken[bit])
            if not free:
                return cell
            while True:
                asker = reached[free]
                before = seats.get(asker, 0) if asker != cell else 0
                seats[asker] = free
                taken[free] = asker
                if asker == cell:
                    break
                free = before
        return -1

    def refute(self, cell: int, value: int) -> None:
        """Take a value away for good, because no assignment has it."""
        self.domain[cell] &= ~(1 << value)
        self.propagate([cell], [])

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
        self.effort -= 1
        domain = self.domain[cell]
        rest = over_domain = self.domain[over] if over >= 0 else 1 << ~over
        overs = self.value_above[self.level[cell]]
        certain = self._certain[self.level[cell]]
        keep = reach = 0
        while rest:
            bit = rest & -rest
            rest ^= bit
            inside = certain.get(bit, 0) & domain
            if inside:
                keep |= inside
                reach |= bit
        rest = domain & self._uncertain[self.level[cell]]
        while rest:
            bit = rest & -rest
            rest ^= bit
            common = self._common(over, over_domain, overs[bit.bit_length() - 1])
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

    def _recheck(self, cell: int, values: int, trail: list[tuple[int, int]], touched: list[int]) -> int:
        """Do the same for `values` only: what they lie below has changed."""
        self.effort -= 1
        domain = self.domain[cell]
        if domain & (domain - 1) == 0:
            return self._revise(cell, trail, touched)
        over = self.above[cell]
        over_domain = self.domain[over] if over >= 0 else 1 << ~over
        overs = self.value_above[self.level[cell]]
        rest = domain & values
        while rest:
            bit = rest & -rest
            rest ^= bit
            if not self._common(over, over_domain, overs[bit.bit_length() - 1]):
                domain &= ~bit
        return -1 if self.narrow(cell, domain, trail, touched) else cell

    def _common(self, over: int, over_domain: int, high: int) -> int:
        """Return the namespaces that two cells can be at once, of which `high` is an open one."""
        if high != over and over >= 0 and not self._clique_sets[high].isdisjoint(self._clique_sets[over]):
            return 0
        return over_domain & self.domain[high]

    def parts(self) -> list[list[int]]:
        """Return the open cells in parts that do not constrain each other, each in image order."""
        leader = list(range(len(self.domain)))
        is_open = [domain & (domain - 1) != 0 for domain in self.domain]
        for clique in self.apart:
            # Two members of a clique that can never meet do not constrain each other.
            by_value: dict[int, int] = {}
            for cell in clique:
                for value in _bits(self.domain[cell] if is_open[cell] else 0):
                    _join(leader, by_value.setdefault(value, cell), cell)
        for cell in range(len(is_open)):
            related = self._related(cell, is_open)
            for other in related[1:]:
                _join(leader, related[0], other)
        parts: dict[int, list[int]] = {}
        for cell, still in enumerate(is_open):
            if still:
                parts.setdefault(_first(leader, cell), []).append(cell)
        return list(parts.values())

    def _related(self, cell: int, is_open: list[bool]) -> list[int]:
        """Return the open cells that what a cell lies below concerns together."""
        over = self.above[cell]
        over_is_open = over >= 0 and is_open[over]
        if over == TOP or not (is_open[cell] or over_is_open):
            return [cell] if is_open[cell] else []
        overs = self.value_above[self.level[cell]]
        highs = (overs[value] for value in _bits(self.domain[cell]))
        related = [over] if over_is_open else []
        related += [high for high in highs if high >= 0 and is_open[high]]
        return [*related, cell] if is_open[cell] else related


def _first(leader: list[int], cell: int) -> int:
    """Return the cell that stands for the part of another one (disjoint sets, paths halved)."""
    while leader[cell] != cell:
        leader[cell] = leader[leader[cell]]
        cell = leader[cell]
    return cell


def _join(leader: list[int], one: int, other: int) -> None:
    low, high = sorted((_first(leader, one), _first(leader, other)))
    leader[high] = low


def _bits(mask: int) -> Iterator[int]:
    """Yield the places of the bits that are set, from the lowest on."""
    while mask:
        bit = mask & -mask
        mask ^= bit
        yield bit.bit_length() - 1
