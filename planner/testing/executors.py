"""A conformance suite for executors: one line in a plugin author's test, `conforms(executor)`."""

import msgspec

from planner.events.records import AnyEvent, RunEnded, RunStarted, StepDone, StepFailed
from planner.hookspecs import Executor
from planner.plans.model import Plan
from planner.testing.contracts import assert_record
from planner.testing.plans import PLANS

TIMEOUT = 30.0
"""Seconds that a step may take."""


def conforms(executor: Executor, *, runs: bool = False) -> None:
    """Assert that an executor keeps the contract; raises AssertionError that says what it broke.

    It says before the first step what it cannot do, in one line. With `runs`, which is for executors that end by themselves, it
    carries out every plan that it does not refuse: it tells of its begin, of each step once and in an order that the plan
    allows, and of its end with the exit code that it returns.
    """
    assert_record(executor, executor.run)
    assert isinstance(executor.missing(), str), "missing() returns a sentence or nothing"
    able = 0
    for name, make in PLANS.items():
        plan = make()
        refusal = executor.refuses(plan)
        assert isinstance(refusal, str), f"{name}: refuses() returns a sentence or nothing"
        assert refusal.isprintable(), f"{name}: the refusal is not one line"
        able += not refusal
        if runs and not refusal:
            _check_run(executor, plan, name)
    assert able, "every plan was refused"


def _check_run(executor: Executor, plan: Plan, name: str) -> None:
    told: list[AnyEvent] = []
    before = msgspec.json.encode(plan)
    code = executor.run(plan, told.append, TIMEOUT)
    assert msgspec.json.encode(plan) == before, f"{name}: the plan was changed"
    first, last = told[0], told[-1]
    assert isinstance(first, RunStarted), f"{name}: the first event is RunStarted"
    assert first.plan_id == plan.plan_id, f"{name}: RunStarted names another plan"
    assert isinstance(last, RunEnded), f"{name}: the last event is RunEnded"
    assert last.code == code, f"{name}: RunEnded has another exit code"
    done = [event.step for event in told if isinstance(event, StepDone)]
    assert len(done) == len(set(done)), f"{name}: a step was done twice"
    if not any(isinstance(event, StepFailed) for event in told):
        assert sorted(done) == [step.number for step in plan.steps], f"{name}: not every step was told"
        place = {number: at for at, number in enumerate(done)}
        for step in plan.steps:
            assert all(place[wait.step] < place[step.number] for wait in step.waits), f"{name}: step {step.number} came too early"
