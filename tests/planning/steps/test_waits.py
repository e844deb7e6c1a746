"""Waits that say nothing new are left out, and the orders that a plan allows stay the same."""

from collections.abc import Iterable
from random import Random

import msgspec
import pytest

from planner.identity import StepNumber
from planner.planning.steps.waits import Known
from planner.plans.model import Plan
from planner.steps import AnyStep, Create, Wait
from tests.helpers.stories import plan, told, waits_of
from tests.helpers.trials import ALL_PROFILES, image_of, planned, random_history


def done_before(steps: list[AnyStep]) -> dict[StepNumber, set[StepNumber]]:
    """Return for each step all steps that are done before it in every order that the plan allows, by nothing but the rules."""
    before: dict[StepNumber, set[StepNumber]] = {}
    last: dict[int, StepNumber] = {}
    for step in steps:
        direct = {wait.step for wait in step.waits} | ({last[step.actor]} if step.actor in last else set())
        before[step.number] = direct.union(*(before[number] for number in direct))
        last[step.actor] = step.number
        if isinstance(step, Create):
            last[step.child] = step.number
    return before


def with_more_waits(made: Plan, random: Random) -> list[AnyStep]:
    """Return the steps of a plan, which wait for other steps, too, that are done before them anyway."""
    before = done_before(list(made.steps))
    actors = {step.number: step.actor for step in made.steps}
    given: list[AnyStep] = []
    for step in made.steps:
        others = [number for number in sorted(before[step.number]) if actors[number] != step.actor]
        more = {Wait(number, "served-before-ending") for number in random.sample(others, min(len(others), random.randrange(4)))}
        waits = {wait.step: wait for wait in (*more, *step.waits)}
        step = msgspec.structs.replace(step, waits=tuple(waits[number] for number in sorted(waits)))
        given.append(step)
    return given


def without_known(steps: Iterable[AnyStep]) -> list[AnyStep]:
    """Return the steps of a plan with those waits alone that say something new."""
    known = Known()
    kept: list[AnyStep] = []
    for step in steps:
        new = set(known.new(step.actor, [wait.step for wait in step.waits]))
        known.add(step)
        kept.append(msgspec.structs.replace(step, waits=tuple(wait for wait in step.waits if wait.step in new)))
    return kept


@pytest.mark.parametrize("profile", ALL_PROFILES)
def test_what_is_left_out_follows_from_what_stays(profile: str) -> None:
    for seed in range(6):
        made = planned(image_of(random_history(f"waits {seed}", profile, 150))).plan
        given = with_more_waits(made, Random(seed))
        kept = without_known(given)
        assert done_before(kept) == done_before(given)
        added = sum(len(step.waits) for step in given) - sum(len(step.waits) for step in made.steps)
        left = sum(len(step.waits) for step in kept) - sum(len(step.waits) for step in made.steps)
        assert left <= added / 2, "most of what was added is found to be known"


def test_a_plan_waits_for_nothing_twice() -> None:
    """Task 3 is created in a namespace that the executor has entered: to have entered it, it has waited for its init."""
    made = plan("@1:0 1 2.1:1@1 3.2:0/0@1")
    assert told(made)[-2:] == ["0 creates 3", "0 enters 0"]
    assert waits_of(made, "0 enters 2") == {"1 creates 2 as an init": "init-before-entry"}
    assert waits_of(made, "0 creates 3") == {}


def test_a_child_knows_what_its_creator_knew() -> None:
    made = plan("1 2:1//2 3:1//2 4:3//2 5:4//2")
    waiting = [step for step in made.steps if step.waits]
    assert len(waiting) == 1, "3 waits for the group; those born below it inherit it"


def test_the_same_step_waits_for_the_last_of_a_row() -> None:
    steps = [
        Create(number=StepNumber(1), actor=0, rule="root-first", child=1, new_namespace=True),  # type: ignore[arg-type]
        Create(number=StepNumber(2), actor=1, rule="parent-creates", child=2),  # type: ignore[arg-type]
        Create(number=StepNumber(3), actor=1, rule="parent-creates", child=3),  # type: ignore[arg-type]
        Create(
            number=StepNumber(4),
            actor=2,  # type: ignore[arg-type]
            rule="parent-creates",
            child=4,  # type: ignore[arg-type]
            waits=(Wait(StepNumber(1), "a"), Wait(StepNumber(2), "b"), Wait(StepNumber(3), "c")),
        ),
    ]
    kept = without_known(steps)
    assert kept[3].waits == (Wait(StepNumber(3), "c"),)
