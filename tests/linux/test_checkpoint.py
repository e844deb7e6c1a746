"""Checkpoints of running trees: the freezer and the mask for real, under a recorder in criu's place; kills; and criu itself."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from planner.checkpoint.journal import DIRECTORY
from planner.checkpoint.manifest import read
from tests.helpers import nested
from tests.helpers.amounts import amount
from tests.helpers.nested import Tree

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.skipif(bool(nested.missing()), reason=nested.missing())]

TREES = ("()", "[]", "([()])", "([()][])", "(([])(S()))[([()])(Z)]", "t([t])")
KILLS = amount("CRPLAN_KILLS", 100, 4)
PATIENCE = 20.0


def started(tree: Tree, image: Path, criu: str, *options: str, **environment: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "planner", "checkpoint", str(tree.root), "-o", str(image), "--criu", criu, *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment})


def checkpoint(tree: Tree, image: Path, criu: str, *options: str, **environment: str) -> tuple[int, str]:
    process = started(tree, image, criu, *options, **environment)
    out, errors = process.communicate(timeout=120)
    return process.returncode, out + errors


def leftovers(tree: Tree, image: Path) -> list[str]:
    """Return what a checkpoint may not leave behind."""
    found = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines() if "/children" in line]
    found += [str(path) for path in image.parent.glob(".*crplan*")]
    found += [str(path) for path in Path(DIRECTORY).glob("checkpoint-*.json")]
    found += (
        [line for line in Path(f"/proc/{tree.root}/cgroup").read_text().splitlines() if "crplan" in line] if tree.runs() else []
    )
    return found


@pytest.fixture(params=TREES)
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Tree]:
    with Tree(tmp_path, request.param) as standing:
        yield standing


def test_each_part_is_dumped_by_itself_while_all_stand_still(tree: Tree, tmp_path: Path) -> None:
    before = nested.below(tree.root)
    code, said = checkpoint(tree, tmp_path / "image", nested.recorder(tmp_path), "--leave-running")
    assert code == 0, said
    assert "frozen for" in said
    manifest, _ = read(str(tmp_path / "image"))
    seen = [json.loads((tmp_path / "image" / part.name / "seen.json").read_text()) for part in manifest.parts]
    assert sum(len(part["tasks"]) for part in seen) == len(before) == sum(part.tasks for part in manifest.parts)
    assert {part.root for part in manifest.parts} <= set(before)
    assert leftovers(tree, tmp_path / "image") == []
    assert tree.counts_on()
    assert nested.below(tree.root) == before


def test_the_mask_is_seen_by_criu_alone(tmp_path: Path) -> None:
    with Tree(tmp_path, "([()])") as tree:
        assert checkpoint(tree, tmp_path / "image", nested.recorder(tmp_path), "--leave-running")[0] == 0
        seen = json.loads((tmp_path / "image" / "part0" / "seen.json").read_text())
        assert seen["mounts"] != os.stat("/proc/self/ns/mnt").st_ino


def test_without_leave_running_the_tree_is_ended_once_all_is_kept(tmp_path: Path) -> None:
    with Tree(tmp_path, "([()])") as tree:
        code, said = checkpoint(tree, tmp_path / "image", nested.recorder(tmp_path))
        assert code == 0, said
        assert not tree.runs()
        assert leftovers(tree, tmp_path / "image") == []


def test_the_image_is_planned_like_any_other(tmp_path: Path) -> None:
    with Tree(tmp_path, "([()])") as tree:
        assert checkpoint(tree, tmp_path / "image", nested.recorder(tmp_path), "--leave-running")[0] == 0
    for words in (["check"], ["list"], ["inspect"], ["log"], ["plan"]):
        done = subprocess.run(
            [sys.executable, "-m", "planner", *words, str(tmp_path / "image")], capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr


def test_a_dry_run_prints_each_command_and_changes_nothing(tmp_path: Path) -> None:
    with Tree(tmp_path, "([])") as tree:
        code, said = checkpoint(tree, tmp_path / "image", nested.recorder(tmp_path), "--dry-run")
        assert code == 0, said
        assert said.count(" dump --tree ") == 2
        assert not (tmp_path / "image").exists()
        assert tree.counts_on()


@pytest.mark.parametrize("words", ["|([])", "f([])"])
def test_what_crosses_parts_is_refused_before_anything_is_frozen(words: str, tmp_path: Path) -> None:
    with Tree(tmp_path, words) as tree:
        code, said = checkpoint(tree, tmp_path / "image", nested.recorder(tmp_path))
        assert code == 3, said
        assert "checkpoint-crossing" in said
        assert tree.counts_on()
        assert not (tmp_path / "image").exists()


@pytest.mark.parametrize("part", ["part0", "part1"])
def test_a_dump_that_fails_leaves_the_tree_as_it_was(part: str, tmp_path: Path) -> None:
    with Tree(tmp_path, "([])") as tree:
        code, said = checkpoint(tree, tmp_path / "image", nested.recorder(tmp_path), RECORDER_FAILS=part)
        assert code == 1
        assert f"criu dump of {part} ended with 1: it was told to fail" in said
        assert leftovers(tree, tmp_path / "image") == []
        assert tree.counts_on()


def _settled(tree: Tree, image: Path) -> None:
    end = time.monotonic() + PATIENCE
    while leftovers(tree, image):
        assert time.monotonic() < end, leftovers(tree, image)
        time.sleep(0.02)


def test_a_killed_checkpoint_leaves_nothing_and_the_tree_runs_on(tmp_path: Path) -> None:
    chosen = random.Random(18)
    with Tree(tmp_path, "([()])") as tree:
        before = nested.below(tree.root)
        criu = nested.recorder(tmp_path)
        for attempt in range(KILLS):
            image = tmp_path / f"image{attempt}"
            process = started(tree, image, criu, "--leave-running", RECORDER_SECONDS="0.05")
            time.sleep(chosen.uniform(0.2, 2.5))
            process.send_signal(chosen.choice((signal.SIGKILL, signal.SIGTERM, signal.SIGINT)))
            process.communicate()
            _settled(tree, image)
            assert tree.counts_on()
            assert nested.below(tree.root) == before
            assert not image.exists() or read(str(image))


def test_a_second_run_repairs_what_two_killed_processes_left(tmp_path: Path) -> None:
    with Tree(tmp_path, "([()])") as tree:
        criu = nested.recorder(tmp_path)
        process = started(tree, tmp_path / "image", criu, "--leave-running", RECORDER_SECONDS="2")
        end = time.monotonic() + PATIENCE
        while not list(tmp_path.glob(".image*/part*/seen.json")):
            assert time.monotonic() < end
            time.sleep(0.01)
        (journal,) = Path(DIRECTORY).glob("checkpoint-*.json")
        process.kill()
        os.kill(json.loads(journal.read_text())["owner"], signal.SIGKILL)
        process.communicate()
        assert leftovers(tree, tmp_path / "image")
        code, said = checkpoint(tree, tmp_path / "image", criu, "--leave-running")
        assert code == 0, said
        assert "was thawed" in said
        assert leftovers(tree, tmp_path / "image") == []
        assert tree.counts_on()


@pytest.mark.skipif(not nested.criu(), reason="no criu that works here (CRPLAN_CRIU, PATH)")
def test_criu_dumps_nested_pid_namespaces_in_parts(tree: Tree, tmp_path: Path) -> None:
    code, said = checkpoint(tree, tmp_path / "image", nested.criu(), "--leave-running")
    assert code == 0, said
    assert tree.counts_on()
    manifest, _ = read(str(tmp_path / "image"))
    for part in manifest.parts:
        name = f"{tmp_path / 'image'}::{part.name}"
        done = subprocess.run([sys.executable, "-m", "planner", "check", name], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
