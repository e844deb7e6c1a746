"""The emitted shell script carries every plan out, under dash and under bash."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pytest
from crplan_shell.emit import emit

from planner.plans import Plan
from tests.kernel.executor_suite import ExecutorSuite


class ShellSuite(ExecutorSuite):
    """Runs the script with `shell`."""

    shell: ClassVar[str]

    def command(self, plan: Plan, directory: Path) -> Sequence[str]:
        if not shutil.which(self.shell):
            pytest.skip(f"no {self.shell}")
        script = directory / "rebuild.sh"
        script.write_text(emit(plan))
        return [self.shell, str(script)]


class TestDash(ShellSuite):
    shell = "dash"


class TestBash(ShellSuite):
    shell = "bash"
