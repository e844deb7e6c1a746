"""Births and changes in order, and the keepers that are left behind where a process has to go on."""

import pytest

from planner.planning.builder.build import build
from planner.planning.cast import Cast, Event
from planner.planning.solver.births import solve
from planner.planning.solver.solution import Solution
from planner.testing.forests import forest
from tests.planning.solver.entangled import SHAPES, draw


def ordered(text: str) -> tuple[Cast, list[Event]]:
    """Return the cast of a forest and its births and changes."""
    image = forest(text)
    answer = solve(image)
    assert isinstance(answer, Solution)
    return build(image, answer)


def said(text: str) -> list[str]:
    """Return births as pids, and changes as what is done."""
    return [f"{event.pid} {event.change.kind}" if event.change else f"{event.pid}" for event in ordered(text)[1]]


def test_a_regular_image_is_ordered_as_it_stands() -> None:
    assert said("1 2:1/2 3:2 4:2//4 5:4//4") == ["1", "1 setsid", "2", "2 setsid", "3", "4", "4 make", "5"]


def test_a_child_of_the_session_before_comes_before_setsid() -> None:
    assert said("1 2:1/2 3:2/1 4:2") == ["1", "1 setsid", "2", "3", "2 setsid", "4"]


def test_a_keeper_stays_in_the_session_for_a_namespace_that_comes_later() -> None:
    """Task 3, in session 1, lives in the namespace of 4, which its parent creates after its own setsid."""
    cast, order = ordered("@1:0 1 2:1/2 3.2:2/1/1@1 4.1:2@1")
    keepers = [actor for actor in cast.clones.values() if actor.rule == "window-helper"]
    assert [keeper.creator for keeper in keepers] == [2]
    born = [event.pid for event in order if event.change is None]
    assert born == [1, 2, keepers[0].pid, 4, 3]
    assert (cast.clones[born[-1]].creator, cast.clones[born[-1]].sibling) == (keepers[0].pid, True)


def test_a_parent_joins_its_group_before_it_creates_members() -> None:
    assert said("1 2:1//2 3:1//2 4:3//2") == ["1", "1 setsid", "2", "2 make", "3", "3 join", "4"]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_process_is_born_once_after_its_creator(shape: str) -> None:
    for seed in range(40):
        image = forest(draw(seed, SHAPES[shape]))
        answer = solve(image)
        if not isinstance(answer, Solution):
            continue
        cast, order = build(image, answer)
        born = [event.pid for event in order if event.change is None]
        assert sorted(born) == sorted(cast.clones)
        place = {pid: number for number, pid in enumerate(born)}
        assert all(place[actor.creator] < place[actor.pid] for actor in cast.clones.values() if actor.creator)
