"""A plan document is an image too: what it says is what its steps end in."""

import json
from collections.abc import Callable

import msgspec
import pytest

import planner
from planner.errors import BadImage, NotProved
from planner.findings.problems import Problem
from planner.forest.digest import image_id
from planner.pipeline.resolve import resolve
from planner.plans.document import decode, document, events_of, forest_of, recognises
from planner.plans.model import Plan
from planner.testing.plans import PLANS

plans = pytest.mark.parametrize("make", PLANS.values(), ids=PLANS.keys())


@plans
def test_a_plan_goes_out_and_comes_back_the_same(make: Callable[[], Plan]) -> None:
    plan = make()
    data = msgspec.json.encode(document(plan, ()))
    assert recognises(data)
    log = planner.read(data)
    again = planner.plan(log)
    assert again.plan_id == plan.plan_id
    assert again.image_id == plan.image_id
    assert again.steps == plan.steps
    assert again.root == plan.root


@plans
def test_the_forest_of_a_plan_is_what_its_steps_end_in(make: Callable[[], Plan]) -> None:
    plan = make()
    forest = planner.simulate(plan)
    created = {process.pid: process for process in plan.processes}
    assert set(forest.tasks) == {step.target for step in plan.steps if type(step).__name__ == "Verify"} - {
        pid for pid, process in created.items() if process.role == "reaper"
    }
    for task in forest.tasks.values():
        assert task.pids == created[task.pid].pids
    assert image_id(forest_of(plan)) == image_id(forest)


def edited(plan: Plan, **changes: object) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(document(plan, ()), **changes))


def test_a_plan_whose_steps_were_changed_is_not_proved() -> None:
    plan = next(iter(PLANS.values()))()
    with pytest.raises(NotProved):
        resolve(planner.read(edited(plan, steps=plan.steps[1:])))
    with pytest.raises(NotProved, match="not those that were proved"):
        resolve(planner.read(edited(plan, plan_id="0" * 16)))


def test_a_plan_that_was_never_proved_is_refused() -> None:
    plan = next(iter(PLANS.values()))()
    with pytest.raises(BadImage, match="was cut"):
        resolve(planner.read(edited(plan, proved=False)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format_version": 99}, "format version 99"),
        ({"kind": "moon"}, "is a moon"),
        ({"error": Problem(exit_code=3, code="two-inits", message="two inits")}, "two inits"),
        ({"processes": ()}, "no process of the plan"),
    ],
)
def test_a_document_that_is_no_plan_is_refused(change: dict[str, object], words: str) -> None:
    plan = next(iter(PLANS.values()))()
    with pytest.raises(BadImage, match=words):
        list(events_of(decode(edited(plan, **change))))


def test_unknown_fields_are_ignored() -> None:
    plan = next(iter(PLANS.values()))()
    fields = json.loads(edited(plan)) | {"mood": [1]}
    assert decode(json.dumps(fields).encode()).plan_id == plan.plan_id


@pytest.mark.parametrize("data", [b"", b"{", b'{"kind":7}', b"[" * 100_000, b'{"kind":"\xff"}'])
def test_no_bytes_raise_anything_but_bad_image(data: bytes) -> None:
    with pytest.raises(BadImage):
        decode(data)
