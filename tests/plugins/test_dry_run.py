"""What a plan does is said in the same sentences by all that carry it out, of every image among the examples."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from crplan_python.emit import emit as python_program
from crplan_shell.emit import emit as shell_script
from crplan_syscalls.program import emit_program as c_program

import planner
from planner.cli.main import main
from planner.plans.model import Plan
from planner.plans.relax import conceded
from planner.plans.wording import step_lines
from tests.helpers.places import EXAMPLES

NAMES = sorted(str(path.relative_to(EXAMPLES)) for path in EXAMPLES.rglob("*") if path.is_file() and path.stem != "contradictory")


def planned(image: Path) -> Plan:
    """Return the plan of an image; an archive of several is planned by its first."""
    first, *_ = planner.read_many([image])
    return planner.plan(first)


def said(command: list[str]) -> list[str]:
    """Return what a program prints that is not to do anything."""
    environment = {**os.environ, "CRPLAN_DRY_RUN": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=environment)
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize("name", [pytest.param(name, marks=[] if "nested" in name else [pytest.mark.slow]) for name in NAMES])
def test_four_ways_to_carry_out_a_plan_say_the_same(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = conceded(planned(EXAMPLES / name), {"sharing": "possible"})
    sentences = list(step_lines(plan))
    assert len(sentences) == len(plan.steps) > 1
    script, program, source = tmp_path / "r.sh", tmp_path / "r.py", tmp_path / "r.c"
    script.write_text(shell_script(plan))
    program.write_text(python_program(plan))
    source.write_text(c_program(plan))
    assert said(["sh", str(script)]) == sentences
    assert said([sys.executable, "-I", "-S", str(program)]) == sentences
    subprocess.run(["cc", "-O0", "-o", str(tmp_path / "r"), str(source)], check=True, timeout=120)
    assert said([str(tmp_path / "r")]) == sentences
    monkeypatch.setenv("CRPLAN_DRY_RUN", "1")
    document = tmp_path / "plan.json"
    written = planner.emit(plan, "json")
    assert isinstance(written, bytes)
    document.write_bytes(written)
    assert main(["run", str(document)]) == 0
    assert capsys.readouterr().out.splitlines() == sentences
