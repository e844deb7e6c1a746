"""The emitted shell script carries every plan out, under dash and under bash, and no line of it can be spared."""

import contextlib
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pytest
from crplan_shell.emit import emit, machinery

import planner
from planner.errors import BadImage, Contradiction, NotProved
from planner.plans.model import Plan
from planner.testing.drafts import with_init
from planner.testing.plans import PLANS, nested_namespaces
from tests.helpers.executors import Ended, Sandbox, expected
from tests.helpers.places import DATA
from tests.linux.executor_suite import FAILURE_LINE, ExecutorSuite, kill_rounds
from tests.plugins.test_shell import everything

IMAGES = sorted((DATA / "linux-cr").glob("*.ckpt"))


class ShellSuite(ExecutorSuite):
    """Runs the script with `shell`."""

    shell: ClassVar[str]
    refuses: ClassVar[frozenset[str]] = frozenset({"shared_memory"})

    def command(self, plan: Plan, directory: Path) -> Sequence[str]:
        return self.script(emit(plan), directory)

    def script(self, text: str, directory: Path) -> Sequence[str]:
        """Return the command line that runs a script."""
        shell = shutil.which(self.shell)
        if not shell:
            pytest.skip(f"no {self.shell}")
        script = directory / "rebuild.sh"
        script.write_text(text)
        return ["/usr/bin/env", f"PATH={tools(directory)}", shell, str(script)]

    def run(self, text: str, directory: Path) -> Ended:
        """Run a script that must fail, and check that nothing is left."""
        with Sandbox(self.script(text, directory), environment={"CRPLAN_TIMEOUT": "2"}) as sandbox:
            ended = sandbox.ended(10)
            assert sandbox.left() == []
        return ended

    @pytest.mark.parametrize("image", IMAGES, ids=lambda image: str(image.name))
    def test_an_image_is_rebuilt(self, image: Path, tmp_path: Path) -> None:
        try:
            plan = planner.plan(planner.read(image))
        except (BadImage, Contradiction, NotProved) as error:
            pytest.skip(f"cannot be restarted: {error}")
        with self.start(plan, tmp_path) as sandbox:
            if sandbox.refused(self.timeout):
                assert self.refuses
                return
            sandbox.ready(self.timeout)
            assert sandbox.standing() == expected(plan)
            self.stop(sandbox)

    def test_every_kind_of_step_in_one_plan(self, tmp_path: Path) -> None:
        plan = everything()
        with self.start(plan, tmp_path) as sandbox:
            sandbox.ready(self.timeout)
            assert sandbox.standing() == expected(plan)
            self.stop(sandbox)
        assert not list(tmp_path.glob("core*"))

    @kill_rounds
    def test_nothing_is_left_when_any_process_is_killed(self, rounds: range, tmp_path: Path) -> None:
        """The agent or a process that it made, at any moment; who ends early says so in one line or is dead."""
        for round_ in rounds:
            chance = random.Random(f"anybody {round_}")
            names = ["nested_namespaces", "entered_from_outside", "wide", "zombies", "threads"]
            plan = PLANS[chance.choice([name for name in names if name not in self.refuses])]()
            with self.start(plan, tmp_path) as sandbox:
                sandbox.executor()
                time.sleep(chance.uniform(0, 0.25))
                members = sandbox.members()
                if members:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(chance.choice([*members[:3], *members]), signal.SIGKILL)
                deadline = time.monotonic() + 10
                while not sandbox.is_ready() and not sandbox.has_ended() and time.monotonic() < deadline:
                    time.sleep(0.005)
                if sandbox.is_ready() and not sandbox.has_ended():
                    with contextlib.suppress(ProcessLookupError, TimeoutError):
                        sandbox.signal(signal.SIGTERM)
                ended = sandbox.ended()
                assert ended.code in (0, 1, -signal.SIGKILL), ended
                assert ended.stderr.count("\n") == (ended.code == 1), ended
                assert sandbox.left() == []

    def test_where_no_proc_can_be_made_the_hosts_will_do(self, tmp_path: Path) -> None:
        """The script's own /proc is then one that other processes are in as well."""
        for name in ("nested_namespaces", "entered_from_outside", "threads", "zombie_leader", "subtree", "adopted_by_subreaper"):
            if name in self.refuses:
                continue
            plan = PLANS[name]()
            text = emit(plan)
            assert 'mount(b"proc")' in text
            text = text.replace('mount(b"proc")', 'mount(b"no such thing")')
            directory = tmp_path / name
            directory.mkdir()
            with Sandbox(self.script(text, directory), options=("proc",)) as sandbox:
                sandbox.ready(self.timeout)
                assert sandbox.standing() == expected(plan)
                self.stop(sandbox)

    def test_without_root_the_executor_enters_from_outside_too(self) -> None:
        if Path("/proc/sys/user/max_user_namespaces").read_text().strip() == "0":
            pytest.skip("no user namespaces")
        plan = PLANS["entered_from_outside"]()
        with tempfile.TemporaryDirectory() as directory:
            Path(directory).chmod(0o755)
            with self.start(plan, Path(directory), options=("proc", "uid=65534")) as sandbox:
                sandbox.ready(self.timeout)
                assert sandbox.standing() == expected(plan)
                self.stop(sandbox)

    def test_nobody_stands_beside_the_agent(self, tmp_path: Path) -> None:
        """Not even the process by which some shells write a here-document."""
        with self.start(nested_namespaces(), tmp_path) as sandbox:
            sandbox.ready(self.timeout)
            assert len(sandbox.members()) == len(sandbox.processes()) + 1
            self.stop(sandbox)

    def test_the_script_may_come_through_a_pipe(self, tmp_path: Path) -> None:
        plan = nested_namespaces()
        *shell, script = self.command(plan, tmp_path)
        with Sandbox(["sh", "-c", f"exec {shlex.join(shell)} -s <'{script}'"]) as sandbox:
            sandbox.ready(self.timeout)
            assert sandbox.standing() == expected(plan)
            self.stop(sandbox)

    def test_a_script_that_stops_halfway_leaves_nothing(self, tmp_path: Path) -> None:
        text = re.sub(r"^ +ready after .*\n", "", emit(PLANS["process_groups"]()), flags=re.MULTILINE)
        ended = self.run(text, tmp_path)
        assert (ended.code, ended.stdout) == (1, "")
        assert ended.stderr == "crplan: the script ended before it was ready\n"

    def test_a_line_that_nobody_understands_is_a_failure(self, tmp_path: Path) -> None:
        text = emit(PLANS["process_groups"]())
        for step, old, new in ((2, " 1 setsid ", " 1 dance "), (7, " setpgid 3 2 ", " setpgid 3 two ")):
            wrong = re.sub(rf"^ +step {step} .*", lambda line: line[0].replace(old, new), text, flags=re.MULTILINE)  # noqa: B023
            assert wrong != text
            ended = self.run(wrong, tmp_path)
            assert (ended.code, ended.stdout) == (1, "")
            line = FAILURE_LINE.match(ended.stderr)
            assert line, ended.stderr
            assert int(line[1]) == step


