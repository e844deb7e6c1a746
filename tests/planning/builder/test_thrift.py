"""A solution is changed so that it takes fewer helpers, and every birth stays possible."""

import pytest

from planner.planning.builder.build import build
from planner.planning.builder.rows import clones_of
from planner.planning.builder.thrift import thrifty
from planner.planning.solver.births import solve
from planner.planning.solver.solution import Birth, Solution
from planner.planning.spaces import spaces_of
from planner.testing.forests import forest
from tests.planning.builder.test_build import built
from tests.planning.solver.entangled import SHAPES, draw


def births(text: str) -> dict[int, Birth]:
    """Return the births of a forest after the search's answer was made thrifty."""
    image = forest(text)
    answer = solve(image)
    assert isinstance(answer, Solution)
    spaces = spaces_of(image, answer.lost)
    return {int(birth.pid): birth for birth in thrifty(image, spaces, answer, clones_of(image, spaces, answer)).births}


@pytest.mark.parametrize(
    ("text", "helpers"),
    [
        # 43 is born in group 1, so that it can create 44 and 45 in it.
        ("@1:0 1 43.1:1@1 44.3:43@1 45.4:43@1", 0),
        # 51 creates 58 in session 1 and its group, before its own setsid.
        ("@1:0 @2:1 1 51.1:1/51@1 58.5.1:51/1@2", 0),
        # 6 clones 17 beside itself.
        ("1 6:1/6 17:1/6", 0),
        # 17, which ends anyway, clones the init of a namespace beside itself; its parent is outside, two levels above.
        ("@1:0 !3 !17.. 1 5 6:0/0/17 18.1:0/0@1 8:1/3/8", 2),
        # The executor is in session 0 whenever it is wanted, and task 1 only before its setsid.
        ("@1:0 @2:0 !43.7 1 64.12:0/0@1 2.1:1/2@2 33.1:1//33@1 70.27:2/43@2 74.13:33/0@1", 2),
        # 32 is moved to group 6 and creates 34 in it, and then to group 23.
        ("@1:0 @2:0 @3:0 @4:0 !6.. !23.. 1 8.1:1//6@1 7.1:1//7@2 25.1:1//7@3 32.1:1//23@4 34.6:32//6@4", 2),
    ],
)
def test_no_helper_is_cast_where_a_process_that_is_there_will_do(text: str, helpers: int) -> None:
    """Placeholders for dead leaders count as helpers."""
    plan = built(forest(text))
    assert plan is not None
    assert plan.counts().helpers == helpers


def test_a_parent_in_the_right_session_creates_its_child() -> None:
    found = births("@1:0 @2:1 1 51.1:1/51@1 58.5.1:51/1@2")
    assert (found[58].creator, found[58].how, found[58].group) == (51, "created", 1)
    assert found[51].group == 1, "the child inherits what its parent was born in"


def test_a_task_with_another_exit_signal_is_not_cloned_beside_its_creator() -> None:
    """A sibling gets its creator's signal; adoption gives SIGCHLD."""
    assert births("1 6:1/6x12 17:1/6x17")[17].how != "sibling"
    assert births("1 6:1/6x12 17:1/6x12")[17].how == "sibling"


def test_a_leader_that_no_process_waits_for_is_born_when_its_creator_has_its_own_session() -> None:
    assert births("@1:0 @2:1 !32.5 1 23.1:1/23s@1 35.8.1:23/32@2")[32].session == 1


@pytest.mark.parametrize("shape", SHAPES)
def test_thrift_never_takes_more_helpers(shape: str) -> None:
    """Against the same solutions, built as the search has found them."""
    plain = thrift = 0
    for seed in range(40):
        image = forest(draw(seed, SHAPES[shape]))
        answer = solve(image)
        if isinstance(answer, Solution):
            plain += _helpers(build(image, answer, thrift=False))
            thrift += _helpers(build(image, answer))
    assert 0 < thrift <= plain


def _helpers(made: tuple) -> int:  # type: ignore[type-arg]
    cast, _ = made
    return sum(actor.ends for actor in cast.clones.values())
