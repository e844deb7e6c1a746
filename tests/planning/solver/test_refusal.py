"""Refusals: which rows cannot all hold."""

import pytest

from planner.planning.solver.births import solve
from planner.planning.solver.solution import Refusal, Undecided
from planner.testing.forests import forest

CROSSED = "1 2:1/2 3:1/3 4:1/4 5:4/2 6:4/3 7:2/4 8:2/3 9:3/2 10:3/4"
"""Three siblings that each hold children in the sessions of both others."""


def refused(text: str) -> tuple[int, ...]:
    answer = solve(forest(text))
    assert isinstance(answer, Refusal)
    assert answer.facts
    return answer.processes


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        # Process 5 needs the leader 2 to have been below 4, and 4 was born below 2.
        ("1 2:1/2 4:2/3 5:4/2", (4, 5)),
        # Group 2 has a member, so that 2 left the group outside, into which only the executor's own children come back.
        ("1:0/0/0 2:1/0/0 3:2/0/2", (2, 3)),
        # Each has at most one of two foreign sessions from its birth.
        (CROSSED, (5, 6, 7, 8, 9, 10)),
    ],
)
def test_the_rows_are_those_of_the_contradiction(text: str, rows: tuple[int, ...]) -> None:
    assert refused(text) == rows


def test_more_processes_around_it_do_not_change_a_refusal() -> None:
    alone = refused("1 2:1/2 4:2/3 5:4/2")
    assert refused("1 2:1/2 4:2/3 5:4/2 10:1/10 11:1/11 12:10/11 13:11/10 14:1 15:14") == alone


def test_beyond_the_bound_nothing_is_claimed() -> None:
    assert isinstance(solve(forest(CROSSED), most_conflicts=1), Undecided)


def test_a_dead_leader_whose_numbers_fit_nowhere_is_refused_with_a_member() -> None:
    answer = solve(forest("!9.5 1 2:1/9/9"))
    assert isinstance(answer, Refusal)
    assert answer.processes == (2,)
