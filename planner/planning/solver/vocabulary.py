"""What can be said about births: a literal for each statement, constant where the image leaves no choice.

Every statement of the image about a process is its row: its parent, session and group. Where rows are questioned each row is a
literal of its own, and nothing is known of a process whose row does not hold, except where it can have lived.
"""

from collections.abc import Callable, Collection, Iterable, Sequence

from planner.identity import OUTSIDE, NamespaceId, ProcessId
from planner.planning.solver.engine import FALSE, TRUE, Clause, Literal
from planner.planning.solver.kin import Kin
from planner.planning.solver.problem import EXECUTOR_NAMESPACE, INIT, Problem
from planner.planning.solver.reduction import Reduced, birth_session

Name = str | int


class Vocabulary:
    """Literals for statements about the core of a problem, and the clauses that were written with them."""

    def __init__(self, problem: Problem, reduced: Reduced, *, questioned: bool = False, near: bool = False) -> None:
        self.problem = problem
        self.core = reduced.core
        self.demands = reduced.demands
        self.hidden = reduced.hidden
        self.questioned = questioned
        """Whether rows are literals, so that some of them can be left out."""
        self.near = Kin(problem, reduced) if near else None
        """The only candidates for each process; then there are no literals for ancestors. None: all processes are candidates."""
        self.clauses: list[Clause] = []
        self.lines: list[tuple[ProcessId, ProcessId]] = []
        """Pairs of a process and a parent for which `line` was asked for, and what it takes is not said yet."""
        self._members = frozenset((OUTSIDE, *self.core))
        self._names: dict[tuple[Name, ...], Literal] = {}
        self._sessions = self._all_sessions()
        self._birth_sessions = {pid: self._find_birth_sessions(pid) for pid in self.core}
        self._groups = {pid: self._find_groups(pid) for pid in self.core}
        self._adopters = self._all_adopters()
        self._creators = {pid: self._find_creators(pid) for pid in self.core}

    @property
    def variables(self) -> int:
        """How many variables there are so far; the first one is constant."""
        return len(self._names) + 1

    # Statements.

    def row(self, pid: ProcessId) -> Literal:
        """The image's row about a process holds. A dead leader has none: what is known of it follows from other rows."""
        if not self.questioned:
            return TRUE
        return FALSE if self.problem.processes[pid].dead else self.named("row", pid)

    def rows(self) -> list[ProcessId]:
        """Return the processes whose rows are questioned, in image order."""
        return [pid for pid in self.problem.processes if ("row", pid) in self._names]

    def creator(self, child: ProcessId, creator: ProcessId) -> Literal:
        """`creator` is the one from whose line `child` is cloned."""
        return self.named("creator", child, creator)

    def above(self, upper: ProcessId, lower: ProcessId) -> Literal:
        """`upper` is the creator of `lower`, or above it."""
        return self.named("above", upper, lower)

    def leads(self, pid: ProcessId) -> Literal:
        """A process calls setsid."""
        if pid == OUTSIDE:
            return TRUE
        return self.named("leads", pid) if self.questioned else constant(self.problem.processes[pid].session == pid)

    def born_of(self, pid: ProcessId, session: ProcessId) -> Literal:
        """A process is born in a session."""
        if pid in (OUTSIDE, INIT):
            return constant(session == OUTSIDE)
        if session not in self.birth_sessions(pid):
            return FALSE
        return self.named("born of", pid, session) if self.questioned or self.leads(pid) == TRUE else TRUE

    def has_been_in(self, pid: ProcessId, session: ProcessId) -> Literal:
        """A process is in a session at some time: its birth session, or the one that it leads."""
        return self.leads(pid) if pid == session else self.born_of(pid, session)

    def lives_in(self, pid: ProcessId, place: NamespaceId) -> Literal:
        """A process lives in a pid namespace."""
        places = self.places(pid)
        if place not in places:
            return FALSE
        return TRUE if len(places) == 1 else self.named("lives in", pid, place)

    def is_child(self, pid: ProcessId, parent: ProcessId) -> Literal:
        """A process ends up as a child of `parent`; a dead leader does so where it must be a sibling."""
        if pid == OUTSIDE or parent not in self.parents(pid):
            return FALSE
        fixed = pid == INIT or (not self.questioned and len(self.parents(pid)) == 1 and self.stated_parents(pid))
        return TRUE if fixed else self.named("child", pid, parent)

    def is_sibling(self, pid: ProcessId) -> Literal:
        """A process is created with CLONE_PARENT."""
        if pid in (OUTSIDE, INIT):
            return FALSE
        pairs = ((creator, parent) for creator in self._creators[pid] for parent in self.parents(pid))
        return self.named("sibling", pid) if any(self.beside(*pair) != FALSE for pair in pairs) else FALSE

    def beside(self, creator: ProcessId, parent: ProcessId) -> Literal:
        """A process is a child of `parent` that may use CLONE_PARENT, and lives deeper than it; else another way does."""
        if self.problem.is_init(creator) or creator == parent or self.is_beside(creator, parent) == TRUE:
            return FALSE
        return self.is_child(creator, parent)

    def born_in(self, pid: ProcessId, group: ProcessId) -> Literal:
        """A process must be born in a group."""
        if pid == INIT:
            return constant(group == OUTSIDE)
        if pid == group or group not in self.groups(pid) or self.born_of(pid, self.problem.sessions[group]) == FALSE:
            return FALSE
        return self.named("born in", pid, group)

    def visits(self, pid: ProcessId, group: ProcessId) -> Literal:
        """A process is moved into a group by its parent for a while."""
        if pid in (OUTSIDE, INIT, group) or group == OUTSIDE or group not in self.groups(pid):
            return FALSE
        return self.named("visits", pid, group)

    def covers(self, outer: ProcessId, inner: ProcessId) -> Literal:
        """`outer` lives in the pid namespace of `inner` or in one around it, so that it sees `inner`."""
        return self._of_places("covers", outer, inner, self.problem.namespaces.covers)

    def sees(self, pid: ProcessId, group: ProcessId) -> Literal:
        """A group has a number in the pid namespace of a process."""
        return FALSE if group == OUTSIDE else self.covers(pid, group)

    def is_outside(self, outer: ProcessId, inner: ProcessId) -> Literal:
        """`outer` lives in a pid namespace around that of `inner`."""
        return self._of_places("is outside", outer, inner, self.problem.namespaces.is_above)

    def is_beside(self, one: ProcessId, other: ProcessId) -> Literal:
        """Two processes live in the same pid namespace."""
        return self._of_places("is beside", one, other, lambda place, others: place == others)

    def line(self, pid: ProcessId, parent: ProcessId) -> Literal:
        """A process is born below `parent`, and each process between them lives in the pid namespace of `parent`."""
        if parent == OUTSIDE:
            return self.creator(pid, OUTSIDE) if OUTSIDE in self._creators[pid] else FALSE
        if pid == INIT:
            return FALSE
        if self.near is None and self.is_beside(pid, parent) == TRUE and self._creates_no_sibling(parent):
            return self.above(parent, pid)
        if ("line", pid, parent) not in self._names:
            self.lines.append((pid, parent))
        return self.named("line", pid, parent)

    # Candidates.

    def creators(self, pid: ProcessId) -> list[ProcessId]:
        """Return who may be the creator of a process, its parent first."""
        return self._creators[pid]

    def groups(self, pid: ProcessId) -> Sequence[ProcessId]:
        """Return the hidden groups that a process may be born in."""
        return self._groups[pid]

    def birth_sessions(self, pid: ProcessId) -> Sequence[ProcessId]:
        """Return the sessions that a process may be born in, its parent's first."""
        return self._birth_sessions[pid]

    def _find_birth_sessions(self, pid: ProcessId) -> Sequence[ProcessId]:
        process = self.problem.processes[pid]
        if pid == INIT:
            return (OUTSIDE,)
        if not self.questioned and process.session != pid:
            return (process.session or OUTSIDE,)
        sessions = dict.fromkeys((birth_session(self.problem, process), *self._sessions))
        likely = self._sessions if self.near is None else self.near.sessions(pid)
        return [session for session in sessions if session != pid and session in self._sessions and session in likely]

    def parents(self, pid: ProcessId) -> Sequence[ProcessId]:
        """Return who may be the final parent of a process."""
        stated = self.stated_parents(pid)
        if not stated or (self.questioned and pid != INIT):
            return [parent for parent in self._adopters if parent != pid]
        return stated

    def stated_parents(self, pid: ProcessId) -> Sequence[ProcessId]:
        """Return the parents that the image allows a process, the preferred one first; none where it says nothing."""
        process = self.problem.processes[pid]
        if process.parent is None:
            return ()
        return (process.parent, OUTSIDE) if process.or_outside else (process.parent,)

    def places(self, pid: ProcessId) -> Sequence[NamespaceId]:
        """Return where a process can have lived."""
        if pid == OUTSIDE:
            return (EXECUTOR_NAMESPACE,)
        process = self.problem.processes[pid]
        places = process.possible if self.questioned else process.places
        return places if self.near is None else self.near.places(pid, places)

    def _all_sessions(self) -> list[ProcessId]:
        stated = dict.fromkeys(self.problem.processes[pid].session for pid in self.core)
        return [OUTSIDE, *(session for session in stated if session in self._members and session)]

    def _find_groups(self, pid: ProcessId) -> Sequence[ProcessId]:
        if self.near is None:
            return self.hidden
        likely = self.near.groups(pid)
        return [group for group in self.hidden if group in likely] if len(likely) > 1 else [OUTSIDE] * (OUTSIDE in self.hidden)

    def _all_adopters(self) -> list[ProcessId]:
        """Return the parents that a process without a row may have."""
        parents = [parent for pid in self.core if pid != INIT for parent in self.stated_parents(pid)]
        if not self.questioned and all(map(self.stated_parents, self.core)):
            return []
        stated = (*parents, *(demand.parent for demand in self.demands), *(self.core if self.questioned else ()))
        return list(dict.fromkeys(parent for parent in stated if parent in self._members))

    def _find_creators(self, pid: ProcessId) -> list[ProcessId]:
        if pid == INIT:
            return []
        parent = self.problem.processes[pid].parent
        first = [parent] if parent in self._members else []
        candidates = dict.fromkeys((*first, *(self.core if self.near is None else self.near.creators(pid)), OUTSIDE))
        return [other for other in candidates if other != pid and self._may_create(other, pid)]

    def _may_create(self, creator: ProcessId, pid: ProcessId) -> bool:
        fits = self.is_outside(creator, pid) if self.problem.is_init(pid) else self.covers(creator, pid)
        return fits != FALSE and any(self.has_been_in(creator, session) != FALSE for session in self.birth_sessions(pid))

    def _creates_no_sibling(self, pid: ProcessId) -> bool:
        if self.problem.is_init(pid):
            return True
        return all(self.is_beside(pid, parent) == TRUE for parent in self.parents(pid))

    # Clauses.

    def about(self, variables: Collection[int]) -> list[ProcessId]:
        """Return the processes of the core that statements are about, in image order."""
        about = {name[1] for name, variable in self._names.items() if variable in variables}
        return [pid for pid in self.core if pid in about and pid != INIT]

    def named(self, *name: Name) -> Literal:
        """Return the literal of a name, a new one when it is first asked for."""
        return self._names.setdefault(name, len(self._names) + 2)

    def is_new(self, *name: Name) -> bool:
        """Return whether the literal of a name has not been asked for yet."""
        return name not in self._names

    def clause(self, *literals: Literal) -> None:
        """Say that one of some literals holds."""
        if TRUE not in literals:
            self.clauses.append([literal for literal in literals if literal != FALSE])

    def one_of(self, literals: Iterable[Literal]) -> None:
        """Say that exactly one of some literals holds."""
        choices = list(literals)
        self.clause(*choices)
        self.at_most_one(choices)

    def at_most_one(self, literals: Iterable[Literal]) -> None:
        """Say that no two of some literals hold."""
        choices = [literal for literal in literals if literal != FALSE]
        for place, literal in enumerate(choices):
            for other in choices[:place]:
                self.clause(-literal, -other)

    def _of_places(
        self, what: str, one: ProcessId, other: ProcessId, fits: Callable[[NamespaceId, NamespaceId], bool]
    ) -> Literal:
        """Return a literal that can hold only where the places of two processes fit."""
        places, others = self.places(one), self.places(other)
        if len(places) == len(others) == 1:
            return constant(fits(places[0], others[0]))
        bad = [(place, inner) for place in places for inner in others if not fits(place, inner)]
        if not bad or len(bad) == len(places) * len(others):
            return constant(not bad)
        if self.is_new(what, one, other):
            literal = self.named(what, one, other)
            for place, inner in bad:
                self.clause(-literal, -self.lives_in(one, place), -self.lives_in(other, inner))
        return self.named(what, one, other)


def constant(holds: bool) -> Literal:
    """Return the literal that always or never holds."""
    return TRUE if holds else FALSE
