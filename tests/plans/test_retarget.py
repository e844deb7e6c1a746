"""A plan is turned towards an existing pid namespace: the image keeps its numbers, and what is the plan's own gives way."""

import pytest

from planner.errors import CannotEmit
from planner.identity import ProcessId
from planner.pipeline import resolve as pipeline
from planner.plans.model import Plan
from planner.plans.retarget import Retargeted, into
from planner.ranges import RangeSet, parse_ranges
from planner.steps import Create, Verify
from planner.testing.forests import events

CROSSED = "100 200:100/200 210:200/210 201:100/200 211:100/210"
"""Orphans of sessions that the root does not lead: a helper has to create one of them."""


def plan_of(tree: str) -> Plan:
    return pipeline.resolve(events(tree)).plan


def turned(plan: Plan, taken: str = "1-9", limit: int = 1000, session: int = 0) -> Retargeted:
    numbers: RangeSet = parse_ranges(taken)
    return into(plan, pid=7, taken=numbers, limit=limit, session=ProcessId(session), group=ProcessId(session))


def test_the_reaper_and_free_helpers_get_free_numbers_and_nothing_else_changes() -> None:
    plan = plan_of(CROSSED)
    visit = turned(plan, taken="1-9,998")
    roles = {process.pid: process.role for process in visit.plan.processes}
    assert {pid: role for pid, role in roles.items() if role != "task"} == {999: "reaper", 997: "helper"}
    assert (visit.keeper, visit.executor) == (996, 995)
    names = {ProcessId(1): ProcessId(999)} | {p.pid: ProcessId(997) for p in plan.processes if p.role == "helper"}
    for before, after in zip(plan.steps, visit.plan.steps, strict=True):
        assert (type(before), before.number, before.rule, before.waits) == (type(after), after.number, after.rule, after.waits)
        assert after.actor == names.get(before.actor, before.actor)
    assert visit.plan_id == plan.plan_id
    assert visit.plan.root == plan.root


def test_nothing_is_created_in_a_namespace_of_its_own_but_nested_inits() -> None:
    plan = plan_of("100 110.1:100 111.2:110")
    new = [step.child for step in turned(plan).plan.steps if isinstance(step, Create) and step.new_namespace]
    assert new == [110]
    assert {process.namespace for process in turned(plan).plan.processes} == {999, 110}


def test_numbers_of_dead_leaders_are_the_images_and_stay() -> None:
    plan = plan_of("100 120:100/100/140 130:100/150")
    assert {140, 150} <= {process.pid for process in turned(plan, taken="1-9,140,150").plan.processes}


def test_a_reaper_that_leads_what_the_image_names_must_be_number_1() -> None:
    visit = turned(plan_of("50:0/1/1 51:50"))
    assert next(process.pid for process in visit.plan.processes if process.role == "reaper") == 1


def test_what_the_image_has_from_outside_is_the_executors_own() -> None:
    plan = plan_of("100:0/0/0 101:100 102:100/102")
    verified = {step.target: step for step in turned(plan, session=77).plan.steps if isinstance(step, Verify)}
    assert {pid: (step.session, step.group) for pid, step in verified.items()} == {100: (77, 77), 101: (77, 77), 102: (102, 102)}
    assert verified[ProcessId(100)].parent == 999


def test_numbers_of_a_namespace_can_run_out() -> None:
    with pytest.raises(CannotEmit, match="no pid left"):
        turned(plan_of("100"), taken="1-99,101-301", limit=302)
    with pytest.raises(CannotEmit, match="no pid left"):
        turned(plan_of("100"), taken="1-99,101-299", limit=302)


def test_a_task_that_entered_from_outside_needs_an_executor_outside() -> None:
    with pytest.raises(CannotEmit, match="task 2 entered from outside"):
        turned(plan_of("1 2:0/0/0"))
