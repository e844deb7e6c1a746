"""Rebuilds a planned tree for real by `crplan run` and by the programs that the back ends write, and looks at what stands."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from crplan_python.emit import emit as emit_python
from crplan_shell.emit import emit as emit_shell
from crplan_syscalls.program import emit_program

from planner.events import log
from planner.events.records import FORMAT_VERSION, AnyEvent, LogOpened
from planner.kernel.namespaces import OWNED, USER
from planner.kernel.objects import LIVING, Process
from planner.kernel.simulation import simulate
from planner.planning.steps.sharing import PLANNED
from planner.plans.model import Plan
from planner.plans.relax import conceded
from tests.helpers.executors import Sandbox, Standing, expected, shares

WAYS = ("run", "python", "c", "shell")
TIMEOUT = 60


def command(way: str, plan: Plan, source: Path | Sequence[AnyEvent], directory: Path) -> list[str]:
    """Return the command line that rebuilds `plan`; `crplan run` takes the source (an image's path, or its events) itself."""
    if way == "run":
        if not isinstance(source, Path):
            path = directory / "log.jsonl"
            path.write_bytes(b"".join(log.lines([LogOpened(format_version=FORMAT_VERSION), *source])))
            source = path
        return [sys.executable, "-m", "planner", "run", "--option", "sharing=possible", str(source)]
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
    """Rebuild a tree, end it, and return what was wrong; "" when it stood exactly and nothing was left.

    Interpreters cannot share memory and signal handlers, which the C program does; all else has to stand as it was.
    """
    if way != "c":
        plan = conceded(plan, {"sharing": "possible"})
    with tempfile.TemporaryDirectory() as directory, Sandbox(command(way, plan, source, Path(directory))) as sandbox:
        try:
            sandbox.ready(TIMEOUT)
        except (AssertionError, TimeoutError) as error:
            return f"{way}: {error}"
        standing, wanted = tasks_standing(sandbox, plan), expected(plan)
        if standing != wanted:
            differing = [pid for pid in sorted({*standing, *wanted}) if standing.get(pid) != wanted.get(pid)]
            return "\n".join(f"{way}: {pid} is {standing.get(pid)}, wanted {wanted.get(pid)}" for pid in differing)
        if differing := apart(plan, {process.pids[0]: process.host for process in sandbox.processes()}):
            return f"{way}: {differing}"
        sandbox.signal(signal.SIGTERM)
        ended = sandbox.ended()
        if ended.code or ended.stderr:
            return f"{way}: {ended}"
        left = sandbox.left()
        return f"{way}: left {left}" if left else ""


def apart(plan: Plan, hosts: dict[int, int]) -> str:
    """Return who shares or is in a namespace otherwise than the model says; `hosts` are the numbers of all processes."""
    living = [process for process in simulate(plan).kernel.processes() if process.state == LIVING and not process.main_ended]
    for kind in PLANNED:
        first: dict[object, Process] = {}
        pairs = list(pairwise(living))
        for process in living:
            if process.objects and kind in process.objects:
                pairs.append((first.setdefault(process.objects[kind], process), process))
        for one, other in pairs:
            used, another = (one.objects or {}).get(kind), (other.objects or {}).get(kind)
            if used is another is None and kind == "sysv_undo":
                continue  # who has no undo list has the same as all others without one
            alike = shares(hosts[one.pid.first], hosts[other.pid.first], kind)
            if alike != (one is other or (used is not None and used is another)):
                return f"{one.pid.first} and {other.pid.first} have {'the same' if alike else 'different'} {kind}"
    for kind in (USER, *OWNED):
        found: dict[str, object] = {}
        meant: dict[object, str] = {}
        for process in living:
            link, space = os.readlink(f"/proc/{hosts[process.pid.first]}/ns/{kind}"), process.others[kind]
            if found.setdefault(link, space) is not space or meant.setdefault(space, link) != link:
                return f"{process.pid.first} is in another {kind} namespace"
    return ""
