"""The standalone Python program and the executor `python`, on the real kernel."""

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
from crplan_python.emit import emit

from planner.plans import Plan
from tests.kernel.executor_suite import ExecutorSuite

SYSTEM_PYTHON = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable

RUN = """
import os
import sys
from pathlib import Path

import msgspec

from crplan_python.run import run
from planner.events import RunReady
from planner.plans import Plan

plan = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Plan)

def record(event):
    if isinstance(event, RunReady):
        print("ready", event.pid, flush=True)

sys.exit(run(plan, record, float(os.environ.get("CRPLAN_TIMEOUT", "30"))))
"""


class TestProgram(ExecutorSuite):
    """What `--emit python` writes, run without anything installed."""

    def command(self, plan: Plan, directory: Path) -> Sequence[str]:
        program = directory / "rebuild.py"
        program.write_text(emit(plan))
        return [SYSTEM_PYTHON, "-I", "-S", str(program)]


class TestRun(ExecutorSuite):
    """What `crplan run` does with it."""

    kill_rounds = 10
    without_root = False

    def command(self, plan: Plan, directory: Path) -> Sequence[str]:
        file = directory / "plan.json"
        file.write_bytes(msgspec.json.encode(plan))
        return [sys.executable, "-c", RUN, str(file)]
