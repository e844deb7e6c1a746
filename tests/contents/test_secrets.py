"""Secrets of command lines are masked and named, and ordinary words stay."""

import pytest

from planner.contents.secrets import masked, secret_variables


@pytest.mark.parametrize(
    ("given", "shown", "names"),
    [
        (["server", "--port=80", "--passive"], ["server", "--port=80", "--passive"], ()),
        (["x", "--password=a=b"], ["x", "--password=***"], ("--password",)),
        (["x", "--api-key", "abc", "rest"], ["x", "--api-key", "***", "rest"], ("--api-key",)),
        (["x", "--token", "--verbose"], ["x", "--token", "--verbose"], ()),
        (["env", "DB_PASSWORD=x", "run"], ["env", "DB_PASSWORD=***", "run"], ("DB_PASSWORD",)),
        (["curl", "-u", "me:word", "h"], ["curl", "-u", "me:***", "h"], ("-u",)),
        (["x", "postgres://me:word@db/x?y=1"], ["x", "postgres://me:***@db/x?y=1"], ("a password in an address",)),
        (["curl", "-H", "Authorization: Bearer abc"], ["curl", "-H", "Authorization: ***"], ("an authorization header",)),
        (["x", "AKIAABCDEFGHIJKLMNOP"], ["x", "***"], ("a token",)),
        (["sh", "-c", "echo a secret = 1"], ["sh", "-c", "echo a secret = 1"], ()),
    ],
)
def test_what_looks_like_a_secret_is_masked(given: list[str], shown: list[str], names: tuple[str, ...]) -> None:
    assert masked(given) == (tuple(shown), names)


def test_variables_are_told_by_their_names() -> None:
    assert secret_variables(("PATH", "AWS_SECRET_ACCESS_KEY", "GH_TOKEN", "HOME")) == ("AWS_SECRET_ACCESS_KEY", "GH_TOKEN")
