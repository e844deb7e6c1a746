"""The rules of births: which creators, sessions and groups at birth lead to what an image states.

One assignment that satisfies them is one way to create all processes. There are no helpers here: a process that is in a session
or group can fork a helper that stays in it, so all that was possible once stays possible, and the helper acts for the process.
The executor is process 0. The sources of the rules are fork, setsid, setpgid, exit and zap_pid_ns_processes in Linux; each was
tried on 6.18. The rules of groups are in `group_rules`.
"""

from typing import Literal as OneOf

from planner.identity import OUTSIDE, ProcessId
from planner.planning.solver.engine import FALSE, TRUE, Engine, Literal
from planner.planning.solver.group_rules import Edge, say_groups
from planner.planning.solver.orders import Acyclic, Matrix, Regions, TreeOrder
from planner.planning.solver.problem import INIT, Problem
from planner.planning.solver.reduction import Demand, Reduced
from planner.planning.solver.vocabulary import Vocabulary

Pairs = dict[tuple[int, int], Literal]

Lifted = OneOf["", "groups", "order", "waits"]
"""Rules that are left out, to see whether they exclude something: of hidden groups, of what is made before, of dying inits."""


class Rules:
    """The rules for the core of a problem, which holds each member's parent, session leader and namespace's init."""

    def __init__(
        self, problem: Problem, reduced: Reduced, *, questioned: bool = False, near: bool = False, lifted: Lifted = ""
    ) -> None:
        """Write down the rules; with `questioned` each row is a literal, so that some can be left out.

        Those for likely creators alone, `near`, are few, and have a solution only if all the rules have one.
        """
        self.words = words = Vocabulary(problem, reduced, questioned=questioned, near=near)
        for pid in words.core:
            _say_what_is_stated(words, pid)
            _say_leader(words, pid)
            _say_creator(words, pid)
            _say_parent(words, pid)
        for demand in words.demands:
            _say_demand(words, demand)
        self.before: list[Edge] = []
        """Pairs of processes, the first born before the second; needed only where groups are made for others to be born in."""
        self.waits: list[Edge] = []
        """Inits of which the first cannot finish dying before the second has."""
        if (words.hidden and lifted != "groups") or near:
            self.before = [edge for pid in words.core for edge in _births_before(words, pid)]
            say_groups(words, self.before, self.waits)
        for pid, parent in words.lines:
            _say_line(words, pid, parent)
        self._acyclic = [edges for name, edges in (("order", self.before), ("waits", self.waits)) if edges and name != lifted]

    def engine(self) -> Engine:
        """Return a search over these rules."""
        words = self.words
        ancestors = self._ancestors() if words.near is None else None
        decisions = [literal for pid in words.core for literal in _decisions(words, pid)]
        engine = Engine(words.variables, words.clauses, decisions)
        if ancestors is not None:
            above, creators, born = ancestors
            tree = TreeOrder(engine, above, creators)
            engine.use(tree)
            engine.use(Regions(engine, tree, born))
        for edges in self._acyclic:
            engine.use(Acyclic(edges))
        return engine

    def _ancestors(self) -> tuple[Matrix, Pairs, Pairs]:
        """Return the literals for pairs of processes: one above the other, its creator, and one born in the session of the other.

        That ancestors are a tree follows from the creators, and makes far better conflicts.
        """
        words, core = self.words, self.words.core
        place = {pid: rank for rank, pid in enumerate(core)}
        creators = {
            (place[child], place[creator]): words.creator(child, creator)
            for child in core
            for creator in words.creators(child)
            if creator != OUTSIDE
        }
        born = {
            (place[pid], place.get(session, len(core))): words.born_of(pid, session)
            for pid in core
            for session in words.birth_sessions(pid)
        }
        above = [[words.above(upper, lower) if upper != lower else FALSE for lower in core] for upper in core]
        return above, creators, born


def _decisions(words: Vocabulary, pid: ProcessId) -> list[Literal]:
    """Return the decisions about a process, each with the value that is preferred: its parent, then image order."""
    if pid == INIT:
        return []
    decisions = [
        *(words.lives_in(pid, place) for place in words.places(pid)),
        *(words.is_child(pid, parent) for parent in words.stated_parents(pid)),
        *(words.creator(pid, creator) for creator in words.creators(pid)),
        *(words.born_of(pid, session) for session in words.birth_sessions(pid)),
        -words.is_sibling(pid),
        *(-words.born_in(pid, group) for group in words.groups(pid)),
        *(-words.visits(pid, group) for group in words.groups(pid)),
    ]
    return [literal for literal in decisions if literal not in (TRUE, FALSE)]


def _say_what_is_stated(words: Vocabulary, pid: ProcessId) -> None:
    """A process lives in one namespace, at or below its session's leader. One that leads no session is in its own from birth."""
    process = words.problem.processes[pid]
    row, session = words.row(pid), process.session
    if len(words.places(pid)) != 1:
        words.one_of(words.lives_in(pid, place) for place in words.places(pid))
    if parents := words.stated_parents(pid):
        words.clause(-row, *(words.is_child(pid, parent) for parent in parents))
    if session is None:
        return
    words.clause(-row, words.leads(session))
    if session != OUTSIDE:
        words.clause(-row, words.covers(session, pid))
    if session != pid:
        words.clause(-row, -words.leads(pid))
        words.clause(-row, words.born_of(pid, session))


