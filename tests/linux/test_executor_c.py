"""The standalone C program, on the real kernel."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Final

import msgspec
import pytest
from crplan_syscalls.program import emit_program
from crplan_syscalls.run import run

import planner
from planner.events.records import AnyEvent, RunEnded, RunReady, RunStarted, StepDone, StepFailed
from planner.identity import StepNumber
from planner.plans import document as plandoc
from planner.plans.model import Plan
from planner.steps import Verify
from planner.testing.drafts import with_init
from planner.testing.plans import PLANS, chain, taken_number, wide
from tests.helpers.amounts import FULL, spread
from tests.helpers.executors import Sandbox, expected, shares
from tests.helpers.places import DATA
from tests.linux.executor_suite import ExecutorSuite, kill_rounds

IMAGES: Final = [image for image in sorted((DATA / "linux-cr").glob("*.ckpt")) if "error" not in image.stem]
"""All images but the one that says itself that its checkpoint failed."""


OPTIMISE = "-O2" if FULL else "-O0"
"""Users compile with -O2, as `test_rebuild_*.py` do with samples and random histories; it takes four times as long."""


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
            subprocess.run(["cc", OPTIMISE, "-Wall", "-Wextra", "-Werror", "-o", program, source], check=True, timeout=60)
        return [str(program)]

    @pytest.mark.parametrize("image", spread(IMAGES, 4), ids=lambda image: image.stem)
    def test_every_image_is_rebuilt(self, image: Path, tmp_path: Path) -> None:
        plan = planner.plan(planner.read(str(image)))
        with self.start(plan, tmp_path) as sandbox:
            sandbox.ready(self.timeout)
            assert sandbox.standing() == expected(plan)
            self.stop(sandbox)

    def test_a_reaper_that_the_plan_does_not_verify_is_no_stranger(self, tmp_path: Path) -> None:
        plan = PLANS["subtree"]()
        kept = [step for step in plan.steps if not (isinstance(step, Verify) and step.target == 1)]
        steps = tuple(msgspec.structs.replace(step, number=number) for number, step in enumerate(kept, 1))
        assert len(steps) == len(plan.steps) - 1
        with self.start(msgspec.structs.replace(plan, steps=steps), tmp_path) as sandbox:
            sandbox.ready(self.timeout)
            assert sandbox.standing() == expected(plan)
            self.stop(sandbox)

    @kill_rounds
    def test_any_process_may_be_killed_the_program_included(self, rounds: range, tmp_path: Path) -> None:
        """The suite kills what was created; here the program itself is among the victims, before ready."""
        for round_ in rounds:
            chance = random.Random(1000 + round_)
            plan = PLANS[chance.choice(["nested_namespaces", "entered_and_adopted", "zombies", "wide", "subtree"])]()
            with self.start(plan, tmp_path) as sandbox:
                executor = sandbox.executor()
                time.sleep(chance.uniform(0, 0.01))
                victim = chance.choice(sandbox.members() or [executor])
                with contextlib.suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)
                deadline = time.monotonic() + 2
                while not sandbox.has_ended() and not sandbox.is_ready():
                    assert time.monotonic() < deadline, "neither ready nor ended"
                    time.sleep(0.002)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(executor, signal.SIGTERM)
                ended = sandbox.ended()
                assert ended.code in (0, 1, -signal.SIGKILL), ended
                assert sandbox.left() == []

    @pytest.mark.parametrize("flag", [0, 0x80])
    def test_zombies_of_faults_leave_no_core_file(self, flag: int, tmp_path: Path) -> None:
        if flag and Path("/proc/sys/kernel/core_pattern").read_text()[0] in "|@/":
            pytest.skip("core files are handed to others here")
        faults = {2: signal.SIGSEGV | flag, 3: signal.SIGABRT | flag, 4: signal.SIGQUIT | flag}
        draft = with_init("faults")
        for number, status in faults.items():
            draft.create(1, number)
            draft.exit(number, status)
        draft.verify(1, 0, 1, 1)
        for number, status in faults.items():
            draft.verify(number, 1, 1, 1, zombie=True, status=status)
        plan = draft.plan(1)
        with contextlib.chdir(tmp_path), self.start(plan, tmp_path) as sandbox:
            sandbox.ready(self.timeout)
            assert sandbox.standing() == expected(plan)
            self.stop(sandbox)
        assert list(tmp_path.iterdir()) == []

    def test_memory_and_signal_handlers_can_be_shared(self, tmp_path: Path) -> None:
        draft = with_init("shared memory")
        draft.create(1, 2)
        draft.create(2, 3, share=("memory",))
        draft.create(3, 4, share=("memory", "signal_handlers", "files"))
        draft.setsid(4)
        draft.create(4, 5)
        draft.create(3, 6, share=("memory",))
        draft.exit(6, signal.SIGTERM)
        for target, parent, session in ((1, 0, 1), (2, 1, 1), (3, 2, 1), (4, 3, 4), (5, 4, 4)):
            draft.verify(target, parent, session, session)
        draft.verify(6, 3, 1, 1, zombie=True, status=signal.SIGTERM)
        plan = draft.plan(1)
        with self.start(plan, tmp_path) as sandbox:
            sandbox.ready(self.timeout)
            assert sandbox.standing() == expected(plan)
            hosts = {seen.pids[0]: seen.host for seen in sandbox.processes()}
            assert shares(hosts[2], hosts[3], "memory") and shares(hosts[3], hosts[4], "memory")
            assert shares(hosts[3], hosts[4], "signal_handlers") and not shares(hosts[2], hosts[3], "signal_handlers")
            assert not shares(hosts[4], hosts[5], "memory") and not shares(hosts[1], hosts[2], "memory")
            self.stop(sandbox)

    def test_an_init_ends_by_a_fault_of_its_own(self, tmp_path: Path) -> None:
        draft = with_init("faulting init")
        draft.create(1, 10, 1, new_namespace=True)
        draft.exit(10, signal.SIGSEGV)
        draft.verify(1, 0, 1, 1)
        draft.verify(10, 1, 1, 1, zombie=True, status=signal.SIGSEGV)
        plan = draft.plan(1)
        with self.start(plan, tmp_path) as sandbox:
            sandbox.ready(self.timeout)
            assert sandbox.standing() == expected(plan)
            self.stop(sandbox)

    def test_a_chain_of_hundreds_stands(self, tmp_path: Path) -> None:
        plan = chain(500)
        with self.start(plan, tmp_path) as sandbox:
            sandbox.ready(self.timeout)
            assert sandbox.standing() == expected(plan)
            self.stop(sandbox)


@pytest.mark.slow
class TestRun(ExecutorSuite):
    """What `crplan run` does with the program that gets its plan as data."""

    without_root = False
    proves_first = True
    crplan: ClassVar[Sequence[str]] = (sys.executable, "-m", "planner")

    def command(self, plan: Plan, directory: Path) -> Sequence[str]:
        document = directory / "plan.json"
        document.write_bytes(msgspec.json.encode(plandoc.document(plan, ())))
        return [*self.crplan, "run", "--executor", "c", str(document)]

    def test_a_cache_whose_files_may_not_be_executed_will_do(self, tmp_path: Path) -> None:
        """Everything that a user can write to is mounted noexec: the program runs from memory then."""
        plan = PLANS["shared_memory"]()
        mounted = f'mount -t tmpfs -o noexec,mode=700 none {tmp_path}/cache && exec "$@"'
        (tmp_path / "cache").mkdir()
        command = ["unshare", "--mount", "sh", "-c", mounted, "sh", *self.command(plan, tmp_path)]
        with Sandbox(command, environment={"XDG_CACHE_HOME": f"{tmp_path}/cache", "TMPDIR": f"{tmp_path}/cache"}) as sandbox:
            sandbox.ready(self.timeout)
            assert sandbox.standing() == expected(plan)
            self.stop(sandbox)


@pytest.mark.root
class TestChoice:
    """Which executor `crplan run` takes by itself, as its log says."""

    @pytest.mark.parametrize(
        ("plan", "taken"),
        [("parent_and_child", "python"), ("shared_memory", "c"), pytest.param("many", "c", marks=pytest.mark.slow)],
    )
    def test_the_c_program_is_taken_where_an_interpreter_cannot_or_is_slow(self, plan: str, taken: str, tmp_path: Path) -> None:
        document, record = tmp_path / "plan.json", tmp_path / "run.jsonl"
        document.write_bytes(msgspec.json.encode(plandoc.document(wide(300) if plan == "many" else PLANS[plan](), ())))
        with Sandbox([sys.executable, "-m", "planner", "run", str(document), "--log", str(record)]) as sandbox:
            sandbox.ready()
            sandbox.signal(signal.SIGTERM)
            assert sandbox.ended().code == 0
        assert f'"executor":"{taken}"' in record.read_text()


@pytest.mark.root
class TestEvents:
    """What the executor tells `crplan run` while it works."""

    @pytest.mark.parametrize("name", ["parent_and_child", "zombies", "threads"])
    def test_every_step_is_told_once_and_in_the_order_of_the_plan(self, name: str) -> None:
        plan = PLANS[name]()
        events: list[AnyEvent] = []

        def record(event: AnyEvent) -> None:
            events.append(event)
            if isinstance(event, RunReady):
                os.kill(os.getpid(), signal.SIGTERM)

        assert run(plan, record, 30) == 0
        ready = next(event for event in events if isinstance(event, RunReady))
        clocks = {event.step: event.clock for event in events if isinstance(event, StepDone)}
        for step in plan.steps:
            assert all(clocks[wait.step] <= clocks[step.number] for wait in step.waits), step.number
        assert all(clocks.values()) and len(set(clocks.values())) > 1
        assert [msgspec.structs.replace(event, clock=0) for event in events] == [
            RunStarted(plan_id=plan.plan_id, executor="c"),
            *(StepDone(step=step.number) for step in plan.steps),
            ready,
            RunEnded(code=0),
        ]

    def test_a_failure_is_told_behind_what_was_done(self, capfd: pytest.CaptureFixture[str]) -> None:
        plan = taken_number()
        events: list[AnyEvent] = []
        assert run(plan, events.append, 30) == 1
        assert [msgspec.structs.replace(event, clock=0) for event in events] == [
            RunStarted(plan_id=plan.plan_id, executor="c"),
            *(StepDone(step=step.number) for step in plan.steps[:4]),
            StepFailed(step=StepNumber(5), error="EEXIST", detail="clone3"),
            RunEnded(code=1),
        ]
        assert capfd.readouterr().err == "crplan: step 5 (birth): task 12: clone3: EEXIST\n"
