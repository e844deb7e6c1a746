"""Completion and manual page: they know every command and option that `--help` knows."""

import shutil
import subprocess
from pathlib import Path

import pytest

from planner import cli
from planner.arguments import all_commands
from planner.commands import COMMANDS
from planner.completion import SHELLS, script
from planner.manual import page
from planner.plugins import load

ROOT = Path(__file__).parent.parent
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
        ("crplan ch", ["check"]),
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


def test_checkpointctl_finds_its_plugin(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """checkpointctl runs `checkpointctl-plan` with the arguments that follow `checkpointctl plan`."""
    import tomllib

    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts["checkpointctl-plan"] == scripts["crplan"] == "planner.cli:main"
    monkeypatch.setattr("sys.argv", ["/usr/bin/checkpointctl-plan", str(ROOT / "examples" / "images" / "nested.ckpt")])
    assert cli.main() == 0
    assert "proved on the model" in capsys.readouterr().out
