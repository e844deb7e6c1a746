"""What looks like a secret in a command line or in the name of a variable, and the command line with it masked.

Names of options and variables tell most of them, the form of tokens and of addresses with a password the rest. A secret without
either is not recognised.
"""

import re
from collections.abc import Sequence
from typing import Final

MASK: Final = "***"

SECRET_NAME: Final = re.compile(
    r"pass(?:w|phrase)|secret|token|api_?-?key|private_?-?key|credential|access_?-?key", re.IGNORECASE
)
"""Names of variables and options whose values are secrets."""

IN_ADDRESS: Final = re.compile(r"([a-z][a-z0-9+.-]*://[^/\s:@]*:)([^/\s@]+)(@)", re.IGNORECASE)
"""The password of an address, between the user and the host."""

HEADER: Final = re.compile(r"((?:proxy-)?authorization\s*:\s*)(.+)", re.IGNORECASE | re.DOTALL)

TOKEN: Final = re.compile(
    r"gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|AKIA[A-Z0-9]{16}|sk-[A-Za-z0-9_-]{20,}|xox[abp]-[A-Za-z0-9-]{10,}"
    r"|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*|-----BEGIN [A-Z ]*PRIVATE KEY-----.*"
)
"""Tokens of services by the form that they have."""

WITH_PASSWORD: Final = ("-u", "--user", "--proxy-user")
"""Options whose value is a user and a password with a colon between them."""


def masked(arguments: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return a command line with its secrets masked, and the names of what was masked."""
    result: list[str] = []
    names: list[str] = []
    before = ""
    for argument in arguments:
        shown, name = _masked(argument, before)
        result.append(shown)
        if name:
            names.append(name)
        before = argument
    return tuple(result), tuple(dict.fromkeys(names))


def _masked(argument: str, before: str) -> tuple[str, str]:
    """Return an argument as it may be shown, and what it was called, "" where nothing was masked; `before` stands before it."""
    name, sign, value = argument.partition("=")
    if sign and value and SECRET_NAME.search(name) and not re.search(r"\s", name):
        return f"{name}={MASK}", name
    if before.startswith("-") and "=" not in before and not argument.startswith("-"):
        if SECRET_NAME.search(before):
            return MASK, before
        if before in WITH_PASSWORD and ":" in argument:
            return f"{argument.partition(':')[0]}:{MASK}", before
    for pattern, called in ((IN_ADDRESS, "a password in an address"), (HEADER, "an authorization header")):
        if pattern.search(argument):
            argument = pattern.sub(lambda found: found[1] + MASK + "".join(found.groups()[2:]), argument)
            return TOKEN.sub(MASK, argument), called
    if TOKEN.search(argument):
        return TOKEN.sub(MASK, argument), "a token"
    return argument, ""


def secret_variables(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of variables that name a secret."""
    return tuple(name for name in names if SECRET_NAME.search(name))
