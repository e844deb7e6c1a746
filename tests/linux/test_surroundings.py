"""The table of conditions and executors: the same must come of a condition, whatever the executor is written in.

A fixed sample of it is among the fast tests; the rest is marked slow (`--part all` runs both).
"""

import contextlib
import ctypes
import os
import random
import re
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

import tests.linux.test_executor_c as c
import tests.linux.test_executor_python as python
import tests.linux.test_executor_shell as shell
from planner.testing.plans import PLANS, wide
from tests.helpers.executors import Sandbox, expected
from tests.helpers.readable import installation
from tests.linux.executor_suite import FAILURE_LINE, ExecutorSuite
from tests.linux.surroundings import CONDITIONS, Surroundings

pytestmark = pytest.mark.root

COLUMNS: Final[dict[str, ExecutorSuite]] = {
    "python": python.TestProgram(),
    "c": c.TestProgram(),
    "dash": shell.TestDash(),
    "bash": shell.TestBash(),
    "run": python.TestRun(),
    "run_c": c.TestRun(),
}
ASKING: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
SOON: Final = 20.0
"""Seconds within which a failure is said, with a limit of one second for each step: much more than is needed."""


def sampled(rows: list[object], columns: list[str], every: int = 3) -> list[object]:
    """Return the cells of a table as parameters; most of them are slow.

    With `every` up to 3 no row and no column is without one that is fast.
    """
    cells = []
    for at, row in enumerate(rows):
        for place, column in enumerate(columns):
            slow = (at + place) % (every if column != "run_c" else 3 * every)
            name = f"{getattr(row, 'name', row)}-{column}".replace(" ", "_")
            cells.append(pytest.param(row, column, id=name, marks=[pytest.mark.slow] if slow else []))
    return cells


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory that another user may look into."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(autouse=True, scope="module")
def _programs() -> Iterator[None]:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        c.TestProgram.programs = Path(name)
        yield


@cache
def readable(column: str) -> ExecutorSuite:
    """Return `crplan run` as another user may run it, who has a place for a compiled program."""
    suite = python.TestRun() if column == "run" else c.TestRun()
    place = tempfile.TemporaryDirectory()
    suite.crplan = installation(Path(place.name))  # type: ignore[misc]  # of this instance alone
    cache = Path(place.name, "cache")
    cache.mkdir(mode=0o700)
    os.chown(cache, NOBODY, NOBODY)
    KEPT.append(place)
    CACHES[column] = str(cache)
    return suite


NOBODY: Final = 65534
CACHES: Final[dict[str, str]] = {}


KEPT: Final[list[tempfile.TemporaryDirectory[str]]] = []
"""Directories that go with the process."""


def start(column: str, plan_name: str, directory: Path, *options: str, timeout: str = "1") -> Sandbox:
    other = column in {"run", "run_c"} and any(option.startswith("uid=") for option in options)
    command = (readable(column) if other else COLUMNS[column]).command(PLANS[plan_name](), directory)
    cache = {"XDG_CACHE_HOME": CACHES[column]} if other else {}
    return Sandbox(command, options=options, environment={"CRPLAN_TIMEOUT": timeout, **cache})


@pytest.mark.parametrize(("condition", "column"), sampled(list(CONDITIONS), list(COLUMNS)))
def test_a_tree_stands_or_nothing_is_left_and_one_line_says_why(condition: Surroundings, column: str, directory: Path) -> None:
    if not condition.for_shells and isinstance(COLUMNS[column], shell.ShellSuite):
        pytest.skip("no shell can begin")
    plan = PLANS["nested_namespaces"]()
    timeout = "1" if any("stuck" in option for option in condition.options) else "10"
    with start(column, "nested_namespaces", directory, *condition.options, timeout=timeout) as sandbox:
        stands = bool(not condition.error or condition.either) and not failed(sandbox)
        if stands:
            assert sandbox.standing() == expected(plan)
            sandbox.signal(signal.SIGTERM)
        ended = sandbox.ended(40)
        assert sandbox.left() == []
        if stands:
            assert (ended.code, ended.stderr) == (0, ""), ended
        else:
            assert condition.error, ended
            assert (ended.code, ended.stdout) == (1, ""), ended
            assert condition.line.fullmatch(ended.stderr), ended


def failed(sandbox: Sandbox) -> bool:
    """Wait until the executor is ready or has ended, and tell which."""
    deadline = time.monotonic() + 40
    while not sandbox.is_ready():
        if sandbox.has_ended():
            return not sandbox.is_ready()
        assert time.monotonic() < deadline, "neither ready nor ended"
        time.sleep(0.01)
    return False


@pytest.mark.parametrize(("number", "column"), sampled(list(ASKING), list(COLUMNS)))
def test_four_signals_ask_for_the_end(number: signal.Signals, column: str, directory: Path) -> None:
    with start(column, "nested_namespaces", directory) as sandbox:
        sandbox.ready()
        COLUMNS[column].stop(sandbox, number)


@pytest.mark.parametrize(("number", "column"), sampled(list(ASKING), list(COLUMNS)))
def test_before_ready_they_are_a_failure_that_is_said(number: signal.Signals, column: str, directory: Path) -> None:
    """A full pipe holds the executor back just before it would be ready."""
    with start(column, "nested_namespaces", directory, "stuck=1", timeout="30") as sandbox:
        deadline = time.monotonic() + 30
        while len(sandbox.processes()) < len(expected(PLANS["nested_namespaces"]())):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(0.5)
        sandbox.signal(number)
        ended = sandbox.ended(SOON)
        assert (ended.code, ended.stdout) == (1, ""), ended
        line = FAILURE_LINE.fullmatch(ended.stderr)
        assert line, ended
        assert line[5] == (number.name if column not in {"run", "run_c"} else "EINTR")
        assert sandbox.left() == []


