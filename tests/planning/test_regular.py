"""Regular forests are planned in one pass, and exactly as the search and its builder would."""

from collections.abc import Iterator
from itertools import product

import pytest

from planner.errors import Contradiction
from planner.forest.fold import fold
from planner.forest.model import Forest
from planner.planning.builder.build import build
from planner.planning.decide import decisions_of
from planner.planning.regular import plan_regular
from planner.planning.solver.births import solve
from planner.planning.solver.solution import Solution
from planner.testing.forests import forest
from tests.helpers.counts import count
from tests.helpers.trials import ALL_PROFILES, image_of, random_history

TASKS = 3
HISTORIES = 30


def small() -> Iterator[str]:
    """Yield all forests of a few tasks on one level, parents first, sessions and groups among them and outside."""
    numbers = range(1, TASKS + 1)
    for parents in product(*(range(1, number) for number in numbers[1:])):
        for sessions in product(range(TASKS + 1), repeat=TASKS):
            for groups in product(range(TASKS + 1), repeat=TASKS):
                yield " ".join(
                    f"{pid}:{parent}/{session}/{group}"
                    for pid, parent, session, group in zip(numbers, (0, *parents), sessions, groups, strict=True)
                )


def is_alike(image: Forest) -> bool | None:
    """Tell whether a regular forest is planned as the search would; None for any other forest."""
    found = plan_regular(image)
    if found is None:
        return None
    answer = solve(image)
    assert isinstance(answer, Solution), "a forest that no history leads to is not regular"
    return decisions_of(*found) == decisions_of(*build(image, answer))


def test_every_small_regular_forest_is_planned_as_the_search_would() -> None:
    answers = []
    for text in small():
        try:
            answers.append(is_alike(forest(text)))
        except Contradiction:
            continue
    assert False not in answers
    assert answers.count(True) > len(answers) / 5
    count(f"forests of {TASKS} tasks that can be folded: {len(answers)}, regular: {answers.count(True)}")


def test_histories_of_regular_forests_are_planned_as_the_search_would() -> None:
    histories = (random_history(f"regular {seed}", ALL_PROFILES[seed % len(ALL_PROFILES)], 25) for seed in range(HISTORIES))
    answers = [is_alike(fold(image_of(history))) for history in histories]
    assert False not in answers
    assert True in answers


@pytest.mark.parametrize(
    "text",
    [
        "1 2:1/2 3:2/3 4:3/4 5:1//5 6:5//5z",
        "1:0/0/0 2:1/0/0 3:2/3",
        "@1:0 1 2.1:1//2@1 3.2:2/3@1",
        "30 31:30 32:30/32",
    ],
)
def test_plain_trees_are_regular(text: str) -> None:
    assert is_alike(forest(text))


@pytest.mark.parametrize(
    "text",
    [
        "!5 1 6:1/5",
        "1 2:1/2 3:2/1",
        "1 2:1//3 3:1//2",
        "1:0/0/1 2:1/0/0",
        "@1:0 1 2.1:1@1",
        "@1:0 1 2.1:1//2@1 3.2:1@1",
        "1 3:2 2:1",
    ],
)
def test_what_takes_thought_is_left_to_the_search(text: str) -> None:
    assert plan_regular(forest(text)) is None
