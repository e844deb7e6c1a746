"""Refusals that are proofs: facts that exclude each other by the rules of births, as few as possible, and the law that says why.

The search names the rows that it derived a contradiction from, made fewer one by one. `evidence` adds what these lean on, `laws`
has the sentences; where no law is recognised the facts speak for themselves.
"""

from collections.abc import Iterable
from typing import Final

from planner.errors import Contradiction
from planner.forest.model import Forest
from planner.identity import ProcessId
from planner.planning.refusals import laws
from planner.planning.refusals.evidence import needed
from planner.planning.refusals.leaders import homeless
from planner.planning.refusals.traps import trap
from planner.planning.solver.problem import read_problem
from planner.planning.solver.solution import Refusal, Undecided

UNTOLD: Final = "births-excluded"

MOST_SHOWN: Final = 8


def refused(forest: Forest, answer: Refusal | Undecided) -> Contradiction:
    """Return what a search comes to that found no births: the rows that excluded each other, or that it met its bound."""
    facts = [forest.tasks[pid].recorded for pid in answer.processes if pid in forest.tasks]
    rows = tuple(pid for pid in answer.processes if pid in forest.tasks)
    if isinstance(answer, Refusal):
        return Contradiction(UNTOLD, _sentence(forest, rows), facts, answer.processes[-1])
    among = ", ".join(map(str, rows[:MOST_SHOWN])) + (f" and {len(rows) - MOST_SHOWN} more" if len(rows) > MOST_SHOWN else "")
    message = f"no births were found, and the search for them met its bound, after {answer.conflicts} conflicts about {among}"
    return Contradiction("plan-undecided", message, facts, answer.processes[-1])


def told(forest: Forest, found: Contradiction) -> Contradiction:
    """Return the refusal of a forest that the search `found` no births for, with all facts that it needs and the law's sentence.

    Any other refusal stays as it is, but that of a search that met its bound where the tree is a trap.
    """
    if found.code not in (UNTOLD, "plan-undecided"):
        return found
    problem = read_problem(forest)
    if trapped := trap(forest, problem):
        return trapped
    if found.code == "plan-undecided":
        return found
    if nowhere := homeless(forest, problem):
        return nowhere
    facts = set(found.because)
    known = needed(forest, [pid for pid, task in forest.tasks.items() if task.recorded in facts])
    rows = {pid: task for pid, task in forest.tasks.items() if task.recorded in known}
    return laws.told(laws.Facts(forest, problem, rows), known) or Contradiction(
        UNTOLD, _sentence(forest, rows), sorted(known), [*rows][-1]
    )


def _sentence(forest: Forest, rows: Iterable[ProcessId]) -> str:
    """Return what the rows of some tasks say, and that this cannot all hold."""
    said = [_row(forest, pid) for pid in rows]
    if len(said) > MOST_SHOWN:
        said[MOST_SHOWN:] = [f"and so on for {len(said) - MOST_SHOWN} more"]
    return f"no order of births leads to all of this, and to all but any one of it some does: {'; '.join(said)}"


def _row(forest: Forest, pid: ProcessId) -> str:
    task = forest.tasks[pid]
    return f"{pid} has parent {task.parent}, session {task.session}, group {task.group}"
