"""CRIU's options are parsed as getopt_long parses them for CRIU."""

import pytest

from planner.checks.criu_options import parse
from planner.errors import UsageError


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
    ],
)
def test_what_criu_accepts(text: str, options: tuple[str, ...]) -> None:
    assert parse(text) == options


@pytest.mark.parametrize(
    ("text", "words"),
    [
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
