"""Renumbers what the processes hold (open files, tables, mount namespaces), so that several images stay apart in one log.

A dump counts its open files and mount namespaces by itself. Inodes are those of one machine, and stay as they are: the two
ends of a socket or pipe may be in two containers of a pod.
"""

from collections.abc import Callable
from typing import Any, Final

from msgspec.structs import replace

from planner.events.contents import (
    AreasRecorded,
    DeletedFileRecorded,
    DescriptorRecorded,
    FileRecorded,
    MappedFileRecorded,
    MountRecorded,
    SocketRecorded,
    TaskFilesRecorded,
)
from planner.events.records import AnyEvent
from planner.identity import NamespaceId


class HeldNumbers:
    """How far the numbers of the image at hand are moved; `next_image` comes before its events."""

    def __init__(self) -> None:
        self._files = self._files_before = 0
        self._mounts = self._mounts_before = 0

    def next_image(self) -> None:
        """Move what comes behind all that was."""
        self._files_before, self._mounts_before = self._files, self._mounts

    def event(self, event: AnyEvent, tables: int) -> AnyEvent:
        """Return an event with the numbers of the whole log; `tables` is how far the numbers of shared objects are moved."""
        if isinstance(event, FileRecorded):
            self._files = max(self._files, self._file(event.id))
        elif isinstance(event, MountRecorded):
            self._mounts = max(self._mounts, event.namespace + self._mounts_before)
        move = MOVES.get(type(event))
        return event if move is None or not (self._files_before or tables or self._mounts_before) else move(self, event, tables)

    def _file(self, number: int) -> int:
        """Return the number of an open file; 0 is none."""
        return number + self._files_before if number else 0

    def opened(self, event: FileRecorded, tables: int) -> FileRecorded:
        """Return an open file, and the other one that it names."""
        facts = event.facts
        if facts.get("file", "").isdecimal():
            facts = facts | {"file": str(self._file(int(facts["file"])))}
        return replace(event, id=self._file(event.id), facts=facts)

    def deleted(self, event: DeletedFileRecorded, tables: int) -> DeletedFileRecorded:
        """Return a remap; a link leads to another open file."""
        return replace(event, file=self._file(event.file), to=self._file(event.to) if event.remap == "link" else event.to)

    def descriptor(self, event: DescriptorRecorded, tables: int) -> DescriptorRecorded:
        """Return a descriptor in its table, which is a shared object."""
        return replace(event, table=event.table + tables, file=self._file(event.file))

    def of_file(self, event: Any, tables: int) -> Any:
        """Return a record that names one open file."""
        return replace(event, file=self._file(event.file))

    def of_task(self, event: TaskFilesRecorded, tables: int) -> TaskFilesRecorded:
        """Return what a task holds without a descriptor."""
        return replace(event, cwd=self._file(event.cwd), root=self._file(event.root), executable=self._file(event.executable))

    def areas(self, event: AreasRecorded, tables: int) -> AreasRecorded:
        """Return areas of memory with their files."""
        return replace(
            event, areas=tuple(replace(each, file=self._file(each.file)) if each.file else each for each in event.areas)
        )

    def mount(self, event: MountRecorded, tables: int) -> MountRecorded:
        """Return a mount in its namespace."""
        return replace(event, namespace=NamespaceId(event.namespace + self._mounts_before))


MOVES: Final[dict[type, Callable[[HeldNumbers, Any, int], AnyEvent]]] = {
    FileRecorded: HeldNumbers.opened,
    DeletedFileRecorded: HeldNumbers.deleted,
    DescriptorRecorded: HeldNumbers.descriptor,
    SocketRecorded: HeldNumbers.of_file,
    MappedFileRecorded: HeldNumbers.of_file,
    TaskFilesRecorded: HeldNumbers.of_task,
    AreasRecorded: HeldNumbers.areas,
    MountRecorded: HeldNumbers.mount,
}
"""How the numbers of each type of event are moved."""
