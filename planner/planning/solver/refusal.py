"""Why no births lead to an image: a smallest set of rows (parent, session and group of a task) that cannot all hold."""

from collections.abc import Iterable, Iterator, Sequence

from planner.identity import OUTSIDE, ProcessId
from planner.planning.solver.components import components
from planner.planning.solver.problem import INIT, Problem
from planner.planning.solver.reduction import Groups, Reduced, reduce_groups, reduce_problem, widened
from planner.planning.solver.rules import Lifted, Rules
from planner.planning.solver.solution import Refusal, Undecided

Rows = list[ProcessId]
"""Processes whose rows hold, in image order."""


def refuse(problem: Problem, reduced: Reduced, blamed: Sequence[ProcessId], most_conflicts: int) -> Refusal | Undecided:
    """Return the refusal of a problem that has no solution, and whose search was stopped by the processes `blamed`.

    Their rows mostly exclude each other; else those of the whole component do. The search names the rows from which a
    contradiction was derived. Of these one after the other is left out, the last in image order first, where the others exclude
    each other without it.
    """
    nowhere = next((pid for pid in reduced.core if not problem.processes[pid].possible), None)
    if nowhere is not None:
        return _refuse_leader(problem, nowhere)
    rows = [pid for pid in blamed if not problem.processes[pid].dead]
    if (refusal := refuse_rows(problem, rows, most_conflicts)) is not None:
        return refusal
    groups = Groups(problem)
    everything = with_members_of_dead_leaders(groups, reduce_groups(groups), reduced)
    needed = _contradiction(problem, everything, Rules(problem, everything, questioned=True).words.rows(), most_conflicts)
    if not needed:
        return Undecided(conflicts=most_conflicts, processes=reduced.core)
    return _refusal(problem, _shrunk(problem, everything, needed, most_conflicts))


def refuse_rows(problem: Problem, rows: Rows, most_conflicts: int) -> Refusal | None:
    """Return the refusal by some rows, in image order, of which none can be left out; None where all of them can hold."""
    everything = reduce_problem(problem, problem.processes)
    needed = _contradiction(problem, _about(problem, everything, rows), rows, most_conflicts)
    return _refusal(problem, _shrunk(problem, everything, needed, most_conflicts)) if needed else None


def exclude(problem: Problem, rows: Rows, most_conflicts: int, lifted: Lifted = "") -> bool:
    """Return whether some rows, in image order, exclude each other, be it that the rules of one kind are `lifted`."""
    everything = reduce_problem(problem, problem.processes)
    return bool(_contradiction(problem, _about(problem, everything, rows), rows, most_conflicts, lifted))


def _refusal(problem: Problem, needed: Rows) -> Refusal:
    return Refusal(processes=tuple(needed), facts=tuple(fact for pid in needed for fact in problem.processes[pid].facts))


def _shrunk(problem: Problem, everything: Reduced, needed: Rows, most_conflicts: int) -> Rows:
    """Return those of some rows that exclude each other, none of which can be left out."""
    for pid in reversed(needed):
        if pid in needed:
            others = [other for other in needed if other != pid]
            needed = _contradiction(problem, _about(problem, everything, others), others, most_conflicts) or needed
    return needed


def _contradiction(problem: Problem, reduced: Reduced, rows: Rows, most_conflicts: int, lifted: Lifted = "") -> Rows:
    """Return rows among those given from which a contradiction was derived; none where they can hold, or beyond the bound."""
    rules = Rules(problem, reduced, questioned=True, lifted=lifted)
    literals = {pid: rules.words.row(pid) for pid in rows}
    engine = rules.engine()
    if engine.search(list(literals.values()), most_conflicts) is not False:
        return []
    core = set(engine.core)
    return [pid for pid, literal in literals.items() if literal in core]


def _about(problem: Problem, reduced: Reduced, rows: Rows) -> Reduced:
    """Return the part of a core that some rows are about: every other process is left out.

    A process without a row is not needed: its own creator can create all that it could create.
    """
    kept = set(rows)
    demands = tuple(demand for demand in reduced.demands if demand.process in kept)
    about = {INIT, *(demand.parent for demand in demands), *(demand.session for demand in demands)}
    demanding = {demand.process for demand in demands}
    for pid in rows:
        process = problem.processes[pid]
        about.update(other for other in (process.parent, process.session, process.group) if other is not None)
        about.update(() if pid in demanding else (pid,))
    waiting = list(about)
    for pid in waiting:
        inits = set(_inits_before(problem, pid)) - about
        about |= inits
        waiting += inits
    hidden = {problem.processes[pid].group for pid in rows}
    return Reduced(
        core=tuple(pid for pid in reduced.core if pid in about),
        demands=demands,
        taken=(),
        heads=frozenset(),
        hidden=tuple(group for group in reduced.hidden if group in hidden),
    )


def _inits_before(problem: Problem, pid: ProcessId) -> Iterator[ProcessId]:
    """Yield the inits of the pid namespaces that a process can have lived in."""
    if pid != OUTSIDE:
        yield from (problem.init_before(pid, place) for place in problem.processes[pid].possible)


def _refuse_leader(problem: Problem, leader: ProcessId) -> Refusal:
    """Return the refusal of a dead leader whose numbers fit nowhere, by the first row that names it."""
    members = (process for process in problem.processes.values() if leader in (process.session, process.group))
    member = next(process for process in members if not process.dead)
    return Refusal(processes=(member.pid,), facts=(*member.facts, *problem.processes[leader].facts))


def with_members_of_dead_leaders(groups: Groups, whole: Reduced, part: Reduced, kept: Iterable[ProcessId] = ()) -> Reduced:
    """Return a part of a problem with those who are to be `kept`, and with those that say where its dead leaders lived."""
    processes = groups.problem.processes
    dead = {pid for pid in part.core if processes[pid].dead and pid != INIT}
    members = [pid for pid, process in processes.items() if process.session in dead or process.group in dead] if dead else []
    parts = components(groups.problem, widened(groups, whole, [*members, *kept]))
    inside = set(part.core) - {INIT}
    return next((part for part in parts if not inside.isdisjoint(part.core)), parts[0])
