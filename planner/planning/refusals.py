"""Refusals that are proofs: as few facts as exclude each other by the rules of births, with a sentence where a law is recognised.

The search derives a contradiction from rows of the image, and of these as many are left out as can be
(`planner.planning.solver.refusal`). What is left is looked at by `LAWS`, each of which says what its code stands for. A sentence
says no more than what follows from the rows that it names, and that the other facts exclude it.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec

from planner.errors import Contradiction
from planner.forest.model import Forest
from planner.identity import OUTSIDE, EventNumber, ProcessId
from planner.planning.solver.births import MOST_CONFLICTS, solve
from planner.planning.solver.problem import EXECUTOR_NAMESPACE, Problem, Process, read_problem
from planner.planning.solver.refusal import can_hold, refuse_rows
from planner.planning.solver.solution import Answer, Refusal, Undecided

MOST_SHOWN: Final = 8


class Case(msgspec.Struct, frozen=True):
    """Rows of a problem that exclude each other, none of which can be left out."""

    problem: Problem
    rows: tuple[ProcessId, ...]

    def said(self) -> list[Process]:
        """Return the processes that the rows are about."""
        return [self.problem.processes[pid] for pid in self.rows]

    def foreign(self) -> Iterator[tuple[Process, ProcessId, ProcessId]]:
        """Yield processes in a session that their parents are not in, with parent and session."""
        for process in self.said():
            parent, session = process.parent, process.session
            if parent is not None and session is not None and session != process.pid and session != self.session_of(parent):
                yield process, parent, session

    def session_of(self, pid: ProcessId) -> ProcessId | None:
        """Return the session that a process is in."""
        return OUTSIDE if pid == OUTSIDE else self.problem.processes[pid].session

    def leads(self, pid: ProcessId) -> bool:
        """Tell whether a process leads a session."""
        return pid != OUTSIDE and self.session_of(pid) == pid

    def covers(self, outer: ProcessId, inner: ProcessId) -> bool:
        """Tell whether a process lives where another one does, or around that, wherever dead leaders lived."""
        places = [self.problem.processes[pid].places if pid else (EXECUTOR_NAMESPACE,) for pid in (outer, inner)]
        return any(self.problem.namespaces.covers(one, other) for one in places[0] for other in places[1])

    def is_around(self, outer: ProcessId, inner: ProcessId) -> bool:
        """Tell whether a process lives around the pid namespace of another one."""
        return self.covers(outer, inner) and not self.covers(inner, outer)


Told = tuple[str, ProcessId] | None
"""A sentence and the process that it is about; None where a law is not what the rows break."""


def _unplaced(case: Case) -> Told:
    for process in case.said():
        for leader in (process.session, process.group):
            if leader and not case.problem.processes[leader].possible:
                return f"task {process.pid} names {leader}, a dead leader whose pids fit into no pid namespace here", process.pid
    return None


def _trap(case: Case) -> Told:
    if any(process.is_init for process in case.said()) and can_hold(case.problem, list(case.rows), MOST_CONFLICTS, traps=False):
        inits = [process for process in case.said() if process.is_init]
        words = ", ".join(f"{init.pid} in group {init.group}" for init in inits)
        return f"an init would wait for itself as it ends, by where these groups are led: {words}", inits[0].pid
    return None


def _two_groups(case: Case) -> Told:
    told = _group(case)
    groups = {process.group for process in case.said() if process.group not in (OUTSIDE, process.pid)}
    return told if len(groups) > 1 else None


def _group(case: Case) -> Told:
    if not can_hold(case.problem, list(case.rows), MOST_CONFLICTS, groups=False):
        return None
    process = case.said()[-1]
    return (
        f"task {process.pid} is in group {process.group}: it can neither have joined that nor been born in it, nor can a parent "
        f"have moved it, by this: {_rows(case)}",
        process.pid,
    )


def _from_below(case: Case) -> Told:
    for process, parent, session in case.foreign():
        if not case.covers(session, parent):
            where = "outside the image" if parent == OUTSIDE else f"task {parent}"
            return (
                f"task {process.pid} is in session {session}, whose leader lives deeper than the task's parent ({where}): only a "
                f"sibling can have created it, and the other facts exclude that the leader had that parent",
                process.pid,
            )
    return None


def _from_above(case: Case) -> Told:
    for process, parent, session in case.foreign():
        init = case.problem.is_init(parent)
        if parent != OUTSIDE and case.is_around(session, parent) and not init and not case.leads(parent):
            return (
                f"task {process.pid} is in session {session}, which its parent {parent} never was in; the session's leader "
                f"lives above the parent's pid namespace, so no member of it can have been below the parent",
                process.pid,
            )
    return None


def _two_births(case: Case) -> Told:
    asked: dict[ProcessId, tuple[Process, ProcessId]] = {}
    for process, parent, session in case.foreign():
        if case.leads(parent) and (case.is_around(session, parent) or _is_above(case.problem, session, parent)):
            other, before = asked.setdefault(parent, (process, session))
            if before != session:
                return (
                    f"task {parent} would have to be born in session {before} and in session {session}: children {other.pid} and "
                    f"{process.pid} can be created only before its setsid",
                    parent,
                )
    return None


def _crossing(case: Case) -> Told:
    asked: dict[ProcessId, dict[ProcessId, None]] = {}
    for _, parent, session in case.foreign():
        if not case.leads(parent):
            return None
        asked.setdefault(parent, {})[session] = None
    crossed = [leader for leader, sessions in asked.items() if len(sessions) > 1]
    if len(crossed) < 2 or len(crossed) != len(asked):
        return None
    names = ", ".join(map(str, crossed))
    return (
        f"session leaders {names} each have children in sessions of others among them, and whichever was born last can have "
        f"been born in one foreign session only",
        crossed[0],
    )


def _not_below(case: Case) -> Told:
    for process, parent, session in sorted(case.foreign(), key=lambda found: case.leads(found[1])):
        if parent != OUTSIDE and case.covers(session, parent):
            born = " unless it was born in that session," if case.leads(parent) else ""
            return (
                f"task {parent} has child {process.pid} in session {session}, so that session's leader must have been below it "
                f"once,{born} and the other facts exclude it",
                parent,
            )
    return None


LAWS: Final[tuple[tuple[str, Callable[[Case], Told]], ...]] = (
    ("leader-without-namespace", _unplaced),
    ("init-trap", _trap),
    ("two-birth-groups", _two_groups),
    ("group-out-of-sight", _group),
    ("session-from-below", _from_below),
    ("session-from-above", _from_above),
    ("two-birth-sessions", _two_births),
    ("crossing-sessions", _crossing),
    ("session-not-below", _not_below),
)
"""What laws rows can break, each by its code, and what it says of them; the first that recognises them is told."""


def refused(forest: Forest, answer: Answer) -> Contradiction:
    """Return what a search comes to that found no births: a refusal, or that it met its bound."""
    facts = [forest.tasks[pid].recorded for pid in answer.processes if pid in forest.tasks]
    subject = answer.processes[-1]
    if isinstance(answer, Undecided):
        message = f"the search for births met its bound after {answer.conflicts} conflicts about {_names(answer.processes)}"
        return Contradiction("plan-undecided", message, facts, subject)
    return Contradiction("births-excluded", f"no births lead to this: {_said(forest, answer.processes)}", facts, subject)


def proved(forest: Forest, told: Contradiction) -> Contradiction:
    """Return the refusal of a forest that births cannot lead to, with facts of which none can be left out.

    Any other refusal, and one for which the search meets its bound, is `told` itself.
    """
    if told.code != "births-excluded":
        return told
    answer = solve(forest)
    if not isinstance(answer, Refusal):
        return told
    case = Case(read_problem(forest), answer.processes)
    because = dict.fromkeys((*answer.facts, *_whereabouts(forest, answer.processes)))
    for code, recognised in LAWS:
        if found := recognised(case):
            return Contradiction(code, found[0], because, found[1])
    message = f"no order of births leads to all of this, and to all but any one of it some does: {_said(forest, case.rows)}"
    return Contradiction("births-excluded", message, because, case.rows[-1])


def _is_above(problem: Problem, upper: ProcessId, lower: ProcessId) -> bool:
    """Tell whether a process is above another one in the image's tree."""
    for _ in problem.processes:
        if lower == OUTSIDE or (above := problem.processes[lower].parent) is None:
            return False
        if above == upper:
            return True
        lower = above
    return False


def _rows(case: Case) -> str:
    said = [f"{one.pid} has parent {one.parent}, session {one.session}, group {one.group}" for one in case.said()[:MOST_SHOWN]]
    return "; ".join(said)


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


def _names(pids: tuple[ProcessId, ...]) -> str:
    return ", ".join(map(str, pids[:MOST_SHOWN])) + (f" and {len(pids) - MOST_SHOWN} more" if len(pids) > MOST_SHOWN else "")


def _said(forest: Forest, rows: tuple[ProcessId, ...]) -> str:
    """Return what the rows of some tasks say."""
    said = [_row(forest, pid) for pid in rows[:MOST_SHOWN] if pid in forest.tasks]
    if len(rows) > MOST_SHOWN:
        said.append(f"and so on for {len(rows) - MOST_SHOWN} more")
    return "; ".join(said)


def _row(forest: Forest, pid: ProcessId) -> str:
    task = forest.tasks[pid]
    return f"{pid} has parent {task.parent}, session {task.session}, group {task.group}"
