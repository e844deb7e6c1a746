"""Rebuilds a planned tree for real by `crplan run` and by the programs that the back ends write, and looks at what stands."""

import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from crplan_python.emit import emit as emit_python
from crplan_shell.emit import emit as emit_shell
from crplan_syscalls.program import emit_program

from planner import log
from planner.events import FORMAT_VERSION, AnyEvent, LogOpened
from planner.plans import Plan
from planner.testing.executors import Sandbox, Standing, expected

WAYS = ("run", "python", "c", "shell")
TIMEOUT = 60


def command(way: str, plan: Plan, source: Path | Sequence[AnyEvent], directory: Path) -> list[str]:
    """Return the command line that rebuilds `plan`; `crplan run` takes the source (an image's path, or its events) itself."""
    if way == "run":
        if not isinstance(source, Path):
            path = directory / "log.jsonl"
            path.write_bytes(b"".join(log.lines([LogOpened(format_version=FORMAT_VERSION), *source])))
            source = path
        return [sys.executable, "-m", "planner", "run", str(source)]
    if way == "python":
        program = directory / "rebuild.py"
        program.write_text(emit_python(plan))
        return ["python3", "-I", "-S", str(program)]
    if way == "shell":
        program = directory / "rebuild.sh"
        program.write_text(emit_shell(plan))
        return ["/bin/sh", str(program)]
    program = directory / "rebuild.c"
    program.write_text(emit_program(plan))
    subprocess.run(["cc", "-O0", "-o", str(directory / "rebuild"), str(program)], check=True)
    return [str(directory / "rebuild")]


def tasks_standing(sandbox: Sandbox, plan: Plan) -> dict[int, Standing]:
    """Return what stands but for the reaper that a plan may leave above its roots."""
    reapers = {process.pid for process in plan.processes if process.role == "reaper"}
    return {pid: how for pid, how in sandbox.standing().items() if pid not in reapers}


def rebuild(way: str, plan: Plan, source: Path | Sequence[AnyEvent]) -> str:
    """Rebuild a tree, end it, and return what was wrong; "" when it stood exactly and nothing was left."""
    with tempfile.TemporaryDirectory() as directory, Sandbox(command(way, plan, source, Path(directory))) as sandbox:
        try:
            sandbox.ready(TIMEOUT)
        except (AssertionError, TimeoutError) as error:
            return f"{way}: {error}"
        standing, wanted = tasks_standing(sandbox, plan), expected(plan)
        if standing != wanted:
            differing = [pid for pid in sorted({*standing, *wanted}) if standing.get(pid) != wanted.get(pid)]
            return "\n".join(f"{way}: {pid} is {standing.get(pid)}, wanted {wanted.get(pid)}" for pid in differing)
        sandbox.signal(signal.SIGTERM)
        ended = sandbox.ended()
        if ended.code or ended.stderr:
            return f"{way}: {ended}"
        left = sandbox.left()
        return f"{way}: left {left}" if left else ""
