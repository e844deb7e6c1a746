"""Directories in which checkpoints are looked for: what is in one, in an order that does not depend on the file system."""

import os
from typing import Final

DEEPEST: Final = 6
"""Levels below the given directory: `/var/lib/lxd/snapshots/CONTAINER/SNAPSHOT/state` has three below `/var/lib/lxd`."""

MOST_ENTRIES: Final = 50_000
"""Entries of directories that a search looks at."""


def entries_of(directory: str) -> list[os.DirEntry[str]]:
    """Return what is in a directory, by name, one more than `MOST_ENTRIES` at most; nothing where it cannot be read."""
    found = []
    try:
        with os.scandir(directory) as listing:
            for entry in listing:
                found.append(entry)
                if len(found) > MOST_ENTRIES:
                    break
    except OSError:
        return []
    return sorted(found, key=lambda entry: entry.name)
