"""The assignment of a pid namespace to each cell: some leave no choice, the others are searched in independent parts."""

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from itertools import combinations_with_replacement
from typing import Final

from planner.forest.pid_namespaces.cells import NOBODY, ROOT, Bearers, Conflict
from planner.forest.pid_namespaces.constraints import TOP, Exhausted, OpenCells
from planner.forest.pid_namespaces.domains import Domains
from planner.forest.pid_namespaces.forced import Forced
from planner.forest.pid_namespaces.search import FIRST_LIMIT, possible, search
from planner.forest.pid_namespaces.value_order import Hint

MOST_BITS: Final = 1 << 29
"""Open cells times namespaces at their level: more is given up before the memory is taken."""

PROBES: Final = 300
"""How many values are tried out to count those that fit; a value that nothing refuted counts as fitting."""

MOST_PROBED: Final = 64
"""Parts with more open cells are not probed."""


class Assignment:
    """The namespaces of some bearers: what is forced at once, and one assignment of the open cells at a time.

    Raises `Conflict` when the facts of `members` exclude each other, and `Exhausted` when the search was given up. `effort` is
    how many steps of propagation it may take. A `wary` one keeps out of traps, and may find no answer where there is one.
    """

    def __init__(self, bearers: Bearers, members: list[int], effort: int, *, wary: bool = True) -> None:
        self.forced = Forced(bearers, members)
        self.bearers = bearers
        self.members = self.forced.members
        self.cells = self.forced.cells
        self.namespaces = self.forced.namespaces
        self.line = self.forced.line
        self.open = [cell for cell in self.cells.representatives() if self.cells.init[cell] == NOBODY]
        self.index = {cell: place for place, cell in enumerate(self.open)}
        self._value = {cell: value for cells in self.namespaces for value, cell in enumerate(cells)}
        self.wary = wary
        self.problem = self._problem(self.forced.numbers(), effort)
        self._chosen: list[int] = []
        self._fitting: list[int] = []
        self._doubted: tuple[int, ...] = ()

    def _problem(self, numbers: dict[int, set[int]], effort: int) -> OpenCells:
        cells = self.cells
        if sum(len(self.namespaces[cells.level[cell]]) for cell in self.open) > MOST_BITS:
            raise Exhausted
        level = [cells.level[cell] for cell in self.open]
        domain = self._candidates()
        apart = self._keep_apart(numbers, domain)
        if self.wary:
            self._keep_out_of_traps(domain)
        above = [self._place(cells.over(cell)) for cell in self.open]
        value_above = [[self._place(cells.over(cell)) for cell in found] for found in self.namespaces]
        return OpenCells(level, domain, above, value_above, apart, effort)

    def _place(self, cell: int) -> int:
        """Return what stands for a cell in the problem."""
        if cell == ROOT:
            return TOP
        return self.index[cell] if cell in self.index else ~self._value[cell]

    def _candidates(self) -> list[int]:
        """Return for each open cell the namespaces at its level that may lie below what it lies below."""
        cells = self.cells
        kids: dict[int, int] = {}
        floating = [0] * len(self.namespaces)
        for level, found in enumerate(self.namespaces):
            for value, cell in enumerate(found):
                over = cells.over(cell)
                if over in self.index:
                    floating[level] |= 1 << value
                else:
                    kids[over] = kids.get(over, 0) | 1 << value
        memo: dict[tuple[int, int], int] = {}

        def below(anchor: int, level: int) -> int:
            mask = kids.get(anchor, 0) | floating[cells.level[anchor] + 1]
            for at in range(cells.level[anchor] + 1, level + 1):
                if (anchor, at) not in memo:
                    if at > cells.level[anchor] + 1:
                        found, lower, rest = self.namespaces[at - 1], floating[at], mask
                        while rest:
                            bit = rest & -rest
                            rest ^= bit
                            lower |= kids.get(found[bit.bit_length() - 1], 0)
                        mask = lower
                    memo[anchor, at] = mask
                mask = memo[anchor, at]
            return mask

        named = [sum(1 << value for value, cell in enumerate(found) if cells.namespace[cell] >= 0) for found in self.namespaces]
        domain: list[int] = []
        for cell in self.open:
            anchor = cells.over(cell)
            while anchor in self.index:
                anchor = cells.over(anchor)
            level = cells.level[cell]
            mask = (1 << len(self.namespaces[level])) - 1 if anchor == ROOT else below(anchor, level)
            # An init that says where it is shares the cell of all who say the same, so that this one is in another namespace.
            domain.append(mask & ~named[level] if cells.namespace[cell] >= 0 else mask)
        return domain

    def _keep_out_of_traps(self, domain: list[int]) -> None:
        """Take from the domains the namespaces whose init is in a group that would be led from there, or from below.

        Such an init could never finish dying (`planner.kernel.deadlocks`), so that any other place of the leader is better.
        Where there is no other one, the planner refuses it as a trap.
        """
        cells, bearers = self.cells, self.bearers
        for init in self.members:
            level = len(bearers.vectors[init]) - 1
            leader = bearers.position.get(bearers.groups[init], NOBODY)
            if bearers.vectors[init][-1] != 1 or level == 0 or leader in (NOBODY, init):
                continue
            line = self.line(cells.own(leader))
            if len(line) >= level and line[level - 1] in self.index and cells.own(init) in self._value:
                place = self.index[line[level - 1]]
                domain[place] = domain[place] & ~(1 << self._value[cells.own(init)]) or domain[place]

    def _keep_apart(self, numbers: dict[int, set[int]], domain: list[int]) -> list[list[int]]:
        """Take from the domains the namespaces where a number is used already; return the sets of cells that share a number."""
        cells = self.cells
        sharing: dict[tuple[int, int], list[int]] = {}
        recorded: dict[int, list[int]] = {}
        for place, cell in enumerate(self.open):
            level = cells.level[cell]
            for number in sorted(numbers.get(cell, ())):
                sharing.setdefault((level, number), []).append(place)
            if cells.namespace[cell] >= 0:
                recorded.setdefault(level, []).append(place)
        wanted: dict[int, set[int]] = {}
        for level, number in sharing:
            wanted.setdefault(level, set()).add(number)
        for level, looked_for in wanted.items():
            taken: dict[int, int] = {}
            for value, namespace in enumerate(self.namespaces[level]):
                for number in numbers.get(namespace, set()) & looked_for:
                    taken[number] = taken.get(number, 0) | 1 << value
            for number, mask in taken.items():
                for place in sharing[level, number]:
                    domain[place] &= ~mask
        for place, mask in enumerate(domain):
            if not mask:
                raise self._none_fits([place])
        return [clique for clique in (*sharing.values(), *recorded.values()) if len(clique) > 1]

    def _none_fits(self, places: Iterable[int]) -> Conflict:
        """Say that no namespace is left for these open cells; the evidence is every task that is in them or below them."""
        wanted = {self.open[place] for place in places}
        own = self.cells.own
        inside = [
            member
            for member in self.members
            if len(self.bearers.vectors[member]) > 1 and not wanted.isdisjoint(self.line(own(member)))
        ]
        level = max(self.cells.level[cell] for cell in wanted)
        names = ", ".join(self.bearers.name(member) for member in inside[:4]) + (", ..." if len(inside) > 4 else "")
        return Conflict(
            "namespace-none-fits",
            f"no pid namespace at level {level} can hold {names}: each has a pid that is taken there already, or is not below"
            " that of the parent and of the session's leader",
            inside,
        )

    # What is searched.

    def find(self) -> None:
        """Find the first assignment; raises `Conflict` when there is none, `Exhausted` when the search was given up."""
        problem = self.problem
        wiped = problem.propagate(list(range(len(self.open))), [])
        if wiped >= 0:
            raise self._none_fits([wiped])
        for clique in problem.apart:
            together = 0
            for place in clique:
                together |= problem.domain[place]
            if together.bit_count() < len(clique):
                raise self._none_fits(clique)
        self._chosen = list(problem.domain)
        self._hint = Hint(Domains(self.problem, self.bearers, self.cells, self.members, self.open, self.namespaces, self.line))
        self.parts = problem.parts()
        for part in self.parts:
            found = search(problem, part, self._hint.order)
            first = next(found, None)
            found.close()
            if first is None:
                raise self._none_fits(part)
            self.take(first)

    def count(self) -> None:
        """Count for each open cell the namespaces that fit, by trying out those of small parts."""
        known = list(self._chosen)
        self._probes = PROBES
        for part in self.parts:
            if len(part) <= MOST_PROBED:
                try:
                    self._probe(part, known)
                except Exhausted:
                    break
        self._fitting = list(self.problem.domain)

    def _probe(self, part: list[int], known: list[int]) -> None:
        """Look for an assignment with each value of a part's cells that none is known for, and refute the others."""
        problem = self.problem
        for place in part:
            for value in range(problem.domain[place].bit_length()):
                if not problem.domain[place] & ~known[place] & 1 << value or not self._probes:
                    continue
                self._probes -= 1
                try:
                    witness = possible(problem, part, self._hint.order, [(place, value)])
                except Exhausted:
                    continue
                if witness is None:
                    problem.refute(place, value)
                    continue
                for one, values in witness.items():
                    known[one] |= values

    def doubt(self, members: Iterable[int]) -> None:
        """Take note that the present assignment was refused for the sake of these members; what they are in may be wrong."""
        places = (self.index.get(cell) for member in members for cell in self.line(self.cells.own(member)))
        self._doubted = tuple(dict.fromkeys(place for place in places if place is not None))

    def near(self) -> Iterator[None]:
        """Go on to assignments in which a cell that is in doubt has another value; the likeliest ones of all others stay.

        Changes are tried in order of their cost: that of those before, and the rank of the value among those of its cell. There
        come first the namespaces that others in doubt are in, and then those of kin. A change that led to doubts about other
        cells has cost nothing.
        """
        part_of = {place: number for number, part in enumerate(self.parts) for place in part}
        likeliest = list(self._chosen)
        level = self.problem.level
        known: set[frozenset[tuple[int, int]]] = set()
        waiting: list[tuple[int, int, tuple[tuple[int, int], ...], tuple[int, ...]]] = []

        def vary(kept: tuple[tuple[int, int], ...], doubted: tuple[int, ...], cost: int) -> None:
            fixed = {place for place, _ in kept}
            for place in doubted:
                if place in fixed or place not in part_of:
                    continue
                others = {self._chosen[other] for other in doubted if level[other] == level[place] and other != place}
                values = [value for value in self._hint.order(place, kin_first=True) if 1 << value != likeliest[place]]
                values.sort(key=lambda value: 1 << value not in others)
                for rank, value in enumerate(values):
                    changes = (*kept, (place, value))
                    if frozenset(changes) not in known:
                        known.add(frozenset(changes))
                        heappush(waiting, (cost + rank, len(known), changes, doubted))

        vary((), self._doubted, 0)
        while waiting:
            cost, _, changes, doubted = heappop(waiting)
            if self._change(likeliest, changes, part_of):
                yield
                vary(changes, self._doubted, cost + 1 if self._doubted == doubted else 0)

    def _change(self, likeliest: list[int], changes: Iterable[tuple[int, int]], part_of: dict[int, int]) -> bool:
        """Take the likeliest assignment but for some changes and what they bring about; return whether there is one."""
        by_part: dict[int, list[tuple[int, int]]] = {}
        for place, value in changes:
            by_part.setdefault(part_of[place], []).append((place, value))
        chosen = list(likeliest)
        for number, fixed in by_part.items():
            part = self.parts[number]
            try:
                found = possible(self.problem, part, self._hint.order, fixed, FIRST_LIMIT + len(part))
            except Exhausted:
                found = None
            if found is None:
                return False
            for place, values in found.items():
                chosen[place] = values
        self._chosen = chosen
        return True

    def others(self) -> Iterator[None]:
        """Go on to the other assignments, one for each step; parts are varied one at a time before they are varied together."""
        searches = [search(self.problem, part, self._hint.order) for part in self.parts]
        found = [[{place: self._chosen[place] for place in part}] for part in self.parts]

        def nth(part: int, number: int) -> dict[int, int] | None:
            while len(found[part]) <= number:
                try:
                    further = next(searches[part], None)
                except Exhausted:
                    further = None
                if further is None:
                    return None
                if further != found[part][0]:
                    found[part].append(further)
            return found[part][number]

        varied, more = 0, True
        while more:
            varied += 1
            more = False
            for which in combinations_with_replacement(range(len(self.parts)), varied):
                picked = [nth(part, which.count(part)) for part in dict.fromkeys(which)]
                if None in picked:
                    continue
                more = True
                for assignments in found:
                    self.take(assignments[0])
                for assignment in picked:
                    self.take(assignment or {})
                yield

    def taken(self) -> dict[int, int]:
        """Return the present assignment, to come back to it."""
        return dict(enumerate(self._chosen))

    def take(self, assignment: dict[int, int]) -> None:
        """Take an assignment of some or all open cells."""
        for place, value in assignment.items():
            self._chosen[place] = value

    # What came out.

    def namespace(self, cell: int) -> int:
        """Return the cell of the namespace that a cell is, in the present assignment."""
        if cell not in self.index:
            return cell
        return self.namespaces[self.cells.level[cell]][self._chosen[self.index[cell]].bit_length() - 1]

    def fitting(self, cell: int) -> int:
        """Return how many namespaces fit a cell."""
        return self._fitting[self.index[cell]].bit_count() if cell in self.index else 1

    def was_open(self, cell: int) -> bool:
        """Return whether the choice for a cell was left to the search."""
        return cell in self.index


def assigned(bearers: Bearers, members: list[int], effort: int) -> Assignment:
    """Return an assignment that has its first answer, one without traps where there is such a one; raises as `Assignment`."""
    answer = Assignment(bearers, members, effort)
    try:
        answer.find()
    except Conflict:
        # What leads into a trap can be told as such; that no namespace fits would not be true.
        answer = Assignment(bearers, members, effort, wary=False)
        answer.find()
    return answer
