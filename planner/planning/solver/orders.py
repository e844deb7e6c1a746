"""Orders as theories of the search: which process is born below which, and which birth comes before which.

Written out, either order takes as many clauses as the cube of its members, and nearly all of them never matter. A theory gives
the engine a clause at the moment when it matters (satisfiability modulo theories).
"""

from collections.abc import Iterable, Iterator, Mapping

from planner.planning.solver.engine import FALSE, TRUE, Clause, Engine, Literal

Matrix = list[list[Literal]]


class TreeOrder:
    """The ancestors in a tree of creators: which process is born below which.

    A strict partial order in which the ancestors of each member are a chain, and its creator is the nearest of them. Sets of
    members are bit masks.
    """

    def __init__(self, engine: Engine, above: Matrix, creators: Mapping[tuple[int, int], Literal]) -> None:
        """Take the literals: `above[y][x]` says that y is an ancestor of x, and `creators[x, y]` that y is the creator of x."""
        self._engine = engine
        self.members = members = len(above)
        self.literal = above
        self.pairs = {literal: (y, x) for y, row in enumerate(above) for x, literal in enumerate(row) if y != x}
        self._creator = creators
        self._born = {literal: pair for pair, literal in creators.items()}
        self.above = [0] * members
        self.below = [0] * members
        self._not_above = [0] * members
        self._not_below = [0] * members
        self._may_create = [0] * members
        """For each member who may be its creator."""
        self._may_be_born = [0] * members
        """For each member whose creator it may be."""
        for x, y in creators:
            self._may_create[x] |= 1 << y
            self._may_be_born[y] |= 1 << x
        self._creator_of = [-1] * members

    def variables(self) -> Iterable[int]:
        """Return the variables that the theory watches."""
        return [*self.pairs, *(literal for literal in self._born if literal not in self.pairs)]

    def assigned(self, literal: Literal) -> Clause | None:
        """Imply what follows from a literal; return a clause that is violated, None where there is none."""
        if literal in self._born:
            x, y = self._born[literal]
            self._creator_of[x] = y
            return self._imply(self._from_creator(x, y))
        if -literal in self._born:
            return None
        y, x = self.pairs[abs(literal)]
        if literal > 0:
            self.above[x] |= 1 << y
            self.below[y] |= 1 << x
            return self._imply(self._from_above(y, x))
        self._not_above[x] |= 1 << y
        self._not_below[y] |= 1 << x
        return self._imply(self._from_not_above(y, x))

    def unassigned(self, literal: Literal) -> None:
        """Forget a literal."""
        if literal in self._born:
            self._creator_of[self._born[literal][0]] = -1
        elif -literal not in self._born:
            y, x = self.pairs[abs(literal)]
            above, below = (self.above, self.below) if literal > 0 else (self._not_above, self._not_below)
            above[x] &= ~(1 << y)
            below[y] &= ~(1 << x)

    def _imply(self, clauses: Iterator[Clause]) -> Clause | None:
        """Imply the first literal of each clause, the others of which do not hold; return the first that is violated."""
        for clause in clauses:
            if not self._engine.imply(clause[0], clause):
                return clause
        return None

    def _from_creator(self, x: int, y: int) -> Iterator[Clause]:
        """Yield what follows from y being the creator of x: all other ancestors of x are above y."""
        lit = self.literal
        cause = -self._creator[x, y]
        yield lit[y][x], cause
        for z in bits(self.above[x] & ~self.above[y] & ~(1 << y)):
            yield lit[z][y], cause, -lit[z][x]
        for z in bits(self._not_above[y] & ~self._not_above[x] & ~(1 << x)):
            yield -lit[z][x], cause, lit[z][y]

    def _from_above(self, y: int, x: int) -> Iterator[Clause]:
        """Yield what follows from y being an ancestor of x, and from what is known of others."""
        lit = self.literal
        cause = -lit[y][x]
        yield -lit[x][y], cause
        # An ancestor's ancestor is one.
        for z in bits(self.above[y] & ~self.above[x]):
            yield lit[z][x], cause, -lit[z][y]
        for z in bits(self.below[x] & ~self.below[y]):
            yield lit[y][z], cause, -lit[x][z]
        for z in bits(self._not_above[x] & ~self._not_above[y] & ~(1 << y)):
            yield -lit[z][y], cause, lit[z][x]
        for z in bits(self._not_below[y] & ~self._not_below[x] & ~(1 << x)):
            yield -lit[x][z], cause, lit[y][z]
        # Two ancestors of x are on one chain.
        for z in bits(self.above[x] & self._not_above[y] & ~self.below[y]):
            yield lit[y][z], cause, -lit[z][x], lit[z][y]
        for z in bits(self.above[x] & self._not_below[y] & ~self.above[y]):
            yield lit[z][y], cause, -lit[z][x], lit[y][z]
        for z in bits(self._not_above[y] & self._not_below[y] & ~self._not_above[x] & ~(1 << x)):
            yield -lit[z][x], cause, lit[z][y], lit[y][z]
        # y is the creator of x or above it.
        creator = self._creator_of[x]
        if creator >= 0 and creator != y:
            yield lit[y][creator], cause, -self._creator[x, creator]
        for z in bits(self._may_create[x] & self._not_below[y]):
            yield -self._creator[x, z], cause, lit[y][z]

    def _from_not_above(self, y: int, x: int) -> Iterator[Clause]:
        """Yield what follows from y being no ancestor of x, and from what is known of others."""
        lit = self.literal
        cause = lit[y][x]
        # No member is below y and above x.
        for z in bits(self.above[x] & ~self._not_below[y] & ~(1 << y)):
            yield -lit[y][z], cause, -lit[z][x]
        for z in bits(self.below[y] & ~self._not_above[x] & ~(1 << x)):
            yield -lit[z][x], cause, -lit[y][z]
        yield from self._from_branches(y, x, cause)
        # What x has created is not below y either, and who is below y has another creator.
        if (x, y) in self._creator:
            yield -self._creator[x, y], cause
        for z in bits(self._may_be_born[x] & ~(1 << y)):
            if self._creator_of[z] == x:
                yield -lit[y][z], cause, -self._creator[z, x]
            elif self.below[y] >> z & 1:
                yield -self._creator[z, x], cause, -lit[y][z]

    def _from_branches(self, y: int, x: int, cause: Literal) -> Iterator[Clause]:
        """Yield what follows for those below x or y, where y is no ancestor of x: they are below both only if x is above y."""
        lit = self.literal
        common = self.below[x] & self.below[y]
        if not self._not_above[y] >> x & 1:
            for z in bits(common & -common):
                yield lit[x][y], cause, -lit[x][z], -lit[y][z]
        else:
            # Neither is above the other, so that no member is below both.
            for z in bits(self.below[x] & ~self._not_below[y] & ~(1 << y)):
                yield -lit[y][z], cause, lit[x][y], -lit[x][z]
            for z in bits(self.below[y] & ~self._not_below[x] & ~(1 << x)):
                yield -lit[x][z], cause, lit[x][y], -lit[y][z]


