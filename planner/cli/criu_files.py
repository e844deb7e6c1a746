"""Files that say how criu is called: command lines of processes, and configuration files in CRIU's own form."""

import shlex
from typing import Final

MOST: Final = 1 << 20
"""Bytes of a command line or a file that are looked at."""


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


def read(file: str) -> bytes:
    """Return the beginning of a file, nothing where it cannot be read."""
    try:
        with open(file, "rb") as stream:
            return stream.read(MOST)
    except OSError:
        return b""


def words_of(process: int) -> list[str]:
    """Return the command line of a process, one empty word where it cannot be read."""
    return [
        word.decode("utf-8", "backslashreplace") for word in read(f"/proc/{process}/cmdline").removesuffix(b"\0").split(b"\0")
    ]


def parent_of(process: int) -> int:
    """Return the parent of a process, 0 where the system does not say."""
    fields = read(f"/proc/{process}/stat").rpartition(b")")[2].split()
    return int(fields[1]) if len(fields) > 1 else 0
