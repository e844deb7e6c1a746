"""The previews: what people read and what programs read."""

import json
from collections.abc import Callable
from pathlib import Path

import crplan_preview
import msgspec
import pytest
from crplan_preview import document as preview_document
from crplan_preview.drawing import STYLES, wrapped
from crplan_preview.text import emit

import planner
from planner.events.records import StepFailed, TaskRecorded, TaskStateRecorded
from planner.findings.problems import Problem
from planner.findings.registry import finding
from planner.forest.fold import fold
from planner.hookspecs import Artefact
from planner.identity import Number, ProcessId, StepNumber
from planner.plans.document import document, forest_of
from planner.plans.model import Plan
from planner.plans.rebuild import Rebuild
from planner.testing.backends import conforms
from planner.testing.plans import PLANS
from planner.text import FILE, Terminal, plain, render
from tests.helpers.schemas import meaning

SCHEMA = Path(crplan_preview.__file__).with_name("plan.schema.json")

plans = pytest.mark.parametrize("make", PLANS.values(), ids=PLANS.keys())


def artefact(make: Callable[[], Plan], **changes: object) -> Artefact:
    plan = make()
    return msgspec.structs.replace(Artefact(plan=plan, forest=forest_of(plan)), **changes)


@pytest.mark.parametrize("name", ["text", "json"])
def test_the_back_ends_conform(name: str) -> None:
    conforms(next(found for found in crplan_preview.crplan_backends() if found.name == name))


@plans
@pytest.mark.parametrize("width", [60, 80, 100])
def test_lines_fit_the_terminal(make: Callable[[], Plan], width: int) -> None:
    text = emit(artefact(make), {}, Terminal(width=width))
    tree_drawing = 2 + 3 * 15 + len(" [generation 00] ") + 50
    for line in text.splitlines():
        assert len(line) <= (width if width >= 80 else tree_drawing), line


