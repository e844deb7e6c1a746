"""The contents: what the events of detail "all" add up to, by task and by object.

Objects that tasks share, such as a table of descriptors or an open file, stand here once.
"""

import msgspec

from planner.events.contents import (
    Area,
    CommandRecorded,
    DeletedFileRecorded,
    DescriptorRecorded,
    FileRecorded,
    LimitsRecorded,
    MappedFileRecorded,
    MemoryRecorded,
    MountRecorded,
    PageRun,
    ProcessorRecorded,
    PropertyRecorded,
    RegistersRecorded,
    SocketRecorded,
    TaskFilesRecorded,
)
from planner.identity import ProcessId


class Contents(msgspec.Struct, kw_only=True):
    """Everything that the events say, with the records that said it; dictionaries are in image order.

    `recorded` says whether the image was read with detail "all". `images` counts its files by kind: a kind that is missing was
    not recorded, so an empty dictionary below may mean that nothing is known.
    """

    recorded: bool = False
    images: dict[str, int] = {}
    sizes: dict[str, int] = {}
    files: dict[int, FileRecorded] = {}
    deleted: dict[int, DeletedFileRecorded] = {}
    tables: dict[int, list[DescriptorRecorded]] = {}
    """Descriptors by the number of their table."""
    sockets: dict[int, SocketRecorded] = {}
    """Sockets by the number of their file."""
    task_files: dict[ProcessId, TaskFilesRecorded] = {}
    mapped: dict[ProcessId, list[MappedFileRecorded]] = {}
    memory: dict[ProcessId, MemoryRecorded] = {}
    areas: dict[ProcessId, list[Area]] = {}
    pages: dict[ProcessId, list[PageRun]] = {}
    mounts: list[MountRecorded] = []
    limits: dict[ProcessId, LimitsRecorded] = {}
    registers: dict[ProcessId, RegistersRecorded] = {}
    processors: list[ProcessorRecorded] = []
    properties: list[PropertyRecorded] = []
    commands: dict[ProcessId, CommandRecorded] = {}

    def path(self, file: int) -> str:
        """Return the path of an open file, "" where it has none or the image does not hold it."""
        found = self.files.get(file)
        if found is None:
            return ""
        other = found.facts.get("file", "")
        if found.path or not other.isdecimal():
            return found.path
        # A terminal or a fifo has its path in a file of its own.
        named = self.files.get(int(other))
        return named.path if named is not None else ""

    def has(self, kind: str) -> bool:
        """Say whether the image has files of a kind, by the name that the reader gives it."""
        return bool(self.images.get(kind))
