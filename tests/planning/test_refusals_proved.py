"""Refusals of entangled forests are proofs: their facts exclude each other, and without any one of them the rules can be met.

Of small forests the rules in clingo say so, of larger ones the search, with the rows that are not named left open.
`CRPLAN_REFUSALS=N` draws N forests of each kind.
"""

from collections import Counter

import pytest

from planner.errors import Contradiction
from planner.forest.model import Forest
from planner.identity import ProcessId
from planner.pipeline.resolve import resolve
from planner.planning.refusals import UNTOLD
from planner.planning.refusals.laws import LAWS
from planner.planning.solver.births import MOST_CONFLICTS
from planner.planning.solver.problem import read_problem
from planner.planning.solver.refusal import refuse_rows
from planner.testing.forests import events, forest
from tests.helpers.amounts import amount, blocks
from tests.helpers.counts import tally
from tests.planning.solver.entangled import SHAPES, Shape, draw
from tests.planning.solver.oracle import is_reachable

NUMBER = amount("CRPLAN_REFUSALS", 2_500, 48)
FAST = 8

SMALL = {
    "one level": Shape(leaders=2, children=3, dead=0),
    "two levels": Shape(leaders=2, children=2, levels=2, dead=0),
    "groups": Shape(leaders=1, children=2, levels=2, groups=True, dead=0),
}
LARGE = {name: SHAPES[name] for name in ("chains", "two levels", "three levels", "groups")}

OF_BIRTHS = {UNTOLD, *(law.code for law in LAWS)} - {"init-trap"}
"""Codes that say that no births lead to a tree; a trap is reached."""


def refusal_of(text: str) -> tuple[Forest, Contradiction, list[ProcessId]] | None:
    """Return a forest, its refusal, and the tasks whose rows it names; None for one that is planned or refused by one look."""
    try:
        image = forest(text)
        resolve(events(text))
    except Contradiction as refusal:
        rows = [pid for pid, task in image.tasks.items() if task.recorded in set(refusal.because)]
        return (image, refusal, rows) if refusal.code in OF_BIRTHS else None
    return None


def stated(image: Forest, rows: list[ProcessId]) -> list[ProcessId]:
    """Return the tasks whose parent, session and group exclude each other; of the others the rows say where they live."""
    found = refuse_rows(read_problem(image), rows, MOST_CONFLICTS)
    assert found is not None, "the rows can hold"
    named = {number for pid in found.processes for number in _named(image, pid)}
    others = set(rows) - set(found.processes)
    assert others <= named, f"the rows of {others - named} say nothing"
    assert not others or len(image.namespaces) > 1
    return list(found.processes)


def _named(image: Forest, pid: ProcessId) -> tuple[ProcessId, ...]:
    task = image.tasks[pid]
    return task.parent, task.session, task.group


@pytest.mark.parametrize("block", blocks(NUMBER, FAST, 250))
@pytest.mark.parametrize("name", SMALL)
def test_the_rules_say_that_no_fact_can_be_left_out(name: str, block: range) -> None:
    codes: Counter[str] = Counter()
    for number in block:
        found = refusal_of(draw(f"small {number}", SMALL[name]))
        if found is not None:
            image, refusal, rows = found
            codes[refusal.code] += 1
            assert not is_reachable(image, rows), refusal
            needed = stated(image, rows)
            for pid in needed:
                assert is_reachable(image, set(needed) - {pid}), f"the row of {pid} is not needed: {refusal}"
    tally("refusals of small entangled forests", **codes)


@pytest.mark.parametrize("block", blocks(NUMBER, FAST, 250))
@pytest.mark.parametrize("name", LARGE)
def test_the_search_says_that_no_fact_can_be_left_out(name: str, block: range) -> None:
    codes: Counter[str] = Counter()
    for number in block:
        found = refusal_of(draw(f"large {number}", LARGE[name]))
        if found is not None:
            image, refusal, rows = found
            codes[refusal.code] += 1
            needed = stated(image, rows)
            for pid in needed:
                others = [other for other in needed if other != pid]
                assert refuse_rows(read_problem(image), others, MOST_CONFLICTS) is None, f"the row of {pid} is not needed"
    tally("refusals of entangled forests", **codes)
