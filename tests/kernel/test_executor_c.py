"""The standalone C program, on the real kernel."""

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import pytest
from crplan_syscalls.program import emit_program

from planner.plans import Plan
from tests.kernel.executor_suite import ExecutorSuite


class TestProgram(ExecutorSuite):
    """What `--emit c` writes, compiled with warnings as errors."""

    programs: ClassVar[Path]

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _compiled_once(cls) -> Iterator[None]:
        with tempfile.TemporaryDirectory() as directory:
            cls.programs = Path(directory)
            cls.programs.chmod(0o755)
            yield

    def command(self, plan: Plan, directory: Path) -> Sequence[str]:
        program = self.programs / plan.plan_id
        if not program.exists():
            source = self.programs / f"{plan.plan_id}.c"
            source.write_text(emit_program(plan))
            subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", program, source], check=True, timeout=60)
        return [str(program)]
