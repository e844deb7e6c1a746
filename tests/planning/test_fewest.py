"""Least change: plans for small forests against the fewest processes that any history needs for them.

The search knows nothing of the planner. Its optimum counts every process that is ever created, in histories that never come into
a trap, not even for a moment: a rebuild that failed then would leave an init that cannot be ended. The helpers that it allows
at one time are few, so that for a rare shape the planner may even need less.
"""

import multiprocessing
from collections import Counter

import pytest

from planner.errors import Contradiction
from planner.pipeline.resolve import resolve
from planner.steps import Create
from planner.testing.forests import events
from tests.generators.exhaustive import Shape, fewest_births, text_of
from tests.helpers.counts import count

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("exhaustive")]

Size = tuple[int, int, int, bool]
"""Tasks, levels, helpers at one time, and whether there are groups."""

MOST_ABOVE: dict[Size, dict[int, int]] = {
    (3, 1, 1, True): {},
    (4, 1, 1, False): {1: 8, 2: 4},
    (3, 2, 0, True): {1: 335, 2: 15},
    (3, 2, 1, False): {1: 10, 2: 4},
}
"""For each size: how many shapes have so many helpers more than the fewest. The numbers may only go down.

The search prefers a task's parent as its creator and does not weigh helpers; the builder saves some birth by birth. The
greedy path that came first before had 16 and 42 with one more, none on two levels with a helper, and more in sum over random
histories.
"""


def births(shape: Shape) -> int:
    """Return how many processes the plan for a shape creates, 0 where there is none."""
    try:
        plan = resolve(events(text_of(shape))).plan
    except Contradiction:
        return 0
    return sum(isinstance(step, Create) for step in plan.steps)


@pytest.mark.parametrize("size", MOST_ABOVE, ids=str)
def test_plans_have_hardly_more_helpers_than_the_best_history(size: Size) -> None:
    tasks, levels, helpers, groups = size
    fewest = fewest_births(tasks, levels, helpers, groups=groups)
    shapes = sorted(fewest)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        created = dict(zip(shapes, pool.map(births, shapes, chunksize=200), strict=True))
    above = Counter(number - fewest[shape] for shape, number in created.items() if number)
    count(f"fewest helpers {size}: {above.total()} planned, {above[0]} with the fewest, others by how many more: {dict(above)}")
    assert {more: number for more, number in above.items() if more > 0} == MOST_ABOVE[size]


def test_the_fewest_are_few_enough() -> None:
    """What the search says of shapes whose fewest helpers are known by thought."""
    fewest = {text_of(shape): number for shape, number in fewest_births(3, 1, 1).items()}
    assert fewest["1:0/1/1 2:1/1/1 3:2/1/1"] == 3
    assert fewest["!4 1:0/1/1 2:1/4/4 3:1/4/4"] == 4
    assert fewest["!3 1:0/1/1 2:1/3/3"] == 3


def test_without_the_trap_an_anchor_is_needed() -> None:
    """The init could be in the group for a moment while the two leaders swap; it must not."""
    ring = "1:0/0/1 2:0/0/3 3:0/0/2"
    assert {text_of(shape): number for shape, number in fewest_births(3, 1, 1, traps=True).items()}[ring] == 3
    assert {text_of(shape): number for shape, number in fewest_births(3, 1, 1).items()}[ring] == 4
