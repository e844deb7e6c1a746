"""What an image says of pid namespaces itself, as evidence beside numbers, parents and sessions.

An image may name the namespaces of some tasks, and of some namespaces what encloses them. Each such statement is a fact of its
own, which may be at fault alone; these facts are numbered after those of `planner.forest.pid_namespaces.cells`. Two laws
join those of the cells: all that are in one recorded namespace share a cell, and the cell of a namespace lies below that of the
namespace that is recorded around it. A namespace that no task says to be in or below is no evidence: it may be empty,
or be that of an init which does not say so (`planner.forest.pid_namespaces.ids`).
"""

from typing import NamedTuple

from planner.forest.model import Forest
from planner.identity import EventNumber, NamespaceId


class Enclosed(NamedTuple):
    """The statement, by its place among the facts, that a namespace lies in `parent`."""

    fact: int
    parent: NamespaceId


class Statements:
    """What the image says of pid namespaces: facts by place, the first of which is `first`."""

    def __init__(self, forest: Forest, first: int) -> None:
        self.first = first
        self.recorded: list[EventNumber] = []
        """The event of each statement."""
        self.inside: dict[int, tuple[int, NamespaceId]] = {}
        """By fact, a task by its position among the bearers, and its namespace."""
        self.enclosed: dict[NamespaceId, Enclosed] = {}
        self.known = {namespace: record.recorded for namespace, record in forest.namespaces.items() if namespace > 0}
        """Every recorded nested namespace with an event that names it, in image order."""
        for position, task in enumerate(forest.tasks.values()):
            if task.namespace > 0:
                said = task.namespace_recorded if task.namespace_recorded >= 0 else task.recorded
                self.inside[self._add(said)] = (position, task.namespace)
                self.known.setdefault(task.namespace, said)
        for namespace, record in forest.namespaces.items():
            if namespace > 0 and record.parent >= 0:
                self.enclosed[namespace] = Enclosed(self._add(record.recorded), record.parent)
                if record.parent > 0:
                    self.known.setdefault(record.parent, record.recorded)

    def _add(self, recorded: EventNumber) -> int:
        self.recorded.append(recorded)
        return self.first + len(self.recorded) - 1

    def facts(self) -> range:
        """Return the places of all statements among the facts."""
        return range(self.first, self.first + len(self.recorded))
