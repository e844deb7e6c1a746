"""Output for several groups of images: one file a group, in one directory."""

import os
import re
from collections.abc import Iterator, Sequence
from typing import Final

from planner.cli.terminal import STANDARD_OUTPUT
from planner.errors import UsageError
from planner.pipeline.inputs import Group

ENDINGS: Final = {"shell": "sh", "python": "py", "text": "txt", "syscalls": "txt", "mermaid": "mmd", "markdown": "md"}
"""Endings of the files of back ends whose name is no ending."""

LONGEST: Final = 150
"""Characters of a file's name that come from an image's name."""


def files_of(groups: Sequence[Group], directory: str | None, ending: str, what: str) -> Iterator[tuple[Group, str | None]]:
    """Yield each group with the file that it is written to: the one that was named for one group, else one in the directory.

    Raises `UsageError` where several groups have no directory to go to.
    """
    if len(groups) == 1 and not (directory and os.path.isdir(directory)):
        yield groups[0], directory
        return
    if directory is None or directory == STANDARD_OUTPUT:
        raise UsageError(f"{what} for {len(groups)} images that stand apart need a directory: give -o DIR, or one of the images")
    if not os.path.isdir(directory):
        if os.path.lexists(directory):
            raise UsageError(f"{directory} is no directory, and {what} for {len(groups)} images that stand apart need one")
        os.mkdir(directory)
    used: set[str] = set()
    for group in groups:
        name = plain = re.sub(r"[^A-Za-z0-9._+-]+", "-", group.name).strip("-.")[:LONGEST] or "image"
        number = 1
        while name in used:
            number += 1
            name = f"{plain}-{number}"
        used.add(name)
        yield group, os.path.join(directory, f"{name}.{ending}")
