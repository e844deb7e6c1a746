"""Logs and plans of format 1, written by the last version that wrote them, still replay, prove and explain."""

import io
import json
from pathlib import Path

import pytest

import planner
from planner.errors import CrplanError
from planner.events import log
from planner.events.digests import plan_digest, plan_digest_1
from planner.events.records import (
    FORMAT_VERSION,
    AnyEvent,
    BirthDecided,
    LogOpened,
    NamespaceInferred,
    PlanProved,
    RunStarted,
    StepPlanned,
    TaskPlaced,
)
from planner.explanation.lookup import rule_words
from planner.plans.document import decode
from planner.plans.rebuild import fold_run
from tests.helpers.places import DATA

OLD = DATA / "format-1"
LOGS = sorted(path.name for path in OLD.glob("*.jsonl") if path.name != "contradictory.jsonl")
PLANS = sorted(path.name for path in OLD.glob("*.plan.json") if path.name != "contradictory.plan.json")


def read(name: str) -> list[AnyEvent]:
    return list(log.read(io.BytesIO((OLD / name).read_bytes())))


def recorded_id(path: Path) -> str:
    """Return the plan's id as the old file has it."""
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    return next(str(line["plan_id"]) for line in lines if line["type"] == "PlanProved")


@pytest.mark.parametrize("name", LOGS)
def test_an_old_log_replays_proves_and_explains(name: str) -> None:
    path = OLD / name
    assert json.loads(path.read_bytes().splitlines()[0])["format_version"] == 1
    plan = planner.plan(path)
    assert plan_digest_1(plan.processes, plan.steps) == recorded_id(path)
    assert planner.simulate(plan).tasks
    events = planner.read(path)
    assert events[0] == LogOpened(format_version=FORMAT_VERSION)
    assert next(event.plan_id for event in events if isinstance(event, PlanProved)) == plan.plan_id
    for step in plan.steps:
        explanation = planner.explain(events, f"step:{step.number}")[0]
        assert explanation.reasons[0].sentence, step.rule


@pytest.mark.parametrize("name", PLANS)
def test_an_old_plan_is_proved_again_under_its_new_id(name: str) -> None:
    document = decode((OLD / name).read_bytes())
    assert document.format_version == 1
    plan = planner.plan(OLD / name)
    assert plan.steps == document.steps
    assert (plan.plan_id, document.plan_id) == (
        plan_digest(document.processes, document.steps),
        plan_digest_1(document.processes, document.steps),
    )


@pytest.mark.parametrize("name", LOGS)
def test_an_old_log_is_read_as_it_would_be_written_today(name: str) -> None:
    """Written again it is a log of the present format, and nothing is upcast a second time."""
    events = read(name)
    again = b"".join(log.lines(events))
    assert list(log.read(io.BytesIO(again))) == events


@pytest.mark.parametrize("name", LOGS)
def test_every_rule_of_an_old_log_still_has_its_sentence(name: str) -> None:
    for event in read(name):
        rules = {event.rule} if isinstance(event, (BirthDecided, NamespaceInferred, TaskPlaced)) else set()
        if isinstance(event, StepPlanned):
            rules = {event.step.rule, *(wait.rule for wait in event.step.waits)}
        assert all(rule_words(rule)[0] for rule in rules), event


def test_a_refusal_is_raised_again_from_its_old_log() -> None:
    with pytest.raises(planner.Contradiction, match="each other's parents"):
        planner.plan(OLD / "contradictory.jsonl")
    with pytest.raises(CrplanError, match="holds an error instead of a plan"):
        planner.plan(OLD / "contradictory.plan.json")


def test_the_run_of_an_old_log_is_a_run_of_the_same_plan() -> None:
    events = read("nested.run.jsonl")
    started = next(event for event in events if isinstance(event, RunStarted))
    rebuild = fold_run(events)
    assert rebuild is not None and rebuild.code == 0
    assert started.plan_id == planner.plan(OLD / "nested.run.jsonl").plan_id


def test_an_old_log_whose_steps_were_changed_is_still_refused() -> None:
    changed = (OLD / "orphan.jsonl").read_bytes().replace(b'"rule":"parent-creates"', b'"rule":"root-first"', 1)
    with pytest.raises(planner.NotProved, match="the steps are not those that were proved"):
        planner.plan(changed)


def test_the_rules_of_a_plan_do_not_count_in_its_id_and_all_else_does() -> None:
    text = planner.emit(planner.plan(OLD / "nested.jsonl"), "json")
    document = decode(text.encode() if isinstance(text, str) else text)
    renamed = decode(
        json.dumps(json.loads(text), indent=1).replace('"parent-creates"', '"another \\"rule\\": \\\\ name"').encode()
    )
    assert renamed.steps != document.steps
    assert plan_digest(renamed.processes, renamed.steps) == document.plan_id
    for number in range(len(document.steps)):
        fewer = document.steps[:number] + document.steps[number + 1 :]
        assert plan_digest(document.processes, fewer) != document.plan_id


def test_inferred_namespaces_are_named_by_their_inits() -> None:
    for name in ("nested.jsonl", "09_nested_depth3.jsonl", "11_session_across_ns.jsonl"):
        for event in read(name):
            if isinstance(event, NamespaceInferred):
                assert event.id == event.init


def test_an_old_log_and_its_image_say_the_same_today() -> None:
    image = Path(planner.__file__).parent.parent / "examples" / "images" / "nested.ckpt"
    old = planner.plan(OLD / "nested.jsonl")
    assert [step.number for step in old.steps] == [step.number for step in planner.plan(image).steps]
    assert not planner.diff(OLD / "nested.jsonl", image).tasks
