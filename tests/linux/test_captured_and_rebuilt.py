"""Trees with shared memory, exit signals and mapped user namespaces: captured as they run, rebuilt, and captured again: equal."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from crplan_python.emit import emit as python_program
from crplan_shell.emit import emit as shell_script
from crplan_syscalls.program import emit_program as c_program

import planner
from planner.events.records import AnyEvent, FindingRaised
from planner.forest.digest import image_id
from planner.forest.fold import fold
from planner.forest.model import Forest
from planner.pipeline.resolve import resolve
from planner.plans.model import Plan
from planner.plans.relax import conceded
from planner.testing.plans import PLANS
from tests.helpers.executors import Sandbox

Program = Callable[[Plan, Path], list[str]]


def c(plan: Plan, directory: Path) -> list[str]:
    (directory / "rebuild.c").write_text(c_program(plan))
    subprocess.run(["cc", "-O2", "-o", "rebuild", "rebuild.c"], cwd=directory, check=True, timeout=60)
    return [str(directory / "rebuild")]


def python(plan: Plan, directory: Path) -> list[str]:
    (directory / "rebuild.py").write_text(python_program(plan))
    return ["python3", "-I", "-S", str(directory / "rebuild.py")]


def shell(plan: Plan, directory: Path) -> list[str]:
    (directory / "rebuild.sh").write_text(shell_script(plan))
    return ["sh", str(directory / "rebuild.sh")]


def captured(command: list[str]) -> list[AnyEvent]:
    """Run a rebuild and capture what it has built."""
    with Sandbox(command) as sandbox:
        sandbox.ready()
        root = next(seen.host for seen in sandbox.processes() if seen.pids[0] == 1)
        return planner.read(f"/proc/{root}")


def maps(forest: Forest) -> dict[int, dict[str, str]]:
    """Return the id maps of the user namespace of each task."""
    records = {record.id: record.facts for record in forest.namespace_records if record.kind == "user"}
    return {pid: records[kinds["user"]] for pid, kinds in forest.other_namespaces.items() if "user" in kinds}


def nameless(forest: Forest) -> Forest:
    """Take the names away, which a shell script does not restore."""
    for task in (*forest.tasks.values(), *(thread for threads in forest.threads.values() for thread in threads)):
        task.name = ""
    return forest


@pytest.mark.root
@pytest.mark.parametrize("program", [c, python, shell])
@pytest.mark.parametrize("name", ["shared_memory", "exit_signals", "user_namespaces", "mapped_user_namespaces"])
def test_what_was_captured_is_rebuilt_and_captured_again(name: str, program: Program, tmp_path: Path) -> None:
    if name == "shared_memory" and program is not c:
        pytest.skip("interpreters refuse this")
    for step in ("first", "second"):
        (tmp_path / step).mkdir()
    log = captured(c(PLANS[name](), tmp_path / "first"))
    before = resolve(log)
    assert not [event for event in before.events if isinstance(event, FindingRaised)]
    again = captured(program(before.plan, tmp_path / "second"))
    after = resolve(again)
    assert image_id(nameless(after.forest)) == image_id(nameless(before.forest))
    assert maps(after.forest) == maps(before.forest)


@pytest.mark.root
def test_without_shared_memory_only_that_is_missing(tmp_path: Path) -> None:
    for step in ("first", "second"):
        (tmp_path / step).mkdir()
    before = resolve(captured(c(PLANS["shared_memory"](), tmp_path / "first")))
    apart = conceded(before.plan, {"sharing": "possible"})
    after = fold(captured(python(apart, tmp_path / "second")))
    assert {pid: task.exit_signal for pid, task in after.tasks.items()} == {
        pid: task.exit_signal for pid, task in before.forest.tasks.items()
    }
    memory = [record.memory for record in after.sharing.values()]
    assert len(set(memory)) == len(memory)
    files = {pid: record.files for pid, record in after.sharing.items()}
    assert files[4] == files[3]  # type: ignore[index]
