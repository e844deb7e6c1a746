"""Namespaces of a dump, renumbered so that 0 is the root task's own of each kind.

CRIU gives every namespace a small number of its own (`task_kobj_ids_entry`), counted through all kinds. That number stays the id
of every namespace but the root task's and the nested pid namespaces, whose id is the level-0 pid of their init. An upstream dump
has one pid namespace, since a nested one is refused when it is taken; Virtuozzo's ns.img states the parents and owners.
Namespaces that equal `inventory.root_ids` are those of the dumping process, so nothing was created for them.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from crplan_criu.dump import KINDS, Dump
from crplan_criu.images import place
from crplan_criu.wire import Fields, number
from planner.events.records import NamespaceRecorded
from planner.identity import NO_PID, NamespaceId

KIND_OF_FLAG: Final = {
    0x00000080: "time",
    0x00020000: "mnt",
    0x02000000: "cgroup",
    0x04000000: "uts",
    0x08000000: "ipc",
    0x10000000: "user",
    0x20000000: "pid",
    0x40000000: "net",
}
UNKNOWN: Final = NamespaceId(-1)


class Namespaces:
    """The numbering of one dump, by the ids of its root task."""

    def __init__(self, dump: Dump, root_ids: Fields, root_at: str, inits: Mapping[int, NamespaceId]) -> None:
        self.dump = dump
        self.root = root_ids
        self.root_at = root_at
        self.inits = inits
        self._recorded: dict[tuple[str, NamespaceId], int] = {}
        self.met: dict[tuple[str, NamespaceId], str] = {
            (kind, NamespaceId(0)): root_at for kind in KINDS if number(root_ids, kind)
        }
        self.met[("pid", NamespaceId(0))] = root_at
        self._sets: dict[tuple[int, ...], dict[str, NamespaceId]] = {}

    def renumber(self, kind: str, identifier: int) -> NamespaceId:
        """Return the id of a namespace in events; -1 for 0, which the image uses where nothing is recorded."""
        if identifier == 0:
            return UNKNOWN
        if identifier == number(self.root, kind):
            return NamespaceId(0)
        own = self.inits.get(identifier, NamespaceId(NO_PID + identifier)) if kind == "pid" else NamespaceId(identifier)
        self._recorded[kind, own] = identifier
        return own

    def of_task(self, ids: Fields | None, levels: int, at: str) -> dict[str, NamespaceId]:
        """Return the namespaces of a task by kind, without those that are not recorded.

        A task with one number is in the root task's pid namespace, zombies included, which have no ids of their own.
        """
        key = (levels == 1, *(number(ids, kind) for kind in KINDS)) if ids else (levels == 1,)
        namespaces = self._sets.get(key)
        if namespaces is None:
            namespaces = {kind: self.renumber(kind, number(ids, kind)) for kind in KINDS if number(ids, kind)} if ids else {}
            if levels == 1:
                namespaces.setdefault("pid", NamespaceId(0))
            for kind, identifier in namespaces.items():
                self.met.setdefault((kind, identifier), at)
            self._sets[key] = namespaces
        return namespaces

    def events(self) -> Iterator[NamespaceRecorded]:
        """Yield every namespace that a task is in or that ns.img names; call it when all tasks have been seen."""
        nested: dict[tuple[str, NamespaceId], tuple[Fields, str]] = {}
        for position, entry in enumerate(self.dump.nested_namespaces or ()):
            kind = KIND_OF_FLAG.get(number(entry, "ns_cflag"), "")
            if kind:
                nested[(kind, self.renumber(kind, number(entry, "id")))] = (entry, place("ns.img", position))
        order = {kind: rank for rank, kind in enumerate(KINDS)}
        for kind, identifier in sorted(self.met.keys() | nested.keys(), key=lambda key: (order[key[0]], key[1])):
            entry, at = nested.get((kind, identifier), ({}, self.met.get((kind, identifier), self.root_at)))
            recorded = number(self.root, kind) if identifier == 0 else self._recorded.get((kind, identifier), identifier)
            yield NamespaceRecorded(
                kind=kind,
                id=identifier,
                parent=self.renumber(kind, number(entry, "parent_id")),
                owner=self.renumber("user", number(entry, "userns_id")),
                facts=self._facts(kind, identifier, recorded),
                at=at,
            )

    def _facts(self, kind: str, identifier: NamespaceId, recorded: int) -> dict[str, str]:
        facts = dict(self.dump.namespace_facts.get((kind, recorded), {}))
        if kind == "time" and identifier == 0 and not facts:
            # The dump writes the clocks of the root task's time namespace under 0 when it is the dumping process's own.
            facts = dict(self.dump.namespace_facts.get((kind, 0), {}))
        of_dumper = number(self.dump.root_ids, kind)
        if of_dumper and recorded:
            facts["created"] = "no" if of_dumper == recorded else "yes"
        if identifier == 0:
            container = self.dump.container
            for fact, known in (
                ("joined", container.joined),
                ("joined_container", container.joined_containers),
                ("specified", container.specified),
            ):
                if kind in known:
                    facts[fact] = known[kind]
        return facts
