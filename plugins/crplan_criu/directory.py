"""Reading an image directory: by name, without following links, each file within the bounds of its type."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from crplan_criu.archive import Checkpoint, Collector
from crplan_criu.container import FILES
from crplan_criu.dump import Dump
from crplan_criu.images import largest, place, shown, split_name, too_large
from crplan_criu.layout import BLOB, INDEX
from crplan_criu.streams import opened
from planner.errors import BadImage

MOST_FILES: Final = 4_000_000
"""Entries that a directory may have: six files a task, far beyond what a machine can run."""

HERE: Final = ("inventory.img", "pstree.img")
"""Files by which a directory is one of images itself."""


def collect(path: str) -> Dump:
    """Read the images of a directory, or of `checkpoint` in an unpacked archive with what stands beside it; raises BadImage."""
    dump = Dump()
    below = os.path.join(path, "checkpoint")
    unpacked = not any(os.path.lexists(os.path.join(path, name)) for name in HERE) and os.path.isdir(below)
    with _opened(path) as top:
        for name in FILES:
            if os.path.lexists(os.path.join(path, name)):
                dump.container.add(name, read_file(top, name))
    with _opened(below if unpacked else path) as images:
        for name in _names(images):
            if dump.wants(name):
                dump.add(name, read_file(images, name))
            else:
                dump.note(name, os.stat(name, dir_fd=images, follow_symlinks=False).st_size)
    return dump


def collect_layout(path: str) -> list[Checkpoint]:
    """Read the index and the blobs of an OCI image layout; raises BadImage."""
    collector = Collector()
    with _opened(path) as top:
        if os.path.lexists(os.path.join(path, INDEX)):
            collector.blobs.describe(read_file(top, INDEX))
    with _opened(os.path.join(path, "blobs")) as blobs:
        for algorithm in _names(blobs):
            with _opened(os.path.join(path, "blobs", algorithm)) as folder:
                for name in _names(folder):
                    blob = f"blobs/{algorithm}/{name}"
                    if BLOB.fullmatch(blob):
                        with os.fdopen(_regular(folder, name), "rb") as file:
                            collector.blob(blob, os.fstat(file.fileno()).st_size, opened(file, b"", shown(name)))
    return collector.checkpoints()


@contextmanager
def _opened(path: str) -> Iterator[int]:
    """Open a directory; raises BadImage where that cannot be."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise BadImage(place(shown(os.path.basename(path) or path)), f"cannot be opened: {error.strerror}") from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _names(directory: int) -> list[str]:
    names = sorted(os.listdir(directory))
    if len(names) > MOST_FILES:
        raise BadImage(place("inventory.img"), f"lies in a directory of {len(names)} files; at most {MOST_FILES} are read")
    return names


def _regular(directory: int, name: str) -> int:
    """Open a file of a directory; raises BadImage for links and for what is no regular file."""
    try:
        # Without O_NONBLOCK a pipe under an image's name would hold the reader for ever.
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    except OSError as error:
        link = error.errno == errno.ELOOP
        reason = "is a symbolic link; put the file itself there" if link else f"cannot be opened: {error.strerror}"
        raise BadImage(place(shown(name)), reason) from None
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise BadImage(place(shown(name)), "is no regular file")
    return file


def read_file(directory: int, name: str) -> bytes:
    """Read a file whole; raises BadImage for links, for what is no regular file, and beyond the bound of the image's type."""
    kind, _ = split_name(name)
    most = largest(kind)
    file = _regular(directory, name)
    try:
        data = os.read(file, min(os.fstat(file).st_size, most) + 1)
        while data and len(data) <= most and (more := os.read(file, 1 << 20)):
            data += more
    except OSError as error:
        raise BadImage(place(name), f"cannot be read: {error.strerror}") from None
    finally:
        os.close(file)
    if len(data) > most:
        raise too_large(name, kind)
    return data
