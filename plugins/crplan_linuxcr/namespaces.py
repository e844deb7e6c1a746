"""Namespaces of other kinds than "pid", as far as NS records name them: uts, ipc and, from St on, net.

A task's TASK_NS quotes the number of its set of namespaces (NS), and that quotes the number of each. The numbers are turned
into small ones, 0 being the root task's namespace of that kind. A zombie has no such record: it had left them already.
"""

import struct
from collections.abc import Iterator

from crplan_linuxcr.generations import Generation
from planner.events.records import AnyEvent, NamespaceRecorded, TaskNamespacesRecorded
from planner.identity import NamespaceId, ProcessId


class Namespaces:
    """The sets of namespaces met so far, by the number of their NS object."""

    def __init__(self, generation: Generation, root: ProcessId) -> None:
        self.object_type = generation.namespace_object
        self.kinds = ("uts", "ipc", "net") if generation.net_namespaces else ("uts", "ipc")
        self.root = root
        self.pending = 0
        self.sets: dict[int, dict[str, int]] = {}
        self.places: dict[int, int] = {}
        self.ids: dict[tuple[str, int], NamespaceId] = {}
        self.next_id = dict.fromkeys(self.kinds, 1)
        self.resolved: dict[int, dict[str, NamespaceId]] = {}

    def object_begins(self, object_type: int, number: int) -> None:
        """Note the number of an NS object; its record comes after those of the namespaces in it."""
        if object_type == self.object_type:
            self.pending = number

    def read(self, order: str, at: int, payload: bytes) -> None:
        """Take in an NS record."""
        numbers = struct.unpack_from(f"{order}{min(len(self.kinds), len(payload) // 4)}i", payload)
        self.sets[self.pending] = {kind: number for kind, number in zip(self.kinds, numbers, strict=False) if number > 0}
        self.places[self.pending] = at

    def task(self, pid: ProcessId, number: int, at: int) -> Iterator[AnyEvent]:
        """Yield the namespaces of a task, each namespace itself before its first use."""
        namespaces = self.resolved.get(number)
        if namespaces is None:
            found = self.sets.get(number)
            if found is None:
                return
            namespaces = self.resolved[number] = {}
            for kind, key in found.items():
                if (kind, key) not in self.ids:
                    self.ids[kind, key] = self.new_id(pid, kind)
                    yield NamespaceRecorded(kind=kind, id=self.ids[kind, key], at=self.places[number])
                namespaces[kind] = self.ids[kind, key]
        yield TaskNamespacesRecorded(pid=pid, namespaces=namespaces, at=at)

    def new_id(self, pid: ProcessId, kind: str) -> NamespaceId:
        """Return 0 for the root task's namespace, and further numbers as others come."""
        if pid == self.root:
            return NamespaceId(0)
        self.next_id[kind] += 1
        return NamespaceId(self.next_id[kind] - 1)
