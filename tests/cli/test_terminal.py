"""Where artefacts go, and what is asked of a terminal."""

import io
import os
from pathlib import Path

import pytest

from planner.cli import streams, terminal


class Stream(io.StringIO):
    """A text stream that says what it is."""

    def __init__(self, *, tty: bool, encoding: str = "utf-8") -> None:
        super().__init__()
        self._tty = tty
        self._encoding = encoding

    def isatty(self) -> bool:
        return self._tty

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_colours_follow_the_terminal_and_the_conventions(monkeypatch: pytest.MonkeyPatch) -> None:
    tty, file = Stream(tty=True), Stream(tty=False)
    assert terminal.wants_colour("auto", tty)
    assert not terminal.wants_colour("auto", file)
    assert not terminal.wants_colour("auto", None)
    monkeypatch.setenv("TERM", "dumb")
    assert not terminal.wants_colour("auto", tty)
    assert terminal.wants_colour("always", None)


def test_unicode_is_for_files_and_utf8_terminals() -> None:
    assert streams.shows_unicode(None)
    assert streams.shows_unicode(Stream(tty=False, encoding="ascii"))
    assert streams.shows_unicode(Stream(tty=True, encoding="UTF-8"))
    assert not streams.shows_unicode(Stream(tty=True, encoding="ascii"))
    assert not streams.shows_unicode(Stream(tty=True, encoding="iso-8859-1"))


@pytest.mark.parametrize(("columns", "expected"), [("20", 60), ("90", 90), ("1000", 160)])
def test_the_width_is_bounded(columns: str, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert terminal.width(Stream(tty=True)) == expected
    assert terminal.width(None) == terminal.FILE_WIDTH


@pytest.mark.parametrize(("mask", "executable", "mode"), [(0o022, False, 0o644), (0o022, True, 0o755), (0o077, True, 0o700)])
def test_a_new_file_gets_its_mode_from_the_mask(tmp_path: Path, mask: int, executable: bool, mode: int) -> None:
    file = tmp_path / "out"
    before = os.umask(mask)
    try:
        terminal.write_artefact("text", str(file), executable=executable)
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == mode
    assert file.read_text() == "text"


def test_a_file_that_is_replaced_keeps_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "out"
    file.write_text("old")
    file.chmod(0o640)
    terminal.write_artefact(b"new", str(file), executable=True)
    assert file.stat().st_mode & 0o777 == 0o750


def test_a_link_stays_a_link_and_a_device_a_device(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    link.symlink_to(target)
    terminal.write_artefact("text", str(link))
    assert link.is_symlink()
    assert target.read_text() == "text"
    terminal.write_artefact("text", os.devnull)
    assert not os.path.isfile(os.devnull)


def test_what_cannot_be_encoded_is_escaped(tmp_path: Path) -> None:
    terminal.write_artefact("a\udc80b", str(tmp_path / "out"))
    assert (tmp_path / "out").read_bytes() == b"a\\udc80b"
