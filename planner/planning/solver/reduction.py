"""Reduction in linear time: regular processes are taken off the tree leaf by leaf, and the core that stays needs a search.

A process is taken off where its parent can create it in every solution of the rest: no process that stays is its child, in its
session or led by it, and it is in its parent's session, leads one, or has an init for its parent, which adopts all orphans in
its namespace. A leaf in another session is taken off, too, and leaves a demand on its parent: to have a child in that session.

A head is taken off with all demands on it. A head is a session leader, the child of its namespace's init, and no process that
stays is in its session. The init creates the head first, and the head creates the others; so the leaders of the sessions that the
head's children are in are born below it. No session may come into the namespace from outside but the init's own, and no group may
be out of sight.
"""

from collections.abc import Collection, Iterable, Iterator
from functools import cached_property

import msgspec

from planner.identity import OUTSIDE, NamespaceId, ProcessId
from planner.planning.solver.problem import EXECUTOR_NAMESPACE, INIT, Problem, Process


class Demand(msgspec.Struct, frozen=True, gc=False):
    """The parent must be able to have a child in a session, and no other process depends on that child."""

    parent: ProcessId
    session: ProcessId
    process: ProcessId
    """The child whose row says so."""


class Reduced(msgspec.Struct, frozen=True):
    """A problem in two parts."""

    core: tuple[ProcessId, ...]
    """Processes whose births have to be searched for, in image order; the container's init is always one."""
    demands: tuple[Demand, ...]
    """Demands on processes of the core."""
    taken: tuple[ProcessId, ...]
    """All others, in the order in which they were taken off: children before their parents."""
    heads: frozenset[ProcessId]
    """Those of `taken` that go above the leaders of the sessions that they must have children in."""
    hidden: tuple[ProcessId, ...]
    """Groups with members in the core that do not see them, or must not be in them: inits that would wait for themselves."""


def reduce_problem(problem: Problem, kept: Iterable[ProcessId] = ()) -> Reduced:
    """Return the parts of a problem; those who are to be `kept` are in the core."""
    return reduce_groups(Groups(problem), kept)


def reduce_groups(groups: "Groups", kept: Iterable[ProcessId] = ()) -> Reduced:
    """Return the parts of a problem, as `reduce_problem` does."""
    problem = groups.problem
    pinned = {INIT, *kept, *(pid for pid, process in problem.processes.items() if not process.places)}
    while True:
        reduced = _take_off(problem, groups, pinned)
        more = groups.bound(reduced) - pinned
        if not more:
            return reduced
        pinned |= more


def widened(groups: "Groups", reduced: Reduced, kept: Iterable[ProcessId]) -> Reduced:
    """Return the core and the demands that `reduce_groups` finds with more processes `kept`, from what it found without them.

    Who stays because of them is looked up from one to the next, so that the cost is that of the core alone.
    """
    problem, core, ready = groups.problem, set(reduced.core), list(kept)
    while True:
        for pid in ready:
            if pid not in core:
                core.add(pid)
                ready += _holds(problem, problem.processes[pid])
                for demand in groups.demands.get(pid, ()):
                    if not _is_of_birth_session(problem, problem.processes[demand.process]):
                        ready += _holds(problem, problem.processes[demand.process])
        found = _reduced(groups, core)
        ready = list(groups.bound(found) - core)
        if not ready:
            return found


def _reduced(
    groups: "Groups", staying: Iterable[ProcessId], taken: Collection[ProcessId] = (), heads: Iterable[ProcessId] = ()
) -> Reduced:
    """Return a problem in two parts, given who stays."""
    problem, rank = groups.problem, groups.rank
    core = dict.fromkeys(sorted(staying, key=rank.__getitem__))
    parents = (OUTSIDE, *core)
    demands = [demand for parent in parents for demand in groups.demands.get(parent, ()) if demand.process not in core]
    demands.sort(key=lambda demand: rank[demand.process])
    members = map(problem.processes.__getitem__, core)
    moving = (one for one in members if one.pid != INIT or not groups.comes_with_birth(one))
    hidden = dict.fromkeys(one.group for one in moving if groups.is_hidden(one) and one.group is not None)
    return Reduced(tuple(core), tuple(demands), tuple(taken), frozenset(heads), tuple(hidden))