def bits(mask: int) -> Iterator[int]:
    """Yield the numbers of the bits that are set, in rising order."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


class Acyclic:
    """A graph whose edges hold or do not: there must be no cycle among those that do."""

    def __init__(self, edges: Iterable[tuple[Literal, int, int]]) -> None:
        self._edges: dict[Literal, list[tuple[int, int]]] = {}
        self._after: dict[int, list[tuple[int, Literal]]] = {}
        for literal, before, after in edges:
            self._edges.setdefault(literal, []).append((before, after))

    def variables(self) -> Iterable[int]:
        """Return the variables that the theory watches."""
        return dict.fromkeys(map(abs, self._edges))

    def assigned(self, literal: Literal) -> Clause | None:
        """Imply what follows from a literal; return a clause that is violated, None where there is none."""
        for before, after in self._edges.get(literal, ()):
            self._after.setdefault(before, []).append((after, literal))
        for before, after in self._edges.get(literal, ()):
            way = self._way(after, before)
            if way is not None:
                return tuple(-edge for edge in dict.fromkeys((literal, *way)))
        return None

    def unassigned(self, literal: Literal) -> None:
        """Forget a literal."""
        for before, after in self._edges.get(literal, ()):
            edges = self._after.get(before, [])
            if (after, literal) in edges:
                edges.remove((after, literal))

    def _way(self, start: int, end: int) -> list[Literal] | None:
        """Return the literals of the edges on a way from `start` to `end`, None where there is none."""
        came: dict[int, tuple[int, Literal]] = {}
        queue = [start]
        for here in queue:
            if here == end:
                way: list[Literal] = []
                while here != start:
                    here, literal = came[here]
                    way.append(literal)
                return way
            for following, literal in self._after.get(here, ()):
                if following not in came and following != start:
                    came[following] = here, literal
                    queue.append(following)
        return None


class Regions:
    """A process born in a session has the leader above it, and all between them were born in that session, too.

    It follows from the creators one by one, and is said for the whole way at once.
    """

    def __init__(self, engine: Engine, tree: TreeOrder, born: Mapping[tuple[int, int], Literal]) -> None:
        """Take the literal for each (member, leader) that may be born in the leader's session, constants included.

        A leader who is no member stands above all of them: the number after the last one.
        """
        self._engine = engine
        self._tree = tree
        self._born = born
        self._pairs: dict[Literal, tuple[int, int]] = {}
        self._leader = [-1] * tree.members
        """For each member the leader in whose session it was born, -1 where that is open."""
        self._region = [0] * (tree.members + 1)
        """For each leader who was born in its session."""
        all_members = (1 << tree.members) - 1
        self._foreign = [all_members] * (tree.members + 1)
        """For each leader who was not."""
        for (member, leader), literal in born.items():
            self._foreign[leader] &= ~(1 << member)
            if literal == TRUE:
                self._leader[member] = leader
                self._region[leader] |= 1 << member
            else:
                self._pairs[literal] = member, leader

    def variables(self) -> Iterable[int]:
        """Return the variables that the theory watches."""
        return dict.fromkeys((*self._pairs, *self._tree.pairs))

    def assigned(self, literal: Literal) -> Clause | None:
        """Imply what follows from a literal; return a clause that is violated, None where there is none."""
        for leader, between, member in self._ways(literal):
            clause = self._clause(leader, between, member)
            if not self._engine.imply(clause[0], clause):
                return clause
        return None

    def unassigned(self, literal: Literal) -> None:
        """Forget a literal."""
        if literal in self._pairs:
            member, leader = self._pairs[literal]
            self._leader[member] = -1
            self._region[leader] &= ~(1 << member)
        elif -literal in self._pairs:
            member, leader = self._pairs[-literal]
            self._foreign[leader] &= ~(1 << member)

    def _ways(self, literal: Literal) -> Iterator[tuple[int, int, int]]:
        """Yield a leader, one between and a member born in the session, for each way about which a literal says something."""
        tree = self._tree
        if literal in self._pairs:
            member, leader = self._pairs[literal]
            self._leader[member] = leader
            self._region[leader] |= 1 << member
            for between in bits(tree.above[member] & (self._below(leader) | self._foreign[leader]) & ~(1 << leader)):
                yield leader, between, member
        elif -literal in self._pairs:
            between, leader = self._pairs[-literal]
            self._foreign[leader] |= 1 << between
            for member in bits(tree.below[between] & self._region[leader]):
                yield leader, between, member
        elif literal > 0:
            upper, lower = tree.pairs[literal]
            for member in bits(tree.below[lower] & self._region[upper]):
                yield upper, lower, member
            leader = self._leader[lower]
            if leader not in (-1, upper) and (self._below(leader) | self._foreign[leader]) >> upper & 1:
                yield leader, upper, lower

    def _below(self, leader: int) -> int:
        return self._tree.below[leader] if leader < self._tree.members else (1 << self._tree.members) - 1

    def _clause(self, leader: int, between: int, member: int) -> Clause:
        above = self._tree.literal
        born = self._born.get((between, leader), FALSE)
        below = above[leader][between] if leader < self._tree.members else TRUE
        clause = born, -below, -above[between][member], -self._born[member, leader]
        value = self._engine.value
        return sorted(clause, key=lambda literal: value[literal] < 0)
