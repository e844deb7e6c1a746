"""Reading an image directory: by name, without following links, each file within the bounds of its type."""

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from crplan_criu.archive import PARENT, Checkpoint, Collector, Seen
from crplan_criu.command_lines import Spans
from crplan_criu.container import FILES
from crplan_criu.dump import Dump
from crplan_criu.engine_files import ROOT_DIFFERENCE, odd_files
from crplan_criu.images import WANTED, WANTED_ALL, largest, place, shown, split_name, too_large
from crplan_criu.layout import BLOB, INDEX, LARGEST_DOCUMENT, MANIFEST
from crplan_criu.pod import POD_FILES, Pod
from crplan_criu.search import HERE
from crplan_criu.streams import opened
from crplan_criu.tar import Headers, Taken
from planner.errors import BadImage
from planner.hookspecs import MAX_WINDOW

MOST_FILES: Final = 4_000_000
"""Entries that a directory may have: six files a task, far beyond what a machine can run."""

HEX: Final = re.compile(r"[0-9a-f]{64}")
"""Name of a blob of skopeo's `dir:`, its sha256."""


def collect(path: str, wanted: frozenset[str] = WANTED, seen: Seen | None = None) -> Dump:
    """Read the images of a directory, or of `checkpoint` in an unpacked archive with what stands beside it; raises BadImage."""
    dump = Dump(wanted)
    below = os.path.join(path, "checkpoint")
    unpacked = not any(os.path.lexists(os.path.join(path, name)) for name in HERE) and os.path.isdir(below)
    with _opened(path) as top:
        for name in FILES:
            if os.path.lexists(os.path.join(path, name)):
                try:
                    dump.container.add(name, _read(top, name, seen))
                except BadImage as error:
                    dump.container.unread[name] = error.message
        if wanted >= WANTED_ALL and os.path.lexists(os.path.join(path, ROOT_DIFFERENCE)):
            _root_difference(top, dump)
    images_at = below if unpacked else path
    if unpacked:
        _refuse_link(below)
    with _opened(images_at) as images:
        for name in _names(images):
            if dump.wants(name):
                dump.add(name, _read(images, name, seen))
            else:
                dump.note(name, os.stat(name, dir_fd=images, follow_symlinks=False).st_size)
    parent = os.path.join(images_at, PARENT)
    if os.path.islink(parent):
        dump.parent = os.readlink(parent)
        dump.parent_found = os.path.exists(os.path.join(parent, "inventory.img"))
    return dump


def _root_difference(top: int, dump: Dump) -> None:
    """Look through the archive of the files that a container changed, in an unpacked archive of a checkpoint."""
    with suppress(BadImage), os.fdopen(_regular(top, ROOT_DIFFERENCE), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        taken = Taken()
        taken.given = size
        dump.container.root_difference = size
        dump.container.odd_files = odd_files(opened(file, b"", ROOT_DIFFERENCE), size, Headers(taken))


def fetch(path: str, spans: Spans) -> None:
    """Read parts of the files of pages in a directory of images; what is not there is left out. Raises BadImage."""
    below = os.path.join(path, "checkpoint")
    unpacked = not any(os.path.lexists(os.path.join(path, name)) for name in HERE) and os.path.isdir(below)
    with _opened(below if unpacked else path) as images:
        for name, wanted in spans.of_file.items():
            with suppress(BadImage, OSError):
                file = _regular(images, name)
                try:
                    spans.found.update((span, os.pread(file, span.size, span.offset)) for span in wanted)
                finally:
                    os.close(file)


def pods(path: str, places: list[str]) -> dict[str, Pod]:
    """Return what documents of pods say that stand in a directory, at or above places in it, by their directory."""
    found: dict[str, Pod] = {}
    looked: set[str] = set()
    for name in ("", *places):
        while name not in looked:
            looked.add(name)
            if any(os.path.isfile(os.path.join(path, name, file)) for file in POD_FILES):
                found[name] = _pod(os.path.join(path, name))
            name = name.rpartition("/")[0]
    return dict(sorted(found.items(), key=lambda one: -len(one[0])))


def _pod(path: str) -> Pod:
    pod = Pod()
    with _opened(path) as top:
        for name in POD_FILES:
            with suppress(BadImage):
                pod.add(name, read_file(top, name))
    return pod


def _read(directory: int, name: str, seen: Seen | None) -> bytes:
    data = read_file(directory, name)
    if seen is not None:
        seen(name, data)
    return data


def collect_layout(
    path: str,
    wanted: frozenset[str] = WANTED,
    window: int = MAX_WINDOW,
    seen: Seen | None = None,
    spans: Spans | None = None,
) -> list[Checkpoint]:
    """Read the index and the blobs of an OCI image layout; raises BadImage."""
    collector = Collector(wanted, window, seen, spans=spans)
    with _opened(path) as top:
        if os.path.lexists(os.path.join(path, INDEX)):
            collector.document("", INDEX, read_file(top, INDEX))
    _refuse_link(os.path.join(path, "blobs"))
    with _opened(os.path.join(path, "blobs")) as blobs:
        for algorithm in _names(blobs):
            _refuse_link(os.path.join(path, "blobs", algorithm))
            with _opened(os.path.join(path, "blobs", algorithm)) as folder:
                for name in _names(folder):
                    _blob(collector, folder, name, f"blobs/{algorithm}/{name}")
    return collector.checkpoints()


def collect_transport(
    path: str,
    wanted: frozenset[str] = WANTED,
    window: int = MAX_WINDOW,
    seen: Seen | None = None,
    spans: Spans | None = None,
) -> list[Checkpoint]:
    """Read the manifest and the blobs of skopeo's `dir:`; raises BadImage."""
    collector = Collector(wanted, window, seen, spans=spans)
    with _opened(path) as top:
        collector.document("", INDEX, read_file(top, MANIFEST))
        for name in _names(top):
            if HEX.fullmatch(name):
                _blob(collector, top, name, f"blobs/sha256/{name}")
    return collector.checkpoints()


def _blob(collector: Collector, folder: int, name: str, blob: str) -> None:
    if BLOB.fullmatch(blob) and not (collector.documents and os.stat(name, dir_fd=folder).st_size > LARGEST_DOCUMENT):
        with os.fdopen(_regular(folder, name), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            collector.input.given += size
            collector.blob(blob, size, opened(file, b"", shown(name)))


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


def _refuse_link(path: str) -> None:
    """Raise BadImage for a directory that is a link: only the one that is given may be."""
    if os.path.islink(path):
        name = shown(os.path.basename(path))
        raise BadImage(place(name), "is a symbolic link to a directory; give that directory, or put it there itself")


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
