"""The candidates that are tried first in a large core: for each process the creators, sessions and groups named near it."""

from collections.abc import Iterator, Sequence
from typing import Final

from planner.identity import OUTSIDE, NamespaceId, ProcessId
from planner.planning.solver.problem import Problem, is_harmless
from planner.planning.solver.reduction import Reduced

MOST_PLACES: Final = 4
"""How many pid namespaces of a kind are weighed for a dead leader."""

Named = dict[ProcessId, dict[ProcessId, None]]


class Kin:
    """For each process of a core its likely creators, and the sessions and hidden groups that it is likely born in."""

    def __init__(self, problem: Problem, reduced: Reduced) -> None:
        self._problem = problem
        self._places: dict[ProcessId, list[NamespaceId]] = {}
        self._core = frozenset(reduced.core)
        self._creators: Named = {pid: {} for pid in reduced.core}
        self._sessions: Named = {pid: {} for pid in (OUTSIDE, *reduced.core)}
        self._groups: Named = {pid: {} for pid in (OUTSIDE, *reduced.core)}
        hidden = frozenset(reduced.hidden)
        for pid in reduced.core:
            for other in self._near(pid):
                self._add(pid, other)
        for parent, session in self._asked(reduced):
            self._sessions[parent][session] = None
            self._add(parent, session)
            self._add(session, parent)
        for pid in reduced.core:
            group = problem.processes[pid].group
            if group in hidden and group is not None:
                self._add(problem.processes[pid].parent or OUTSIDE, group)
                self._add(group, problem.processes[pid].parent or OUTSIDE)
                self._ask_upwards(pid, group)

    def creators(self, pid: ProcessId) -> Sequence[ProcessId]:
        """Return who is likely the creator of a process, beside its parent and the executor.

        They are its parent's parent and session's leader, the leaders of its own session and group, the inits that come before
        it, and where a parent has a child in another one's session or group, each of these two for the other.
        """
        return list(self._creators[pid])

    def sessions(self, pid: ProcessId) -> set[ProcessId]:
        """Return the sessions that a leader is likely born in: those of its children, and of its likely creators."""
        found = {OUTSIDE, *self._sessions[pid]}
        for creator in self._creators[pid]:
            found.update((creator, self._problem.processes[creator].session or OUTSIDE, *self._sessions[creator]))
        return found

    def groups(self, pid: ProcessId) -> set[ProcessId]:
        """Return the hidden groups that a process is likely born in: its own, and those of all below it."""
        return {OUTSIDE, *self._groups[pid]}

    def places(self, pid: ProcessId, places: Sequence[NamespaceId]) -> Sequence[NamespaceId]:
        """Return where a dead leader has likely lived: where no init waits for another one where that matters, and the best."""
        if pid not in self._places:
            problem = self._problem
            harmless: list[NamespaceId] = []
            if len(places) > MOST_PLACES and any(problem.processes[member].is_init for member in problem.led.get(pid, ())):
                harmless = [place for place in places if is_harmless(problem.namespaces, place, problem.processes)]
            self._places[pid] = list(dict.fromkeys((*harmless[:MOST_PLACES], *places[:MOST_PLACES])))
        return self._places[pid]

    def _add(self, pid: ProcessId, creator: ProcessId) -> None:
        if pid in self._core and creator in self._core and pid != creator:
            self._creators[pid][creator] = None

    def _near(self, pid: ProcessId) -> Iterator[ProcessId]:
        process = self._problem.processes[pid]
        above = self._problem.processes.get(process.parent or OUTSIDE)
        inits = [self._problem.init_before(pid, place) for place in self.places(pid, process.places)]
        named = (process.parent, process.session, process.group, *inits, *((above.session, above.parent) if above else ()))
        yield from (other for other in named if other)

    def _asked(self, reduced: Reduced) -> Iterator[tuple[ProcessId, ProcessId]]:
        """Yield parents of the core with the sessions that their children are in."""
        for pid in reduced.core:
            process = self._problem.processes[pid]
            if process.parent is not None and process.session is not None:
                yield process.parent, process.session
        yield from ((demand.parent, demand.session) for demand in reduced.demands)

    def _ask_upwards(self, pid: ProcessId, group: ProcessId) -> None:
        """Note that a process, and all above it, may be born in a group; its likely creators may, too."""
        here: ProcessId | None = pid
        while here in self._core and here is not None and group not in self._groups[here]:
            self._groups[here][group] = None
            for creator in self._creators[here]:
                self._groups[creator].setdefault(group)
            here = self._problem.processes[here].parent
