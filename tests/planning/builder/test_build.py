"""What the exact search finds is built, and the model kernel proves it."""

import pytest

from planner.forest.digest import image_id
from planner.forest.model import Forest
from planner.kernel.proof import prove
from planner.pipeline.resolve import resolve
from planner.planning.builder.build import build
from planner.planning.decide import decisions_of
from planner.planning.solver.births import solve
from planner.planning.solver.solution import Solution
from planner.plans.fold import fold_plan, lost_properties
from planner.plans.model import Plan
from planner.testing.forests import events, forest
from tests.helpers.counts import count
from tests.planning.solver.entangled import SHAPES, draw
from tests.planning.solver.test_births import ENTANGLED

DRAWN = 60
"""Forests of each shape."""


def built(image: Forest) -> Plan | None:
    """Return the proved plan that the builder makes of the search's answer; None where that is a refusal."""
    answer = solve(image)
    if not isinstance(answer, Solution):
        return None
    decisions = decisions_of(*build(image, answer))
    plan = fold_plan(decisions, image, image_id(image))
    prove(plan, image, lost=lost_properties(decisions))
    return plan


@pytest.mark.parametrize("shape", SHAPES)
def test_every_solution_is_built_and_proved(shape: str) -> None:
    plans = [built(forest(draw(seed, SHAPES[shape]))) for seed in range(DRAWN)]
    count(f"entangled forests, {shape}: {sum(plan is not None for plan in plans)} of {DRAWN} built and proved")
    assert any(plans)
    assert not all(plans)


@pytest.mark.parametrize("text", [text for truth, text in ENTANGLED if truth == "reached"])
def test_entangled_leaders_are_planned_where_a_history_reaches_them(text: str) -> None:
    assert resolve(events(text)).plan


def test_a_move_that_would_come_too_late_is_made_by_a_helper() -> None:
    """Group 4 has no member until task 1 has left the session: a helper of task 1 stays behind and moves task 2."""
    plan = built(forest("@1:0 @2:0 !4.44.. 1 2.1:1/0/4@1 3.1:1@2"))
    assert plan is not None
    assert plan.counts().helpers == 3


def test_leaders_that_swap_groups_keep_one_alive() -> None:
    plan = built(forest("1 2:1/0/3 3:2//2z"))
    assert plan is not None
    assert plan.counts().helpers == 1
