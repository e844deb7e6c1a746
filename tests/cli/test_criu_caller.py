"""The options of the CRIU that calls the gate, from its command line and its configuration files."""

import pytest

from planner.cli import criu_caller
from planner.cli.criu_caller import configuration, options_of


@pytest.fixture(autouse=True)
def files(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The files of a machine, by name; the process 7 is the caller."""
    found: dict[str, str] = {}
    monkeypatch.setattr(criu_caller, "_read", lambda name: found.get(name, "").encode())
    monkeypatch.delenv("CRIU_CONFIG_FILE", raising=False)
    monkeypatch.setenv("HOME", "/root")
    return found


def called(files: dict[str, str], *words: str) -> tuple[str, ...] | None:
    files["/proc/7/cmdline"] = "".join(f"{word}\0" for word in words)
    return options_of(7)


def test_the_command_line_says_which_options_are_given(files: dict[str, str]) -> None:
    assert called(files, "/usr/sbin/criu", "restore", "-d", "-D", "a b", "--shell-job") == (
        "--restore-detached",
        "--images-dir=a b",
        "--shell-job",
    )
    assert called(files, "criu", "-j", "restore") == ("--shell-job",)


@pytest.mark.parametrize("words", [(), ("criu", "swrk", "5"), ("sh", "restore"), ("criu", "restore", "--moon"), ("criu", "dump")])
def test_what_is_no_restore_on_a_command_line_says_nothing(files: dict[str, str], words: tuple[str, ...]) -> None:
    assert called(files, *words) is None


def test_configuration_files_are_read_before_the_command_line(files: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    files["/etc/criu/default.conf"] = "tcp-established\n# shell-job\nfile-locks # here\n"
    files["/root/.criu/default.conf"] = "no-file-locks\nlog-file = mine.log\n"
    assert called(files, "criu", "restore", "-j") == ("--tcp-established", "--log-file=mine.log", "--shell-job")
    files["/own.conf"] = "tcp-close\n"
    assert called(files, "criu", "restore", "--config", "/own.conf") == ("--tcp-close", "--config=/own.conf")
    assert called(files, "criu", "restore", "--no-default-config") == ("--no-default-config",)
    monkeypatch.setenv("CRIU_CONFIG_FILE", "/own.conf")
    assert "--tcp-close" in (called(files, "criu", "restore") or ())


def test_a_line_of_a_configuration_file_is_a_name_and_perhaps_a_value() -> None:
    assert configuration('external mnt[/a b]:c\naction-script="/a b"\n\n\'\nshell-job') == [
        "--external=mnt[/a",
        "--action-script=/a b",
        "--shell-job",
    ]
