"""`--until`: an event by its position in the log, or the one that planned a step."""

import json
from pathlib import Path

import pytest

import planner
from planner.cli import main as cli
from planner.events.log import position_of_step
from planner.events.records import NamespaceInferred, TaskRecorded
from planner.identity import StepNumber
from planner.pipeline.resolve import resolve

NESTED = Path(planner.__file__).parent.parent / "examples" / "images" / "nested.ckpt"


def first_lines(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert cli.main([str(NESTED), *arguments]) == 0
    return capsys.readouterr().out


def test_a_step_is_the_event_that_planned_it(capsys: pytest.CaptureFixture[str]) -> None:
    history = resolve(planner.read(NESTED)).events
    seq = position_of_step(history, StepNumber(8))
    assert first_lines(capsys, "--until", "step:8") == first_lines(capsys, "--until", str(seq))
    assert cli.main(["log", str(NESTED), "--until", "step:8"]) == 0
    written = capsys.readouterr().out.splitlines()
    assert json.loads(written[-1])["step"]["number"] == 8
    assert cli.main(["explain", str(NESTED), "step:8", "--until", "step:8"]) == 0
    assert "step 8: 1 creates 20/1 in a new pid namespace" in capsys.readouterr().out


def test_namespaces_count_from_the_event_on_that_records_their_init(capsys: pytest.CaptureFixture[str]) -> None:
    events = resolve(planner.read(NESTED)).events
    recorded = next(seq for seq, event in enumerate(events) if isinstance(event, TaskRecorded) and event.pids[0] == 20)
    inferred = next(seq for seq, event in enumerate(events) if isinstance(event, NamespaceInferred))
    for seq, words in (
        (recorded - 1, "1 pid namespace\n"),
        (recorded, "1 pid namespace\n"),
        (inferred + 6, "2 pid namespaces\n"),
    ):
        assert words in first_lines(capsys, "--until", str(seq)), seq


@pytest.mark.parametrize("wrong", ["step:0", "step:x", "-1", "pid:3", "step:"])
def test_what_is_no_position_is_a_usage_error(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([str(NESTED), f"--until={wrong}"]) == 2


def test_a_step_that_the_plan_does_not_have_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([str(NESTED), "--until", "step:99"]) == 2
    assert "the plan has no step 99" in capsys.readouterr().err
    assert cli.main(["log", str(NESTED), "--facts", "--until", "step:2"]) == 2


def test_a_namespace_has_one_id_in_log_plan_preview_and_explanation(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = resolve(planner.read(NESTED))
    inferred = [event for event in outcome.events if isinstance(event, NamespaceInferred)]
    assert [event.id for event in inferred] == [20]
    assert {process.namespace for process in outcome.plan.processes} == {1, 20}
    assert "in namespace of 20" in first_lines(capsys)
    texts = [reason.text for each in planner.explain(NESTED, "pid:21") for reason in each.reasons]
    assert any("pid namespace 20" in text for text in texts)
