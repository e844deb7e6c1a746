"""Parts of a core: who belongs together, and that parts searched for one by one are as good as the whole."""

import pytest

from planner.planning.solver.components import components
from planner.planning.solver.problem import read_problem
from planner.planning.solver.reduction import reduce_problem
from planner.testing.forests import forest


def parts(text: str) -> list[tuple[int, ...]]:
    problem = read_problem(forest(text))
    return [part.core for part in components(problem, reduce_problem(problem))]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1 2:1 3:2", [(1,)]),
        ("1 2:1/2 3:1/3 4:2/3 5:3/2", [(1, 2, 3)]),
        ("1 2:1/2 3:1/3 4:2/3 5:3/2 6:1/6 7:1/7 8:6/7 9:7/6", [(1, 2, 3), (1, 6, 7)]),
        ("1 2:1/2 3:1/3 4:2/3 5:3/2 6:1/6 7:1/7 8:6/7 9:7/6 10:2/6", [(1, 2, 3, 6, 7)]),
    ],
)
def test_parts_share_nobody_but_the_init(text: str, found: list[tuple[int, ...]]) -> None:
    assert parts(text) == found
