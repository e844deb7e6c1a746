"""Standard streams that are closed, full or abandoned: the exit code and one line say so, and nothing else does."""

import os
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest

from tests.helpers.amounts import spread

IMAGES = Path(__file__).parents[2] / "examples" / "images"
COMMANDS = {
    "version": ["--version"],
    "help": ["--help"],
    "command help": ["plan", "--help"],
    "usage error": ["plan", "--no-such-option"],
    "preview": [str(IMAGES / "nested.ckpt")],
    "document": [str(IMAGES / "nested.ckpt"), "--emit", "json"],
    "log": ["log", str(IMAGES / "nested.ckpt")],
    "facts": ["log", "--facts", str(IMAGES / "nested.ckpt")],
    "refused": [str(IMAGES / "nested.ckpt"), "--emit", "nothing"],
    "report": ["check", str(IMAGES / "nested.ckpt")],
    "plugins": ["plugins"],
    "no image": [os.devnull],
}
CODES = {"usage error": 2, "refused": 2, "no image": 1}
SILENT = {"usage error", "refused", "no image"}
"""Commands that write nothing to standard output."""

CLOSED = [chosen for count in (1, 2, 3) for chosen in combinations((0, 1, 2), count)]


def crplan(argv: list[str], redirect: str) -> subprocess.CompletedProcess[str]:
    """Run a command with what the shell does to its streams."""
    script = f'exec "$@" {redirect}'
    command = ["sh", "-c", script, "sh", sys.executable, "-m", "planner", *argv]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("closed", spread(CLOSED, 3), ids=str)
@pytest.mark.parametrize("name", spread(COMMANDS, 3))
def test_closed_streams(name: str, closed: tuple[int, ...]) -> None:
    run = crplan(COMMANDS[name], " ".join(f"{descriptor}>&-" for descriptor in closed))
    if 1 in closed and name not in SILENT:
        assert run.returncode == 1
        expected = "" if 2 in closed else "crplan: standard output: Bad file descriptor\n"
        assert (run.stdout, run.stderr) == ("", expected)
    else:
        assert run.returncode == CODES.get(name, 0)
        assert (run.stdout == "") == (name in SILENT or 1 in closed)
        assert (run.stderr == "") == (name not in SILENT or 2 in closed)


@pytest.mark.parametrize("name", spread(COMMANDS, 4))
def test_a_full_disk_is_named_with_the_stream(name: str) -> None:
    run = crplan(COMMANDS[name], ">/dev/full")
    if name in SILENT:
        assert run.returncode == CODES[name]
    else:
        assert (run.returncode, run.stderr) == (1, "crplan: standard output: No space left on device\n")
    run = crplan(COMMANDS[name], "2>/dev/full")
    assert run.returncode == CODES.get(name, 0)


@pytest.mark.parametrize("name", spread(sorted(set(COMMANDS) - SILENT), 4))
def test_a_reader_that_has_gone_before_the_first_byte(name: str) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as output:
        run = subprocess.run(
            [sys.executable, "-m", "planner", *COMMANDS[name]], stdout=output, stderr=subprocess.PIPE, timeout=60, check=False
        )
    assert (run.returncode, run.stderr) == (141, b"")


def big_log(directory: Path) -> Path:
    """A log that is longer than 4 MiB."""
    file = directory / "big.jsonl"
    line = '{"seq":%d,"type":"Remark","text":"%s"}\n'
    with open(file, "w") as out:
        out.write('{"seq":0,"type":"LogOpened","format_version":2}\n')
        out.writelines(line % (seq, "x" * 1000) for seq in range(1, 5000))
    assert file.stat().st_size > 4 << 20
    return file


@pytest.mark.parametrize("unbuffered", [False, True])
def test_a_reader_that_goes_in_the_middle(tmp_path: Path, unbuffered: bool) -> None:
    argv = [sys.executable, *(["-u"] if unbuffered else []), "-m", "planner", "log", "--facts", str(big_log(tmp_path))]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout
        assert child.stderr
        assert len(child.stdout.read(1 << 20)) == 1 << 20
        child.stdout.close()
        assert child.stderr.read() == b""
        assert child.wait(60) == 141


@pytest.mark.parametrize("unbuffered", [False, True])
def test_a_full_pipe_that_does_not_block_loses_nothing(tmp_path: Path, unbuffered: bool) -> None:
    file = big_log(tmp_path)
    read, write = os.pipe()
    os.set_blocking(write, False)
    argv = [sys.executable, *(["-u"] if unbuffered else []), "-m", "planner", "log", "--facts", str(file)]
    with subprocess.Popen(argv, stdout=write) as child, os.fdopen(read, "rb") as reader:
        os.close(write)
        assert reader.read() == file.read_bytes()
        assert child.wait(60) == 0


@pytest.mark.parametrize(
    ("redirect", "words"),
    [("<&-", "standard input is closed"), ("0>/dev/null", "Bad file descriptor")],
)
def test_standard_input_that_cannot_be_read(redirect: str, words: str) -> None:
    run = crplan(["-"], redirect)
    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (1, "", 1)
    assert words in run.stderr


@pytest.mark.parametrize("writes", ["print('loud')", "os.write(2, b'')"])
def test_a_plugin_that_prints_to_a_closed_stream_takes_nothing_down(writes: str, tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text(f"import os\n{writes}\n")
    distribution = tmp_path / "loud-1.dist-info"
    distribution.mkdir()
    (distribution / "METADATA").write_text("Metadata-Version: 2.1\nName: loud\nVersion: 1\n")
    (distribution / "entry_points.txt").write_text("[crplan]\nloud = loud\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = ["sh", "-c", 'exec "$@" >/dev/full', "sh", sys.executable, "-m", "planner", "plugins"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert (run.returncode, run.stderr) == (1, "crplan: standard output: No space left on device\n")
