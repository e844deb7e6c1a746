"""Signals at forced moments: SIGTERM and SIGINT at each system call of an executor, one run for each call.

strace delivers the signal when the call is entered, so that no moment depends on luck. Whatever the moment, the executor ends
soon, with 0 when it had said that it was ready, and leaves nothing. A sample of the calls is among the fast tests; what came of
those of the slow part stands in `schedules.md` beside this file.
"""

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

import tests.linux.test_executor_c as c
import tests.linux.test_executor_python as python
import tests.linux.test_executor_shell as shell
from planner.testing.plans import PLANS
from tests.helpers.amounts import FULL, first
from tests.helpers.counts import count
from tests.helpers.executors import Sandbox
from tests.linux.executor_suite import ExecutorSuite

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace"),
]

EXECUTORS: Final[dict[str, ExecutorSuite]] = {
    "c": c.TestProgram(),
    "python": python.TestProgram(),
    "dash": shell.TestDash(),
    "bash": shell.TestBash(),
    "run": python.TestRun(),
    "run_c": c.TestRun(),
}
SAMPLE: Final = 5
"""Calls of each executor that are tried in a fast test, spread over all."""

BEGINNING: Final = 60
"""Calls up to the first child that are tried in a slow test: an interpreter makes thousands before it begins."""

CHILDREN: Final = frozenset({"clone", "clone3", "fork", "vfork"})
INTERRUPTED: Final = 130
"""How `crplan` ends that was interrupted before it began to rebuild."""


@pytest.fixture(autouse=True, scope="module")
def _programs() -> Iterator[None]:
    with tempfile.TemporaryDirectory() as name:
        c.TestProgram.programs = Path(name)
        yield


def traced_in(sandbox: Sandbox) -> int:
    """Return the executor's number on the host: strace's first child."""
    tracer = sandbox.executor()
    return int(Path(f"/proc/{tracer}/task/{tracer}/children").read_text().split()[0])


def calls(command: list[str], directory: Path) -> list[tuple[str, int]]:
    """Return the system calls of the executor's first thread until it holds: the name, and the how many-th of that name."""
    trace = directory / "trace"
    with Sandbox(["strace", "-o", str(trace), *command]) as sandbox:
        sandbox.ready()
        names = re.findall(r"^(\w+)\(", trace.read_text(), re.MULTILINE)
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append((name, seen[name]))
    return found


def chosen(moments: list[tuple[str, int]], all_calls: bool) -> list[tuple[str, int]]:
    """Return the calls that are tried: a few of all, or all from the first child on and a part of those before it."""
    if not all_calls:
        return moments[:: max(1, len(moments) // SAMPLE)]
    first = next((place for place, (call, _) in enumerate(moments) if call in CHILDREN), len(moments))
    return [*moments[: first : 1 if FULL else max(1, first // BEGINNING)], *moments[first:]]


@pytest.mark.parametrize("number", first([signal.SIGTERM, signal.SIGINT], 1), ids=lambda number: str(number.name))
@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] if name != "c" else []) for name in EXECUTORS])
@pytest.mark.parametrize("all_calls", [False, pytest.param(True, marks=[pytest.mark.slow, pytest.mark.timeout(7200)])])
def test_a_signal_at_any_system_call_ends_it(name: str, number: signal.Signals, all_calls: bool, tmp_path: Path) -> None:
    command = list(EXECUTORS[name].command(PLANS["parent_and_child"](), tmp_path))
    moments = calls(command, tmp_path)
    came: Counter[str] = Counter()
    for call, at in chosen(moments, all_calls):
        traced = ["strace", "-o", "/dev/null", "-e", f"inject={call}:signal={number.name}:when={at}", *command]
        with Sandbox(traced, environment={"CRPLAN_TIMEOUT": "10"}) as sandbox:
            try:
                ended = sandbox.ended(8)
            except TimeoutError:
                # A slow run; or one that makes no such call: then a signal from here must do..
                sandbox.refused(60)
                came["delivered"] += sandbox.has_ended()
                if not sandbox.has_ended():
                    os.kill(traced_in(sandbox), number)
                ended = sandbox.ended(60)
            else:
                came["delivered"] += 1
            assert sandbox.left() == [], (call, at)
            if ended.stdout:
                assert ended.stdout.startswith("ready "), (call, at, ended)
                assert ended.code == 0, (call, at, ended)
                came["ready, and ended with 0"] += 1
            else:
                # Before it has taken the signals up it dies of one; after that it says what happened.
                assert ended.code in (1, -number, *([INTERRUPTED] if name in {"run", "run_c"} else [])), (call, at, ended)
                came["died of it" if ended.code == -number else "said why"] += 1
    assert came["delivered"] > 2
    if all_calls:
        count(
            f"{name} {number.name}: {len(moments)} calls, " + ", ".join(f"{many} {what}" for what, many in sorted(came.items()))
        )


def test_strace_can_inject(tmp_path: Path) -> None:
    """The tests above would show nothing with an strace that does not deliver the signal."""
    traced = [
        "strace",
        "-o",
        "/dev/null",
        "-e",
        "inject=getpid:signal=TERM:when=1",
        "sh",
        "-c",
        "exec python3 -S -c 'import os; os.getpid(); print(1)'",
    ]
    ended = subprocess.run(traced, capture_output=True, timeout=60, check=False)
    assert ended.stdout == b""
