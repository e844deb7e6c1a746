"""Refusals that are proofs: as few facts as exclude each other, by the rules of births.

A path that finds no births tells what it met first, with a sentence. That is kept where its facts exclude each other and none of
them can be left out. Else the facts are those that the search derived a contradiction from, made fewer one by one.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from planner.errors import Contradiction
from planner.forest.model import Forest
from planner.identity import EventNumber, ProcessId
from planner.planning.solver.births import MOST_CONFLICTS, MOST_PROCESSES, solve
from planner.planning.solver.problem import read_problem
from planner.planning.solver.refusal import refuse_rows
from planner.planning.solver.solution import Refusal, Undecided

OF_BIRTHS: Final = frozenset(
    {
        *("birth-circle", "order-circle", "session-from-above", "session-from-below", "session-not-below"),
        *("two-birth-sessions", "crossing-sessions", "group-out-of-sight", "two-birth-groups"),
    }
)
"""Codes of refusals that say that no births lead to a tree. Others are of one look at the facts, of traps, or of bounds."""

MOST_TASKS: Final = 2_000
"""Tasks of an image whose refusal is proved anew; of a larger one it stands as it was met."""

MOST_SHOWN: Final = 8


def refused(forest: Forest, answer: Refusal | Undecided) -> Contradiction:
    """Return what a search comes to that found no births: the rows that excluded each other, or that it met its bound."""
    facts = [forest.tasks[pid].recorded for pid in answer.processes if pid in forest.tasks]
    rows = tuple(pid for pid in answer.processes if pid in forest.tasks)
    if isinstance(answer, Refusal):
        return Contradiction("births-excluded", _sentence(forest, rows), facts, answer.processes[-1])
    among = ", ".join(map(str, rows[:MOST_SHOWN])) + (f" and {len(rows) - MOST_SHOWN} more" if len(rows) > MOST_SHOWN else "")
    message = f"no births were found, and the search for them met its bound, after {answer.conflicts} conflicts about {among}"
    return Contradiction("plan-undecided", message, facts, answer.processes[-1])


def told(forest: Forest, found: Contradiction) -> Contradiction:
    """Return a refusal in the words of the law that a look at one row after the other meets first, `found` where none is met."""
    from planner.planning.births.births import decide_births
    from planner.planning.births.cast import Cast
    from planner.planning.births.order import Order

    cast = Cast(forest)
    try:
        decide_births(cast)
        Order(cast).find()
    except Contradiction as law:
        return law if law.code == "init-trap" or found.code == "births-excluded" else found
    return found


def proved(forest: Forest, told: Contradiction) -> Contradiction:
    """Return the refusal of a forest that births cannot lead to, with facts of which none can be left out.

    It is `told` itself where its facts are such, or where the search met its bound. Of a task a fact may say no more than where
    it lives: then another fact names that task.
    """
    if told.code not in (*OF_BIRTHS, "births-excluded") or len(forest.tasks) > MOST_TASKS:
        return told
    problem = read_problem(forest)
    facts = set(told.because)
    rows = [pid for pid, task in forest.tasks.items() if task.recorded in facts]
    found = refuse_rows(problem, rows, MOST_CONFLICTS) if 0 < len(rows) <= MOST_PROCESSES else None
    if found is not None and set(rows) <= {*found.processes, *_named(forest, found.processes)}:
        return _without(told, _needless(forest, rows, found))
    if found is None:
        answer = solve(forest)
        if not isinstance(answer, Refusal):
            return told
        found = answer
    because = dict.fromkeys((*found.facts, *_whereabouts(forest, found.processes)))
    return Contradiction("births-excluded", _sentence(forest, found.processes), because, found.processes[-1])


def _needless(forest: Forest, rows: list[ProcessId], found: Refusal) -> set[EventNumber]:
    """Return the facts on tasks that say no more than where these live, where all live in one pid namespace."""
    return {forest.tasks[pid].recorded for pid in rows if pid not in found.processes and len(forest.namespaces) < 2}


def _without(told: Contradiction, needless: set[EventNumber]) -> Contradiction:
    """Return a refusal without some of its facts."""
    if not needless:
        return told
    return Contradiction(told.code, told.message, [fact for fact in told.because if fact not in needless], told.pid)


def _named(forest: Forest, rows: Iterable[ProcessId]) -> list[ProcessId]:
    """Return the tasks that some rows name."""
    named = dict.fromkeys(other for pid in rows for other in (forest.tasks[pid].parent, *_leaders(forest, pid)))
    return [pid for pid in named if pid in forest.tasks and pid not in rows]


def _leaders(forest: Forest, pid: ProcessId) -> tuple[ProcessId, ProcessId]:
    return forest.tasks[pid].session, forest.tasks[pid].group


def _whereabouts(forest: Forest, rows: tuple[ProcessId, ...]) -> Iterator[EventNumber]:
    """Yield the facts that place the tasks that some rows name in pid namespaces, and dead leaders where it matters."""
    if len(forest.namespaces) > 1:
        yield from (forest.tasks[pid].recorded for pid in _named(forest, rows))
    for leader in dict.fromkeys(leader for pid in rows for leader in _leaders(forest, pid)):
        if leader in forest.leaders:
            others = {pid: record for pid, record in forest.leaders.items() if pid != leader}
            without = msgspec.structs.replace(forest, leaders=others)
            if refuse_rows(read_problem(without), list(rows), MOST_CONFLICTS) is None:
                yield forest.leaders[leader].recorded


def _sentence(forest: Forest, rows: tuple[ProcessId, ...]) -> str:
    """Return what the rows of some tasks say, and that this cannot all hold."""
    said = [_row(forest, pid) for pid in rows[:MOST_SHOWN]]
    if len(rows) > MOST_SHOWN:
        said.append(f"and so on for {len(rows) - MOST_SHOWN} more")
    return f"no order of births leads to all of this, and to all but any one of it some does: {'; '.join(said)}"


def _row(forest: Forest, pid: ProcessId) -> str:
    task = forest.tasks[pid]
    return f"{pid} has parent {task.parent}, session {task.session}, group {task.group}"
