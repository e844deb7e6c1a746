"""The runtime as one text: its parts one after the other, with what they import from the standard library in front."""

import re
from pkgutil import get_data
from typing import Final

PARTS: Final = (
    "tables",
    "kernel",
    "signals",
    "streams",
    "board",
    "proc",
    "host_proc",
    "namespaces",
    "actor",
    "privileges",
    "executor",
    "program",
)
"""The parts that every program has, each after those that it imports."""

GUEST: Final = "guest"
"""The part that a rebuild in an existing pid namespace needs besides."""

TOLD: Final = "told"
"""The part of a program that is told its plan a line at a time."""

FUTURE: Final = "from __future__ import annotations\n"

HOLD_BACK: Final = """\
import _signal

# Signals that ask for the end wait from here on: in an import, an interpreter may swallow what a signal raises.
_signal.pthread_sigmask(_signal.SIG_BLOCK, (_signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP, _signal.SIGQUIT))

"""
"""The program's first statements that do anything, in front of its imports."""

PLAIN_IMPORT: Final = re.compile(r"^(?:import \w+|from collections\.abc import [\w, ]+)\n", re.MULTILINE)
PART_IMPORT: Final = re.compile(r"^from crplan_runtime\.parts\.\w+ import (?:\([^)]*\)|[^(\n]*)\n", re.MULTILINE)


def runtime(parts: tuple[str, ...], call: str) -> str:
    """Return the program from its first statement to its last, which is `call`."""
    imports: set[str] = set()
    texts: list[str] = []
    for part in parts:
        # importlib.resources takes ten milliseconds to import, and this is what a small image waits for.
        text = (get_data("crplan_runtime.parts", f"{part}.py") or b"").decode()
        text = PART_IMPORT.sub("", text.replace(FUTURE, ""))
        imports.update(PLAIN_IMPORT.findall(text))
        docstring, _, body = PLAIN_IMPORT.sub("", text).lstrip('"').partition('"""\n')
        title = "".join(f"# {line}".rstrip() + "\n" for line in docstring.splitlines())
        texts.append(f"\n\n{title}\n\n{body.strip()}\n")
    return "".join((HOLD_BACK, *sorted(imports), *texts, '\n\nif __name__ == "__main__":\n', f"    sys.exit({call})\n"))
