"""What `tests/conftest.py` promises all tests, tried in runs of their own."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.amounts import first
from tests.helpers.places import ROOT

CHILD = """
import signal, subprocess, sys
import pytest

def test_a_child_has_default_signals():
    ask = "import signal; print([signal.getsignal(number) is not signal.SIG_IGN for number in (2, 3)])"
    assert subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True).stdout == "[True, True]\\n"

@pytest.mark.slow
def test_slow():
    pass
"""


def run(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a small test module under this conftest, from a shell that ignores SIGINT and SIGQUIT."""
    (directory / "test_child.py").write_text(CHILD)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-c",
        str(ROOT / "pyproject.toml"),
        "-p",
        "tests.conftest",
        "-p",
        "no:cacheprovider",
    ]
    return subprocess.run(
        ["sh", "-c", 'trap "" INT QUIT; exec "$@"', "sh", *command, *arguments, str(directory / "test_child.py")],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("processes", first(["1", "0"], 1))
def test_a_run_says_what_it_leaves_out_and_gives_default_signals(processes: str, tmp_path: Path) -> None:
    ended = run(tmp_path, "-n", processes)
    assert ended.returncode == 0, ended.stdout
    assert "1 slow tests: `pytest --part slow` runs them" in ended.stdout
    assert "1 passed" in ended.stdout.splitlines()[-1]


@pytest.mark.slow
def test_slow_tests_run_when_they_are_asked_for_and_there_is_time(tmp_path: Path) -> None:
    assert "2 passed" in run(tmp_path, "-n", "0", "--part", "all").stdout
    ended = run(tmp_path, "-n", "0", "--part", "all", "--budget", "0.000001")
    assert "1 passed, 1 skipped" in ended.stdout
    assert "1 slow tests for lack of time" in ended.stdout
