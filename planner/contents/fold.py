"""The fold of the events of detail "all": each record under the object or task that it is about."""

import hashlib
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from planner.contents.model import Contents
from planner.events.contents import (
    AreasRecorded,
    CommandRecorded,
    ContentsEvent,
    ContentsRecorded,
    DeletedFileRecorded,
    DescriptorRecorded,
    FileRecorded,
    LimitsRecorded,
    MappedFileRecorded,
    MemoryRecorded,
    MountRecorded,
    PagesRecorded,
    ProcessorRecorded,
    PropertyRecorded,
    RegistersRecorded,
    SocketRecorded,
    TaskFilesRecorded,
)
from planner.events.records import AnyEvent

CONTENTS_EVENTS: Final = ContentsEvent.__args__


def fold_contents(events: Iterable[AnyEvent]) -> Contents:
    """Return what the events of detail "all" add up to; all others are passed over. Of two records of one thing the later counts.

    The cost is linear in the events.
    """
    contents = Contents()
    handlers = _handlers(contents)
    for event in events:
        handler = handlers.get(type(event))
        if handler is not None:
            handler(event)
    return contents


def _handlers(contents: Contents) -> dict[type, Callable[[Any], None]]:
    return {
        ContentsRecorded: lambda event: _recorded(contents, event),
        FileRecorded: lambda event: contents.files.__setitem__(event.id, event),
        DeletedFileRecorded: lambda event: contents.deleted.__setitem__(event.file, event),
        DescriptorRecorded: lambda event: contents.tables.setdefault(event.table, []).append(event),
        SocketRecorded: lambda event: contents.sockets.__setitem__(event.file, event),
        TaskFilesRecorded: lambda event: _task_files(contents, event),
        MappedFileRecorded: lambda event: contents.mapped.setdefault(event.pid, []).append(event),
        MemoryRecorded: lambda event: _memory(contents, event),
        AreasRecorded: lambda event: contents.areas.setdefault(event.pid, []).extend(event.areas),
        PagesRecorded: lambda event: contents.pages.setdefault(event.pid, []).extend(event.runs),
        MountRecorded: contents.mounts.append,
        LimitsRecorded: lambda event: contents.limits.__setitem__(event.pid, event),
        RegistersRecorded: lambda event: contents.registers.__setitem__(event.pid, event),
        ProcessorRecorded: contents.processors.append,
        PropertyRecorded: contents.properties.append,
        CommandRecorded: lambda event: contents.commands.__setitem__(event.pid, event),
    }


def _recorded(contents: Contents, event: ContentsRecorded) -> None:
    """Add up the files of the images; the containers of a pod have one each."""
    contents.recorded = True
    for found, counts in ((contents.images, event.images), (contents.sizes, event.sizes)):
        for kind, count in counts.items():
            found[kind] = found.get(kind, 0) + count


def _task_files(contents: Contents, event: TaskFilesRecorded) -> None:
    """Bring together what several images say of one task: its directories and its executable."""
    before = contents.task_files.get(event.pid)
    if before is not None:
        event = msgspec.structs.replace(
            event,
            cwd=event.cwd or before.cwd,
            root=event.root or before.root,
            executable=event.executable or before.executable,
            umask=before.umask if event.umask < 0 else event.umask,
        )
    contents.task_files[event.pid] = event


def _memory(contents: Contents, event: MemoryRecorded) -> None:
    """Bring together the areas of a task and the sizes of its pages, which stand in images of their own."""
    before = contents.memory.get(event.pid)
    if before is not None:
        fields = {name: value for name, value in msgspec.structs.asdict(event).items() if value not in (-1, 0, (0, 0))}
        event = msgspec.structs.replace(before, **fields)
    contents.memory[event.pid] = event


def content_id(events: Iterable[AnyEvent], tree: str) -> str:
    """Return a digest of all that was recorded, 16 hexadecimal digits, "" for an image that was read for its tree alone.

    `tree` is the digest of the process tree, which counts. Places do not: two copies of one image have the same digest. Command
    lines do not either, since an image that is read from a pipe does not show them.
    """
    digest = hashlib.sha256(tree.encode())
    encoder = msgspec.json.Encoder(order="deterministic")
    there = False
    buffer = bytearray()
    for event in events:
        if isinstance(event, CONTENTS_EVENTS) and not isinstance(event, CommandRecorded):
            there = True
            encoder.encode_into(msgspec.structs.replace(event, at=0), buffer, -1)
            if len(buffer) > AT_ONCE:
                digest.update(buffer)
                buffer.clear()
    digest.update(buffer)
    return digest.hexdigest()[:16] if there else ""


AT_ONCE: Final = 1 << 16
"""Bytes that are hashed together; a call for every event costs more than its hash."""
