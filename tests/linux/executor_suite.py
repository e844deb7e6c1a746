"""What every executor must do, whatever it is written in.

A test file of one executor derives a class from `ExecutorSuite` and says how a plan becomes a command line:

    class TestPython(ExecutorSuite):
        def command(self, plan, directory):
            program = directory / "rebuild.py"
            program.write_text(emit(plan))
            return ["python3", str(program)]

Everything runs in pid namespaces of its own, is bounded in time, and is killed at the end. What stands is read from the host's
/proc, not from the executor.
"""

import contextlib
import os
import random
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from planner.errors import CannotEmit
from planner.plans.model import Plan
from planner.plans.relax import conceded
from planner.steps import Create, Verify
from planner.testing.plans import FAILURES, PLANS, chain, nested_namespaces, wide, zombies
from tests.generators.random_plans import random_plan
from tests.helpers.amounts import amount, blocks
from tests.helpers.executors import Sandbox, expected, expected_exit_signals, shares

kill_rounds = pytest.mark.parametrize("rounds", blocks(amount("CRPLAN_KILLS", 50, 20), 4, 23))
"""Rounds in which a process is killed at a random moment, with `rounds` for the numbers of some of them."""

FAILURE_LINE = re.compile(r"^crplan: step (\d+) \(([^)]*)\): task (\d+): (.+): ([A-Za-z0-9 ]+)\n$")


