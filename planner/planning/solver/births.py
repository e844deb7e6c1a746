"""The births of all processes of a forest: those of the core by the search, the others by what it found, and their order."""

import heapq
from collections.abc import Iterator
from typing import Final

import msgspec

from planner.forest.model import Forest
from planner.identity import OUTSIDE, ProcessId
from planner.planning.solver.components import components
from planner.planning.solver.engine import Engine
from planner.planning.solver.obvious import excluded_parents
from planner.planning.solver.problem import INIT, Problem, Process, read_problem
from planner.planning.solver.reduction import Groups, Reduced, birth_session, reduce_groups
from planner.planning.solver.refusal import refuse
from planner.planning.solver.rules import Rules
from planner.planning.solver.solution import Answer, Birth, How, Refusal, Solution, Undecided
from planner.planning.solver.vocabulary import Vocabulary

MOST_CONFLICTS: Final = 3_000
"""How many conflicts a search may meet before its question stays undecided."""

MOST_AT_ONCE: Final = 16
"""How many processes may be entangled with each other for all creators to be considered at once."""

MOST_PROCESSES: Final = 100
"""How many processes may be entangled with each other: the rules of a component are cubic in them."""

MOST_REFINED: Final = 300
"""How many more it may meet for the least answer; beyond them the least one that was found is given, the same one every time."""

Births = dict[ProcessId, Birth]


def solve(forest: Forest, *, most_conflicts: int = MOST_CONFLICTS, exactly: bool = True, explained: bool = True) -> Answer:
    """Return births that lead to a forest whose tasks have been placed in pid namespaces, or why there are none.

    Where many processes are entangled, likely creators are tried first; unless `exactly` is given, no others are. Without
    `explained` a refusal names the rows that conflicts were about, and not the fewest that exclude each other, which is slower.
    """
    problem = read_problem(forest)
    groups = Groups(problem)
    reduced = reduce_groups(groups)
    births: Births = {}
    for part in components(problem, reduced):
        found = _search(problem, part, exactly, most_conflicts)
        if isinstance(found, Refusal) and explained:
            return refuse(problem, part, found.processes, most_conflicts)
        if not isinstance(found, dict):
            return found
        births |= found
    _add_regular(groups, reduced, births)
    lost = tuple(space for space in problem.lost if births[space.init].namespace == space.id)
    excluded = excluded_parents(groups, reduced, births)
    return Solution(births=tuple(_in_order(problem, births)), lost=lost, excluded=excluded)


def _search(problem: Problem, part: Reduced, exactly: bool, most_conflicts: int) -> Births | Refusal | Undecided:
    """Return the births of a component, or the processes that the search for them was stopped by."""
    many = len(part.core) > MOST_AT_ONCE
    for near in [True] * many + [False] * (not many or (exactly and len(part.core) <= MOST_PROCESSES)):
        rules = Rules(problem, part, near=near)
        engine = rules.engine()
        found = engine.search(most_conflicts=most_conflicts)
        if found:
            engine.least(MOST_REFINED)
            return _searched(problem, part, rules.words, engine)
    blamed = tuple(rules.words.about(engine.blamed)) or part.core
    if found is None or near:
        return Undecided(conflicts=engine.conflicts, processes=blamed)
    return Refusal(processes=blamed, facts=tuple(fact for pid in blamed for fact in problem.processes[pid].facts))


def _searched(problem: Problem, reduced: Reduced, words: Vocabulary, engine: Engine) -> Births:
    """Return the births of the core, as an assignment of the words has them."""
    births: Births = {}
    holds = engine.holds
    for pid in reduced.core:
        process = problem.processes[pid]
        if pid == INIT:
            births[pid] = _root(process)
            continue
        births[pid] = Birth(
            pid=pid,
            creator=next(other for other in words.creators(pid) if holds(words.creator(pid, other))),
            namespace=next(place for place in process.places if holds(words.lives_in(pid, place))),
            session=next(session for session in words.birth_sessions(pid) if holds(words.born_of(pid, session))),
            group=next((group for group in words.groups(pid) if holds(words.born_in(pid, group))), None),
            parent=next((parent for parent in words.parents(pid) if holds(words.is_child(pid, parent))), None),
            how="sibling" if holds(words.is_sibling(pid)) else "created",
            visits=tuple(group for group in words.groups(pid) if holds(words.visits(pid, group))),
        )
    for pid in reduced.core:
        birth = births[pid]
        group = problem.processes[pid].group
        moved = pid != INIT and group in reduced.hidden and group not in (pid, birth.group) and not _sees(problem, births, pid)
        births[pid] = msgspec.structs.replace(birth, how=_how(births, birth), moved_to=group if moved else None)
    return births


def _root(process: Process) -> Birth:
    place = process.places[0]
    return Birth(pid=INIT, creator=OUTSIDE, namespace=place, session=OUTSIDE, group=OUTSIDE, parent=OUTSIDE, how="created")


def _sees(problem: Problem, births: Births, pid: ProcessId) -> bool:
    """Return whether a process sees its group."""
    group = problem.processes[pid].group
    return group is not None and group != OUTSIDE and problem.namespaces.covers(births[pid].namespace, births[group].namespace)


def _how(births: Births, birth: Birth) -> How:
    """Return how a process with a known creator becomes the child of its parent."""
    if birth.how == "sibling" or birth.creator == birth.parent or birth.parent is None:
        return birth.how
    return "below" if _is_below(births, birth.creator, birth.parent) else "entered"


def _is_below(births: Births, pid: ProcessId, parent: ProcessId) -> bool:
    """Return whether a process was born below another, with no process between them outside the other's pid namespace."""
    namespace = births[parent].namespace if parent != OUTSIDE else None
    while pid != OUTSIDE and births[pid].namespace == namespace:
        birth = births[pid]
        pid = birth.creator
        if pid == parent:
            return birth.how != "sibling"
    return False


