"""Why a parent does not create its child: what is said is a proof by the rules, and nothing is said of what is regular.

The rules in clingo judge it: a plan could be made with the parent as the creator if what is named did not hold.
"""

from collections import Counter

import pytest

from planner.forest.model import Forest
from planner.planning.solver.births import solve
from planner.planning.solver.obvious import MOST_ASKED
from planner.planning.solver.solution import Excluded, Solution
from planner.testing.forests import forest
from tests.planning.solver.entangled import SHAPES, drawn
from tests.planning.solver.oracle import may_create

SEEDS = 6

LONG = ("chains", "dead leaders")
"""Shapes of which the rules in clingo take long to judge."""


def solved(text: str) -> tuple[Forest, Solution]:
    """Return a forest and births for it."""
    image = forest(text)
    answer = solve(image)
    assert isinstance(answer, Solution)
    return image, answer


def rows(image: Forest, one: Excluded) -> list[int]:
    """Return the tasks whose rows are named."""
    facts = set(one.facts)
    return [pid for pid, task in image.tasks.items() if task.recorded in facts]


def test_a_parent_that_was_never_in_the_session_is_excluded_by_facts_alone() -> None:
    image, answer = solved("1 7:1/6 5:1/5 6:5/6z")
    one = next(one for one in answer.excluded if one.pid == 7)
    assert (one.parent, rows(image, one), one.given) == (1, [7], ())


def test_a_parent_that_would_do_alone_is_excluded_by_what_was_decided_before() -> None:
    image, answer = solved("1 2:1/2 3:1/3 4:1/4 5:1/5 14:5/3 15:5/2 16:2/3 17:2/4 18:3/4")
    births = {birth.pid: birth for birth in answer.births}
    one = next(one for one in answer.excluded if one.pid == 3)
    assert one.given
    assert may_create(image, rows(image, one), 3, 1, [])
    assert not may_create(image, rows(image, one), 3, 1, [births[pid] for pid in one.given])


@pytest.mark.parametrize("text", ["1", "1 2:1/2 3:2/2 4:2/2/4", "1 2:1/2 3:2/1"])
def test_nothing_is_said_where_parents_create_their_children(text: str) -> None:
    assert not solved(text)[1].excluded


def test_few_are_asked_about() -> None:
    children = " ".join(f"{pid}:1/2" for pid in range(10, 30))
    assert len(solved(f"1 2:1/2 {children}")[1].excluded) == MOST_ASKED


@pytest.mark.parametrize("shape", [pytest.param(name, marks=[pytest.mark.slow] * (name in LONG)) for name in SHAPES])
def test_what_is_named_excludes_the_parent_by_the_rules(shape: str) -> None:
    said: Counter[bool] = Counter()
    for seed in range(SEEDS):
        image = drawn(seed, SHAPES[shape])
        answer = solve(image)
        if isinstance(answer, Solution):
            births = {birth.pid: birth for birth in answer.births}
            asked = sum(birth.parent not in (None, birth.creator) for birth in answer.births)
            said[False] += min(asked, MOST_ASKED) - len(answer.excluded)
            for one in answer.excluded:
                assert births[one.pid].creator != one.parent == births[one.pid].parent
                assert not may_create(image, rows(image, one), one.pid, one.parent, [births[pid] for pid in one.given])
                said[True] += 1
    assert said[True] > 5 * said[False]