@pytest.mark.parametrize(("number", "column"), sampled([signal.SIGINT, signal.SIGHUP, signal.SIGQUIT], list(COLUMNS)))
def test_a_signal_that_was_ignored_from_the_start_stays_so(number: signal.Signals, column: str, directory: Path) -> None:
    """`nohup` and a shell's `&` ignore signals on purpose; the tasks that are made ignore nothing."""
    plan = PLANS["nested_namespaces"]()
    with start(column, "nested_namespaces", directory, f"ignore={int(number)}") as sandbox:
        sandbox.ready()
        sandbox.signal(number)
        time.sleep(0.5)
        assert sandbox.standing() == expected(plan)
        for seen in sandbox.processes():
            ignored = re.search(r"^SigIgn:\s*(\w+)", Path(f"/proc/{seen.host}/status").read_text(), re.MULTILINE)
            assert ignored
            assert not int(ignored[1], 16) >> (number - 1) & 1
        COLUMNS[column].stop(sandbox)


@pytest.mark.parametrize(("way", "column"), sampled(["ignore", "block"], list(COLUMNS)))
def test_sigterm_ends_it_always(way: str, column: str, directory: Path) -> None:
    with start(column, "nested_namespaces", directory, "proc", f"{way}={int(signal.SIGTERM)}") as sandbox:
        sandbox.ready()
        COLUMNS[column].stop(sandbox)


@pytest.mark.parametrize(("name", "column"), sampled(["nested_namespaces", "entered_from_outside", "zombies"], list(COLUMNS), 9))
def test_a_traced_member_is_not_waited_for_for_ever(name: str, column: str, directory: Path) -> None:
    """A tracer keeps a task that was killed until it has looked at it, and the namespace's init waits for that."""
    libc = ctypes.CDLL(None, use_errno=True)
    with start(column, name, directory) as sandbox:
        sandbox.ready()
        traced = next(seen.host for seen in sandbox.processes() if seen.pids[0] != 1 and not seen.zombie)
        assert libc.ptrace(PTRACE_SEIZE, traced, None, None) == 0, os.strerror(ctypes.get_errno())
        try:
            sandbox.signal(signal.SIGTERM)
            ended = sandbox.ended(SOON)
        finally:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(traced, WALL)
        assert ended.code == 1, ended
        assert ended.stderr.endswith("the namespace's init does not end: ETIMEDOUT\n"), ended
        assert ended.stderr.count("\n") == 1
        assert sandbox.left() == []


PTRACE_SEIZE, WALL = 0x4206, 0x40000000


@pytest.mark.parametrize(("round_", "column"), sampled(list(range(6)), list(COLUMNS)))
def test_a_process_is_killed_at_any_moment_without_root(round_: int, column: str, directory: Path) -> None:
    chance = random.Random(f"nobody {round_}")
    name = chance.choice(["nested_namespaces", "entered_and_adopted", "crossed_groups", "wide"])
    with start(column, name, directory, "proc", "uid=65534", timeout="10") as sandbox:
        COLUMNS[column].kill_anything(sandbox, chance)


@pytest.mark.parametrize("column", ["dash", "bash"])
def test_an_interpreter_that_never_answers_is_given_up(column: str, directory: Path) -> None:
    """As a version manager's script does that cannot fork."""
    suite = COLUMNS[column]
    assert isinstance(suite, shell.ShellSuite)
    command = suite.command(PLANS["single"](), directory)
    interpreter = directory / "tools" / "python3"
    interpreter.unlink()
    interpreter.write_text("#!/bin/sh\nexec sleep 1000\n")
    interpreter.chmod(0o755)
    for name in ("timeout", "sleep"):
        found = shutil.which(name)
        assert found
        (directory / "tools" / name).symlink_to(found)
    with Sandbox(command, environment={"CRPLAN_TIMEOUT": "1"}) as sandbox:
        ended = sandbox.ended(SOON)
        assert (ended.code, ended.stdout) == (1, "")
        assert ended.stderr == "crplan: step 0 (executor): task 0: python3 does not answer: ETIMEDOUT\n"
        assert sandbox.left() == []


@pytest.mark.parametrize("column", ["dash", "bash"])
def test_a_script_leaves_no_directory_because_it_makes_none(column: str, directory: Path) -> None:
    command = COLUMNS[column].command(PLANS["single"](), directory)
    with Sandbox(command, options=("proc",), environment={"TMPDIR": "/nonexistent"}) as sandbox:
        sandbox.ready()
        COLUMNS[column].stop(sandbox)


@pytest.mark.parametrize("column", [name for name in COLUMNS if name not in {"run", "run_c"}])
def test_steps_that_cannot_be_printed_are_a_failure(column: str, directory: Path) -> None:
    command = COLUMNS[column].command(wide(20), directory)
    with Sandbox(command, options=("full=1",), environment={"CRPLAN_DRY_RUN": "1"}) as sandbox:
        ended = sandbox.ended()
        assert (ended.code, ended.stdout) == (1, "")
        assert "standard output" in ended.stderr