def _add_regular(groups: Groups, reduced: Reduced, births: Births) -> None:
    """Add the births of what was taken off, parents first; dead group leaders are created beside a member that sees them."""
    problem = groups.problem
    late: list[Process] = []
    lines = _Lines(births)
    children: dict[ProcessId, list[Process]] = {pid: [] for pid in reduced.heads}
    for process in map(problem.processes.__getitem__, reduced.taken):
        if process.parent in children:
            children[process.parent].append(process)
    for pid in reversed(reduced.taken):
        process = problem.processes[pid]
        if process.parent is not None:
            birth = births[pid] = _regular(problem, groups, births, process)
            if process.parent in children and birth.creator != process.parent:
                births[pid] = msgspec.structs.replace(birth, how="below")
            for child in children.get(pid, ()):
                if birth_session(problem, child) not in (pid, birth.session):
                    lines.put_below(birth_session(problem, child), birth)
        elif process.session == pid:
            births[pid] = _dead_session_leader(problem, process)
        else:
            late.append(process)
    for process in late:
        births[process.pid] = _dead_group_leader(problem, groups, births, process)


class _Lines:
    """The lines of creators below an init."""

    def __init__(self, births: Births) -> None:
        self.births = births
        self._above: dict[ProcessId, ProcessId] = {}
        """For a process another one on its line of creators, so that a long line is not walked again and again."""

    def put_below(self, pid: ProcessId, head: Birth) -> None:
        """Put a head, which an init has just created, between that init and the uppermost creator of a process."""
        line = []
        while pid != head.pid and (creator := self._above.get(pid, self.births[pid].creator)) != head.creator:
            line.append(pid)
            pid = creator
        self._above.update(dict.fromkeys(line, pid))
        if pid != head.pid:
            birth = self.births[pid]
            how = "below" if birth.parent == head.creator else birth.how
            self.births[pid] = msgspec.structs.replace(birth, creator=head.pid, how=how)


def _regular(problem: Problem, groups: Groups, births: Births, process: Process) -> Birth:
    parent, session = process.parent, birth_session(problem, process)
    assert parent is not None
    how, creator = _way(problem, births, parent, session)
    return Birth(
        pid=process.pid,
        creator=creator,
        namespace=process.places[0],
        session=session,
        group=process.group if groups.is_hidden(process) else None,
        parent=parent,
        how=how,
    )


def _way(problem: Problem, births: Births, parent: ProcessId, session: ProcessId) -> tuple[How, ProcessId]:
    """Return how a process gets a child in a session, where no other process depends on the child, and the child's creator."""
    own = OUTSIDE if parent == OUTSIDE else births[parent].session
    if session in (own, parent):
        return "created", parent
    if session == OUTSIDE:
        return "entered", session
    leader = births[session]
    if _is_below(births, session, parent):
        return "below", session
    if problem.is_init(parent) and problem.namespaces.covers(leader.namespace, births[parent].namespace):
        return "entered", session
    return "sibling", session


def _dead_session_leader(problem: Problem, process: Process) -> Birth:
    """Return the birth of a dead session leader on which nothing depends: its namespace's init creates it."""
    place = process.places[0]
    init = problem.processes[problem.namespaces.init[place]]
    assert init.session is not None
    return Birth(pid=process.pid, creator=init.pid, namespace=place, session=init.session, group=None, parent=None, how="created")


def _dead_group_leader(problem: Problem, groups: Groups, births: Births, process: Process) -> Birth:
    """Return the birth of a dead group leader that members see: the creator of the deepest of these creates it.

    Members that do not see it are born in its group, and so after it.
    """
    place = process.places[0]
    namespaces = problem.namespaces
    members = [pid for pid in groups.members[process.pid] if pid != process.pid]
    seeing = [pid for pid in members if namespaces.covers(births[pid].namespace, place)]
    deepest = max(seeing, key=lambda pid: namespaces.level[births[pid].namespace])
    session = births[deepest].session
    return Birth(
        pid=process.pid,
        creator=births[deepest].creator,
        namespace=place,
        session=session,
        group=None,
        parent=None,
        how="created",
    )


def _in_order(problem: Problem, births: Births) -> list[Birth]:
    """Return births in image order, each behind its creator, the inits that come before it, and the group it is born in."""
    order = [births[pid] for pid in problem.processes]
    there = {OUTSIDE}
    for birth in order:
        if not there.issuperset(_needs(problem, birth)):
            return list(_sorted(problem, births))
        there.add(birth.pid)
    return order


def _sorted(problem: Problem, births: Births) -> Iterator[Birth]:
    """Yield births so that each comes after what it needs, and otherwise in image order."""
    rank = {pid: place for place, pid in enumerate(problem.processes)}
    waiting: dict[ProcessId, int] = {}
    then: dict[ProcessId, list[ProcessId]] = {}
    for birth in births.values():
        needs = set(_needs(problem, birth)) - {OUTSIDE}
        waiting[birth.pid] = len(needs)
        for other in needs:
            then.setdefault(other, []).append(birth.pid)
    ready = [rank[pid] for pid, count in waiting.items() if not count]
    heapq.heapify(ready)
    order = list(problem.processes)
    while ready:
        pid = order[heapq.heappop(ready)]
        yield births[pid]
        for other in then.get(pid, ()):
            waiting[other] -= 1
            if not waiting[other]:
                heapq.heappush(ready, rank[other])


def _needs(problem: Problem, birth: Birth) -> tuple[ProcessId, ...]:
    """Return who must have been born before a process; the executor always was."""
    return birth.creator, problem.init_before(birth.pid, birth.namespace), birth.group or OUTSIDE
