"""Why there are no births: rows of the image that cannot all hold, none of which can be left out."""

from collections.abc import Iterator

from planner.identity import OUTSIDE, ProcessId
from planner.planning.solver.problem import Problem
from planner.planning.solver.reduction import Reduced, reduce_problem
from planner.planning.solver.rules import Rules
from planner.planning.solver.solution import Refusal, Undecided


def refuse(problem: Problem, reduced: Reduced, most_conflicts: int) -> Refusal | Undecided:
    """Return the refusal of a problem that has no solution.

    The search names the rows from which a contradiction was derived. Of these one after the other is left out, the last in image
    order first, where the others exclude each other without it.
    """
    kept = set(_members_of_dead_leaders(problem, reduced))
    rules = Rules(problem, reduce_problem(problem, kept), questioned=True)
    words, engine = rules.words, rules.engine()
    rows = {words.row(pid): pid for pid in words.rows()}
    if engine.search(list(rows), most_conflicts) is not False:
        return Undecided(conflicts=engine.conflicts, processes=reduced.core)
    needed = [row for row in rows if row in engine.core]
    for row in reversed(needed):
        others = [other for other in needed if other != row]
        if row in needed and engine.search(others, most_conflicts) is False:
            needed = [other for other in others if other in engine.core]
    processes = tuple(rows[row] for row in needed)
    return Refusal(processes=processes, facts=tuple(fact for pid in processes for fact in problem.processes[pid].facts))


def _members_of_dead_leaders(problem: Problem, reduced: Reduced) -> Iterator[ProcessId]:
    """Yield whose rows say where a dead leader of the core can have lived."""
    dead = {pid for pid in reduced.core if problem.processes[pid].dead} - {OUTSIDE}
    for pid, process in problem.processes.items():
        if not dead.isdisjoint((process.session, process.group)):
            yield pid