class TestDash(ShellSuite):
    shell = "dash"

    PRESSED = ("crossed_groups", "adopted_by_subreaper", "entered_from_inside", "zombies")

    @pytest.mark.slow
    @pytest.mark.parametrize("name", PRESSED)
    def test_no_line_can_be_taken_out(self, name: str, tmp_path: Path) -> None:
        head, lines, tail = taken_apart(PLANS[name]())
        for place in range(len(lines) - 1):
            ended = self.run(head + "".join(lines[:place] + lines[place + 1 :]) + tail, tmp_path)
            assert (ended.code, ended.stdout) == (1, "")
            line = FAILURE_LINE.match(ended.stderr)
            assert line, ended.stderr
            assert f"step {place + 1} " in line[4]
            assert int(line[1]) == min(place + 2, len(lines) - 1)

    @pytest.mark.slow
    @pytest.mark.parametrize("name", PRESSED)
    def test_no_two_lines_can_be_swapped(self, name: str, tmp_path: Path) -> None:
        head, lines, tail = taken_apart(PLANS[name]())
        for place in range(len(lines) - 2):
            swapped = [*lines[:place], lines[place + 1], lines[place], *lines[place + 2 :]]
            ended = self.run(head + "".join(swapped) + tail, tmp_path)
            assert (ended.code, ended.stdout) == (1, "")
            line = FAILURE_LINE.match(ended.stderr)
            assert line, ended.stderr
            assert int(line[1]) == place + 2
            assert f"step {place + 1} " in line[4]

    @pytest.mark.slow
    @pytest.mark.parametrize("name", PRESSED)
    def test_the_numbers_are_not_what_makes_a_line_needed(self, name: str, tmp_path: Path) -> None:
        """With the numbers mended, a line that is missing is found by its effects."""
        head, lines, tail = taken_apart(PLANS[name]())
        for place in range(len(lines) - 1):
            rest = [line for number, line in enumerate(lines[:-1]) if number != place]
            mended = [re.sub(r"^( +\w+) \d+", rf"\g<1> {number}", line) for number, line in enumerate(rest, 1)]
            last = lines[-1].replace(f"after {len(lines) - 1}", f"after {len(rest)}")
            ended = self.run(head + "".join([*mended, last]) + tail, tmp_path)
            assert (ended.code, ended.stdout) == (1, ""), lines[place]
            assert FAILURE_LINE.match(ended.stderr), ended.stderr


@pytest.mark.slow
class TestBash(ShellSuite):
    shell = "bash"


def tools(directory: Path) -> Path:
    """Make a directory of all programs that a script needs."""
    folder = directory / "tools"
    if not folder.exists():
        folder.mkdir()
        (folder / "python3").symlink_to(Path(shutil.which("python3", path="/usr/bin:/bin") or sys.executable).resolve())
    return folder


def taken_apart(plan: Plan) -> tuple[str, list[str], str]:
    """Return a script's text before its steps, the lines of the steps and of `ready`, and what follows."""
    own, machine, last = emit(plan).partition(machinery())
    head, lines = own.split("plan() {\n")
    lines, end = lines.split("}\n")
    steps = [line for line in lines.splitlines(keepends=True) if not line.startswith("    # ")]
    first = next(number for number, line in enumerate(steps) if line.startswith("    step "))
    return f"{head}plan() {{\n{''.join(steps[:first])}", steps[first:], f"}}\n{end}{machine}{last}"


@pytest.mark.root
def test_a_core_that_the_machine_hands_on_is_refused(tmp_path: Path) -> None:
    draft = with_init("core")
    draft.create(1, 2)
    draft.exit(2, 6 | 0x80)
    draft.verify(1, 0, 1, 1)
    draft.verify(2, 1, 1, 1, zombie=True, status=6 | 0x80)
    text = emit(draft.plan(1)).replace('"/proc/sys/kernel/core_pattern"', f'"{tmp_path}/pattern"')
    (tmp_path / "pattern").write_text("|/usr/bin/collect\n")
    ended = subprocess.run(["sh", "-s"], input=text, capture_output=True, text=True, timeout=10)
    assert (ended.returncode, ended.stdout) == (3, "")
    assert ended.stderr == (
        "crplan: cannot do this plan: task 2 left a core file, and core_pattern hands core files to others on this machine\n"
    )