@pytest.mark.root
class ExecutorSuite:
    """The contract of DESIGN, "Executors", as tests."""

    refuses: ClassVar[frozenset[str]] = frozenset()
    """Names in `PLANS` that this executor refuses before its first step, by `CannotEmit` or by exit code 3."""

    without_root: ClassVar[bool] = True
    """Whether another user may run the command line, as far as its files go."""

    proves_first: ClassVar[bool] = False
    """Whether a plan that cannot work is refused with exit code 3 because it does not prove on the model."""

    timeout: ClassVar[float] = 60
    """Seconds that any one rebuild may take."""

    def command(self, plan: Plan, directory: Path) -> Sequence[str]:
        """Return the command line that rebuilds `plan`; `directory` is empty and the test's own."""
        raise NotImplementedError

    def start(
        self, plan: Plan, directory: Path, *, options: Sequence[str] = (), environment: Mapping[str, str] | None = None
    ) -> Sandbox:
        """Start the executor in a sandbox."""
        return Sandbox(self.command(plan, directory), options=options, environment=environment)

    def stop(self, sandbox: Sandbox, number: int = signal.SIGTERM) -> None:
        """End a holding executor, and check that it ends with 0, says nothing and leaves nothing."""
        sandbox.signal(number)
        ended = sandbox.ended()
        assert ended.code == 0, ended
        assert re.fullmatch(r"ready \d+\n", ended.stdout)
        assert ended.stderr == ""
        assert sandbox.left() == []

    def accepted(self) -> list[str]:
        """Return the names of the plans that this executor does not refuse."""
        return [name for name in PLANS if name not in self.refuses]

    # What stands.

    @pytest.mark.parametrize("name", PLANS)
    def test_what_stands_is_what_the_plan_says(self, name: str, tmp_path: Path) -> None:
        plan = PLANS[name]()
        if name in self.refuses:
            self.check_refusal(plan, tmp_path)
            return
        with self.start(plan, tmp_path) as sandbox:
            root = sandbox.ready(self.timeout)
            assert sandbox.standing() == expected(plan)
            assert root == next(sandbox.sandbox_number(seen.host) for seen in sandbox.processes() if seen.pids[0] == plan.root)
            signals = {seen.pids[0]: seen.exit_signal for seen in sandbox.processes()}
            wanted = expected_exit_signals(plan)
            assert {pid: signals[pid] for pid in wanted} == wanted
            self.stop(sandbox)

    def check_refusal(self, plan: Plan, directory: Path) -> None:
        """Check that a plan is refused before the first step, and that the refusal names a task."""
        try:
            with self.start(plan, directory) as sandbox:
                ended = sandbox.ended(self.timeout)
                assert ended.code == 3, ended
                assert ended.stdout == ""
                assert re.search(r"task \d+", ended.stderr)
                assert sandbox.left() == []
        except CannotEmit as refusal:
            assert re.search(r"task \d+", str(refusal))

    @pytest.mark.parametrize("name", ["shared_tables", "shared_memory"])
    def test_what_was_shared_is_shared(self, name: str, tmp_path: Path) -> None:
        if name in self.refuses:
            pytest.skip("refused")
        plan = PLANS[name]()
        with self.start(plan, tmp_path) as sandbox:
            sandbox.ready(self.timeout)
            hosts = {seen.pids[0]: seen.host for seen in sandbox.processes() if not seen.zombie}
            for step in plan.steps:
                if isinstance(step, Create) and step.actor in hosts and step.child in hosts:
                    for what in ("files", "fs", "sysv_undo", "memory", "signal_handlers"):
                        if what in step.share:
                            assert shares(hosts[step.actor], hosts[step.child], what), (step.child, what)
                    for what in {"files", "fs", "memory", "signal_handlers"}.difference(step.share):
                        assert not shares(hosts[step.actor], hosts[step.child], what), (step.child, what)
            self.stop(sandbox)

    @pytest.mark.parametrize("name", ["other_namespaces", "user_namespaces", "mapped_user_namespaces"])
    def test_tasks_are_in_the_namespaces_that_the_plan_says(self, name: str, tmp_path: Path) -> None:
        if name in self.refuses:
            pytest.skip("refused")
        plan = PLANS[name]()
        with self.start(plan, tmp_path) as sandbox:
            sandbox.ready(self.timeout)
            hosts = {seen.pids[0]: seen.host for seen in sandbox.processes()}
            hosts[0] = sandbox.executor()
            compared = 0
            for step in plan.steps:
                for kind, holder in step.namespaces.items() if isinstance(step, Verify) else ():
                    spaces = {who: os.stat(f"/proc/{hosts[who]}/ns/{kind}").st_ino for who in (step.target, holder, 0)}
                    assert spaces[step.target] == spaces[holder], (step.target, kind)
                    assert (spaces[holder] == spaces[0]) == (holder == 0), (step.target, kind)
                    compared += 1
            assert compared > 15
            self.stop(sandbox)

    def test_a_user_namespace_knows_root(self, tmp_path: Path) -> None:
        if "user_namespaces" in self.refuses:
            pytest.skip("refused")
        with self.start(PLANS["user_namespaces"](), tmp_path) as sandbox:
            sandbox.ready(self.timeout)
            hosts = {seen.pids[0]: seen.host for seen in sandbox.processes()}
            for task in (2, 3, 4, 5):
                for file in ("uid_map", "gid_map"):
                    assert Path(f"/proc/{hosts[task]}/{file}").read_text().split() == ["0", "0", "1"], (task, file)
            self.stop(sandbox)

    def test_id_maps_are_those_on_record(self, tmp_path: Path) -> None:
        """Seen from outside: a map below another leads through that one."""
        if "mapped_user_namespaces" in self.refuses:
            pytest.skip("refused")
        with self.start(PLANS["mapped_user_namespaces"](), tmp_path) as sandbox:
            sandbox.ready(self.timeout)
            hosts = {seen.pids[0]: seen.host for seen in sandbox.processes()}

            def seen(task: int, file: str) -> list[str]:
                return [" ".join(line.split()) for line in Path(f"/proc/{hosts[task]}/{file}").read_text().splitlines()]

            for task in (1, 2, 10, 11):
                assert seen(task, "uid_map") == ["0 100000 65536", "70000 5000 10"], task
                assert seen(task, "gid_map") == ["0 200000 1000"], task
            assert seen(3, "uid_map") == ["0 101000 10", "20 5000 5"]
            assert seen(3, "gid_map") == [f"{2 * place} {200000 + 5 * place} 1" for place in range(9)]
            assert seen(4, "uid_map") == ["5 101007 3"]
            assert seen(4, "gid_map") == ["0 200000 1"]
            self.stop(sandbox)

    def test_id_maps_that_may_not_be_written_are_a_failure(self) -> None:
        """Without root an executor has one id to map."""
        if not self.without_root or "mapped_user_namespaces" in self.refuses:
            pytest.skip("not for other users, or refused")
        if Path("/proc/sys/user/max_user_namespaces").read_text().strip() == "0":
            pytest.skip("no user namespaces")
        plan = PLANS["mapped_user_namespaces"]()
        with tempfile.TemporaryDirectory() as directory:
            Path(directory).chmod(0o755)
            with self.start(plan, Path(directory), options=("proc", "uid=65534")) as sandbox:
                ended = sandbox.ended(self.timeout)
                assert ended.code == 1, ended
                line = FAILURE_LINE.match(ended.stderr)
                assert line, ended.stderr
                assert (int(line[1]), line[2], line[3], line[5]) == (2, "mapped", "1", "EPERM")
                assert sandbox.left() == []
            with self.start(conceded(plan, {"maps": "own"}), Path(directory), options=("proc", "uid=65534")) as sandbox:
                sandbox.ready(self.timeout)
                assert sandbox.standing() == expected(plan)
                self.stop(sandbox)

    def test_many_and_deep(self, tmp_path: Path) -> None:
        for name, plan in (("wide", wide(300)), ("deep", chain(120))):
            directory = tmp_path / name
            directory.mkdir()
            with self.start(plan, directory) as sandbox:
                sandbox.ready(self.timeout)
                assert sandbox.standing() == expected(plan)
                self.stop(sandbox)

    @pytest.mark.parametrize("seeds", blocks(amount("CRPLAN_RANDOM_PLANS", 20, 12), 3, 17))
    def test_random_histories_stand_as_the_model_says(self, seeds: range, tmp_path: Path) -> None:
        for seed in seeds:
            plan = random_plan(seed)
            directory = tmp_path / str(seed)
            directory.mkdir()
            try:
                sandbox = self.start(plan, directory)
            except CannotEmit:
                continue
            with sandbox:
                if sandbox.refused(self.timeout):
                    continue
                sandbox.ready(self.timeout)
                assert sandbox.standing() == expected(plan), f"seed {seed}"
                self.stop(sandbox)

    # How it ends.

    def test_interrupt_ends_everything(self, tmp_path: Path) -> None:
        with self.start(nested_namespaces(), tmp_path) as sandbox:
            sandbox.ready(self.timeout)
            self.stop(sandbox, signal.SIGINT)

    @pytest.mark.parametrize("name", ["nested_namespaces", "entered_from_outside", "subtree"])
    def test_the_end_of_the_root_ends_everything(self, name: str, tmp_path: Path) -> None:
        plan = PLANS[name]()
        with self.start(plan, tmp_path) as sandbox:
            sandbox.ready(self.timeout)
            root = next(seen.host for seen in sandbox.processes() if seen.pids[0] == plan.root)
            os.kill(root, signal.SIGKILL)
            assert sandbox.ended().code == 0
            assert sandbox.left() == []

    @pytest.mark.parametrize("name", ["nested_namespaces", "entered_from_outside", "zombies", "subtree"])
    def test_the_death_of_the_executor_ends_everything(self, name: str, tmp_path: Path) -> None:
        with self.start(PLANS[name](), tmp_path) as sandbox:
            sandbox.ready(self.timeout)
            sandbox.signal(signal.SIGKILL)
            sandbox.ended()
            assert sandbox.left() == []

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
    def test_signals_before_ready_end_everything(self, number: int, tmp_path: Path) -> None:
        plan = wide(200)
        for delay in (0.05, 0.1, 0.15, 0.2):
            directory = tmp_path / str(delay)
            directory.mkdir()
            with self.start(plan, directory) as sandbox:
                sandbox.executor()
                time.sleep(delay)
                sandbox.signal(number)
                sandbox.ended()
                assert sandbox.left() == []

    # How it fails.

    @pytest.mark.parametrize("name", FAILURES)
    def test_a_failure_names_the_step_and_leaves_nothing(self, name: str, tmp_path: Path) -> None:
        make, step, error = FAILURES[name]
        plan = make()
        if name in self.refuses:
            self.check_refusal(plan, tmp_path)
            return
        began = time.monotonic()
        with self.start(plan, tmp_path, environment={"CRPLAN_TIMEOUT": "1"}) as sandbox:
            ended = sandbox.ended(self.timeout)
            assert ended.stdout == ""
            if self.proves_first:
                assert ended.code == 3, ended
                assert sandbox.left() == []
                return
            assert ended.code == 1, ended
            line = FAILURE_LINE.match(ended.stderr)
            assert line, ended.stderr
            if step:
                assert int(line[1]) == step
                assert line[2] == plan.steps[step - 1].rule
            if error:
                assert line[5] == error
            assert sandbox.left() == []
        assert time.monotonic() - began < 10

    @kill_rounds
    def test_a_killed_process_is_noticed_at_any_moment(self, rounds: range, tmp_path: Path) -> None:
        for round_ in rounds:
            chance = random.Random(round_)
            directory = tmp_path / str(round_)
            directory.mkdir()
            name = chance.choice(self.accepted())
            with self.start(PLANS[name](), directory) as sandbox:
                self.kill_anything(sandbox, chance)

    def kill_anything(self, sandbox: Sandbox, chance: random.Random) -> None:
        """Kill one process at a random moment: before ready the rebuild fails soon, after it the executor may hold on.

        A helper may die by our hand when it was about to die anyway, so that a rebuild may go on to ready.
        """
        executor = sandbox.executor()
        deadline = time.monotonic() + self.timeout
        target = chance.randrange(1, 12)
        while True:
            inside = sandbox.processes()
            if sandbox.is_ready() or sandbox.has_ended() or len(inside) >= target:
                break
            assert time.monotonic() < deadline
        victim = chance.choice(sorted(inside, key=lambda seen: seen.host)) if inside else None
        if victim:
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim.host, signal.SIGKILL)
        began = time.monotonic()
        while not sandbox.has_ended() and not sandbox.is_ready():
            assert time.monotonic() - began < 10, "neither ready nor ended"
            time.sleep(0.005)
        if not victim or victim.pids[0] != 1:
            with contextlib.suppress(ProcessLookupError):
                os.kill(executor, signal.SIGTERM)
        ended = sandbox.ended()
        assert ended.code in (0, 1), ended
        if ended.code == 1:
            assert FAILURE_LINE.match(ended.stderr), ended.stderr
            assert ended.stdout == ""
        assert sandbox.left() == []

    @pytest.mark.parametrize("every", [8, pytest.param(1, marks=pytest.mark.slow)])
    def test_a_dry_run_prints_every_step_and_does_nothing(self, every: int, tmp_path: Path) -> None:
        for name in self.accepted()[::every]:
            plan = PLANS[name]()
            directory = tmp_path / name
            directory.mkdir()
            with self.start(plan, directory, environment={"CRPLAN_DRY_RUN": "1"}) as sandbox:
                ended = sandbox.ended(self.timeout)
                assert ended.code == 0, ended
                assert ended.stderr == ""
                lines = ended.stdout.splitlines()
                assert len([line for line in lines if re.match(r"^\s*(step\s+)?\d+\b", line)]) >= len(plan.steps)
                assert "ready" not in ended.stdout
                assert sandbox.left() == []

    def test_an_argument_begins_no_rebuild(self, tmp_path: Path) -> None:
        if self.proves_first:
            pytest.skip("a command of crplan has arguments")
        command = [*self.command(PLANS["single"](), tmp_path)]
        for given in (["x"], [""], ["--"], ["-x"], ["x", "--help"]):
            done = subprocess.run([*command, *given], capture_output=True, text=True, timeout=30, check=False)
            assert done.returncode == 2
            assert (done.stdout, done.stderr) == ("", "crplan: a rebuild takes no arguments; --help says what it does\n")
        for given in (["--help"], ["-h"], ["--help", "x"]):
            done = subprocess.run([*command, *given], capture_output=True, text=True, timeout=30, check=False)
            assert (done.returncode, done.stderr) == (0, "")
            assert done.stdout.startswith("usage: ")
            assert "It takes no arguments." in done.stdout

    # Where it runs.

    @pytest.mark.parametrize("options", [("ignore",), ("block",), ("ignore", "block"), ("proc",)])
    def test_the_caller_may_ignore_and_block_signals(self, options: tuple[str, ...], tmp_path: Path) -> None:
        plan = zombies()
        with self.start(plan, tmp_path, options=options) as sandbox:
            sandbox.ready(self.timeout)
            assert sandbox.standing() == expected(plan)
            self.stop(sandbox)

    def test_without_root_a_user_namespace_serves(self) -> None:
        if not self.without_root:
            pytest.skip("not for other users")
        if Path("/proc/sys/user/max_user_namespaces").read_text().strip() == "0":
            pytest.skip("no user namespaces")
        plan = nested_namespaces()
        with tempfile.TemporaryDirectory() as directory:
            Path(directory).chmod(0o755)
            for options in (("proc", "uid=65534"), ("uid=65534",)):
                with self.start(plan, Path(directory), options=options) as sandbox:
                    sandbox.ready(self.timeout)
                    assert sandbox.standing() == expected(plan)
                    self.stop(sandbox)
