"""Files that stand beside the images: regular ones and pipes are read, and nothing holds the command for ever."""

import os
import threading
from pathlib import Path

import pytest

from planner.errors import UsageError
from planner.pipeline import beside
from planner.pipeline.beside import read_beside


def test_a_regular_file_is_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "host.json"
    file.write_bytes(b"x" * (beside.BLOCK + 7))
    assert len(read_beside(file, "host file")) == beside.BLOCK + 7


def test_a_pipe_from_a_program_is_read_whole(tmp_path: Path) -> None:
    """As `--host <(crplan host)` gives it."""
    reader, writer = os.pipe()

    def write() -> None:
        with os.fdopen(writer, "wb") as stream:
            stream.write(b"x" * 300_000)

    thread = threading.Thread(target=write)
    thread.start()
    assert len(read_beside(f"/dev/fd/{reader}", "host file")) == 300_000
    thread.join()
    os.close(reader)


def test_a_named_pipe_without_a_writer_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "PATIENCE", 0.05)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match=r"pipe is a pipe that brought nothing for 0\.05 s"):
        read_beside(tmp_path / "pipe", "baseline")


def test_a_writer_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "PATIENCE", 0.05)
    reader, writer = os.pipe()
    with pytest.raises(UsageError, match="brought nothing"):
        read_beside(f"/dev/fd/{reader}", "baseline")
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("/dev/zero", "no regular file"),
        ("/dev/null", "no regular file"),
        ("/", "is a directory"),
        ("", "No such file"),
        ("a\0b", "null"),
    ],
)
def test_what_has_no_end_is_refused(name: str, why: str) -> None:
    with pytest.raises(UsageError, match=f"the host file .*cannot be read: .*{why}"):
        read_beside(name, "host file")


def test_what_is_too_long_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "LARGEST", 100)
    (tmp_path / "long").write_bytes(bytes(101))
    with pytest.raises(UsageError, match="longer than 100 bytes"):
        read_beside(tmp_path / "long", "baseline")
