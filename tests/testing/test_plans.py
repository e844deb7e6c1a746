"""The plans that test executors are themselves held to the model kernel."""

import pytest

from planner.kernel.simulation import ModelRefusal, simulate
from planner.steps import Verify
from planner.testing.drafts import Draft
from planner.testing.plans import FAILURES, PLANS
from tests.generators.random_plans import random_plan


@pytest.mark.parametrize("name", PLANS)
def test_every_plan_works_on_the_model(name: str) -> None:
    plan = PLANS[name]()
    assert simulate(plan).verified == [step.target for step in plan.steps if isinstance(step, Verify)]
    assert [step.number for step in plan.steps] == list(range(1, len(plan.steps) + 1))


@pytest.mark.parametrize("name", sorted(FAILURES.keys() - {"forgotten_helper"}))
def test_every_failing_plan_fails_there_too_at_the_same_step(name: str) -> None:
    make, step, _ = FAILURES[name]
    with pytest.raises(ModelRefusal) as refusal:
        simulate(make())
    assert refusal.value.step == step


@pytest.mark.parametrize("name", PLANS)
def test_waits_name_earlier_steps_of_others(name: str) -> None:
    plan = PLANS[name]()
    for step in plan.steps:
        for wait in step.waits:
            assert wait.step < step.number
            assert plan.steps[wait.step - 1].actor != step.actor


def test_random_plans_are_repeatable_and_differ() -> None:
    assert random_plan(3).plan_id == random_plan(3).plan_id
    assert random_plan(3).plan_id != random_plan(4).plan_id


def test_random_plans_hold_every_kind_of_step_but_kill() -> None:
    kinds = {type(step).__name__ for seed in range(8) for step in random_plan(seed).steps}
    assert kinds == {
        "Create",
        "CreateThread",
        "SetSession",
        "SetGroup",
        "SetSubreaper",
        "Enter",
        "Exit",
        "Reap",
        "Verify",
    }


def test_a_draft_gives_no_number_twice() -> None:
    draft = Draft("twice")
    draft.create(0, 1, new_namespace=True)
    draft.create(1, 2)
    with pytest.raises(ValueError, match="number 2 is used twice"):
        draft.create(1, 2)
