"""What an attestation is about: the files that were given, by their sha256."""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from typing import Final

from planner.errors import BadImage
from planner.findings.report import Subject
from planner.pipeline.inputs import located
from planner.pipeline.sources import STANDARD_INPUT
from planner.text import escaped

MOST_FILES: Final = 4_000_000
"""Files of a directory that are hashed."""


def subjects(names: Iterable[str]) -> tuple[Subject, ...]:
    """Return the subject of each name: the sha256 of a file, or of the sorted list of names and digests of a directory.

    The list has a line a file, the digest, two blanks and the path, as sha256sum writes it; of a link its target is hashed. What
    comes from standard input has none. Raises BadImage for what cannot be read.
    """
    return tuple(found for name in names if (found := _subject(located(name)[0])) is not None)


def _subject(path: str) -> Subject | None:
    if path == STANDARD_INPUT:
        return None
    try:
        if os.path.isdir(path):
            lines = sorted(_listed(path), key=lambda line: line[66:])
            digest = hashlib.sha256(b"".join(lines)).hexdigest()
        elif stat.S_ISREG(os.stat(path).st_mode):
            digest = _digest(path)
        else:
            return None
    except OSError as error:
        raise BadImage(None, f"cannot be read: {error.strerror}") from None
    return Subject(name=escaped(os.path.basename(os.path.normpath(path))), sha256=digest)


def _digest(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _listed(top: str) -> Iterator[bytes]:
    """Yield a line for every file below a directory; raises BadImage for too many."""
    count = 0
    for directory, _, names in os.walk(top, onerror=_raised):
        for name in names:
            path = os.path.join(directory, name)
            mode = os.lstat(path).st_mode
            if stat.S_ISLNK(mode):
                digest = hashlib.sha256(os.fsencode(os.readlink(path))).hexdigest()
            elif stat.S_ISREG(mode):
                digest = _digest(path)
            else:
                continue
            count += 1
            if count > MOST_FILES:
                raise BadImage(None, f"has more than {MOST_FILES} files")
            yield f"{digest}  ".encode() + os.fsencode(os.path.relpath(path, top)) + b"\n"


def _raised(error: OSError) -> None:
    raise error
