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
from planner.events.records import AnyEvent, StepFailed, TaskRecorded, TaskStateRecorded
from planner.findings.problems import Problem
from planner.findings.registry import finding
from planner.forest.fold import fold
from planner.forest.model import Forest
from planner.hookspecs import Artefact
from planner.identity import Number, ProcessId, StepNumber
from planner.plans.document import document, forest_of
from planner.plans.model import Plan
from planner.plans.rebuild import Rebuild
from planner.testing.backends import conforms
from planner.testing.drafts import with_init
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
    text = emit(artefact(make), {"fold": False}, FILE)
    for process in plan.processes:
        assert "/".join(map(str, process.pids)) in text
    for step in plan.steps:
        assert any(line.strip().startswith(f"{step.number}  ") for line in text.splitlines())
    assert "\nCreate" in text
    assert "\nCreate" not in emit(artefact(make), {"steps": False}, FILE)


def test_the_preview_of_a_small_tree_reads_like_this() -> None:
    text = emit(artefact(PLANS["threads"]), {}, Terminal(width=80))
    assert text.startswith(
        """\
proved on the model: 14 steps, 0 helpers
plan: 5 tasks, 3 threads, 2 pid namespaces
plan 0cb0fe7bd4f75620 of image threads

Tasks   pids outermost first
  1 task1                   session 1       group 1       session leader
  ├─ 2 task2                session 1       group 1
  │  │  thread 100
  │  │  thread 50
  │  └─ 3 task3             session 1       group 1
  └─ 10/1 task10            session 1       group 1       nested init
     └─ 11/2 task11         session 1       group 1       in namespace of 10
           thread 12/9

Special   what this tree asks for, and the rule behind it
  1 nested init: 10/1. birth

Create   steps 1 to 9
    1  executor creates 1 in a new pid namespace          birth
"""
    )


def crowd(workers: int) -> Forest:
    """A tree of workers that are alike, each with a child, below a master and an init."""
    events: list[AnyEvent] = []

    def task(pid: int, parent: int, name: str) -> None:
        numbers = (Number(pid),)
        events.append(
            TaskRecorded(pids=numbers, parent=ProcessId(parent), group=ProcessId(1), session=ProcessId(1), at=len(events))
        )
        events.append(TaskStateRecorded(pid=ProcessId(pid), state="running", name=name, at=len(events)))

    task(1, 0, "init")
    task(2, 1, "master")
    for worker in range(workers):
        task(10 + 2 * worker, 2, f"worker{worker}")
        task(11 + 2 * worker, 10 + 2 * worker, "helper")
    return fold(events, partial=True)


def test_siblings_that_are_alike_are_shown_once() -> None:
    text = emit(artefact(PLANS["single"], forest=crowd(29)), {}, FILE)
    assert [" ".join(line.split()[:7]) for line in text.splitlines() if "worker" in line or "helper  " in line] == [
        "└─ 10 ... 66 worker# x 29",
        "└─ 11 helper session 1 group 1",
    ]
    assert emit(artefact(PLANS["single"], forest=crowd(29)), {"fold": False}, FILE).count("worker") == 29


def test_what_is_not_alike_is_not_folded() -> None:
    text = emit(artefact(PLANS["single"], forest=crowd(3)), {}, FILE)
    assert text.count("worker") == 3


def test_three_hundred_tasks_fit_two_screens() -> None:
    """Whatever they are: here no two of them are alike, neither as tasks nor in their steps."""
    draft = with_init("many")
    events: list[AnyEvent] = []
    for pid in range(1, 301):
        numbers, name = (Number(pid),), f"{chr(97 + pid % 26)}{chr(97 + pid // 26)}"
        events.append(
            TaskRecorded(pids=numbers, parent=ProcessId(pid // 2), group=ProcessId(1), session=ProcessId(1), at=len(events))
        )
        events.append(TaskStateRecorded(pid=ProcessId(pid), state="running", name=name, at=len(events)))
        if pid > 1:
            draft.create(pid // 2, pid)
        if pid % 3 == 0:
            draft.setsid(pid)
    many = Artefact(plan=draft.plan(1), forest=fold(events, partial=True))
    lines = emit(many, {}, Terminal(width=120)).splitlines()
    assert len(lines) <= 2 * 60
    assert sum("--option fold=no shows all" in line for line in lines) == 2


def test_steps_that_are_alike_are_one_line() -> None:
    draft = with_init("alike")
    for pid in range(2, 31):
        draft.create(1, pid)
        draft.setsid(pid)
    for pid in range(2, 31):
        draft.exit(pid, 256)
    text = emit(Artefact(plan=draft.plan(1), forest=Forest()), {}, Terminal(width=200))
    assert "    3  1 creates 29 processes: 2 ... 30; each calls setsid (to step 60)" in text
    assert "   61  2 ends (exit 1), and 28 more alike: 2 ... 30 (to step 89)" in text


def test_the_init_above_a_subtree_is_a_helper_that_is_counted() -> None:
    assert ", 2 helpers, with the init above the image's root, 1 step that waits\n" in emit(artefact(PLANS["subtree"]), {}, FILE)
    assert PLANS["subtree"]().counts().helpers == 2


def test_no_colour_is_plain_blue_cyan_or_yellow() -> None:
    """The one cannot be read on a dark background, the others not on a light one."""
    assert not {word for style in STYLES.values() for word in style.split()} & {"blue", "cyan", "yellow", "white", "black"}


def test_long_ids_and_times_are_short_in_the_header() -> None:
    facts = {"container_id": "5b8f4e1c" * 8, "time": "1269302406"}
    forest = msgspec.structs.replace(crowd(1), image_facts=facts)
    text = emit(artefact(PLANS["single"], forest=forest), {}, FILE)
    assert "  container_id 5b8f4e1c5b8f, taken 2010-03-23 00:00 UTC\n" in text


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
    text = emit(artefact(PLANS["single"], forest=fold(events, partial=True)), {"fold": False}, FILE)
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
