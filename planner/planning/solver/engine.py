"""A search for the least assignment that satisfies clauses, with the cause of everything that is implied.

The engine knows nothing of processes. Variables are the numbers from 1, a literal is a variable or its negative, and a clause is
a collection of literals one of which must hold. The engine learns a clause from every conflict and jumps back as far as that
clause allows (conflict-driven clause learning; Marques-Silva and Sakallah 1996, with watched literals and activities as in
Chaff). It decides first about what conflicts were about, and about the rest in a given order, with a preferred value first.

`least` makes the answer independent of how the search goes: the lexicographically least assignment of the given order.
"""

import heapq
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

Literal = int
Clause = Sequence[Literal]

TRUE: Final[Literal] = 1
"""A literal that always holds; its negative never does."""
FALSE: Final[Literal] = -TRUE

UNBOUNDED: Final = 1 << 60

GROWTH: Final = 1.05
"""By how much a conflict counts more than the one before, for the activity of variables."""

FIRST_RESTART: Final = 30
LATER_RESTARTS: Final = 1.1
"""After how many conflicts the search starts again with what it has learnt, and by how much longer it goes on each time."""


class Theory(Protocol):
    """A rule that is too long to write as clauses: it gives those that matter when they matter."""

    def variables(self) -> Iterable[int]:
        """Return the variables whose assignment the theory wants to be told."""

    def assigned(self, literal: Literal) -> Clause | None:
        """Take note that a literal holds and imply what follows; return a clause that is violated, None where there is none."""

    def unassigned(self, literal: Literal) -> None:
        """Forget a literal; they come back in reverse order."""


