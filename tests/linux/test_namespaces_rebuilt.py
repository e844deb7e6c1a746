"""Dumps of trees with namespaces other than pid, rebuilt for real: who is together is as /proc showed it before the dump."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from crplan_python.emit import emit as python_program
from crplan_shell.emit import emit as shell_script
from crplan_syscalls.program import emit_program as c_program

import planner
from planner.plans.model import Plan
from planner.steps import Verify
from tests.helpers.executors import Sandbox, expected
from tests.helpers.places import DATA

SAMPLES = ("child_netns", "container")
KINDS = ("user", "mnt", "uts", "ipc", "net", "cgroup", "time")


def python(plan: Plan, directory: Path) -> list[str]:
    (directory / "rebuild.py").write_text(python_program(plan))
    return ["python3", str(directory / "rebuild.py")]


def shell(plan: Plan, directory: Path) -> list[str]:
    (directory / "rebuild.sh").write_text(shell_script(plan))
    return ["sh", str(directory / "rebuild.sh")]


def c(plan: Plan, directory: Path) -> list[str]:
    (directory / "rebuild.c").write_text(c_program(plan))
    subprocess.run(["cc", "-O2", "-o", "rebuild", "rebuild.c"], cwd=directory, check=True, timeout=60)
    return [str(directory / "rebuild")]


def together(namespaces: dict[int, int]) -> set[frozenset[int]]:
    groups: dict[int, set[int]] = {}
    for task, namespace in namespaces.items():
        groups.setdefault(namespace, set()).add(task)
    return {frozenset(group) for group in groups.values()}


@pytest.mark.slow
@pytest.mark.root
@pytest.mark.parametrize("program", [python, shell, c])
@pytest.mark.parametrize("name", SAMPLES)
def test_who_is_together_in_a_dump_is_together_in_its_rebuild(name: str, program: Any, tmp_path: Path) -> None:
    image = DATA / "criu" / name / "img"
    log = planner.read(str(image))
    plan = planner.plan(log)
    truth = {task["pid"][0]: task["ns"] for task in json.loads((DATA / "criu" / name / "truth.json").read_text())["tasks"]}
    created = {
        event.kind for event in log if getattr(event, "facts", {}).get("created") == "yes" and getattr(event, "id", -1) == 0
    }
    with Sandbox(program(plan, tmp_path)) as sandbox:
        sandbox.ready()
        standing = sandbox.standing()
        assert {task: standing[task] for task in truth} == expected(plan)
        hosts = {seen.pids[0]: seen.host for seen in sandbox.processes()}
        executor = sandbox.executor()
        for kind in KINDS:
            found = {task: os.stat(f"/proc/{hosts[task]}/ns/{kind}").st_ino for task in truth}
            assert together(found) == together({task: spaces[kind] for task, spaces in truth.items()}), kind
            inherited = os.stat(f"/proc/{executor}/ns/{kind}").st_ino == found[plan.root]
            assert inherited == (kind not in created), kind
        sandbox.signal(15)
        assert sandbox.ended().code == 0
        assert sandbox.left() == []
    assert any(step.namespaces for step in plan.steps if isinstance(step, Verify))
