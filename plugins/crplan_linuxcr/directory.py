"""The streams of a directory, and what is told of each in a list.

The search goes breadth first and by name, follows no link, and is bounded in depth and in entries. A directory in which images of
another kind stand is theirs, and none of its files is opened.
"""

import os
from collections import deque
from collections.abc import Iterator
from typing import Final

from crplan_linuxcr.read import read
from crplan_linuxcr.recognise import HEADER_LENGTH, recognises
from planner.directories import DEEPEST, MOST_ENTRIES, entries_of
from planner.errors import BadImage, SeveralImages
from planner.events.records import AnyEvent, ImageOpened, TaskRecorded
from planner.hookspecs import Member, ReadRequest, Source
from planner.pods.parts import labelled
from planner.text import escaped

OTHERS: Final = frozenset(("inventory.img", "pstree.img", "oci-layout"))
"""Files that mark a directory as one of images of another kind."""

FILE_SYSTEMS: Final = frozenset(("rootfs", "diff", "volumes", "proc", "sys"))
"""Directories of a container's own files."""


def streams(path: str) -> Iterator[str]:
    """Yield the streams at and below a directory, by their relative names."""
    waiting = deque([("", 0)])
    seen = 0
    while waiting:
        below, depth = waiting.popleft()
        entries = entries_of(os.path.join(path, below))
        if any(entry.name in OTHERS for entry in entries):
            continue
        for entry in entries:
            seen += 1
            if seen > MOST_ENTRIES:
                return
            name = f"{below}/{entry.name}" if below else entry.name
            if entry.is_dir(follow_symlinks=False):
                if depth < DEEPEST and entry.name not in FILE_SYSTEMS:
                    waiting.append((name, depth + 1))
            elif _is_stream(entry):
                yield name


def _is_stream(entry: os.DirEntry[str]) -> bool:
    try:
        if not entry.is_file(follow_symlinks=False) or entry.stat(follow_symlinks=False).st_size < HEADER_LENGTH:
            return False
        file = os.open(entry.path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (OSError, ValueError):
        return False
    try:
        return recognises(os.read(file, HEADER_LENGTH))
    except OSError:
        return False
    finally:
        os.close(file)


def read_directory(path: str, request: ReadRequest) -> Iterator[AnyEvent]:
    """Yield the events of the stream that a request names, or of the only one; raises `BadImage` and `SeveralImages`."""
    if request.member:
        return _events(path, request.member)
    names = list(streams(path))
    if len(names) == 1:
        return _events(path, names[0])
    raise SeveralImages(names, lambda name, detail: _labelled(path, name))


def _events(path: str, name: str) -> Iterator[AnyEvent]:
    try:
        with open(os.path.join(path, name), "rb") as stream:
            yield from read(stream)
    except OSError as error:
        raise BadImage(None, f"{escaped(name)} cannot be read: {error.strerror}") from None


def _labelled(path: str, name: str) -> Iterator[AnyEvent]:
    """Yield the events of one of several, whose name stands before the place of what is wrong."""
    try:
        yield from _events(path, name)
    except BadImage as error:
        raise BadImage(labelled(name, error.at), error.message) from None


def members(source: Source) -> Iterator[Member]:
    """Yield the streams of a source with what each is; the only one of a file has no name."""
    if not source.directory:
        with source.open() as stream:
            yield Member(name="", help=_help(read(stream)))
        return
    for name in streams(source.directory):
        yield Member(name=name, help=_help(_events(source.directory, name)))


def _help(events: Iterator[AnyEvent]) -> str:
    """Return what a stream is, in one line for people."""
    generation, tasks = "", 0
    try:
        for event in events:
            if isinstance(event, ImageOpened):
                generation = event.generation
            tasks += isinstance(event, TaskRecorded)
    except BadImage as error:
        return f"cannot be read: {error.message}"
    return f"{tasks} task{'' if tasks == 1 else 's'}, generation {generation}"
