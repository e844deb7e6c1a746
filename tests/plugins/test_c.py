"""The C program as text: its tables, its warnings, and names that try to break out."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest
from crplan_syscalls.program import emit_program

from planner.errors import CannotEmit
from planner.plans.model import Plan
from planner.plans.wording import step_lines
from planner.testing.drafts import with_init
from planner.testing.plans import PLANS, wide
from tests.helpers.amounts import first
from tests.helpers.places import GOLDEN

HOSTILE = [
    "*/ int main(void){return 7;} /*",
    "??/",
    "a\\",
    'quote"; #error',
    "// \\\n#error",
    "\x00\x1b[2J\u202e",
    "%s%n",
    "/*",
    "R" * 500,
]

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")


def test_the_tables_are_the_golden_ones() -> None:
    assert tables(emit_program(PLANS["entered_and_adopted"]())) == GOLDEN.joinpath("entered_and_adopted.tables.c").read_text()


@pytest.mark.parametrize("name", PLANS)
def test_one_line_a_step_and_one_a_process(name: str) -> None:
    plan = PLANS[name]()
    text = tables(emit_program(plan))
    assert len(re.findall(r"^\t\[\d+\] = \{ \.op = [A-Z]+, .* \},$", text, re.MULTILINE)) == len(plan.steps)
    assert len(re.findall(r"^\t\{ \.kind = (?:TASK|THREAD|HELPER|REAPER), ", text, re.MULTILINE)) == len(plan.processes)


def test_the_runtime_is_the_same_in_every_program() -> None:
    first, second = (emit_program(plan) for plan in (PLANS["zombies"](), wide(3)))
    assert first != second
    assert after_tables(first) == after_tables(second)


@needs_compiler
@pytest.mark.parametrize(
    "options", first([("-O0",), ("-O2",), ("-O3", "-std=c11", "-trigraphs"), ("-O2", "-fstack-protector-all")], 1)
)
def test_it_compiles_without_a_warning_whatever_the_names(options: tuple[str, ...], tmp_path: Path) -> None:
    plan = PLANS["threads"]()
    for number, text in enumerate(HOSTILE):
        source = tmp_path / f"{number}.c"
        source.write_text(emit_program(renamed(plan, text)), encoding="ascii")
        program = tmp_path / f"{number}"
        command = ["cc", *options, "-Wall", "-Wextra", "-Werror", "-o", program, source]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        lines = dry_run(program)
        assert len(lines) == len(plan.steps)
        assert all(line.isascii() and line.isprintable() for line in lines)


@needs_compiler
def test_a_dry_run_prints_the_steps_in_plan_order(tmp_path: Path) -> None:
    plan = PLANS["entered_and_adopted"]()
    (tmp_path / "r.c").write_text(emit_program(plan))
    subprocess.run(["cc", "-O2", "-o", "r", "r.c"], cwd=tmp_path, check=True, timeout=60)
    lines = dry_run(tmp_path / "r")
    assert lines == list(step_lines(plan))


@needs_compiler
def test_a_timeout_that_is_no_number_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r.c").write_text(emit_program(PLANS["single"]()))
    subprocess.run(["cc", "-O2", "-o", "r", "r.c"], cwd=tmp_path, check=True, timeout=60)
    for words in ("", "soon", "-1", "0", "nan", "3s"):
        ended = subprocess.run(["./r"], cwd=tmp_path, env={"CRPLAN_TIMEOUT": words}, capture_output=True, timeout=10)
        assert (ended.returncode, ended.stdout) == (2, b""), words
        assert ended.stderr == b"crplan: CRPLAN_TIMEOUT is not a number of seconds\n"


def test_what_cannot_be_done_is_refused_before_anything_is_written() -> None:
    draft = with_init("init by a signal")
    draft.create(1, 10, 1, new_namespace=True)
    draft.exit(10, 15)
    with pytest.raises(CannotEmit, match="task 10"):
        emit_program(draft.plan(1))


def tables(program: str) -> str:
    """Return the part of a program that belongs to its plan."""
    begin = program.index("/*\n * The plan as the program")
    return program[begin : program.index("/*\n * System calls without the C library.")]


def after_tables(program: str) -> str:
    return program[program.index("/*\n * System calls without the C library.") :]


def renamed(plan: Plan, text: str) -> Plan:
    """Return the plan with every name, rule and sentence replaced."""
    return msgspec.structs.replace(
        plan,
        processes=tuple(msgspec.structs.replace(process, name=text) for process in plan.processes),
        steps=tuple(msgspec.structs.replace(step, rule=text) for step in plan.steps),
        uncovered=(text,),
    )


def dry_run(program: Path) -> list[str]:
    """Return the lines of a dry run."""
    ended = subprocess.run(
        [program],
        env={**os.environ, "CRPLAN_DRY_RUN": "1"},
        check=True,
        capture_output=True,
        timeout=10,
        stdin=subprocess.DEVNULL,
    )
    return ended.stdout.decode("ascii", "backslashreplace").rstrip("\n").split("\n")
