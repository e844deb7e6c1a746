"""The creator of each process: forests with a known truth, and what the birth records say."""

from pathlib import Path

import pytest

from planner.planning.solver.births import solve
from planner.planning.solver.solution import Refusal, Solution
from planner.testing.forests import forest

ENTANGLED = [
    line.split(maxsplit=1)
    for line in (Path(__file__).parents[2] / "data" / "entangled.txt").read_text().splitlines()
    if not line.startswith("#")
]


@pytest.mark.parametrize(("truth", "text"), ENTANGLED, ids=[f"{truth}-{place}" for place, (truth, _) in enumerate(ENTANGLED)])
def test_entangled_leaders_are_born_where_a_history_reaches_them(truth: str, text: str) -> None:
    """The truth was found by an exact search over histories."""
    image = forest(text)
    answer = solve(image)
    assert isinstance(answer, Solution if truth == "reached" else Refusal)
    if isinstance(answer, Solution):
        assert set(image.tasks) <= {birth.pid for birth in answer.births}
