"""Search and oracle agree: on whether there are births, on the births that were found, and on why there are none.

`CRPLAN_ENTANGLED=N` draws N forests of each shape.
"""

import os
from collections import Counter

import pytest

from planner.errors import Contradiction
from planner.forest.model import Forest
from planner.planning.solver.births import solve
from planner.planning.solver.solution import Refusal, Solution
from planner.testing.forests import forest
from tests.generators.exhaustive import candidates, text_of
from tests.planning.solver.entangled import SHAPES, Shape, drawn
from tests.planning.solver.oracle import allows, is_reachable

NUMBER = int(os.environ.get("CRPLAN_ENTANGLED", "20"))

FEW = {
    "one level": Shape(leaders=2, children=3, dead=0),
    "dead leader": Shape(leaders=1, children=3, dead=1),
    "two levels": Shape(leaders=2, children=2, levels=2, dead=0),
    "groups": Shape(leaders=1, children=2, levels=2, groups=True, dead=1),
}
"""Shapes of so few processes that the oracle can leave out rows."""


def compare(image: Forest) -> str:
    """Hold the answer against the oracle, and return which one it was."""
    answer = solve(image)
    if isinstance(answer, Solution):
        assert allows(image, answer)
        return "reached"
    assert isinstance(answer, Refusal)
    assert not is_reachable(image)
    return "refused"


@pytest.mark.parametrize(("tasks", "levels", "reached", "refused"), [(1, 2, 6, 2), (2, 1, 98, 52), (2, 2, 196, 210)])
def test_every_small_forest(tasks: int, levels: int, reached: int, refused: int) -> None:
    counts = Counter[str]()
    for shape in sorted(candidates(tasks, levels)):
        try:
            image = forest(text_of(shape))
        except Contradiction:
            continue
        counts[compare(image)] += 1
    assert counts == {"reached": reached, "refused": refused}


@pytest.mark.parametrize("shape", SHAPES)
def test_entangled_forests(shape: str) -> None:
    counts = Counter(compare(drawn(seed, SHAPES[shape])) for seed in range(NUMBER))
    assert len(counts) == 2, "the generator draws forests of one kind only"


@pytest.mark.parametrize("shape", FEW)
def test_a_refusal_names_rows_that_cannot_all_hold_and_no_more(shape: str) -> None:
    refused = 0
    for seed in range(3 * NUMBER):
        image = drawn(seed, FEW[shape])
        answer = solve(image)
        if isinstance(answer, Refusal):
            refused += 1
            rows = set(answer.processes)
            assert not is_reachable(image, rows)
            for pid in rows:
                assert is_reachable(image, rows - {pid}), f"the row of {pid} is not needed"
    assert refused
