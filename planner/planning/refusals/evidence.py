"""The facts of a refusal: rows that exclude each other, and the facts by which what they name lives where it does.

A row says where its task lives, beside its parent, session and group. So a task whose row is left out may live anywhere and be
the init of a pid namespace whose own init has no row among the facts; a dead leader without its record may have lived at any
level, and in each pid namespace whose init is not known to have ended.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import product
from math import prod
from typing import Final

import msgspec

from planner.forest.laws_processes import dead, ended_by
from planner.forest.model import Forest, Task
from planner.identity import OUTSIDE, EventNumber, NamespaceId, ProcessId
from planner.planning.solver.births import MOST_CONFLICTS
from planner.planning.solver.problem import INIT, Namespaces, Problem, Process, read_problem
from planner.planning.solver.refusal import exclude

MOST_WEIGHED: Final = 24
"""Of how many facts it is asked whether they can be left out; of more the search has left out rows alone."""

MOST_CASES: Final = 64
"""In how many ways inits without a row are chosen; where there are more, the fact in question stays."""

Known = dict[EventNumber, None]
"""Facts, those first that are left out first: records of dead leaders, states of inits that have ended, and rows."""


def needed(forest: Forest, rows: list[ProcessId]) -> Known:
    """Return what a refusal by some rows names: facts that exclude each other, none of which can be left out.

    What keeps a dead leader from living in other pid namespaces is among them: inits that have ended, and tasks with its numbers.
    """
    tasks = forest.tasks
    leaders = [pid for pid in dict.fromkeys(pid for row in rows for pid in _belonging(forest, row)) if pid in forest.leaders]
    named = _named(forest, rows) if len(forest.namespaces) > 1 else []
    known = dict.fromkeys(
        (
            *(forest.leaders[pid].recorded for pid in leaders),
            *(tasks[pid].recorded for pid in named),
            *(tasks[pid].recorded for pid in reversed(rows)),
        )
    )
    if len(known) <= MOST_WEIGHED and not _excludes(forest, known):
        known = dict.fromkeys((*_elsewhere(forest, leaders), *known))
    if len(known) <= MOST_WEIGHED and _excludes(forest, known):
        for fact in tuple(known):
            fewer = {other: None for other in known if other != fact}
            if _excludes(forest, fewer):
                known = fewer
    return known


def _elsewhere(forest: Forest, leaders: Iterable[ProcessId]) -> Iterator[EventNumber]:
    """Yield the facts by which dead leaders did not live in some pid namespace."""
    numbers = {(level, number) for pid in leaders for level, number in enumerate(forest.leaders[pid].pids) if level}
    for task in forest.tasks.values():
        if task.pids[-1] == 1 and dead(forest, task):
            yield from (*ended_by(forest, task), task.recorded)
        if any(numbers.intersection(enumerate(bearer.pids)) for bearer in (task, *forest.threads.get(task.pid, ()))):
            yield task.recorded


def _belonging(forest: Forest, pid: ProcessId) -> tuple[ProcessId, ProcessId]:
    return forest.tasks[pid].session, forest.tasks[pid].group


def _named(forest: Forest, rows: Collection[ProcessId]) -> list[ProcessId]:
    """Return the tasks that some rows name, without those whose rows they are and number 1, whose place is known."""
    named = dict.fromkeys(other for pid in rows for other in (forest.tasks[pid].parent, *_belonging(forest, pid)))
    return [pid for pid in named if pid in forest.tasks and pid not in rows and pid != INIT]


def _excludes(forest: Forest, known: Known) -> bool:
    """Return whether facts exclude each other for every choice of what they leave open."""
    rows = {pid: task for pid, task in forest.tasks.items() if task.recorded in known}
    cases = _cases(forest, rows)
    problems = (_partial(forest, known, inits) for inits in cases)
    return bool(cases and rows) and all(exclude(problem, list(rows), MOST_CONFLICTS) for problem in problems)


def _cases(forest: Forest, rows: Mapping[ProcessId, Task]) -> list[dict[NamespaceId, ProcessId]]:
    """Return who can be the inits that have no row: another process in each namespace, or one that some row names.

    No case where there are more than are looked at.
    """
    spaces = [space for space in forest.namespaces.values() if space.level > 0 and space.init not in rows]
    line = Namespaces(forest).line
    near = {space for task in rows.values() for space in line(task.namespace)}
    named = _named(forest, rows)
    free = max((*forest.tasks, *forest.leaders)) + 1
    choices = [(ProcessId(free + place), *(named if space.id in near else ())) for place, space in enumerate(spaces)]
    if prod(map(len, choices)) > MOST_CASES:
        return []
    found = (dict(zip((space.id for space in spaces), chosen, strict=True)) for chosen in product(*choices))
    return [inits for inits in found if len(set(inits.values())) == len(inits)]


def _partial(forest: Forest, known: Known, inits: Mapping[NamespaceId, ProcessId]) -> Problem:
    """Return the question that some facts pose, with `inits` for the inits that have no row.

    The root's row is there for its place alone, which is known of every image.
    """
    replace = msgspec.structs.replace
    spaces = forest.namespaces.values()
    part = replace(
        forest,
        tasks={
            pid: task if known.keys() >= {*ended_by(forest, task)} else replace(task, state="running")
            for pid, task in forest.tasks.items()
            if task.recorded in known or pid == forest.root
        },
        leaders={pid: leader for pid, leader in forest.leaders.items() if leader.recorded in known},
        namespaces={space.id: replace(space, init=inits.get(space.id, space.init)) for space in spaces},
    )
    problem = read_problem(part)
    for task in part.tasks.values():
        if task.parent != OUTSIDE and task.parent not in problem.processes:
            problem.processes[task.parent] = _unknown(task.parent, tuple(forest.namespaces))
    for space, init in inits.items():
        process = problem.processes.get(init, _unknown(init, ()))
        problem.processes[init] = replace(process, places=(space,), possible=(space,), is_init=True)
    return problem


def _unknown(pid: ProcessId, places: tuple[NamespaceId, ...]) -> Process:
    return Process(pid, places, places, None, None, None, dead=True)
