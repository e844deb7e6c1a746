"""The options of the CRIU that runs an action script: its command line, and the configuration files that it read before.

A CRIU that is driven over RPC, as by container engines, has no command line that says so. Source: CRIU 4.2, `criu/config.c`.
"""

import os
import shlex
from typing import Final

from planner.checks.criu_options import parse
from planner.errors import UsageError

MOST: Final = 1 << 16
"""Bytes of a command line or configuration file that are looked at."""
DEFAULTS: Final = ("/etc/criu/default.conf", "~/.criu/default.conf")


def options_of(process: int) -> tuple[str, ...] | None:
    """Return CRIU's options by their long names, None where the process is no `criu restore` on a command line."""
    words = [word.decode("utf-8", "backslashreplace") for word in _read(f"/proc/{process}/cmdline").split(b"\0")[:-1]]
    if not words or os.path.basename(words[0]) != "criu" or "restore" not in words[1:]:
        return None
    given = [word for word in words[1:] if word != "restore"]
    try:
        configured = [word for file in _files(given) for word in configuration(_read(file).decode("utf-8", "backslashreplace"))]
        return parse(shlex.join(configured + given))
    except UsageError:
        return None


def _files(words: list[str]) -> list[str]:
    """Return the configuration files in the order in which CRIU reads them; a file that is named replaces the usual ones."""
    named = ""
    for place, word in enumerate(words):
        if word == "--config":
            named = "".join(words[place + 1 : place + 2])
        elif word.startswith("--config="):
            named = word.removeprefix("--config=")
    usual = [] if named or "--no-default-config" in words else [os.path.expanduser(file) for file in DEFAULTS]
    return [file for file in (*usual, os.environ.get("CRIU_CONFIG_FILE", ""), named) if file]


def configuration(text: str) -> list[str]:
    """Return the options of a configuration file as words: a line is a name, alone or before `=` or a blank and its value."""
    words = []
    for line in text.splitlines():
        try:
            name, *value = shlex.split(line.replace("=", " ", 1), comments=True) or [""]
        except ValueError:
            continue
        if name:
            words.append(f"--{name}={value[0]}" if value else f"--{name}")
    return words


def _read(file: str) -> bytes:
    """Return the beginning of a file, nothing where it cannot be read."""
    try:
        with open(file, "rb") as stream:
            return stream.read(MOST)
    except OSError:
        return b""