class Groups:
    """Which groups of a problem are out of sight for members, judged by the first place of each dead leader."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.members: dict[ProcessId, list[ProcessId]] = {}
        for pid, process in problem.processes.items():
            if process.group is not None:
                self.members.setdefault(process.group, []).append(pid)
        self._comes: dict[ProcessId, bool] = {}

    @cached_property
    def rank(self) -> dict[ProcessId, int]:
        """The place of each process in image order."""
        return {pid: place for place, pid in enumerate(self.problem.processes)}

    @cached_property
    def demands(self) -> dict[ProcessId, list[Demand]]:
        """For each parent what is demanded of it where it stays and its children are taken off."""
        demands: dict[ProcessId, list[Demand]] = {}
        for pid, process in self.problem.processes.items():
            if not _is_granted(self.problem, process):
                assert process.parent is not None and process.session is not None
                demands.setdefault(process.parent, []).append(Demand(process.parent, process.session, pid))
        return demands

    def is_hidden(self, process: Process) -> bool:
        """Return whether a process cannot simply join its group, once it and the group exist."""
        group = process.group
        if group is None or group == process.pid:
            return False
        return group == OUTSIDE or process.is_init or not self.sees(process, group)

    def sees(self, process: Process, group: ProcessId) -> bool:
        """Return whether a group has a number in the pid namespace of a process."""
        places = self.problem.processes[group].places if group != OUTSIDE else ()
        return bool(places) and self.problem.namespaces.covers(process.places[0], places[0])

    def comes_with_birth(self, process: Process) -> bool:
        """Return whether the parent of a process, in the same session and group, has no difficulty to create it in that group."""
        line: list[ProcessId] = []
        while process.pid not in self._comes:
            inherits = self._inherits(process)
            if inherits is not None:
                self._comes[process.pid] = inherits
            else:
                line.append(process.pid)
                process = self.problem.processes[process.parent or OUTSIDE]
        comes = self._comes[process.pid]
        self._comes.update(dict.fromkeys(line, comes))
        return comes

    def _inherits(self, process: Process) -> bool | None:
        """Return whether a process comes into its group with its birth, None where it does if its parent does."""
        group = process.group
        if process.parent == OUTSIDE and (process.session, group) == (OUTSIDE, OUTSIDE):
            return True
        if group is None or self.problem.led.get(process.pid) or process.parent == OUTSIDE:
            return False
        parent = self.problem.processes[process.parent] if process.parent else None
        if parent is None or (parent.session, parent.group) != (process.session, group):
            return False
        if group == OUTSIDE or not self._led_above(process, group):
            return group == OUTSIDE
        return None if self.is_hidden(parent) else True

    def _led_above(self, process: Process, group: ProcessId) -> bool:
        """Return whether a group is led above an init's namespace, so that the init never waits for itself."""
        places = self.problem.processes[group].places[:1]
        return bool(places) and (not process.is_init or self.problem.namespaces.is_above(places[0], process.places[0]))

    @cached_property
    def _closed(self) -> set[NamespaceId]:
        """The namespaces that no session comes into from outside but the init's, and where all but the init see their groups.

        That is said of all who live there or below. The parents of all but the init live there or below, too: it is above them.
        """
        namespaces = self.problem.namespaces
        closed = set(namespaces.init) - set(self._entered())
        for process in self.problem.processes.values():
            hidden = self.is_hidden(process)
            led = None if hidden or process.session is None else _places(self.problem, process.session)
            for place in process.places:
                while place in namespaces.init and led != (place,):
                    init = self.problem.processes.get(namespaces.init[place])
                    if init is not process and (hidden or init is None or init.session != process.session):
                        closed.discard(place)
                    place = namespaces.parent[place]
        return closed

    def _entered(self) -> Iterator[NamespaceId]:
        """Yield the namespaces where a process lives, or below which it does, whose parent lives outside them."""
        namespaces = self.problem.namespaces
        for process in self.problem.processes.values():
            outer = _places(self.problem, process.parent)[0]
            for place in process.places if process.parent is not None else ():
                while place in namespaces.init and not namespaces.covers(place, outer):
                    if namespaces.init[place] != process.pid:
                        yield place
                    place = namespaces.parent[place]

    def may_be_head(self, process: Process, children: Iterable[Process]) -> bool:
        """Return whether a process can go above the leaders of its children's sessions, below the init of its namespace."""
        place = process.places[0]
        if process.session != process.pid or process.is_init or process.parent != self.problem.namespaces.init[place]:
            return False
        return place in self._closed and all(_places(self.problem, child.session) == (place,) for child in children)

    def bound(self, reduced: Reduced) -> set[ProcessId]:
        """Return who must stay because of a core's hidden groups.

        Those are the leaders, members of a group that can have been led elsewhere, and children of those who were born in it.
        """
        bound: set[ProcessId] = set()
        core = set(reduced.core)
        for group in reduced.hidden:
            leader = self.problem.processes.get(group)
            if leader is not None:
                bound.add(group)
                elsewhere = len(leader.places) > 1
                bound.update(pid for pid in self.members[group] if elsewhere or self._is_born_below(core, pid))
        return bound

    def _is_born_below(self, core: set[ProcessId], pid: ProcessId) -> bool:
        """Return whether a process must be born in its group by a parent in the core who does not see the group either."""
        process = self.problem.processes[pid]
        if not self.is_hidden(process) or process.parent not in core:
            return False
        return self.is_hidden(self.problem.processes[process.parent])


