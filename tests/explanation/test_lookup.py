"""Explanations: every reason that the log holds, with its rule in words and its facts with their places."""

import json
from pathlib import Path

import pytest

from planner.cli import main as cli
from planner.events import log
from planner.events.records import (
    FORMAT_VERSION,
    AnyEvent,
    BirthDecided,
    FindingRaised,
    ImageClosed,
    ImageOpened,
    LogOpened,
    PlanProved,
    ProcessPlanned,
    StepPlanned,
    TaskRecorded,
    TaskStateRecorded,
)
from planner.explanation.lookup import MOST_EVIDENCE, Explainer, lines, rule_words
from planner.forest.digest import image_id
from planner.forest.fold import fold
from planner.identity import EventNumber, Number, ProcessId, StepNumber
from planner.kernel.rules import KERNEL_RULES
from planner.pipeline.resolve import resolve
from planner.plans.model import Plan
from planner.plans.rules import RULES
from planner.steps import Create, Process, Verify, Wait
from planner.testing.forests import events as image
from tests.helpers.places import ROOT


def task(pid: int, parent: int, at: int) -> TaskRecorded:
    return TaskRecorded(pids=(Number(pid),), parent=ProcessId(parent), group=ProcessId(0), session=ProcessId(0), at=at)


def process(pid: int, name: str) -> ProcessPlanned:
    return ProcessPlanned(
        process=Process(pid=ProcessId(pid), pids=(Number(pid),), role="task", namespace=ProcessId(1), name=name)
    )


def create(number: int, actor: int, child: int, *, new: bool = False, waits: tuple[Wait, ...] = ()) -> StepPlanned:
    step = Create(
        number=StepNumber(number),
        actor=ProcessId(actor),
        child=ProcessId(child),
        new_namespace=new,
        rule="root-first" if new else "parent-creates",
        waits=waits,
    )
    return StepPlanned(step=step, because=(EventNumber(2), EventNumber(3)) if not new else ())


def verify(number: int, target: int, parent: int) -> StepPlanned:
    executor = ProcessId(0)
    return StepPlanned(
        step=Verify(
            number=StepNumber(number),
            actor=executor,
            rule="verify",
            target=ProcessId(target),
            parent=ProcessId(parent),
            group=executor,
            session=executor,
        )
    )


@pytest.fixture
def events() -> list[AnyEvent]:
    """An init with one child, as a reader and the planner would have written it."""
    facts: list[AnyEvent] = [
        LogOpened(format_version=FORMAT_VERSION),
        ImageOpened(format="linux-cr", generation="P3", at=0),
        task(1, 0, 96),
        task(7, 1, 128),
        TaskStateRecorded(pid=ProcessId(1), state="running", name="init", at=200),
        TaskStateRecorded(pid=ProcessId(7), state="running", name="\x1b[31mred", at=260),
        ImageClosed(tasks=2, complete=True, at=300),
    ]
    decisions: list[AnyEvent] = [
        BirthDecided(pid=ProcessId(1), creator=ProcessId(0), rule="root-first", because=(EventNumber(2),)),
        BirthDecided(pid=ProcessId(7), creator=ProcessId(1), rule="parent-creates", because=(EventNumber(2), EventNumber(3))),
        FindingRaised(code="namespace-ambiguous", pid=ProcessId(7), detail="two would do", because=(EventNumber(3),)),
        process(1, "init"),
        process(7, "\x1b[31mred"),
        create(1, 0, 1, new=True),
        create(2, 1, 7, waits=(Wait(StepNumber(1), "init-before-entry"),)),
        verify(3, 1, 0),
        verify(4, 7, 1),
    ]
    plan = folded(facts + decisions)
    return [*facts, *decisions, PlanProved(image_id=plan.image_id, plan_id=plan.plan_id)]


def folded(events: list[AnyEvent]) -> Plan:
    from planner.plans.fold import fold_plan

    forest = fold(events)
    return fold_plan(events, forest, image_id(forest))


def test_a_step_is_explained_by_rule_waits_births_and_facts(events: list[AnyEvent]) -> None:
    explanation = Explainer(events, folded(events)).step(2)
    assert explanation
    text = "\n".join(lines(explanation))
    assert text.startswith("step 2: 1 creates 7\n")
    assert RULES["parent-creates"].sentence in text
    assert RULES["init-before-entry"].sentence in text
    assert "it comes after step 1: executor creates 1 in a new pid namespace" in text
    assert "7 is created by 1 [parent-creates]" in text
    assert "event 3, at offset 128: TaskRecorded pids (7), parent 1" in text


def test_a_process_is_explained_from_its_facts_to_its_steps(events: list[AnyEvent]) -> None:
    explanation = Explainer(events, folded(events)).process(7)
    assert explanation
    text = "\n".join(lines(explanation))
    assert "event 5, at offset 260" in text
    assert "finding namespace-ambiguous: two would do" in text
    assert "step 2: 1 creates 7 (after 1)" in text
    assert "step 4: verify 7" in text
    assert "step 3" not in text
    assert r"\x1b[31mred" in text
    assert "\x1b" not in text


def test_the_root_is_created_by_the_executor(events: list[AnyEvent]) -> None:
    explanation = Explainer(events, folded(events)).process(1)
    assert explanation
    assert "1 is created by the executor" in "\n".join(lines(explanation))