class Engine:
    """Clauses over a fixed number of variables, and the search for the least assignment."""

    def __init__(self, variables: int, clauses: Iterable[Clause], decisions: Sequence[Literal]) -> None:
        """Take the clauses, and the preferred literals of the decisions in their order; other variables follow, false first."""
        # Indexed by literal: a negative one counts from the end, as Python lists do.
        self.value = [0] * (2 * variables + 1)
        """1 where a literal holds, -1 where it does not, 0 where that is open."""
        self.conflicts = 0
        self.blamed: set[int] = set()
        """The variables that conflicts were about."""
        self.core: tuple[Literal, ...] = ()
        """After an unsuccessful search: assumptions that cannot all hold."""
        self._level = [0] * (variables + 1)
        self._cause: list[Clause | None] = [None] * (variables + 1)
        self._watched: list[list[list[Literal]]] = [[] for _ in range(2 * variables + 1)]
        self._trail: list[Literal] = []
        self._next = 0
        self._starts: list[int] = []
        """Where each level of decision starts on the trail."""
        self._theories: list[list[Theory]] = [[] for _ in range(variables + 1)]
        self._decisions = list(decisions)
        decided = set(map(abs, decisions))
        self._order = [*decisions, *(-variable for variable in range(1, variables + 1) if variable not in decided)]
        self._preferred = [0] * (variables + 1)
        for literal in self._order:
            self._preferred[abs(literal)] = literal
        self._scanned = [0]
        """Per level: how many variables in front of the order are known to be assigned."""
        self._assumed: list[Literal] = []
        """The assumptions that the first levels of decision stand for."""
        self._activity = [0.0] * (variables + 1)
        self._bump = 1.0
        self._most_active: list[tuple[float, int]] = []
        """A heap of open variables by falling activity, in which assigned ones and earlier activities are passed over."""
        self._possible = self.imply(TRUE, (TRUE,))
        for clause in clauses:
            self._add(list(clause))

    def use(self, theory: Theory) -> None:
        """Let a theory watch the assignment; to be called before the search."""
        for variable in theory.variables():
            self._theories[variable].append(theory)

    def imply(self, literal: Literal, cause: Clause) -> bool:
        """Assign a literal that the others of the clause `cause` leave no choice about; return whether that is possible."""
        value = self.value
        if value[literal]:
            return value[literal] > 0
        value[literal], value[-literal] = 1, -1
        variable = abs(literal)
        self._level[variable] = len(self._starts)
        self._cause[variable] = cause
        self._trail.append(literal)
        return True

    def search(
        self, assumptions: Sequence[Literal] = (), most_conflicts: int = UNBOUNDED, *, decides: bool = True
    ) -> bool | None:
        """Return whether an assignment satisfies clauses and assumptions, None beyond the bound on conflicts.

        The assignment is in `value`. Where there is none `core` holds the assumptions that exclude each other. A search that does
        not decide returns None, too, where nothing that the assumptions imply excludes them.
        """
        self._back(self._common(assumptions))
        self._assumed = list(assumptions)
        self.core = ()
        last = self.conflicts + most_conflicts
        restart, pause = self.conflicts + FIRST_RESTART, float(FIRST_RESTART)
        while self._possible:
            conflict = self._propagate()
            if conflict is not None:
                if self.conflicts == last:
                    return None
                self.conflicts += 1
                self._possible = self._learn(conflict)
            elif self.conflicts >= restart:
                pause *= LATER_RESTARTS
                restart = self.conflicts + int(pause)
                self._back(min(len(self._starts), len(assumptions)))
            else:
                if not decides and len(self._starts) >= len(assumptions):
                    return None
                literal = self._next_decision()
                if not literal:
                    return True
                if self.value[literal] < 0:
                    self.core = self._excluded(literal)
                    return False
                self._decide(literal)
        return False

    def least(self, most_conflicts: int = UNBOUNDED) -> None:
        """Make the assignment that a search has found the least one: preferred values where they can be, earlier ones first.

        Beyond the bound on conflicts the least one that was found so far stays.
        """
        best = [literal if self.holds(literal) else -literal for literal in self._decisions]
        last = self.conflicts + most_conflicts
        tried = 0
        for place, literal in enumerate(self._decisions):
            # What follows from earlier decisions need not be tried: it was implied at a level that stands for one of them.
            if best[place] == literal or (self.value[literal] < 0 and self._level[abs(literal)] <= tried):
                continue
            found = self.search([*best[:place], literal], last - self.conflicts)
            if found is None:
                break
            if found:
                best[place:] = [literal if self.holds(literal) else -literal for literal in self._decisions[place:]]
            tried = place
        self.search(best)

    def holds(self, literal: Literal) -> bool:
        """Return whether a literal holds in the assignment that was found."""
        return self.value[literal] > 0

    def _add(self, clause: list[Literal]) -> None:
        if len(clause) > 1:
            self._watched[clause[0]].append(clause)
            self._watched[clause[1]].append(clause)
        elif not clause or not self.imply(clause[0], clause):
            self._possible = False

    def _decide(self, literal: Literal) -> None:
        self._starts.append(len(self._trail))
        self._scanned.append(self._scanned[-1])
        if not self.value[literal]:
            self.imply(literal, (literal,))
            self._cause[abs(literal)] = None

    def _next_decision(self) -> Literal:
        """Return the next assumption, or else the preferred literal of an open variable; 0 where all are assigned.

        The most active variable comes first, then the first one in order.
        """
        level = len(self._starts)
        if level < len(self._assumed):
            return self._assumed[level]
        value, order, heap = self.value, self._order, self._most_active
        while heap:
            activity, variable = heapq.heappop(heap)
            if not value[variable] and -activity == self._activity[variable]:
                return self._preferred[variable]
        place = self._scanned[-1]
        while place < len(order) and value[order[place]]:
            place += 1
        self._scanned[-1] = place
        return order[place] if place < len(order) else 0

    def _propagate(self) -> Clause | None:
        """Imply what follows from the new literals on the trail; return a clause that is violated, None where there is none."""
        trail = self._trail
        while self._next < len(trail):
            literal = trail[self._next]
            self._next += 1
            conflict = self._visit(-literal)
            if conflict is not None:
                return conflict
            for theory in self._theories[abs(literal)]:
                conflict = theory.assigned(literal)
                if conflict is not None:
                    # It has taken note of this literal; later ones were never shown to it.
                    return conflict
        return None

    def _visit(self, lost: Literal) -> Clause | None:
        """Find another literal to watch in each clause that watches `lost`, which no longer can hold."""
        value, watched = self.value, self._watched
        clauses = watched[lost]
        kept = watched[lost] = []
        for place, clause in enumerate(clauses):
            if clause[0] == lost:
                clause[0], clause[1] = clause[1], lost
            first = clause[0]
            if value[first] > 0:
                kept.append(clause)
                continue
            for other in range(2, len(clause)):
                literal = clause[other]
                if value[literal] >= 0:
                    clause[1], clause[other] = literal, lost
                    watched[literal].append(clause)
                    break
            else:
                kept.append(clause)
                if not self.imply(first, clause):
                    kept += clauses[place + 1 :]
                    return clause
        return None

    def _learn(self, conflict: Clause) -> bool:
        """Derive a clause that would have prevented a conflict, and jump back to where it implies something.

        Return False where the conflict follows from the clauses alone.
        """
        if not self._starts:
            self._blame(conflict)
            return False
        learnt = self._reason(conflict)
        self._bump *= GROWTH
        back = 0
        for place in range(1, len(learnt)):
            level = self._level[abs(learnt[place])]
            if level > back:
                back = level
                learnt[1], learnt[place] = learnt[place], learnt[1]
        self._back(back)
        self._add(learnt)
        if len(learnt) > 1:
            self.imply(learnt[0], learnt)
        return self._possible

    def _blame(self, conflict: Clause) -> None:
        """Note what a conflict that follows from the clauses alone was derived from."""
        met = set(map(abs, conflict))
        for literal in reversed(self._trail):
            if abs(literal) in met:
                met.update(map(abs, self._cause[abs(literal)] or ()))
        self.blamed |= met

    def _make_active(self, variable: int) -> None:
        self.blamed.add(variable)
        self._activity[variable] += self._bump
        heapq.heappush(self._most_active, (-self._activity[variable], variable))

    def _reason(self, conflict: Clause) -> list[Literal]:
        """Return a clause that follows, in which one literal alone is of the last level: it comes first (first unique point)."""
        level, trail = self._level, self._trail
        now = len(self._starts)
        met: set[int] = set()
        learnt: list[Literal] = [0]
        open_ = 0
        place = len(trail)
        clause: Clause | None = conflict
        while True:
            for literal in clause or ():
                variable = abs(literal)
                if variable in met or not level[variable]:
                    continue
                met.add(variable)
                self._make_active(variable)
                if level[variable] == now:
                    open_ += 1
                else:
                    learnt.append(literal)
            place -= 1
            while abs(trail[place]) not in met:
                place -= 1
            open_ -= 1
            if not open_:
                learnt[0] = -trail[place]
                return learnt
            clause = self._cause[abs(trail[place])]

    def _common(self, assumptions: Sequence[Literal]) -> int:
        """Return how many levels of decision can stay: those of assumptions that are made again."""
        common = 0
        for literal, before in zip(assumptions, self._assumed[: len(self._starts)], strict=False):
            if literal != before:
                break
            common += 1
        return common

    def _excluded(self, literal: Literal) -> tuple[Literal, ...]:
        """Return assumptions, `literal` among them, that cannot all hold: those from which its contrary follows."""
        found = [literal]
        met = {abs(literal)}
        for fact in reversed(self._trail):
            variable = abs(fact)
            if variable not in met or not self._level[variable]:
                continue
            cause = self._cause[variable]
            if cause is None:
                found.append(fact)
            else:
                met.update(map(abs, cause))
        return tuple(dict.fromkeys(found))

    def _back(self, level: int) -> None:
        """Take back all levels of decision above `level`."""
        if len(self._starts) <= level:
            return
        start = self._starts[level]
        value, theories, activity = self.value, self._theories, self._activity
        for place in range(len(self._trail) - 1, start - 1, -1):
            literal = self._trail[place]
            value[literal] = value[-literal] = 0
            if activity[abs(literal)]:
                heapq.heappush(self._most_active, (-activity[abs(literal)], abs(literal)))
            if place < self._next:
                for theory in reversed(theories[abs(literal)]):
                    theory.unassigned(literal)
        del self._trail[start:]
        del self._starts[level:]
        del self._scanned[level + 1 :]
        self._next = min(self._next, start)