def _say_leader(words: Vocabulary, pid: ProcessId) -> None:
    """The leader of a group is in the group's session: while the group is there setsid is refused to it."""
    group, session = words.problem.processes[pid].group, words.problem.processes[pid].session
    if not words.questioned or group in (None, OUTSIDE, pid, session) or group not in words.core:
        return
    words.clause(-words.row(pid), -words.leads(group))
    words.clause(-words.row(pid), words.born_of(group, session or OUTSIDE))


def _say_creator(words: Vocabulary, pid: ProcessId) -> None:
    """A process has one creator, who is or was in the session that it is born in, and lives in its namespace or around it.

    The creator of an init lives around the init's namespace, in which it is the first process.
    """
    if pid == INIT:
        _say_top(words, pid, TRUE)
        return
    sessions = words.birth_sessions(pid)
    words.one_of(words.creator(pid, creator) for creator in words.creators(pid))
    words.one_of(words.born_of(pid, session) for session in sessions)
    is_init = words.problem.is_init(pid)
    for creator in words.creators(pid):
        creates = words.creator(pid, creator)
        words.clause(-creates, words.is_outside(creator, pid) if is_init else words.covers(creator, pid))
        for session in sessions:
            words.clause(-creates, -words.born_of(pid, session), words.has_been_in(creator, session))
        if creator == OUTSIDE:
            _say_top(words, pid, creates)
    for session in sessions:
        if session != OUTSIDE and words.near is None:
            words.clause(-words.born_of(pid, session), words.above(session, pid))


def _say_top(words: Vocabulary, pid: ProcessId, holds: Literal) -> None:
    """A process that the executor creates, where that `holds`, is below no other process."""
    for other in words.core if words.near is None else ():
        if other != pid:
            words.clause(-holds, -words.above(other, pid))


def _say_parent(words: Vocabulary, pid: ProcessId) -> None:
    """The final parent is on the line above, or an init whose namespace the creator's helper is in, or the creator's own parent.

    In the first case a helper dies below the parent, which is a subreaper just then; in the second one a helper dies in the
    parent's namespace, which it may have entered; in the third the creator uses CLONE_PARENT, which no init may.
    """
    if pid == INIT:
        return
    parents = words.parents(pid)
    words.at_most_one(words.is_child(pid, parent) for parent in parents)
    sibling = words.is_sibling(pid)
    for parent in parents:
        child = words.is_child(pid, parent)
        if parent != OUTSIDE:
            words.clause(-child, words.covers(parent, pid))
        enters = words.named("enters", pid, parent) if words.problem.is_init(parent) else FALSE
        words.clause(-child, words.line(pid, parent), enters, sibling)
        for creator in words.creators(pid):
            creates = words.creator(pid, creator)
            if enters != FALSE:
                words.clause(-child, -enters, -creates, words.covers(creator, parent))
            if sibling != FALSE:
                words.clause(-child, -sibling, -creates, words.beside(creator, parent))


def _say_line(words: Vocabulary, pid: ProcessId, parent: ProcessId) -> None:
    """The creator of a process on a parent's line is that parent, or is on its line and lives in the parent's namespace.

    So the parent can adopt what a helper of the creator leaves: an orphan goes to the nearest subreaper above the dying process
    at that process's level. A child by CLONE_PARENT is not below its creator.
    """
    line = words.line(pid, parent)
    if words.near is None:
        words.clause(-line, words.above(parent, pid))
    for creator in words.creators(pid):
        creates = words.creator(pid, creator)
        if creator == parent:
            words.clause(-line, -creates, -words.is_sibling(pid))
        elif creator == OUTSIDE:
            words.clause(-line, -creates)
        else:
            words.clause(-line, -creates, words.line(creator, parent))
            words.clause(-line, -creates, words.is_beside(creator, parent))


def _say_demand(words: Vocabulary, demand: Demand) -> None:
    """A parent with a child in a session has been in it, or its leader was below the parent, or enters, or is a sibling."""
    parent, session = demand.parent, demand.session
    ways = [words.has_been_in(parent, session)]
    if session not in (OUTSIDE, parent):
        if words.is_beside(session, parent) != FALSE:
            below = words.named("was below", session, parent)
            words.clause(-below, words.line(session, parent))
            words.clause(-below, words.is_beside(session, parent))
            ways.append(below)
        if not words.problem.is_init(session):
            ways.append(words.is_child(session, parent))
    if words.problem.is_init(parent):
        ways.append(words.covers(session, parent))
    row = words.row(demand.process)
    words.clause(-row, *ways)
    words.clause(-row, words.leads(session))


def _births_before(words: Vocabulary, pid: ProcessId) -> list[Edge]:
    """Return the births before that of a process: those of its creator and of the init of its namespace."""
    edges: list[Edge] = [(words.creator(pid, creator), creator, pid) for creator in words.creators(pid)]
    inits = ((place, words.problem.init_before(pid, place)) for place in words.places(pid))
    return edges + [(words.lives_in(pid, place), init, pid) for place, init in inits if init != OUTSIDE]
