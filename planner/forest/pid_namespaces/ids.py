"""Which pid namespace has which id: recorded ones keep theirs, and the others are named by the level-0 pid of their init.

An answer says which init's namespace every task is in. Where a task in it, or below it, says which recorded namespace that is,
it has that id. A recorded namespace that no task says to be in may be that of an init which says nothing, too: it is given to
the first one, from the outermost level down and in image order, whose namespace lies in what is recorded around it. Nothing
follows from that but the name, so any such choice is consistent. What is left is empty.
"""

from collections import deque
from collections.abc import Container
from typing import TYPE_CHECKING, NamedTuple

from planner.forest.pid_namespaces.cells import ROOT
from planner.identity import NO_PID, EventNumber, NamespaceId

if TYPE_CHECKING:
    from planner.forest.pid_namespaces.assignment import Assignment

UNKNOWN = NamespaceId(-1)


class Named(NamedTuple):
    """Why a namespace has a recorded id, and how many ids or namespaces would have fitted."""

    rule: str
    because: tuple[EventNumber, ...]
    choices: int


class Names:
    """The ids of an answer's namespaces by cell, outermost first and then in image order."""

    def __init__(self, answer: "Assignment", in_use: Container[NamespaceId]) -> None:
        """Name the namespaces of an answer; a new one has the level-0 pid of its init as id, unless that is `in_use`."""
        self.ids: dict[int, NamespaceId] = {ROOT: NamespaceId(0)}
        self.named: dict[int, Named] = {}
        """Those that have a recorded id."""
        self._answer = answer
        cells, bearers = answer.cells, answer.bearers
        said = self._said()
        free = self._unclaimed()
        fresh = max((NO_PID, *bearers.statements.known)) + 1
        order = sorted((cells.level[cell], init, cell) for init, cell in self.inits())
        for _, init, cell in order:
            around = self.ids[answer.namespace(cells.over(cell))]
            if cell in said:
                self.ids[cell] = NamespaceId(cells.namespace[said[cell]])
                statement = bearers.recorded[cells.named_by[said[cell]]]
                self.named[cell] = Named("recorded", (statement,), answer.fitting(said[cell]))
                continue
            waiting = free.get(around) or free.get(UNKNOWN)
            if waiting and init < bearers.dead_from:
                choices = len(free.get(around, ())) + len(free.get(UNKNOWN, ()))
                self.ids[cell] = waiting.popleft()
                self.named[cell] = Named("recorded-free", (bearers.statements.known[self.ids[cell]],), choices)
                continue
            own = NamespaceId(bearers.vectors[init][0])
            if own in bearers.statements.known or own in in_use:
                own, fresh = NamespaceId(fresh), fresh + 1
            self.ids[cell] = own

    def inits(self) -> list[tuple[int, int]]:
        """Return the inits and the cells that are their namespaces, in image order."""
        return [(init, self._answer.cells.own(init)) for init in self._answer.forced.inits]

    def _said(self) -> dict[int, int]:
        """Return for each namespace that is said to be a recorded one the cell that says so."""
        answer, cells = self._answer, self._answer.cells
        named = (cells.find(cell) for cell in cells.recorded.values())
        return {answer.namespace(cell): cell for cell in named}

    def _unclaimed(self) -> dict[NamespaceId, deque[NamespaceId]]:
        """Return the recorded namespaces that no task says to be in, by what is recorded around them."""
        statements = self._answer.bearers.statements
        free: dict[NamespaceId, deque[NamespaceId]] = {}
        for namespace in statements.known:
            if namespace not in self._answer.cells.recorded:
                around = statements.enclosed[namespace].parent if namespace in statements.enclosed else UNKNOWN
                free.setdefault(around, deque()).append(namespace)
        return free
