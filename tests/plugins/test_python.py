"""The back end `python`, as far as it needs no kernel: what the program's text is, and what is refused."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from crplan_python.emit import emit, step_line
from crplan_runtime.limits import refuses
from crplan_runtime.lines import process_line
from crplan_runtime.parts import tables
from crplan_runtime.parts.guest import children_of
from crplan_runtime.parts.proc import Proc
from crplan_runtime.text import GUEST, PARTS, TOLD
from hypothesis import given
from hypothesis import strategies as st

from planner.errors import CannotEmit
from planner.identity import Number, ProcessId
from planner.plans.model import Plan
from planner.plans.relax import conceded
from planner.plans.wording import step_lines
from planner.steps import Process
from planner.testing.drafts import Draft, with_init
from planner.testing.plans import PLANS, nested_namespaces, threads

OLDEST = (3, 8)

POSSIBLE = {"sharing": "possible"}


@pytest.mark.parametrize("name", PLANS)
def test_the_program_is_python_of_the_oldest_version_it_promises(name: str) -> None:
    ast.parse(emit(conceded(PLANS[name](), POSSIBLE)), feature_version=OLDEST)


def test_the_program_imports_the_standard_library_only() -> None:
    tree = ast.parse(emit(nested_namespaces()))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names
    assert "ctypes" in names


def test_the_parts_follow_those_that_they_import() -> None:
    directory = Path(tables.__file__).parent
    assert {path.stem for path in directory.glob("*.py")} == {"__init__", *PARTS, GUEST, TOLD}
    for place, part in enumerate((*PARTS, GUEST, TOLD)):
        for other in re.findall(r"^from crplan_python\.runtime\.(\w+) import", (directory / f"{part}.py").read_text(), re.M):
            assert other in PARTS[:place], f"{part} imports {other}"


def test_equal_plans_give_equal_programs() -> None:
    assert emit(nested_namespaces()) == emit(nested_namespaces())


def test_the_head_names_the_plan_and_what_it_leaves_out() -> None:
    plan = msgspec.structs.replace(nested_namespaces(), uncovered=("open files\nof all tasks",))
    head = emit(plan).partition("\nfrom __future__")[0]
    assert plan.plan_id in head
    assert "# Not restored: open files?of all tasks" in head
    assert all(line.startswith("#") for line in head.splitlines())


@pytest.mark.parametrize("name", PLANS)
def test_the_program_reads_from_its_tables_what_the_plan_says(name: str) -> None:
    plan = conceded(PLANS[name](), POSSIBLE)
    read = tables.Plan(
        plan.root,
        "\n".join(map(process_line, plan.processes)),
        "\n".join(step_line(step, plan.process_table()) for step in plan.steps),
    )
    assert {pid: (process.pids, process.role, process.name) for pid, process in read.processes.items()} == {
        process.pid: (process.pids, process.role, process.name) for process in plan.processes
    }
    assert [(step.number, step.actor, step.rule) for step in read.steps] == [
        (step.number, step.actor, step.rule) for step in plan.steps
    ]


@given(st.text())
def test_no_name_breaks_out_of_its_line(name: str) -> None:
    process = Process(pid=ProcessId(1), pids=(Number(1),), role="task", namespace=ProcessId(1), name=name.encode().decode())
    line = process_line(process)
    assert re.fullmatch(r"1 task =[A-Za-z0-9_.:/+@%-]*", line)
    assert tables.Process(line).name.encode("latin-1") == name.encode()[:15]


def test_a_dry_run_prints_a_line_for_every_step_and_needs_no_linux(tmp_path: Path) -> None:
    plan = threads()
    program = tmp_path / "rebuild.py"
    program.write_text(emit(plan))
    result = subprocess.run(
        [sys.executable, "-I", "-S", str(program)],
        env={"CRPLAN_DRY_RUN": "1"},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert result.stdout.splitlines() == list(step_lines(plan))
    assert result.stderr == ""


@pytest.mark.parametrize("timeout", ["soon", "0", "-1", "nan", "inf"])
def test_a_timeout_that_is_no_number_of_seconds_is_a_usage_error(timeout: str, tmp_path: Path) -> None:
    program = tmp_path / "rebuild.py"
    program.write_text(emit(nested_namespaces()))
    result = subprocess.run(
        [sys.executable, "-I", "-S", str(program)],
        env={"CRPLAN_TIMEOUT": timeout},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert "CRPLAN_TIMEOUT" in result.stderr


def shared_memory() -> Plan:
    draft = with_init("shared memory")
    draft.create(1, 2, share=("memory", "files"))
    return draft.plan(1)


def shared_with_the_executor() -> Plan:
    draft = with_init("shared with the executor")
    draft.enter(0, 1)
    draft.create(0, 7, share=("files",))
    return draft.plan(1)


def libc_signal() -> Plan:
    draft = with_init("signal of the C library")
    draft.create(1, 2, exit_signal=32)
    return draft.plan(1)


def init_by_signal() -> Plan:
    draft = with_init("init by signal")
    draft.create(1, 8, 1, new_namespace=True)
    draft.exit(8, 6)
    return draft.plan(1)


@pytest.mark.parametrize(
    ("plan", "sentence"),
    [
        (
            shared_memory(),
            "task 2 shares memory with task 1: two interpreters cannot; `--option sharing=possible` gives it its own",
        ),
        (libc_signal(), "task 2 has the exit signal 32, which the C library keeps for itself"),
        (shared_with_the_executor(), "task 7 would share files with the executor itself"),
        (init_by_signal(), "task 8 is an init, and an init cannot end itself by signal 6"),
    ],
)
def test_what_python_cannot_do_is_refused_with_the_task_named(plan: Plan, sentence: str) -> None:
    assert refuses(plan) == sentence
    with pytest.raises(CannotEmit, match=re.escape(sentence)):
        emit(plan)


def test_what_python_can_do_is_not_refused() -> None:
    assert {name for name, make in PLANS.items() if refuses(make())} == {"shared_memory"}
    assert {name: refuses(conceded(make(), POSSIBLE)) for name, make in PLANS.items()} == dict.fromkeys(PLANS, "")


def test_a_number_that_cannot_be_seen_is_no_number() -> None:
    draft = Draft("levels")
    draft.create(0, 1, new_namespace=True)
    draft.create(1, 5, 1, new_namespace=True)
    plan = draft.plan(1)
    read = tables.Plan(
        1, "\n".join(map(process_line, plan.processes)), "\n".join(step_line(step, plan.process_table()) for step in plan.steps)
    )
    assert read.number(5, 0) == 5
    assert read.number(5, 1) == 1
    with pytest.raises(ProcessLookupError, match="task 1 has no number at level 1"):
        read.number(1, 1)


@pytest.mark.parametrize(("text", "children"), [("", []), ("12 ", [12]), ("12 13 ", [12, 13]), ("12 13 14", [12, 13])])
def test_a_number_that_the_end_of_a_read_has_cut_is_nobodys(text: str, children: list[int]) -> None:
    class Listing(Proc):
        def read(self, path: str) -> str:
            return text

    assert children_of(Listing(-1), 7) == children


def test_the_tables_hold_the_sentences_of_every_dry_run() -> None:
    for make in PLANS.values():
        plan = conceded(make(), {"sharing": "possible"})
        names: dict[str, str] = {}
        exec(emit(plan).partition("import _signal")[0], names)
        told = tables.Plan(plan.root, names["PROCESSES"], names["STEPS"] + names["CHECKS"] + names.get("STOPS", ""))
        assert [f"{step.number:5}  {step.sentence()}  [{step.rule}]" for step in told.steps] == list(step_lines(plan))
