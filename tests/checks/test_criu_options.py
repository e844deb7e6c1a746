"""CRIU's options are parsed as getopt_long parses them for CRIU."""

import re
import shutil
import subprocess

import pytest

from planner.checks.criu_options import MAYBE, PLAIN, SWITCHES, VALUES, parse
from planner.errors import UsageError

KNOWN = {*SWITCHES, *(f"no-{name}" for name in SWITCHES), *PLAIN, *VALUES, *MAYBE}


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("", ()),
        ("--shell-job --tcp-established", ("--shell-job", "--tcp-established")),
        ("-j -l", ("--shell-job", "--file-locks")),
        ("-jld", ("--shell-job", "--file-locks", "--restore-detached")),
        ("-Dimages -o log.txt", ("--images-dir=images", "--log-file=log.txt")),
        ("--external 'mnt[a b]:c' --external=pid[4]:k", ("--external=mnt[a b]:c", "--external=pid[4]:k")),
        ("--shell", ("--shell-job",)),
        ("--shell-job --no-shell-job", ()),
        ("--ext-unix-sk -x", ("--ext-unix-sk",)),
        ("--manage-cgroups=soft -v4", ("--manage-cgroups=soft", "--verbosity=4")),
        ("criu restore -j", ("--shell-job",)),
        ("criu-ns restore -j", ("criu-ns", "--shell-job")),
        ("--restore-detached --no-restore-detached", ()),
        ("--exec-cmd -j -- watch --shell-job", ("--exec-cmd", "--shell-job")),
    ],
)
def test_what_criu_accepts(text: str, options: tuple[str, ...]) -> None:
    assert parse(text) == options


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("--orphan-pts-master", "no option"),
        ("--moon", "no option --moon"),
        ("-Z", "no option -Z"),
        ("--shell-job=yes", "takes no value"),
        ("--images-dir", "needs a value"),
        ("--tcp", "may mean --tcp-close, --tcp-established"),
        ("shell-job", "is no option"),
        ("'", "cannot be split"),
    ],
)
def test_what_criu_refuses(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse(text)


def test_the_options_are_those_of_the_criu_that_is_installed() -> None:
    """Every long option that its help names is known, with or without a value."""
    program = shutil.which("criu")
    if program is None:
        pytest.skip("no criu is installed")
    run = subprocess.run([program, "--help"], capture_output=True, text=True, timeout=20, check=False)
    named = set(re.findall(r"--([a-z][a-z-]*[a-z])", run.stdout)) - {"no"}
    assert len(named) > 50, "this criu shows no help"
    assert named <= KNOWN, sorted(named - KNOWN)