@plans
def test_colours_add_nothing_but_colours(make: Callable[[], Plan]) -> None:
    import re

    coloured = emit(artefact(make), {}, Terminal(colour=True))
    assert "\x1b[" in coloured
    stripped = [line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", coloured).splitlines()]
    assert stripped == emit(artefact(make), {}, FILE).splitlines()


@plans
def test_every_task_thread_helper_and_step_is_shown(make: Callable[[], Plan]) -> None:
    plan = make()
    text = emit(artefact(make), {}, FILE)
    for process in plan.processes:
        assert "/".join(map(str, process.pids)) in text
    for step in plan.steps:
        assert any(line.strip().startswith(f"{step.number}  ") for line in text.splitlines())
    assert emit(artefact(make), {"steps": False}, FILE).count("Steps") == 0


def test_the_preview_of_a_small_tree_reads_like_this() -> None:
    text = emit(artefact(PLANS["threads"]), {}, Terminal(width=80))
    assert text.startswith(
        """\
plan: 5 tasks, 3 threads, 2 pid namespaces
plan 0cb0fe7bd4f75620 of image threads
14 steps, 0 helpers, 0 with waits, proved on the model

Tasks   pids outermost first
  1 task1                   session 1       group 1       session leader
  ├─ 2 task2                session 1       group 1
  │  │  thread 100
  │  │  thread 50
  │  └─ 3 task3             session 1       group 1
  └─ 10/1 task10            session 1       group 1       nested init
     └─ 11/2 task11         session 1       group 1       in namespace of 10
           thread 12/9

Steps
    1  executor creates 1 in a new pid namespace          birth
"""
    )


def test_ascii_where_the_terminal_is_not_utf8() -> None:
    text = emit(artefact(PLANS["threads"]), {}, Terminal(unicode=False))
    assert text.isascii()
    assert "`- 11/2" in text
    assert emit(artefact(PLANS["threads"]), {"ascii": True}, FILE) == text


def test_hostile_names_cannot_move_the_cursor() -> None:
    name = "\x1b[2J\r\n\u202eevil\\"
    events = [
        TaskRecorded(pids=(Number(1),), parent=ProcessId(0), group=ProcessId(1), session=ProcessId(1), at=0),
        TaskStateRecorded(pid=ProcessId(1), state="running", name=name, at=1),
    ]
    shown = emit(artefact(PLANS["single"], forest=fold(events)), {}, FILE)
    assert r"\x1b[2J\x0d\x0a\u202eevil\\" in shown
    assert all(character.isprintable() or character == "\n" for character in shown)


def test_a_deep_chain_costs_no_more_than_a_wide_tree() -> None:
    """Indentation is bounded: 20,000 generations are about as many bytes as 20,000 children."""
    events = []
    for pid in range(1, 20_001):
        parent = ProcessId(pid - 1)
        vector = (Number(pid),)
        events.append(TaskRecorded(pids=vector, parent=parent, group=ProcessId(1), session=ProcessId(1), at=pid))
        events.append(TaskStateRecorded(pid=ProcessId(pid), state="running", at=pid))
    text = emit(artefact(PLANS["single"], forest=fold(events, partial=True)), {}, FILE)
    assert "[generation 19999] 20000" in text
    assert len(text) < 20_000 * 120


def test_findings_and_what_is_not_covered_are_shown() -> None:
    found = finding("namespace-ambiguous", pid=3, at=77)
    plan = msgspec.structs.replace(PLANS["single"](), uncovered=("the memory of every task",))
    text = emit(artefact(lambda: plan, findings=(found,)), {}, FILE)
    assert "Not covered   no executor restores this\n  the memory of every task\n" in text
    assert "note: " in text
    assert "[namespace-ambiguous]" in text
    assert "offset 77" in text


def test_a_rebuild_that_failed_shows_where() -> None:
    rebuild = Rebuild(
        executor="c",
        plan_id="x",
        done=frozenset({StepNumber(1), StepNumber(2)}),
        failed=StepFailed(step=StepNumber(3), error="EEXIST", detail="number 7 is taken"),
        code=1,
    )
    text = emit(artefact(PLANS["threads"], rebuild=rebuild), {}, FILE)
    assert " +  1  executor" in text
    assert " !  3  1 creates" in text
    assert "step 3 failed (marked !): EEXIST: number 7 is taken" in text


def test_a_beginning_of_a_log_says_that_it_is_not_proved() -> None:
    text = emit(artefact(PLANS["threads"], proved=False, cut_at=12), {}, FILE)
    assert "as it stood at event 12" in text
    assert "not proved" in text


def test_wrapped_lines_keep_their_words() -> None:
    words = "one two three four five six seven eight nine ten " * 4
    lines = list(wrapped(words, 40, "    ", "  "))
    assert " ".join(lines).split() == words.split()
    assert all(len(line) <= 40 for line in lines)
    assert lines[0].startswith("  one")
    assert lines[1].startswith("    ")
    assert list(wrapped("x" * 90, 40, "")) == ["x" * 90]


def test_a_line_without_styles_is_its_text() -> None:
    assert plain([("a", "heading"), ("  ", "")]) == "a"
    assert render([[("é", "")]], STYLES, colour=False, unicode=False) == "\\xe9\n"


@plans
def test_the_json_is_the_plan(make: Callable[[], Plan]) -> None:
    plan = make()
    data = planner.emit(plan, "json")
    assert json.loads(data)["counts"] == msgspec.to_builtins(plan.counts())
    assert isinstance(data, bytes)
    read = json.loads(data)
    assert read["format_version"] == 2
    assert read["plan_id"] == plan.plan_id
    assert len(read["steps"]) == len(plan.steps)
    assert planner.plan(planner.read(data)).steps == plan.steps
    assert planner.emit(plan, "json", options={"indent": "0"}) == msgspec.json.encode(document(plan, ())) + b"\n"


def test_an_error_is_a_document_of_the_same_schema() -> None:
    problem = Problem(exit_code=3, code="two-inits", message="two inits", pid=1)
    read = json.loads(preview_document.emit_problem(problem, {}))
    assert read["error"] == {"exit_code": 3, "code": "two-inits", "message": "two inits", "pid": 1}
    assert read["kind"] == "crplan-plan"
    assert read["proved"] is False


def test_the_published_schema_is_that_of_the_records() -> None:
    """A change of the schema needs a new format_version: then write the file anew with `crplan_preview.document.schema`."""
    assert meaning(SCHEMA.read_bytes()) == meaning(preview_document.schema())


@plans
def test_documents_keep_to_the_schema(make: Callable[[], Plan]) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="the validator is not part of the dev extra")
    jsonschema.validate(json.loads(planner.emit(make(), "json")), json.loads(SCHEMA.read_bytes()))
