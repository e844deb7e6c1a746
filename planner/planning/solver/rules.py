"""The rules of births: which creators, sessions and groups at birth lead to what an image states.

One assignment that satisfies them is one way to create everybody. There are no helpers here: a process that is in a session or
group can fork a helper that stays in it, so whatever was possible once stays possible, and the helper acts in the process's
name. The executor is process 0. The sources of the rules are fork, setsid, setpgid, exit and zap_pid_ns_processes in Linux.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from planner.identity import OUTSIDE, NamespaceId, ProcessId
from planner.planning.solver.engine import FALSE, TRUE, Clause, Engine, Literal
from planner.planning.solver.orders import Acyclic, Regions, TreeOrder
from planner.planning.solver.problem import EXECUTOR_NAMESPACE, INIT, Problem
from planner.planning.solver.reduction import Demand

Edge = tuple[Literal, int, int]


class Rules:
    """The rules for some processes of a problem, as clauses.

    The processes are closed upwards: with each come its parent and the leader of its session.
    """

    def __init__(
        self, problem: Problem, core: tuple[ProcessId, ...], demands: Iterable[Demand], hidden: tuple[ProcessId, ...]
    ) -> None:
        self.problem = problem
        self.core = core
        self.hidden = hidden
        self.clauses: list[Clause] = []
        self.order: list[Literal] = []
        self.before: list[Edge] = []
        """Who must be there before whom, because a group is made before others are born in it."""
        self.waits: list[Edge] = []
        """Inits of which the first cannot finish dying before the second has."""
        self._names: dict[tuple[Any, ...], Literal] = {}
        self._lines: list[tuple[ProcessId, ProcessId]] = []
        self._sessions = [OUTSIDE, *(pid for pid in core if self._leads(pid))]
        self._adopters = self._who_adopts(demands)
        self._creators = {pid: list(self._find_candidates(pid)) for pid in core}
        for pid in core:
            self._decide(pid)
        for pid in core:
            self._place(pid)
            self._create(pid)
            self._adopt(pid)
        for demand in demands:
            self._serve(demand)
        for pid in core:
            self._group(pid)
            self._keep_from_waiting(pid)
        for process, parent in self._lines:
            self._follow(process, parent)

    def engine(self) -> Engine:
        """Return a search over these rules."""
        engine = Engine(len(self._names) + 1, self.clauses, self.order)
        place = {pid: rank for rank, pid in enumerate(self.core)}
        creators = {
            (place[child], place[creator]): self.creator(child, creator)
            for child, candidates in self._creators.items()
            for creator in candidates
            if creator != OUTSIDE
        }
        tree = TreeOrder(engine, len(self.core), lambda y, x: self.above(self.core[y], self.core[x]), creators)
        engine.use(tree)
        born = {
            (place[pid], place[session]): self.born_of(pid, session)
            for pid in self.core
            for session in self.birth_sessions(pid)
            if session != OUTSIDE and pid != INIT
        }
        engine.use(Regions(engine, tree, born))
        for edges in (self.before, self.waits):
            if edges:
                engine.use(Acyclic(edges))
        return engine

    # What the literals say.

    def creator(self, child: ProcessId, creator: ProcessId) -> Literal:
        """`creator` is the one from whose line `child` is cloned."""
        return self._literal("creator", child, creator)

    def above(self, upper: ProcessId, lower: ProcessId) -> Literal:
        """`upper` is the creator of `lower`, or above it."""
        return self._literal("above", upper, lower)

    def born_of(self, pid: ProcessId, session: ProcessId) -> Literal:
        """A process is born in a session."""
        if pid in (OUTSIDE, INIT):
            return _constant(session == OUTSIDE)
        if not self._leads(pid):
            return _constant(session == self.problem.processes[pid].session)
        return FALSE if session == pid else self._literal("session", pid, session)

    def has_been_in(self, pid: ProcessId, session: ProcessId) -> Literal:
        """A process is in a session at some time: its birth session, or the one that it leads."""
        return TRUE if pid == session else self.born_of(pid, session)

    def lives_in(self, pid: ProcessId, place: NamespaceId) -> Literal:
        """A process lives in a pid namespace."""
        places = self._places(pid)
        if place not in places:
            return FALSE
        return TRUE if len(places) == 1 else self._literal("lives in", pid, place)

    def is_child(self, pid: ProcessId, parent: ProcessId) -> Literal:
        """A process ends up as a child of `parent`; dead leaders that are somebody's sibling have one, too."""
        if pid == OUTSIDE:
            return FALSE
        stated = self.problem.processes[pid].parent
        if stated is not None:
            return _constant(stated == parent)
        return self._literal("child", pid, parent) if parent in self._adopters else FALSE

    def is_sibling(self, pid: ProcessId) -> Literal:
        """A process is created with CLONE_PARENT."""
        if pid == OUTSIDE or not any(self._may_be_beside(pid, creator) for creator in self._creators[pid]):
            return FALSE
        return self._literal("sibling", pid)

    def born_in(self, pid: ProcessId, group: ProcessId) -> Literal:
        """A process must be born in a group."""
        if pid == INIT:
            return _constant(group == OUTSIDE)
        session = self.problem.sessions[group]
        if pid == group or self.born_of(pid, session) == FALSE:
            return FALSE
        return self._literal("born in", pid, group)

    def visits(self, pid: ProcessId, group: ProcessId) -> Literal:
        """A process is moved into a group by its parent for a while."""
        return FALSE if pid in (OUTSIDE, INIT, group) or group == OUTSIDE else self._literal("visits", pid, group)

    def covers(self, outer: ProcessId, inner: ProcessId) -> Literal:
        """`outer` lives in the pid namespace of `inner` or in one around it, so that it sees `inner`."""
        return self._of_places("covers", outer, inner, self.problem.namespaces.covers)

    def is_outside(self, outer: ProcessId, inner: ProcessId) -> Literal:
        """`outer` lives in a pid namespace around that of `inner`."""
        return self._of_places("is outside", outer, inner, self.problem.namespaces.is_above)

    def is_beside(self, one: ProcessId, other: ProcessId) -> Literal:
        """Two processes live in the same pid namespace."""
        return self._of_places("is beside", one, other, lambda place, others: place == others)

    def line(self, pid: ProcessId, parent: ProcessId) -> Literal:
        """A process is born below `parent`, with nobody between them who lives outside the pid namespace of `parent`.

        So `parent` can adopt what a helper of its creator leaves (KERNEL.md, "Who adopts an orphan").
        """
        if parent == OUTSIDE:
            return self.creator(pid, OUTSIDE) if OUTSIDE in self._creators[pid] else FALSE
        if pid == INIT:
            return FALSE
        if self.is_beside(pid, parent) == TRUE and self._creates_no_sibling(parent):
            return self.above(parent, pid)
        if ("line", pid, parent) not in self._names:
            self._lines.append((pid, parent))
        return self._literal("line", pid, parent)

    # Candidates.

    def candidates(self, pid: ProcessId) -> list[ProcessId]:
        """Return who may be the creator of a process, its parent first."""
        return self._creators[pid]

    def parents(self, pid: ProcessId) -> list[ProcessId]:
        """Return who may be the final parent of a process."""
        stated = self.problem.processes[pid].parent
        return [stated] if stated is not None else self._adopters

    # The rules.

    def _place(self, pid: ProcessId) -> None:
        """A process lives in one pid namespace, and its session's leader in that one or around it."""
        self._one_of(self.lives_in(pid, place) for place in self._places(pid))
        session = self.problem.processes[pid].session
        if session:
            self._clause(self.covers(session, pid))

    def _create(self, pid: ProcessId) -> None:
        """A process has one creator, who is or was in the session that it is born in, and lives in its namespace or around it.

        The creator of an init lives around the init's namespace: only an init is born there before all others.
        """
        for other in self.core:
            above = self.above(other, pid)
            if INIT == pid != other:
                self._clause(-above)
        if pid == INIT:
            return
        sessions = self.birth_sessions(pid)
        self._one_of(self.creator(pid, creator) for creator in self._creators[pid])
        self._one_of(self.born_of(pid, session) for session in sessions)
        is_init = self.problem.processes[pid].is_init
        for creator in self._creators[pid]:
            creates = self.creator(pid, creator)
            self._clause(-creates, self.is_outside(creator, pid) if is_init else self.covers(creator, pid))
            for session in sessions:
                self._clause(-creates, -self.born_of(pid, session), self.has_been_in(creator, session))
            if creator == OUTSIDE:
                for other in self.core:
                    self._clause(-creates, -self.above(other, pid))
            elif self.hidden:
                self.before.append((creates, creator, pid))
        for place in self._places(pid) if self.hidden else ():
            init = self.problem.init_before(pid, place)
            if init != OUTSIDE:
                self.before.append((self.lives_in(pid, place), init, pid))
        for session in sessions:
            if session != OUTSIDE:
                self._clause(-self.born_of(pid, session), self.above(session, pid))

    def _adopt(self, pid: ProcessId) -> None:
        """The final parent is the creator or above it, or an init whose namespace the creator can enter, or the creator's own.

        In the first case a helper dies below the parent, which is a subreaper just then; in the second one a helper in the
        namespace dies; in the third the creator uses CLONE_PARENT, which no init may.
        """
        if pid == INIT:
            return
        parents = self.parents(pid)
        stated = self.problem.processes[pid].parent
        if stated is None:
            self._at_most_one([self.is_child(pid, parent) for parent in parents])
        sibling = self.is_sibling(pid)
        for parent in parents:
            child = self.is_child(pid, parent)
            enters = self._literal("enters", pid, parent) if self.problem.is_init(parent) else FALSE
            self._clause(-child, self.line(pid, parent), enters, sibling)
            for creator in self._creators[pid]:
                creates = self.creator(pid, creator)
                if enters != FALSE:
                    self._clause(-child, -enters, -creates, self.covers(creator, parent))
                if sibling != FALSE:
                    beside = self.is_child(creator, parent) if self._may_be_beside(pid, creator) else FALSE
                    self._clause(-child, -sibling, -creates, beside)

    def _serve(self, demand: Demand) -> None:
        """A parent with a child in a session has been in it, or its leader was below the parent, or enters, or is a sibling."""
        parent, session = demand.parent, demand.session
        ways = [self.has_been_in(parent, session)]
        if session != OUTSIDE:
            if self.is_beside(session, parent) != FALSE and session != parent:
                both = self._literal("was below", session, parent)
                self._clause(-both, self.line(session, parent))
                self._clause(-both, self.is_beside(session, parent))
                ways.append(both)
            if not self.problem.is_init(session):
                ways.append(self.is_child(session, parent))
        if self.problem.is_init(parent):
            ways.append(self.covers(session, parent))
        self._clause(*ways)

    def _follow(self, pid: ProcessId, parent: ProcessId) -> None:
        """Say what it takes that `pid` was born on the line of `parent`."""
        line = self._literal("line", pid, parent)
        self._clause(-line, self.above(parent, pid))
        for creator in self._creators[pid]:
            creates = self.creator(pid, creator)
            if creator == parent:
                self._clause(-line, -creates, -self.is_sibling(pid))
            elif creator == OUTSIDE:
                self._clause(-line, -creates)
            else:
                self._clause(-line, -creates, self.line(creator, parent))
                self._clause(-line, -creates, self.is_beside(creator, parent))

    def _group(self, pid: ProcessId) -> None:
        """A process joins a group that it sees; into others it is born, or moved by a parent who stands outside its namespace.

        Only one that has never left its birth group stays in it: no leader of a group, and none that was moved for a while. The
        creator of one that is born in a group was born there itself, or sees the group and joins it, or was moved there.
        """
        process = self.problem.processes[pid]
        if process.group in self.hidden and process.group != pid:
            stays = self._literal("stays", pid)
            self._clause(self._sees(pid, process.group), self._moved(pid, process.group), stays)
            self._clause(-stays, self.born_in(pid, process.group))
            if pid in self.problem.led:
                self._clause(-stays)
            for group in self.hidden:
                self._clause(-stays, -self.visits(pid, group))
        self._at_most_one([self.born_in(pid, group) for group in self.hidden])
        for group in self.hidden:
            born = self.born_in(pid, group)
            if born == FALSE or pid == INIT:
                continue
            self._clause(-born, self.born_of(pid, self.problem.sessions[group]))
            if group != OUTSIDE:
                self.before.append((born, group, pid))
            for creator in self._creators[pid]:
                self._clause(-born, -self.creator(pid, creator), self._forks(creator, group))

    def _forks(self, pid: ProcessId, group: ProcessId) -> Literal:
        """A process or a helper of it is in a group at some time."""
        if group == OUTSIDE:
            return TRUE if pid in (OUTSIDE, INIT) else self.born_in(pid, group)
        if pid == OUTSIDE:
            return _constant(self.problem.sessions[group] == OUTSIDE)
        if ("forks", pid, group) in self._names:
            return self._literal("forks", pid, group)
        forks, joins = self._literal("forks", pid, group), self._literal("joins", pid, group)
        visits = self.visits(pid, group)
        self._clause(-forks, self.born_in(pid, group), joins, visits)
        self._clause(-joins, self._sees(pid, group))
        self._clause(-joins, self.has_been_in(pid, self.problem.sessions[group]))
        self._clause(-visits, self._moved(pid, group))
        self._never_held(pid, group, visits)
        return forks

    def _moved(self, pid: ProcessId, group: ProcessId) -> Literal:
        """A parent outside the namespace of a process, in its birth session, puts it into a group; it must see the group."""
        if pid == INIT or OUTSIDE in (pid, group):
            return FALSE
        if ("moved", pid, group) in self._names:
            return self._literal("moved", pid, group)
        moved = self._literal("moved", pid, group)
        self._clause(-moved, self.born_of(pid, self.problem.sessions[group]))
        self._clause(-moved, -self.is_sibling(pid))
        parents = self.parents(pid)
        stated = self.problem.processes[pid].parent
        for parent in parents:
            self._clause(-moved, -self.is_child(pid, parent), self.is_outside(parent, pid))
            self._clause(-moved, -self.is_child(pid, parent), self.covers(parent, group))
        if stated is None:
            adopted = [self.is_child(pid, parent) for parent in parents]
            for creator in self._creators[pid]:
                self._clause(-moved, *adopted, -self.creator(pid, creator), self.is_outside(creator, pid))
                self._clause(-moved, *adopted, -self.creator(pid, creator), self.covers(creator, group))
        return moved

    def _sees(self, pid: ProcessId, group: ProcessId) -> Literal:
        return FALSE if group == OUTSIDE else self.covers(pid, group)

    def _never_held(self, pid: ProcessId, group: ProcessId, visits: Literal) -> None:
        """An init does not even visit a group that could keep it from dying."""
        if not self.problem.is_init(pid) or visits == FALSE:
            return
        for own in self._places(pid):
            for place in self._places(group):
                if not self.problem.namespaces.is_above(self._counted_in(group, place), own):
                    self._clause(-visits, -self.lives_in(pid, own), -self.lives_in(group, place))

    def _keep_from_waiting(self, pid: ProcessId) -> None:
        """No init waits for itself, by its group or through others (KERNEL.md, the trap under "Process groups").

        An init that dies waits until no number but its own is in use in its namespace. A living init in a group that is led
        there, or below, keeps the number of that group in use.
        """
        process, namespaces = self.problem.processes[pid], self.problem.namespaces
        group = process.group
        if not process.is_init or process.ended or group not in self.hidden or group in (OUTSIDE, pid):
            return
        for place in self._places(group):
            counted = self._counted_in(group, place)
            if namespaces.is_above(counted, process.places[0]):
                continue
            for around in namespaces.line(counted) if counted != EXECUTOR_NAMESPACE else ():
                self.waits.append((self.lives_in(group, place), namespaces.init[around], pid))

    def _counted_in(self, group: ProcessId, place: NamespaceId) -> NamespaceId:
        """Return the innermost namespace whose init waits for a group's number: an init's own number does not count."""
        is_init = group != OUTSIDE and self.problem.processes[group].is_init
        return self.problem.namespaces.parent[place] if is_init else place

    # Candidates, and the order of decisions.

    def _decide(self, pid: ProcessId) -> None:
        """Add the decisions about a process to the order, each with the value that is tried first."""
        if pid == INIT:
            return
        places = [self.lives_in(pid, place) for place in self._places(pid)]
        creators = [self.creator(pid, creator) for creator in self._creators[pid]]
        sessions = [self.born_of(pid, session) for session in self.birth_sessions(pid)]
        groups = [-self.born_in(pid, group) for group in self.hidden]
        visits = [-self.visits(pid, group) for group in self.hidden]
        decisions = (*places, *creators, *sessions, -self.is_sibling(pid), *groups, *visits)
        self.order += [literal for literal in decisions if literal not in (TRUE, FALSE)]

    def _find_candidates(self, pid: ProcessId) -> Iterator[ProcessId]:
        """Yield who may be the creator of a process: its parent first, then all in image order."""
        if pid == INIT:
            return
        parent = self.problem.processes[pid].parent
        if parent is not None and self._may_create(parent, pid):
            yield parent
        for other in (*self.core, OUTSIDE):
            if other not in (pid, parent) and self._may_create(other, pid):
                yield other

    def _may_create(self, creator: ProcessId, pid: ProcessId) -> bool:
        process, namespaces = self.problem.processes[pid], self.problem.namespaces
        fits = namespaces.is_above if process.is_init else namespaces.covers
        if not any(fits(outer, inner) for outer in self._places(creator) for inner in process.places):
            return False
        return any(self.has_been_in(creator, session) != FALSE for session in self.birth_sessions(pid))

    def birth_sessions(self, pid: ProcessId) -> list[ProcessId]:
        """Return the sessions that a process may be born in, its parent's first."""
        process = self.problem.processes[pid]
        if not self._leads(pid):
            return [process.session or OUTSIDE]
        parent = self.problem.processes.get(process.parent or OUTSIDE)
        first = OUTSIDE if parent is None or parent.session is None else parent.session
        return list(dict.fromkeys(session for session in (first, *self._sessions) if session != pid))

    def _who_adopts(self, demands: Iterable[Demand]) -> list[ProcessId]:
        """Return parents for whose children a dead leader may be a creator beside them."""
        if not any(self.problem.processes[pid].parent is None for pid in self.core):
            return []
        parents = [self.problem.processes[pid].parent for pid in self.core]
        return list(dict.fromkeys(parent for parent in (*parents, *(d.parent for d in demands)) if parent is not None))

    def _may_be_beside(self, pid: ProcessId, creator: ProcessId) -> bool:
        """Return whether CLONE_PARENT may serve: by a sibling that lives deeper than the parent, else another way does."""
        if creator == OUTSIDE or self.problem.is_init(creator):
            return False
        parents = self.parents(pid)
        return any(
            self.is_child(creator, parent) != FALSE and self.is_beside(creator, parent) != TRUE
            for parent in parents
            if parent != creator
        )

    def _creates_no_sibling(self, pid: ProcessId) -> bool:
        process = self.problem.processes[pid]
        return process.is_init or (process.parent is not None and self.is_beside(pid, process.parent) == TRUE)

    def _leads(self, pid: ProcessId) -> bool:
        return self.problem.processes[pid].session == pid

    def _places(self, pid: ProcessId) -> tuple[NamespaceId, ...]:
        return (EXECUTOR_NAMESPACE,) if pid == OUTSIDE else self.problem.processes[pid].places

    # Clauses.

    def _literal(self, *name: Any) -> Literal:
        literal = self._names.get(name)
        if literal is None:
            literal = self._names[name] = len(self._names) + 2
        return literal

    def _of_places(self, what: str, one: ProcessId, other: ProcessId, fits: Any) -> Literal:
        """Return a literal that can hold only where the places of two processes fit."""
        pairs = [(place, inner, fits(place, inner)) for place in self._places(one) for inner in self._places(other)]
        if all(fit for _, _, fit in pairs) or not any(fit for _, _, fit in pairs):
            return _constant(bool(pairs) and pairs[0][2])
        if (what, one, other) in self._names:
            return self._names[what, one, other]
        literal = self._literal(what, one, other)
        for place, inner, fit in pairs:
            if not fit:
                self._clause(-literal, -self.lives_in(one, place), -self.lives_in(other, inner))
        return literal

    def _clause(self, *literals: Literal) -> None:
        if TRUE not in literals:
            self.clauses.append([literal for literal in dict.fromkeys(literals) if literal != FALSE])

    def _one_of(self, literals: Iterable[Literal]) -> None:
        choices = list(literals)
        self._clause(*choices)
        self._at_most_one(choices)

    def _at_most_one(self, literals: list[Literal]) -> None:
        choices = [literal for literal in literals if literal != FALSE]
        for place, literal in enumerate(choices):
            for other in choices[:place]:
                self._clause(-literal, -other)


def _constant(holds: bool) -> Literal:
    return TRUE if holds else FALSE
