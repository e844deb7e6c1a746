"""The options of the CRIU that runs an action script: its command line, and the configuration files that it read before.

A CRIU that is driven over RPC, as by container engines, has no command line that says so; the runtime that drives it has one.
Source: CRIU 4.2, `criu/config.c`, `criu/cr-service.c`.
"""

import os
import shlex
from typing import Final

from planner.checks.criu_options import parse
from planner.cli import criu_files
from planner.cli.runtime_caller import runtime_options
from planner.errors import UsageError

OVER_RPC: Final = "criu: restore --rpc"
"""How CRIU names itself while it restores for another program."""
SCRIPTS: Final = 4
"""How many generations of processes are looked at for CRIU: a script of its own may call the gate."""
DEFAULTS: Final = ("/etc/criu/default.conf", "~/.criu/default.conf")


def options_above(process: int) -> tuple[str, ...] | None:
    """Return the options of the CRIU that a process is of: itself, or what ran the scripts that it may be called by."""
    for _ in range(SCRIPTS):
        words = criu_files.words_of(process)
        if words[0].startswith(OVER_RPC) or os.path.basename(words[0]) == "criu":
            return options_of(process)
        process = criu_files.parent_of(process)
    return None


def options_of(process: int) -> tuple[str, ...] | None:
    """Return CRIU's options by their long names, None where nothing says them.

    They are those of its command line, or of the container runtime that drives it over RPC.
    """
    words = criu_files.words_of(process)
    driven = words[0].startswith(OVER_RPC) or words[1:2] == ["swrk"]
    if not driven and os.path.basename(words[0]) != "criu":
        return None
    try:
        if driven:
            found = runtime_options(criu_files.parent_of(process))
            return None if found is None else (*parse(shlex.join(_configured([]))), *found)
        given = [word for word in words[1:] if word != "restore"]
        return parse(shlex.join(_configured(given) + given)) if "restore" in words[1:] else None
    except UsageError:
        return None


def _configured(words: list[str]) -> list[str]:
    return [
        word
        for file in _files(words)
        for word in criu_files.configuration(criu_files.read(file).decode("utf-8", "backslashreplace"))
    ]


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