def _take_off(problem: Problem, groups: Groups, pinned: set[ProcessId]) -> Reduced:
    processes = problem.processes
    held = {pid: _holds(problem, process) for pid, process in processes.items()}
    holds = dict.fromkeys(processes, 0)
    for others in held.values():
        for other in others:
            holds[other] += 1
    taken: dict[ProcessId, None] = {}
    heads: set[ProcessId] = set()
    owed: dict[ProcessId, list[ProcessId]] = {}
    """For each parent its children whose demand stands: they hold it, and their session's leader."""
    owing = {
        demand.process
        for demands in groups.demands.values()
        for demand in demands
        if not _is_of_birth_session(problem, processes[demand.process])
    }

    def goes(pid: ProcessId) -> bool:
        if holds[pid] > len(owed.get(pid, ())) or pid in pinned or not _may_go(processes[pid], groups):
            return False
        return pid not in owed or groups.may_be_head(processes[pid], [processes[child] for child in owed[pid]])

    ready = [pid for pid in processes if goes(pid)]
    for pid in ready:
        if pid in taken:
            continue
        taken[pid] = None
        released = held[pid]
        if pid in owing:
            parent = processes[pid].parent or OUTSIDE
            owed.setdefault(parent, []).append(pid)
            released = []
            ready += [parent] if parent and goes(parent) else []
        elif pid in owed:
            heads.add(pid)
            released = released + [other for child in owed[pid] for other in held[child] if other != pid]
        for other in released:
            holds[other] -= 1
            if goes(other):
                ready.append(other)
    return _reduced(groups, [pid for pid in processes if pid not in taken], taken, heads)


def _holds(problem: Problem, process: Process) -> list[ProcessId]:
    """Return who has to stay while a process stays: its parent, its session's leader, and the inits that come before it."""
    held = [problem.init_before(process.pid, place) for place in process.places]
    if process.session != process.pid:
        held.append(process.session or OUTSIDE)
    held.append(process.parent or OUTSIDE)
    return [other for other in held if other != OUTSIDE]


def _may_go(process: Process, groups: Groups) -> bool:
    return not groups.is_hidden(process) or groups.comes_with_birth(process)


def _is_granted(problem: Problem, process: Process) -> bool:
    """Return whether the parent can have this child in its session in every solution of the rest."""
    session, parent = process.session, process.parent
    if parent is None or session == process.pid:
        return True
    if parent == OUTSIDE:
        return session == OUTSIDE
    above = problem.processes[parent]
    if above.session == session:
        return True
    return above.is_init and all(problem.namespaces.covers(place, above.places[0]) for place in _places(problem, session))


def _is_of_birth_session(problem: Problem, process: Process) -> bool:
    """Return whether the parent leads a session, and the process is in the one that its parent's own parent creates it in.

    So the parent can create it before its setsid, unless a search decides about the parent's birth.
    """
    parent = problem.processes.get(process.parent or OUTSIDE)
    if parent is None or parent.session != parent.pid or parent.parent is None:
        return False
    return process.session == birth_session(problem, parent)


def birth_session(problem: Problem, process: Process) -> ProcessId:
    """Return the session that a process is born in where nothing else is asked: its own, or for a leader its parent's."""
    if process.session is not None and process.session != process.pid:
        return process.session
    parent = problem.processes.get(process.parent or OUTSIDE)
    return OUTSIDE if parent is None or parent.session is None else parent.session


def _places(problem: Problem, leader: ProcessId | None) -> tuple[NamespaceId, ...]:
    return problem.processes[leader].places if leader else (EXECUTOR_NAMESPACE,)
