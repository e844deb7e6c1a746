"""What is taken off the tree is regular: a search over all processes comes to the same answer."""

from random import Random

import pytest

from planner.errors import Contradiction
from planner.forest.model import Forest
from planner.planning.solver.births import solve
from planner.planning.solver.problem import read_problem
from planner.planning.solver.reduction import Groups, reduce_groups, reduce_problem, widened
from planner.planning.solver.rules import Rules
from planner.planning.solver.solution import Solution
from planner.testing.forests import forest
from tests.generators.exhaustive import candidates, text_of
from tests.planning.solver.entangled import SHAPES, draw_open, drawn


def has_births_by_all_rules(image: Forest) -> bool:
    """Return whether a search over every process finds births."""
    problem = read_problem(image)
    found = Rules(problem, reduce_problem(problem, problem.processes)).engine().search()
    assert found is not None
    return found


def core(text: str) -> tuple[int, ...]:
    return reduce_problem(read_problem(forest(text))).core


@pytest.mark.parametrize(("tasks", "levels"), [(1, 2), (2, 1), (2, 2)])
def test_every_small_forest_has_births_by_all_rules_or_by_none(tasks: int, levels: int) -> None:
    for shape in sorted(candidates(tasks, levels)):
        try:
            image = forest(text_of(shape))
        except Contradiction:
            continue
        assert isinstance(solve(image), Solution) is has_births_by_all_rules(image), text_of(shape)


@pytest.mark.parametrize("shape", SHAPES)
def test_entangled_forests_have_births_by_all_rules_or_by_none(shape: str) -> None:
    for seed in range(25):
        image = drawn(f"reduction {seed}", SHAPES[shape])
        assert isinstance(solve(image), Solution) is has_births_by_all_rules(image)


def test_forests_with_parents_outside_have_births_by_all_rules_or_by_none() -> None:
    for seed in range(200):
        text = draw_open(seed)
        assert isinstance(solve(forest(text)), Solution) is has_births_by_all_rules(forest(text)), text


@pytest.mark.parametrize("text", ["1 30:1/30 31:0/31 32:30/31", "30:0/30 31:0/31 32:30/31"])
def test_a_leader_that_is_not_below_the_init_is_put_below_no_other_leader(text: str) -> None:
    assert isinstance(solve(forest(text)), Solution)


@pytest.mark.parametrize(
    "text",
    [
        "1 2:1 3:2 4:2/4 5:4/4/5",  # children in their parents' sessions
        "1:0/0/0 2:1/0/0 3:2/0/0 4:3/4",  # all in the group outside
        "1 2:1/90 3:2/90 4:1/91",  # daemons whose leaders are gone, below an init
        "1 2:1/2 3:2/2/80 4:2/2/80",  # a pipeline whose group leader is gone
        "1 2:1/2 3:2/1",  # a leader with a child from before its setsid
        "@1:0 1 5.1:1/1/1@1 6.2:5/1/1@1",  # a nested init in the group outside its namespace, with a child
        "7:0/3/3 8:7/3/9",  # a subtree
        "1 2:1/2 3:1/3 4:1/4 5:4/2 6:4/1 7:3/4 8:3/2",  # leaders below an init, in no circle, with children in others' sessions
    ],
)
def test_what_is_regular_needs_no_search(text: str) -> None:
    assert core(text) == (1,)


@pytest.mark.parametrize(
    ("text", "staying"),
    [
        ("1 2:1/2 3:1/3 4:2/3 5:3/2", (1, 2, 3)),
        ("1 2:1/2 3:2/3 4:3/1", (1, 2, 3)),
        ("1 2:1/2 3:1/3 4:2/3 5:3/2 6:1/6 7:6/2", (1, 2, 3)),  # 6 goes above the circle of 2 and 3
        ("1 2:1/2 3:1/3 4:3/2 5:3/1 6:2/0/0", (1, 2, 3, 6)),  # a session from outside
    ],
)
def test_what_is_not_stays_with_all_that_it_names(text: str, staying: tuple[int, ...]) -> None:
    assert core(text) == staying


@pytest.mark.parametrize("shape", SHAPES)
def test_more_processes_are_kept_as_if_they_had_been_kept_from_the_start(shape: str) -> None:
    for seed in range(25):
        problem = read_problem(drawn(f"widened {seed}", SHAPES[shape]))
        kept = Random(seed).choices(list(problem.processes), k=3)
        groups = Groups(problem)
        wide, anew = widened(groups, reduce_groups(groups), kept), reduce_problem(problem, kept)
        assert (wide.core, wide.demands, wide.hidden) == (anew.core, anew.demands, anew.hidden)
