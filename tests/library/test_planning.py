"""Planning and writing artefacts through the library."""

from pathlib import Path

import pytest

import planner

IMAGES = Path(planner.__file__).parent.parent / "examples" / "images"


def test_a_plan_is_proved_again_and_kept_unless_it_is_planned_anew() -> None:
    plan = planner.plan(IMAGES / "nested.ckpt")
    assert planner.plan(plan) == plan
    assert planner.plan(plan, replan=True).root == plan.root


def test_an_artefact_is_the_same_from_the_image_and_from_its_plan() -> None:
    plan = planner.plan(IMAGES / "nested.ckpt")
    assert planner.emit(plan, "shell") == planner.emit(IMAGES / "nested.ckpt", "shell")


def test_options_are_given_as_values_of_python() -> None:
    plan = planner.plan(IMAGES / "nested.ckpt")
    assert planner.emit(plan, "syscalls", options={"abi": "eclone"}) != planner.emit(plan, "syscalls")
    with pytest.raises(planner.UsageError, match="moon"):
        planner.emit(plan, "shell", options={"moon": True})
    with pytest.raises(planner.UsageError, match="moon"):
        planner.emit(plan, "moon")


def test_what_a_run_needs_is_asked_before_anything_is_created() -> None:
    with pytest.raises(planner.UsageError, match="moon"):
        planner.run(IMAGES / "nested.ckpt", executor="moon")
    with pytest.raises(planner.UsageError, match="moon"):
        planner.run(IMAGES / "nested.ckpt", options={"moon": 1})
    with pytest.raises(planner.Contradiction):
        planner.run(IMAGES / "contradictory.ckpt")
