"""Cases of `tests/data/reports` as their commands find them: a copy, with what version control does not keep."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path


def prepared(folder: Path, setup: Sequence[tuple[str, str]], into: Path) -> Path:
    """Return a copy of a case's folder below `into`, with its directories made and its modes set."""
    place = into / folder.name
    shutil.copytree(folder, place, symlinks=True)
    for word, name in setup:
        target = place / name
        if word == "mkdir":
            target.mkdir(parents=True, exist_ok=True)
        elif word == "mkfifo":
            os.mkfifo(target)
        else:
            command, mode = word.split()
            assert command == "chmod"
            target.chmod(int(mode, 8))
    return place
