"""Where the checkpoints of a directory stand: at its top, or below it as engines lay them out.

The search goes breadth first and by name, follows no link, and is bounded in depth and in entries, so that the same directory
gives the same places everywhere. Layouts: docker `checkpoints/NAME`, LXC, LXD and Incus `snap0/state`, podman `userdata`,
Kubernetes `/var/lib/kubelet/checkpoints`, a directory a container of a pod, a work directory of CRIU beside the images.
"""

import os
import stat
from collections import deque
from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from crplan_criu.engine_files import NO_CHECKPOINTS, ROOT_FILE_SYSTEMS
from crplan_criu.images import split_name
from crplan_criu.recognise import DIRECTORIES, HEADER, head_of, is_archive
from planner.directories import DEEPEST, MOST_ENTRIES, entries_of

HERE: Final = ("inventory.img", "pstree.img")
"""Files by which a directory is one of images itself."""

Kind = Literal["images", "layout", "transport", "archive"]


class Place(msgspec.Struct, frozen=True):
    """A checkpoint, or an input that holds some, below a directory: its path relative to that, and what it is.

    `whole` is False for images without a process tree, which a pre-dump is.
    """

    name: str
    kind: Kind
    whole: bool = True


def places(path: str) -> list[Place]:
    """Return the checkpoints below a directory, by name; pre-dumps only where nothing else is.

    A directory that cannot be looked into is passed over.
    """
    found = list(_search(path))
    whole = [place for place in found if place.whole]
    images = [place for place in whole if place.kind != "archive"]
    # Where images lie unpacked, an archive beside or below them is what they came from, or a file of the container.
    return images or whole or found[:1]


def any_place(path: str) -> bool:
    """Whether there is a checkpoint at or below a directory."""
    return next(_search(path), None) is not None


def _search(path: str) -> Iterator[Place]:
    waiting = deque([("", 0)])
    seen = 0
    while waiting:
        below, depth = waiting.popleft()
        directory = os.path.join(path, below)
        found = kind_of(directory)
        if found is not None:
            yield msgspec.structs.replace(found, name=below)
            continue
        for entry in entries_of(directory):
            seen += 1
            if seen > MOST_ENTRIES:
                return
            name = f"{below}/{entry.name}" if below else entry.name
            if entry.is_dir(follow_symlinks=False):
                if depth < DEEPEST and entry.name not in ROOT_FILE_SYSTEMS:
                    waiting.append((name, depth + 1))
            elif _holds_archive(directory, entry):
                yield Place(name, "archive")


def kind_of(path: str) -> Place | None:
    """Return what a directory is by itself, None where it is no checkpoint in one of the known forms."""
    for below in DIRECTORIES:
        there = [name for name in HERE if _exists(os.path.join(path, below, name))]
        if there:
            # Images are meant to be here; reading says what is wrong with them.
            return Place("", "images", whole="pstree.img" in there)
    if head_of(os.path.join(path, "oci-layout"), 1) == b"{":
        return Place("", "layout")
    if head_of(os.path.join(path, "manifest.json"), 1) == b"{" and head_of(os.path.join(path, "version"), 19) == TRANSPORT:
        return Place("", "transport")
    return None


TRANSPORT: Final = b"Directory Transport"
"""How the file `version` of skopeo's `dir:` begins (containers/image `directory/directory_dest.go`)."""


def _exists(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode) or stat.S_ISLNK(os.lstat(path).st_mode)
    except (OSError, ValueError):
        return False


def _holds_archive(directory: str, entry: os.DirEntry[str]) -> bool:
    try:
        if not entry.is_file(follow_symlinks=False) or entry.stat(follow_symlinks=False).st_size < HEADER // 8:
            return False
    except OSError:
        return False
    if entry.name in NO_CHECKPOINTS or split_name(entry.name)[0]:
        return False
    return is_archive(head_of(os.path.join(directory, entry.name), 4096) or b"")


def forbidden(path: str) -> str:
    """Return the first directory or image that may not be looked into, relative to the parent of `path`, "" where none is."""
    top = os.path.basename(os.path.normpath(path))
    for below in DIRECTORIES:
        directory = os.path.join(path, below)
        shown = os.path.join(top, below).rstrip("/")
        try:
            names = os.listdir(directory)
        except PermissionError:
            return shown
        except OSError:
            continue
        for name in (*HERE, "checkpoint"):
            if name in names:
                try:
                    os.stat(os.path.join(directory, name))
                except PermissionError:
                    return shown
                except OSError:
                    continue
    return ""
