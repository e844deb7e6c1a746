"""The C program makes the calls that the listing lists: actor by actor, argument by argument, in the same order."""

import os
import re
import select
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from crplan_syscalls.listing import emit_listing
from crplan_syscalls.program import emit_program

from planner.plans.model import Plan
from planner.testing.plans import PLANS
from tests.generators.random_plans import random_plan

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace"),
]

Traces = dict[int, list[str]]
"""Lines by process: strace's number of it, or its level-0 number in a listing, 0 for the executor."""

PLAN_CALLS = re.compile(
    r"(clone3|setsid|setpgid|setns|unshare|exit|exit_group|kill|wait4|pidfd_open)\(|prctl\(PR_SET_CHILD_SUBREAPER"
)
NAMESPACE_FILE = re.compile(r'openat\(\d+, "(\d+/ns/pid|self/ns/time_for_children)"')
CREATED = re.compile(r"clone3\(.*set_tid=\[([\d, ]+)\].* = (\d+)(?: /\* (\d+) in strace's PID NS \*/)?$")
DESCRIPTOR = re.compile(r"(?<=setns\()\d+|(?<=openat\()\d+|(?<=\) = )\d+(?=$)")


@pytest.mark.parametrize("name", PLANS)
def test_the_program_makes_the_listed_calls(name: str, tmp_path: Path) -> None:
    compare(PLANS[name](), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_the_program_makes_the_listed_calls_of_a_random_history(seed: int, tmp_path: Path) -> None:
    compare(random_plan(seed), tmp_path)


def compare(plan: Plan, directory: Path) -> None:
    """Compare the listing with a trace, actor by actor."""
    listed = parse_listing(emit_listing(plan))
    traced = by_level_0(trace(plan, directory))
    assert set(listed) <= set(traced)
    for actor, lines in traced.items():
        seen = list(plan_lines(lines, executor=actor == 0))
        assert [same_form(line, actor) for line in seen] == [same_form(line, actor) for line in listed.get(actor, [])], actor


def test_the_listing_is_not_empty_and_knows_every_actor() -> None:
    plan = PLANS["entered_from_outside"]()
    listed = parse_listing(emit_listing(plan))
    actors = {step.actor for step in plan.steps}
    assert set(listed) == {int(actor) for actor in actors}
    assert all(listed.values())


def trace(plan: Plan, directory: Path) -> Traces:
    """Run the program under strace until it is ready, end it, and return what each process called."""
    (directory / "r.c").write_text(emit_program(plan))
    subprocess.run(["cc", "-O2", "-o", "r", "r.c"], cwd=directory, check=True, timeout=60)
    command = ["strace", "-ff", "-a1", "-s99", "--decode-pids=pidns", "-o", "trace", "./r"]
    strace = subprocess.Popen(command, cwd=directory, stdout=subprocess.PIPE)
    assert strace.stdout is not None
    executor = 0
    try:
        assert select.select([strace.stdout], [], [], 60)[0], "not ready"
        assert strace.stdout.readline().startswith(b"ready ")
        executor = int(Path(f"/proc/{strace.pid}/task/{strace.pid}/children").read_text().split()[0])
        os.kill(executor, signal.SIGTERM)
        assert strace.wait(60) == 0
    finally:
        if strace.poll() is None:
            if executor:
                os.kill(executor, signal.SIGKILL)
            strace.kill()
            strace.wait()
        strace.stdout.close()
    traces = {int(file.suffix[1:]): file.read_text().splitlines() for file in directory.glob("trace.*")}
    return {0 if process == executor else process: lines for process, lines in traces.items()}


def by_level_0(traces: Traces) -> Traces:
    """Name processes by their level-0 number, where the executor names them, too.

    Those that clone3 did not create are the program's own threads.
    """
    numbers = {0: 0}
    for lines in traces.values():
        for line in lines:
            if created := CREATED.search(line):
                numbers[int(created[3] or created[2])] = int(created[1].split(",")[-1])

    def inside(match: re.Match[str]) -> str:
        return f"setpgid({numbers[int(match[1])]}, {numbers[int(match[2])]})"

    named = {numbers[process]: lines for process, lines in traces.items() if process in numbers}
    named[0] = [re.sub(r"^setpgid\((\d+), (\d+)\)", inside, line) for line in named[0]]
    return named


def plan_lines(lines: list[str], executor: bool) -> Iterator[str]:
    """Yield the calls of the plan: a descriptor counts when it is entered next, and the executor's end is its own."""
    for before, line, following in zip(["", *lines[:-1]], lines, [*lines[1:], ""], strict=True):
        opens = line.startswith("pidfd_open(") or NAMESPACE_FILE.match(line) is not None
        if opens and not following.startswith("setns("):
            continue
        if executor and line.startswith("exit_group("):
            continue
        if line.startswith("unshare(CLONE_NEWNS)") and before.startswith("fsopen(") and "EPERM" in before:
            # An init in a user namespace of its own may mount in a mount namespace of its own only.
            continue
        if line.startswith("unshare(CLONE_NEWUSER) = -1 EPERM"):
            # Its ids are not mapped: it takes others, and asks again.
            continue
        if opens or PLAN_CALLS.match(line):
            yield line


def same_form(line: str, actor: int) -> str:
    """Take away what a listing cannot know: descriptors, strace's remarks, and what the executor's namespace calls anything."""
    line = re.sub(r" /\*.*?\*/", "", line)
    if re.match(r"setns|openat|pidfd_open", line):
        line = DESCRIPTOR.sub("FD", line)
        line = line.replace(") = 0", ") = FD") if line.startswith("openat") else line
    if actor == 0:
        line = re.sub(r"(?<=^pidfd_open\()(\d+|\?)|(?<=^wait4\()(\d+|\?)|(?<=^kill\()(\d+|\?)|(?<= = )(\d+|\?|FD)$", "N", line)
    return line


def parse_listing(listing: str) -> Traces:
    """Return the lines of a listing by actor."""
    groups: Traces = {}
    actor = -1
    for line in listing.splitlines():
        if head := re.match(r"# (?:executor$|(?:task|helper|reaper) (\d+) \[)", line):
            actor = int(head[1] or 0)
            groups[actor] = []
        elif line and not line.startswith("# no call of its own") and actor >= 0:
            groups[actor].append(line)
    return groups
