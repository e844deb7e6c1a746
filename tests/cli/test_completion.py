"""Completion and manual page: they know every command and option that `--help` knows."""

import os
import pty
import re
import select
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from planner.cli import main as cli
from planner.cli.arguments import all_commands
from planner.cli.commands import COMMANDS
from planner.cli.completion import SHELLS, script
from planner.cli.manual import page
from planner.plugins import load
from tests.helpers.places import ROOT

ARGUMENTS = all_commands(load(()))
FLAGS = {flag for arguments in ARGUMENTS.values() for argument in arguments for flag in argument.flags}


def complete(words: str) -> list[str]:
    """Ask bash what it offers for a line; the last word is the one that is typed."""
    parts = words.split(" ")
    listed = " ".join(f"'{part}'" for part in parts)
    program = f"""
{script("bash", ARGUMENTS)}
compopt() {{ :; }}
COMP_WORDS=({listed}) COMP_CWORD={len(parts) - 1}
_crplan
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    run = subprocess.run(["bash", "-c", program], capture_output=True, text=True, timeout=20, check=True)
    assert run.stderr == ""
    return run.stdout.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("crplan ch", ["check", "checkpoint"]),
        ("crplan check --fail-on ", ["error", "warning", "note"]),
        ("crplan check --fail-on w", ["warning"]),
        ("crplan check x.ckpt --format s", ["sarif"]),
        ("crplan plan --emit she", ["shell"]),
        ("crplan x.ckpt --emit she", ["shell"]),
        ("crplan completion z", ["zsh"]),
        ("crplan --color never check --base", ["--baseline"]),
        ("crplan check --baseline ", []),
    ],
)
def test_bash_offers_what_fits(line: str, offered: list[str]) -> None:
    assert complete(line) == offered


FISH = """
function crplan; end
source {script}
complete -C {line}
"""

ZSH = """
autoload -Uz compinit
fpath=({directory} $fpath)
compinit -D -u
compadd() {{
    if [[ ${{@[1,(i)(-|--)]}} == *-(O|A|D)\\ * ]]; then builtin compadd "$@"; return; fi
    local -a hits
    builtin compadd -O hits "$@"
    (( $#hits )) && print -rl -- $hits >>{answer}
    builtin compadd "$@"
}}
finished() {{ print -r -- END >>{answer} }}
comppostfuncs=(finished)
"""
"""Notes down what the completion offers, and then offers it."""


def offered_by_fish(line: str, directory: Path) -> set[str]:
    """Ask fish what it offers for a line; behind a tab stands the description."""
    file = directory / "crplan.fish"
    file.write_text(script("fish", ARGUMENTS))
    run = subprocess.run(
        ["fish", "--no-config", "-c", FISH.format(script=file, line=f"'{line}'")],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        cwd=directory,
        env=os.environ | {"HOME": str(directory)},
    )
    assert run.stderr == ""
    return {words.partition("\t")[0] for words in run.stdout.splitlines()} - {"crplan.fish"}


def offered_by_zsh(line: str, directory: Path) -> set[str]:
    """Type a line into an interactive zsh, press the tabulator, and return what its completion system was given."""
    (directory / "_crplan").write_text(script("zsh", ARGUMENTS))
    answer, start = directory / "answer", directory / "start"
    start.write_text(ZSH.format(directory=directory, answer=answer))
    main, other = pty.openpty()
    shell = subprocess.Popen(
        ["zsh", "-f", "-i"],
        stdin=other,
        stdout=other,
        stderr=other,
        cwd=directory,
        start_new_session=True,
        env={"TERM": "dumb", "PATH": os.environ["PATH"], "HOME": str(directory)},
    )
    os.close(other)
    try:
        os.write(main, f"source {start}; print -r -- begun >>{answer}\n".encode())
        _until(main, lambda: answer.exists())
        os.write(main, line.encode() + b"\t")
        _until(main, lambda: "END" in answer.read_text().split())
    finally:
        shell.kill()
        shell.wait()
        os.close(main)
    return set(answer.read_text().splitlines()) - {"begun", "END", "_crplan", "answer", "start"}


def _until(terminal: int, done: Callable[[], bool]) -> None:
    """Read what the shell writes, which it would wait for otherwise, until something is so."""
    deadline, seen = time.monotonic() + 20, b""
    while not done():
        assert time.monotonic() < deadline, seen
        if select.select([terminal], [], [], 0.05)[0]:
            seen += os.read(terminal, 65536)


ASK = {"fish": offered_by_fish, "zsh": offered_by_zsh}


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("crplan ch", {"check", "checkpoint"}),
        ("crplan check --fail-on ", {"error", "warning", "note"}),
        ("crplan check --fail-on w", {"warning"}),
        ("crplan check x.ckpt --format s", {"sarif"}),
        ("crplan plan --emit she", {"shell"}),
        ("crplan x.ckpt --emit she", {"shell"}),
        ("crplan completion z", {"zsh"}),
        ("crplan run x.ckpt --in", {"--into"}),
        ("crplan check --base", {"--baseline"}),
        ("crplan --color never check --base", {"--baseline"}),
        ("crplan --color al", {"always"}),
        ("crplan --col", {"--color"}),
        ("crplan --color never ch", {"check", "checkpoint"}),
    ],
)
@pytest.mark.parametrize("shell", ASK)
def test_fish_and_zsh_offer_what_fits(shell: str, line: str, offered: set[str], tmp_path: Path) -> None:
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    assert ASK[shell](line, tmp_path) == offered


@pytest.mark.parametrize("shell", ASK)
def test_where_a_file_is_meant_files_are_offered(shell: str, tmp_path: Path) -> None:
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    (tmp_path / "some.ckpt").touch()
    for line in ("crplan so", "crplan check so", "crplan check x.ckpt --baseline so"):
        assert ASK[shell](line, tmp_path) == {"some.ckpt"}, line
        for file in ("answer", "start"):
            (tmp_path / file).unlink(missing_ok=True)


@pytest.mark.parametrize("shell", SHELLS)
def test_every_command_and_option_is_known_to_every_shell(shell: str) -> None:
    text = script(shell, ARGUMENTS)
    for word in (*COMMANDS, *(flag.lstrip("-") for flag in FLAGS)):
        assert word in text, word


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_accepts_the_script(shell: str, tmp_path: Path) -> None:
    file = tmp_path / "completion"
    file.write_text(script(shell, ARGUMENTS))
    if shell == "bash" and shutil.which("shellcheck"):
        subprocess.run(["shellcheck", "-s", "bash", str(file)], check=True, timeout=60)
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"no {shell} here")
    subprocess.run([program, "-n", str(file)], check=True, timeout=20)


def test_the_commands_write_them(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    for shell in SHELLS:
        assert cli.main(["completion", shell]) == 0
        assert capsysbinary.readouterr().out.decode() == script(shell, ARGUMENTS)
    assert cli.main(["completion", "moon"]) == 2
    capsysbinary.readouterr()
    assert cli.main(["man"]) == 0
    assert capsysbinary.readouterr().out.decode() == page(ARGUMENTS)


def test_the_manual_has_every_command_option_and_exit_code() -> None:
    text = page(ARGUMENTS).replace("\\-", "-")
    for name in COMMANDS:
        assert f'.SS "crplan {name}' in text
    for flag in FLAGS:
        assert f"\\fB{flag}\\fR" in text
    assert all(f"\n.B {number}\n" in text for number in range(5))


def test_the_formatter_has_nothing_to_say_against_the_manual() -> None:
    groff = shutil.which("groff")
    if groff is None:
        pytest.skip("no groff here")
    run = subprocess.run(
        [groff, "-man", "-Tutf8", "-ww", "-z"], input=page(ARGUMENTS), capture_output=True, text=True, timeout=20, check=True
    )
    assert run.stderr == ""


def test_a_second_formatter_understands_the_manual() -> None:
    mandoc = shutil.which("mandoc")
    if mandoc is None:
        pytest.skip("no mandoc here")
    run = subprocess.run(
        [mandoc, "-Tlint", "-Wwarning"], input=page(ARGUMENTS), capture_output=True, text=True, timeout=20, check=False
    )
    # A page that is equal on all days has no date.
    assert [line for line in run.stdout.splitlines() if "missing date" not in line] == []
    shown = subprocess.run(
        [mandoc, "-Tutf8"], input=page(ARGUMENTS), capture_output=True, text=True, timeout=20, check=True
    ).stdout
    assert "crplan check IMAGE" in re.sub(".\b", "", shown)


def test_checkpointctl_finds_its_plugin(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """checkpointctl runs `checkpointctl-plan` with the arguments that follow `checkpointctl plan`."""
    import tomllib

    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts["checkpointctl-plan"] == scripts["crplan"] == "planner.cli.main:main"
    monkeypatch.setattr("sys.argv", ["/usr/bin/checkpointctl-plan", str(ROOT / "examples" / "images" / "nested.ckpt")])
    assert cli.main() == 0
    assert "proved on the model" in capsys.readouterr().out


def test_checkpointctl_gets_a_description(capsys: pytest.CaptureFixture[str]) -> None:
    """checkpointctl asks every plugin for one line; it takes the exit code 42 for an answer."""
    assert cli.main(["--plugin-description"]) == 42
    assert capsys.readouterr().out == "Plan the restart of a checkpoint, and prove it\n"
