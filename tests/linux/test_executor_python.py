"""The standalone Python program and `crplan run` with the executor `python`, on the real kernel."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest
from crplan_python.emit import emit
from crplan_python.run import run

import planner
from planner.errors import BadImage, Contradiction, NotProved
from planner.events.records import AnyEvent, RunEnded, RunReady, RunStarted, StepDone, StepFailed
from planner.plans import document as plandoc
from planner.plans.model import Plan
from planner.testing.drafts import with_init
from planner.testing.plans import PLANS, parent_and_child, taken_number, zombies
from tests.helpers.executors import Sandbox, expected
from tests.helpers.places import DATA
from tests.linux.executor_suite import FAILURE_LINE, ExecutorSuite

SYSTEM_PYTHON = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable

IMAGES = sorted((DATA / "linux-cr").glob("*.ckpt"))


class TestProgram(ExecutorSuite):
    """What `--emit python` writes, run without anything installed."""

    refuses = frozenset({"shared_memory"})

    def command(self, plan: Plan, directory: Path) -> Sequence[str]:
        program = directory / "rebuild.py"
        program.write_text(emit(plan))
        return [SYSTEM_PYTHON, "-I", "-S", str(program)]

    @pytest.mark.slow
    @pytest.mark.parametrize("image", IMAGES, ids=lambda image: str(image.name))
    def test_an_image_is_rebuilt(self, image: Path, tmp_path: Path) -> None:
        try:
            plan = planner.plan(planner.read(image))
        except (BadImage, Contradiction, NotProved) as error:
            pytest.skip(f"cannot be restarted: {error}")
        with self.start(plan, tmp_path) as sandbox:
            sandbox.ready(self.timeout)
            assert sandbox.standing() == expected(plan)
            self.stop(sandbox)

    @pytest.mark.parametrize("minor", range(8, 15))
    def test_every_version_of_python_will_do(self, minor: int, tmp_path: Path) -> None:
        python = shutil.which(f"python3.{minor}")
        if not python or subprocess.run([python, "-c", ""], stderr=subprocess.DEVNULL).returncode:
            pytest.skip("not on this machine")
        plan = zombies()
        program = tmp_path / "rebuild.py"
        program.write_text(emit(plan))
        with Sandbox([python, "-I", "-S", str(program)]) as sandbox:
            sandbox.ready(self.timeout)
            assert sandbox.standing() == expected(plan)
            self.stop(sandbox)

    def test_without_user_namespaces_it_says_what_forbids_them(self, tmp_path: Path) -> None:
        with tempfile.TemporaryDirectory() as directory:
            Path(directory).chmod(0o755)
            program = self.command(zombies(), Path(directory))
            forbid = 'echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --bounding-set -all --inh-caps -all "$@"'
            with Sandbox(["unshare", "--user", "--map-root-user", "sh", "-c", forbid, "sh", *program]) as sandbox:
                ended = sandbox.ended()
                assert ended.code == 1
                assert "no user namespace: user.max_user_namespaces is 0" in ended.stderr
                assert FAILURE_LINE.match(ended.stderr)
                assert sandbox.left() == []

    def test_a_core_file_is_dumped_where_nobody_finds_it(self, tmp_path: Path) -> None:
        if Path("/proc/sys/kernel/core_pattern").read_text()[:1] in "|@/":
            pytest.skip("core files go to a program or a directory of this machine")
        draft = with_init("core")
        draft.create(1, 2)
        draft.exit(2, signal.SIGSEGV | 0x80)
        draft.verify(1, 0, 1, 1)
        draft.verify(2, 1, 1, 1, zombie=True, status=signal.SIGSEGV | 0x80)
        plan = draft.plan(1)
        with self.start(plan, tmp_path) as sandbox:
            sandbox.ready(self.timeout)
            assert sandbox.standing() == expected(plan)
            self.stop(sandbox)

    def test_an_init_can_die_of_a_segmentation_fault(self, tmp_path: Path) -> None:
        draft = with_init("fault")
        draft.create(1, 2, 1, new_namespace=True)
        draft.exit(2, signal.SIGSEGV)
        draft.verify(1, 0, 1, 1)
        draft.verify(2, 1, 1, 1, zombie=True, status=signal.SIGSEGV)
        plan = draft.plan(1)
        with self.start(plan, tmp_path) as sandbox:
            sandbox.ready(self.timeout)
            assert sandbox.standing() == expected(plan)
            self.stop(sandbox)

    def test_an_entered_child_that_has_siblings_is_found_by_its_outer_number(self, tmp_path: Path) -> None:
        draft = with_init("outer numbers")
        draft.enter(0, 1)
        draft.create(0, 5)
        draft.create(5, 6, sibling=True)
        helper = draft.create(5, 7, role="helper", sibling=True)
        ended = draft.exit(7, after=(helper,))
        draft.reap(0, 7, after=(ended,))
        draft.setpgid(5, 5, 5)
        draft.setpgid(0, 6, 5)
        draft.verify(1, 0, 1, 1)
        draft.verify(5, 0, 5, 0)
        draft.verify(6, 0, 5, 0)
        plan = draft.plan(1)
        with self.start(plan, tmp_path) as sandbox:
            sandbox.ready(self.timeout)
            assert sandbox.standing() == expected(plan)
            self.stop(sandbox)


@pytest.mark.slow
class TestRun(ExecutorSuite):
    """What `crplan run` does with it."""

    refuses = frozenset({"shared_memory"})
    without_root = False
    proves_first = True
    crplan: ClassVar[Sequence[str]] = (sys.executable, "-m", "planner")

    def command(self, plan: Plan, directory: Path) -> Sequence[str]:
        document = directory / "plan.json"
        document.write_bytes(msgspec.json.encode(plandoc.document(plan, ())))
        return [*self.crplan, "run", "--executor", "python", str(document)]

    def test_shared_memory_may_be_left_out(self, tmp_path: Path) -> None:
        plan = PLANS["shared_memory"]()
        command = [*self.command(plan, tmp_path), "--option", "sharing=possible"]
        with Sandbox(command) as sandbox:
            sandbox.ready(self.timeout)
            assert sandbox.standing() == expected(plan)
            self.stop(sandbox)


@pytest.mark.root
class TestEvents:
    """What the executor tells `crplan run` while it works."""

    def test_every_step_is_reported_once_and_in_order(self) -> None:
        plan = parent_and_child()
        events: list[AnyEvent] = []

        def record(event: AnyEvent) -> None:
            events.append(event)
            if isinstance(event, RunReady):
                os.kill(os.getpid(), signal.SIGTERM)

        assert run(plan, record, 30) == 0
        ready = next(event for event in events if isinstance(event, RunReady))
        clocks = [event.clock for event in events if isinstance(event, StepDone)]
        assert all(clocks) and clocks == sorted(clocks), "each step has the time at which its process was done with it"
        assert len(set(clocks)) > 1
        assert [msgspec.structs.replace(event, clock=0) for event in events] == [
            RunStarted(plan_id=plan.plan_id, executor="python"),
            *(StepDone(step=step.number) for step in plan.steps),
            ready,
            RunEnded(code=0),
        ]

    def test_a_failure_is_reported_behind_what_was_done(self, capfd: pytest.CaptureFixture[str]) -> None:
        plan = taken_number()
        events: list[AnyEvent] = []
        assert run(plan, events.append, 30) == 1
        assert [msgspec.structs.replace(event, clock=0) for event in events[:-2]] == [
            RunStarted(plan_id=plan.plan_id, executor="python"),
            *(StepDone(step=step.number) for step in plan.steps[:4]),
        ]
        failure = events[-2]
        assert isinstance(failure, StepFailed)
        assert (failure.step, failure.error) == (5, "EEXIST")
        assert events[-1] == RunEnded(code=1)
        assert capfd.readouterr().err == "crplan: step 5 (birth): task 12: create: File exists: EEXIST\n"