def test_what_is_not_there_has_no_explanation(events: list[AnyEvent]) -> None:
    explainer = Explainer(events, folded(events))
    assert explainer.step(99) is None
    assert explainer.process(99) is None


def test_every_rule_has_words() -> None:
    for name in RULES:
        assert all(rule_words(name)), name
    for name in KERNEL_RULES:
        assert rule_words(name)[0], name
    assert rule_words("moon") == ("", "")


def test_much_evidence_is_cut_short_for_people(events: list[AnyEvent]) -> None:
    events[7] = BirthDecided(pid=ProcessId(1), creator=ProcessId(0), rule="root-first", because=(EventNumber(2),) * 40)
    explanation = Explainer(events, folded(events)).process(1)
    assert explanation
    assert f"and {40 - MOST_EVIDENCE} more" in "\n".join(lines(explanation))
    assert max(len(reason.because) for reason in explanation.reasons) == 40


@pytest.mark.parametrize(
    ("because", "given", "words"),
    [
        ((2,), (), "1 cannot create it: these facts exclude that"),
        ((2,), (5,), "1 cannot create it: these facts and the birth of 5, which was decided before, exclude that"),
        ((), (5, 6), "1 cannot create it: the births of 5 and 6, which were decided before, exclude that"),
    ],
)
def test_a_kept_cause_says_why_the_parent_does_not_create_a_task(
    events: list[AnyEvent], because: tuple[int, ...], given: tuple[int, ...], words: str
) -> None:
    events[8] = BirthDecided(
        pid=ProcessId(7),
        creator=ProcessId(4),
        rule="born-below",
        instead_of=ProcessId(1),
        because_not=tuple(map(EventNumber, because)),
        given=tuple(map(ProcessId, given)),
    )
    explanation = Explainer(events, folded(events)).process(7)
    assert explanation
    said = {reason.text: reason for reason in explanation.reasons}
    assert "7 is created by 4, and not by its parent 1" in said
    assert [fact.seq for fact in said[words].because] == list(because)


def test_explain_says_whose_helper_creates_a_task_and_why_not_the_parent() -> None:
    outcome = resolve(image("1 2:1/2 3:1/3 4:1/4 5:1/5 14:5/3 15:5/2 16:2/3 17:2/4 18:3/4"))
    explanation = Explainer(outcome.events, outcome.plan).process(14)
    assert explanation
    texts = [reason.text for reason in explanation.reasons]
    assert any(", a helper of 3, and not by its parent 5" in text for text in texts)
    assert any(text.startswith("5 cannot create it: these facts") for text in texts)


@pytest.fixture
def log_file(events: list[AnyEvent], tmp_path: Path) -> Path:
    file = tmp_path / "log"
    with file.open("wb") as stream:
        log.write(events, stream)
    return file


def test_the_command_takes_steps_and_pids(log_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def explain(*argv: str) -> str:
        assert cli.main(["explain", str(log_file), *argv]) == 0
        return capsys.readouterr().out

    both = explain("1")
    assert both.startswith("step 1: ")
    assert "\nprocess 1: " in both
    assert explain("pid:1").startswith("process 1: ")
    assert both.startswith(explain("step:1") + "\nprocess 1: ")
    assert [line for line in explain("pid:1").splitlines() if not line.startswith("      ")] == [
        line for line in both.partition("\n\n")[2].splitlines() if not line.startswith("      ")
    ]
    assert both.count("event 2, at offset") == 1, "what was said once is not said again"
    assert explain("7").startswith("process 7: ")
    document = json.loads(explain("7", "--json"))
    assert document["explanations"][0]["subject"] == "process 7"
    assert document["explanations"][0]["reasons"][0]["because"][0]["at"] == 128
    assert cli.main(["explain", str(log_file), "99"]) == 2
    assert "no step or process 99; it has 4 steps" in capsys.readouterr().err


def test_a_log_that_was_cut_explains_what_it_holds(log_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", str(log_file), "pid:7", "--until", "3"]) == 0
    out = capsys.readouterr().out
    assert "only named by the image" in out
    assert "created by" not in out


NESTED = ROOT / "examples" / "images" / "nested.ckpt"


@pytest.mark.parametrize(
    ("subject", "headlines"),
    [
        ("21/2", ["process 21: task worker"]),
        ("pid:20/1", ["process 20: task inner-init"]),
        ("worker/1", ["process 22: thread worker/1"]),
        ("job", ["process 23: task job"]),
        ("name:job", ["process 23: task job"]),
        ("step:20", ["step 20: verify 20"]),
        ("pid:20", ["process 20: task inner-init"]),
        ("20", ["step 20: verify 20", "process 20: task inner-init"]),
    ],
)
def test_every_notation_that_is_printed_is_understood(
    subject: str, headlines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["explain", str(NESTED), subject]) == 0
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if line[:1].strip()] == [
        next(line for line in out.splitlines() if line.startswith(headline)) for headline in headlines
    ]


@pytest.mark.parametrize("subject", ["21/3", "executor", "step:99", "pid:", "", "step:job"])
def test_what_is_not_there_is_a_usage_error(subject: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", str(NESTED), subject]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_no_fact_is_printed_twice(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", str(NESTED), "pid:21"]) == 0
    facts = [line.strip() for line in capsys.readouterr().out.splitlines() if line.strip().startswith("event ")]
    assert len(facts) == len(set(facts))
    assert "event 7, above" in facts
