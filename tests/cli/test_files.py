"""Files that root writes where others may have put something before: nothing of theirs is followed, kept or lent its mode."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from planner.cli import files
from planner.errors import UsageError

IMAGE = Path(__file__).parents[2] / "examples" / "images" / "nested.ckpt"
OTHER_USER = 4242
"""A user who is not the one that runs the tests."""

needs_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A directory like /tmp."""
    directory = tmp_path / "shared"
    directory.mkdir()
    directory.chmod(0o1777)
    return directory


def planted(file: Path, mode: int) -> Path:
    """Put a file of another user there."""
    file.write_text("planted")
    os.chown(file, OTHER_USER, OTHER_USER)
    file.chmod(mode)
    return file


def mode_of(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


@needs_root
@pytest.mark.parametrize("mode", [0o6777, 0o4755, 0o2777, 0o1777, 0o666])
def test_a_program_takes_no_mode_over_from_a_file_of_another_user(tmp_path: Path, mode: int) -> None:
    file = planted(tmp_path / "program", mode)
    before = os.umask(0o022)
    try:
        files.replace(str(file), [b"#!/bin/sh\n"], executable=True)
    finally:
        os.umask(before)
    assert (mode_of(file), file.stat().st_uid) == (0o755, 0)


@pytest.mark.parametrize(("old", "new"), [(0o6755, 0o755), (0o4711, 0o711), (0o1666, 0o664), (0o777, 0o775), (0o600, 0o600)])
def test_of_ones_own_file_the_mode_is_kept_but_no_special_bit_and_no_write_bit_for_others(
    tmp_path: Path, old: int, new: int
) -> None:
    file = tmp_path / "out"
    file.write_text("old")
    file.chmod(old)
    files.replace(str(file), [b"new"])
    assert mode_of(file) == new
    file.chmod(old)
    with files.open_to_write(str(file)) as stream:
        stream.write(b"newer")
    assert mode_of(file) == old & 0o777


@needs_root
def test_a_file_of_another_user_in_a_directory_of_all_is_neither_replaced_nor_written_to(shared: Path) -> None:
    file = planted(shared / "plan.html", 0o6777)
    for write in (files.replace, lambda name, data: files.open_to_write(name)):
        with pytest.raises(PermissionError, match="belongs to user 4242") as caught:
            write(str(file), b"new")
        assert caught.value.filename == str(file)
    assert file.read_text() == "planted"


@needs_root
@pytest.mark.parametrize("hops", [1, 2])
def test_a_link_of_another_user_in_a_directory_of_all_is_not_followed(shared: Path, tmp_path: Path, hops: int) -> None:
    secret = tmp_path / "secret"
    secret.write_text("kept")
    link = shared / "link"
    link.symlink_to(secret)
    os.chown(link, OTHER_USER, OTHER_USER, follow_symlinks=False)
    if hops == 2:
        (tmp_path / "ours").symlink_to(link)
        link = tmp_path / "ours"
    for write in (files.replace, lambda name, data: files.open_to_write(name)):
        with pytest.raises(PermissionError):
            write(str(link), b"new")
    assert secret.read_text() == "kept"


@needs_root
def test_a_pipe_of_another_user_in_a_directory_of_all_is_not_waited_for(shared: Path) -> None:
    pipe = shared / "pipe"
    os.mkfifo(pipe, 0o666)
    os.chown(pipe, OTHER_USER, OTHER_USER)
    with pytest.raises(PermissionError):
        files.replace(str(pipe), [b"new"])


def test_what_is_ones_own_in_a_directory_of_all_is_written(shared: Path) -> None:
    files.replace(str(shared / "out"), [b"first"])
    files.replace(str(shared / "out"), [b"second"])
    (shared / "link").symlink_to("out")
    files.replace(str(shared / "link"), [b"third"])
    assert (shared / "link").is_symlink()
    assert (shared / "out").read_bytes() == b"third"
    assert sorted(os.listdir(shared)) == ["link", "out"]


@needs_root
def test_bits_for_the_group_are_for_the_same_group(tmp_path: Path) -> None:
    file = tmp_path / "out"
    file.write_text("old")
    os.chown(file, -1, OTHER_USER)
    file.chmod(0o640)
    files.replace(str(file), [b"new"])
    assert (mode_of(file), file.stat().st_gid) == (0o640, OTHER_USER)


@pytest.mark.parametrize("write", [files.replace, lambda name, data: files.open_to_write(name)])
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("missing/", FileNotFoundError),
        ("missing/file", FileNotFoundError),
        ("there/", IsADirectoryError),
        ("there", IsADirectoryError),
        ("there/..", IsADirectoryError),
        ("file/below", NotADirectoryError),
        ("circle", OSError),
    ],
)
def test_what_cannot_be_written_is_named_as_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[str, bytes], object], name: str, kind: type[OSError]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there").mkdir()
    Path("file").touch()
    Path("circle").symlink_to("circle")
    with pytest.raises(kind) as caught:
        write(name, b"")
    assert caught.value.filename == name
    assert sorted(os.listdir()) == ["circle", "file", "there"]


def test_a_file_without_a_name_is_a_usage_error() -> None:
    with pytest.raises(UsageError):
        files.replace("", [b""])


@pytest.mark.parametrize(
    ("output", "line"), [("", "is empty"), ("missing/", "missing/: "), ("/nonexistent/x", "/nonexistent/x: ")]
)
def test_the_command_says_so_in_one_line(tmp_path: Path, output: str, line: str) -> None:
    command = [sys.executable, "-m", "planner", str(IMAGE), "--emit", "json", "-o", output]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert run.returncode in {1, 2}
    assert run.stdout == ""
    assert run.stderr.count("\n") == 1
    assert line in run.stderr
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["/dev/stdout", "/proc/self/fd/1", "/dev/fd/1"])
def test_names_of_open_descriptors_are_written_to(tmp_path: Path, name: str) -> None:
    command = [sys.executable, "-m", "planner", str(IMAGE), "--emit", "dot", "-o", name]
    run = subprocess.run(command, capture_output=True, timeout=60, check=True)
    assert run.stdout.startswith(b"digraph")
    with open(tmp_path / "out", "wb") as out:
        subprocess.run(command, stdout=out, timeout=60, check=True)
    assert (tmp_path / "out").read_bytes() == run.stdout
