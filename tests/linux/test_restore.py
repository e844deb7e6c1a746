"""Restores through criu: trees of every shape come back with their numbers at every level and count on, or nothing is left."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from planner.checkpoint import manifest as manifests
from tests.helpers import nested
from tests.helpers.amounts import amount
from tests.helpers.counts import tally
from tests.helpers.nested import Standing, Tree
from tests.linux.test_checkpoint import checkpoint

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.xdist_group("restores"),
    pytest.mark.skipif(bool(nested.missing()), reason=nested.missing()),
    pytest.mark.skipif(not nested.criu(), reason="no criu that works here (CRPLAN_CRIU, PATH)"),
]

TREES = ("()", "([()])", "(([])(S()))[([()])(Z)]", "([tt(Z)(G)])", "(Z)[t(t)][[tt(t)]](t)")
KILLS = amount("CRPLAN_KILLS", 100, 4)
RANDOM = amount("CRPLAN_NESTED", 100, 2)


def random_tree(chosen: random.Random, depth: int = 0, levels: int = 0) -> str:
    """Return a tree of up to three levels of pid namespaces, with siblings, sessions, groups, threads and zombies."""
    words = "t" * chosen.choice((0, 0, 0, 0, 1, 2))
    for _ in range(chosen.choice((1, 1, 2, 3) if depth == 0 else (0, 0, 1, 1, 2))):
        kind = chosen.random()
        if kind < 0.12:
            words += "(Z)"
        elif kind < 0.55 and levels < 2:
            words += f"[{random_tree(chosen, depth + 1, levels + 1)}]"
        else:
            words += f"({chosen.choice(('', '', 'S', 'G'))}{random_tree(chosen, depth + 1, levels)})"
    return words if depth or "[" in words else words + "[]"


def run(image: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "planner", "restore", str(image), "--criu", nested.criu(), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@contextmanager
def restored(image: Path) -> Iterator[tuple[int, str]]:
    """Restore for the body of a `with`: the number of the root, 0 with what was said where that failed."""
    done = run(image)
    root = int(done.stdout.split()[1]) if done.returncode == 0 else 0
    try:
        yield root, done.stderr
    finally:
        if root:
            os.kill(root, signal.SIGKILL)
            while Path(f"/proc/{root}/exe").exists():
                time.sleep(0.01)


def leftovers() -> list[Path]:
    """Return what restores have left behind that have ended: directories, their journals, and cgroups."""
    found = [*Path("/run/crplan").glob("restore-*"), *Path("/sys/fs/cgroup").glob("**/crplan-restore-*")]
    return [path for path in found if not Path(f"/proc/{path.stem.rpartition('-')[2]}/exe").exists()]


def came_back(directory: Path, words: str) -> tuple[str, dict[tuple[int, ...], Standing], dict[tuple[int, ...], Standing]]:
    """Checkpoint and restore a tree; return what was said where it was refused, and what stood before and after."""
    with Tree(directory, words) as tree:
        before = nested.below(tree.root)
        code, said = checkpoint(tree, directory / "image", nested.criu())
        if code:
            assert code == 3, said
            assert tree.counts_on()
            return said, before, {}
        kept = tree.counters()
        with restored(directory / "image") as (root, words):
            if not root:
                assert leftovers() == []
                return words, before, {}
            assert leftovers() == []
            assert tree.counts_on()
            assert all(now >= kept[name] for name, now in tree.counters().items())
            return "", before, nested.below(root)


@pytest.mark.parametrize("words", TREES)
def test_a_tree_comes_back_with_its_numbers_and_counts_on(words: str, tmp_path: Path) -> None:
    said, before, after = came_back(tmp_path, words)
    assert said == ""
    assert after == before


def test_random_trees_come_back_exactly_or_not_at_all(tmp_path: Path) -> None:
    for seed in range(RANDOM):
        directory = tmp_path / str(seed)
        directory.mkdir()
        words = random_tree(random.Random(seed))
        said, before, after = came_back(directory, words)
        assert after == before or (said and not after), f"seed {seed}, {words}: {said}"
        print(f"{seed} {words}: {said or 'exact'}", flush=True)
        tally("nested trees through criu", exact=int(not said), refused=int(bool(said)))


def test_images_that_were_changed_are_refused(tmp_path: Path) -> None:
    with Tree(tmp_path, "[]") as tree:
        assert checkpoint(tree, tmp_path / "image", nested.criu())[0] == 0
    with open(tmp_path / "image" / "part1" / "core-1.img", "ab") as stream:
        stream.write(b"more")
    done = run(tmp_path / "image")
    assert done.returncode == 1
    assert "their digest differs" in done.stderr
    assert leftovers() == []


def test_a_restore_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with Tree(tmp_path, "[()]") as tree:
        assert checkpoint(tree, tmp_path / "image", nested.criu())[0] == 0
        (tree.directory / "rn1").write_text("shorter")
    done = run(tmp_path / "image")
    assert done.returncode == 1
    assert "has bad size" in done.stderr
    assert leftovers() == []


def test_a_killed_restore_leaves_nothing_or_the_whole_tree(tmp_path: Path) -> None:
    chosen = random.Random(18)
    with Tree(tmp_path, "t([t()])") as tree:
        before = nested.below(tree.root)
        assert checkpoint(tree, tmp_path / "image", nested.criu())[0] == 0
    command = [sys.executable, "-m", "planner", "restore", str(tmp_path / "image"), "--criu", nested.criu()]
    for _ in range(KILLS):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(chosen.uniform(0.2, 6))
        process.kill()
        process.communicate()
        end = time.monotonic() + 20
        while leftovers():
            assert time.monotonic() < end, leftovers()
            time.sleep(0.02)
        for root in nested.running(tmp_path):
            assert nested.below(root) == before
            os.kill(root, signal.SIGKILL)
    with restored(tmp_path / "image") as (root, said):
        assert root, said
        assert nested.below(root) == before


@contextmanager
def plain(directory: Path, words: str) -> Iterator[tuple[Tree, Path]]:
    """Dump a tree without nested namespaces by criu alone, for the body of a `with`; the tree runs on."""
    (directory / "image" / "checkpoint").mkdir(parents=True)
    images = directory / "image" / "checkpoint"
    with Tree(directory, words) as tree:
        command = [nested.criu(), "dump", "--tree", str(tree.root), "--images-dir", str(images), "--leave-running"]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        yield tree, images


@pytest.mark.parametrize("words", ["t(S)(Z)(Gt)", "(G(S(t)))"])
def test_plain_images_come_back_by_the_same_command(words: str, tmp_path: Path) -> None:
    with plain(tmp_path, words) as (tree, _):
        before = nested.below(tree.root)
    kept = tree.counters()
    with restored(tmp_path / "image") as (root, said):
        assert root, said
        assert "criu restore: ok" in said
        assert nested.below(root) == before
        assert tree.counts_on()
        assert all(now >= kept[name] for name, now in tree.counters().items())
    assert leftovers() == []


def test_plain_images_that_criu_cannot_restore_here_are_refused_before_it_runs(tmp_path: Path) -> None:
    quiet = subprocess.DEVNULL
    standing = subprocess.Popen(["sleep", "600"], start_new_session=True, stdin=quiet, stdout=quiet, stderr=quiet)
    try:
        command = [nested.criu(), "dump", "--tree", str(standing.pid), "--images-dir", str(tmp_path), "--leave-running"]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        done = run(tmp_path)
        assert standing.poll() is None
    finally:
        standing.kill()
        standing.wait()
    assert done.returncode == 3, done.stderr
    assert "criu restore: refused" in done.stderr
    assert leftovers() == []


def joined(tree: Tree, directory: Path, words: str) -> "subprocess.Popen[bytes]":
    """Start a container of the pod that a tree is the first of: its pid namespace, mounts of its own."""
    directory.mkdir()
    inside = f'mount -t proc proc /proc; exec setsid {nested.compiled(tree.directory.parent)} {directory} r "{words}"'
    command = ["nsenter", "-t", str(tree.root), "-p", "unshare", "-m", "--propagation", "private", "sh", "-c", inside]
    quiet = subprocess.DEVNULL
    member = subprocess.Popen(command, start_new_session=True, stdin=quiet, stdout=quiet, stderr=quiet)
    end = time.monotonic() + 10
    while len([file for file in directory.iterdir() if file.stat().st_size]) < 1 + words.count("(") - words.count("(Z"):
        assert time.monotonic() < end
        time.sleep(0.01)
    return member


def test_a_pod_comes_back_with_its_containers_in_one_pid_namespace(tmp_path: Path) -> None:
    """Plain CRIU on both sides; the images are given in an order in which they cannot be restored."""
    with Tree(tmp_path, "") as tree:
        members = [joined(tree, tmp_path / name, words) for name, words in (("one", "t(S)"), ("two", "(t)(Z)"))]
        children = [Path(f"/proc/{member.pid}/task/{member.pid}/children").read_text() for member in members]
        roots = [tree.root, *map(int, children)]
        before = [nested.below(root) for root in roots]
        shared = ["--external", f"pid[{os.stat(f'/proc/{tree.root}/ns/pid').st_ino}]:pod"]
        images = [tmp_path / f"image{position}" for position in range(len(roots))]
        for root, image in zip(roots, images, strict=True):
            image.mkdir()
            command = [nested.criu(), "dump", "--tree", str(root), "--images-dir", str(image), "--leave-running"]
            subprocess.run([*command, *(shared if root != tree.root else [])], check=True, capture_output=True, timeout=60)
    for member in members:
        member.wait()
    done = run(images[2], str(images[0]), str(images[1]))
    assert done.returncode == 0, done.stderr
    assert leftovers() == []
    restored_roots = [int(line.split()[1]) for line in done.stdout.splitlines()]
    try:
        assert [nested.below(root) for root in restored_roots] == [before[0], before[2], before[1]]
        assert len({os.stat(f"/proc/{root}/ns/pid").st_ino for root in restored_roots}) == 1
    finally:
        os.kill(restored_roots[0], signal.SIGKILL)


def test_a_container_of_a_pod_alone_is_refused(tmp_path: Path) -> None:
    with Tree(tmp_path, "") as tree:
        member = joined(tree, tmp_path / "one", "")
        root = Path(f"/proc/{member.pid}/task/{member.pid}/children").read_text().strip()
        shared = f"pid[{os.stat(f'/proc/{tree.root}/ns/pid').st_ino}]:pod"
        (tmp_path / "image").mkdir()
        command = [nested.criu(), "dump", "--tree", root, "--images-dir", str(tmp_path / "image"), "--external", shared]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    member.wait()
    done = run(tmp_path / "image")
    assert done.returncode == 3
    assert "give the images of the pod together" in done.stderr


def test_a_dry_run_prints_every_file_and_command(tmp_path: Path) -> None:
    with Tree(tmp_path, "[()]") as tree:
        assert checkpoint(tree, tmp_path / "image", nested.criu())[0] == 0
    said = run(tmp_path / "image", "--dry-run").stdout
    assert all(f"WORK/{name}" in said for name in ("part0.table", "part1.sh", "part1.action"))
    assert manifests.there(str(tmp_path / "image"))


def by_script(image: Path, *shell: str) -> "subprocess.CompletedProcess[str]":
    """Restore by the script of the back end `criu`."""
    script = image.parent / "restore.sh"
    crplan = [sys.executable, "-m", "planner", str(image), "--emit", "criu", "-o", str(script)]
    subprocess.run(crplan, check=True, capture_output=True, timeout=60)
    environment = {**os.environ, "CRPLAN_CRIU": nested.criu()}
    return subprocess.run([*shell, script, image], capture_output=True, text=True, timeout=300, check=False, env=environment)


def left_by_scripts() -> list[Path]:
    """Return what scripts leave behind that do not undo what they made."""
    return [*Path("/run").glob("restore.*"), *Path("/sys/fs/cgroup").glob("**/restore-*")]


@contextmanager
def stands(done: "subprocess.CompletedProcess[str]") -> Iterator[int]:
    """Give the number of the root that a script has restored to the body of a `with`, and end it behind that."""
    assert done.returncode == 0, done.stderr
    root = int(done.stdout.removeprefix("ready "))
    try:
        yield root
    finally:
        os.kill(root, signal.SIGKILL)


@pytest.mark.parametrize("words", ["(([])(S()))[([()])(Z)]", "(Z)[t(t)][[tt(t)]](t)"])
def test_a_script_brings_a_tree_in_parts_back_without_crplan(words: str, tmp_path: Path) -> None:
    with Tree(tmp_path, words) as tree:
        before = nested.below(tree.root)
        assert checkpoint(tree, tmp_path / "image", nested.criu())[0] == 0
    with stands(by_script(tmp_path / "image", "sh")) as root:
        assert nested.below(root) == before
        assert tree.counts_on()
    assert left_by_scripts() == []


def test_a_script_brings_plain_images_back(tmp_path: Path) -> None:
    with plain(tmp_path, "t(S)(Z)(Gt)") as (tree, images):
        before = nested.below(tree.root)
    with stands(by_script(images, "sh")) as root:
        assert nested.below(root) == before
        assert tree.counts_on()
    assert left_by_scripts() == []


def test_a_script_ends_what_differs_from_the_image(tmp_path: Path) -> None:
    with Tree(tmp_path, "([()])") as tree:
        assert checkpoint(tree, tmp_path / "image", nested.criu())[0] == 0
    changed = 'sed -i \'/^expected/,/^}/s/ alive 0$/ dead 9/\' "$0"; exec sh "$0" "$1"'
    done = by_script(tmp_path / "image", "sh", "-c", changed)
    assert done.returncode == 1
    assert "what criu has restored differs from the image" in done.stderr
    assert nested.running(tmp_path) == []
    assert left_by_scripts() == []
