"""Least change: plans for small forests against the fewest processes that any history needs for them.

The search knows nothing of the planner. Its optimum counts every process that is ever created; the helpers that it allows at one
time are few, so that for a rare shape the planner may even need less.
"""

import multiprocessing
from collections import Counter

import pytest

from planner.forest import Contradiction
from planner.pipeline import resolve
from planner.plans import Create
from planner.testing.forests import events
from tests.exhaustive import Shape, fewest_births, text_of

MOST_ABOVE = {
    (3, 1, 1, True): {1: 28},
    (4, 1, 1, False): {1: 16},
    (3, 2, 0, True): {1: 171, 2: 12, 3: 3},
    (3, 2, 1, False): {},
}
"""For each size (tasks, levels, helpers at one time, groups): how many shapes have so many helpers more than the fewest.

An anchor that a member of the group could have been, for a moment, and a helper whose work a zombie could have done before it
ended, are the most of them. The numbers may only go down.
"""


def births(shape: Shape) -> int:
    """Return how many processes the plan for a shape creates, 0 where there is none."""
    try:
        plan = resolve(events(text_of(shape))).plan
    except Contradiction:
        return 0
    return sum(isinstance(step, Create) for step in plan.steps)


@pytest.mark.parametrize("size", MOST_ABOVE, ids=str)
def test_plans_have_hardly_more_helpers_than_the_best_history(size: tuple[int, int, int, bool]) -> None:
    tasks, levels, helpers, groups = size
    fewest = fewest_births(tasks, levels, helpers, groups=groups)
    shapes = sorted(fewest)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        created = dict(zip(shapes, pool.map(births, shapes, chunksize=200), strict=True))
    above = Counter(count - fewest[shape] for shape, count in created.items() if count)
    print(f"\n{size}: {sum(above.values())} planned, {above[0]} with the fewest helpers, above that {sorted(above.items())}")
    assert {more: count for more, count in above.items() if more > 0} == MOST_ABOVE[size]


def test_the_fewest_are_few_enough() -> None:
    """What the search says of shapes whose fewest helpers are known by thought."""
    fewest = {text_of(shape): count for shape, count in fewest_births(3, 1, 1).items()}
    assert fewest["1:0/1/1 2:1/1/1 3:2/1/1"] == 3
    assert fewest["!4 1:0/1/1 2:1/4/4 3:1/4/4"] == 4
    assert fewest["!3 1:0/1/1 2:1/3/3"] == 3
