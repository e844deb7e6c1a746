"""The README is run: each of its commands does what it says, and its preview is what crplan prints."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.helpers.places import ROOT

README = (ROOT / "README.md").read_text()

BLOCKS = re.findall(r"^```(\w+)([^\n]*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
SETUP = [text for language, _, text in BLOCKS if language == "sh" and "pip install" in text]
COMMANDS = [
    (line.partition("#")[0].strip(), words)
    for language, words, text in BLOCKS
    if language == "sh" and "pip install" not in text
    for line in text.splitlines()
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the examples, where commands may write."""
    directory = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "examples", directory / "examples")
    binaries = directory / "bin"
    binaries.mkdir()
    (binaries / "crplan").write_text(f'#!/bin/sh\nexec {sys.executable} -m planner "$@"\n')
    (binaries / "crplan").chmod(0o755)
    return directory


def environment(place: Path) -> dict[str, str]:
    return os.environ | {"PATH": f"{place}/bin:{os.environ['PATH']}", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def test_the_readme_has_two_setup_commands() -> None:
    assert [text.count("\n") for text in SETUP] == [1, 1]


def test_every_command_works(place: Path) -> None:
    """In the order of the page, since later commands read what earlier ones write."""
    for command, words in COMMANDS:
        works(place, command, words)


def works(place: Path, command: str, words: str) -> None:
    """Run one command as a reader would."""
    expected = re.search(r"expect=(\d)", words)
    if "crplan run" in command and "DRY_RUN" not in command:
        if os.getuid() == 0:
            rebuild_and_end(place, command)
        return
    run = subprocess.run(command, shell=True, cwd=place, env=environment(place), capture_output=True, text=True, timeout=60)
    assert run.returncode == (int(expected[1]) if expected else 0), f"{command}: {run.stderr}"
    assert run.stdout or "-o" in command or expected, command


def rebuild_and_end(place: Path, command: str) -> None:
    with subprocess.Popen(
        ["/bin/sh", "-c", f"exec {command}"], cwd=place, env=environment(place), stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout
        try:
            assert re.fullmatch(r"ready \d+\n", run.stdout.readline())
        finally:
            run.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 20
        while run.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        run.kill()
    assert run.returncode == 0


def test_the_preview_is_what_crplan_prints(place: Path) -> None:
    found = re.search(r"<!-- preview: (.*?) -->\n```text\n(.*?)```", README, re.DOTALL)
    assert found
    run = subprocess.run(found[1], shell=True, cwd=place, env=environment(place), capture_output=True, text=True, check=True)
    assert found[2] == run.stdout


def test_the_python_example_runs(place: Path) -> None:
    (text,) = (text for language, _, text in BLOCKS if language == "python")
    subprocess.run([sys.executable, "-c", text], cwd=place, env=environment(place), check=True, timeout=60)


def test_every_path_that_is_named_exists() -> None:
    for path in re.findall(r"(?:examples|planner|tests)/[\w./-]+", README):
        assert (ROOT / path).exists(), path


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not shutil.which("git"), reason="a fresh clone needs git")
def test_the_setup_commands_work_in_a_fresh_clone(tmp_path: Path) -> None:
    """The first command as it stands; of the second, the installation and one test of the suite that it would run."""
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.split(b"\0")
    for name in map(os.fsdecode, filter(None, tracked)):
        if (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name)
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    first = SETUP[0].replace("python3", sys.executable, 1)
    run = subprocess.run(first, shell=True, cwd=tmp_path, env=clean, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("#!/bin/sh")
    second = f"{SETUP[1].strip()} tests/events/test_log.py"
    run = subprocess.run(second, shell=True, cwd=tmp_path, env=clean, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr
