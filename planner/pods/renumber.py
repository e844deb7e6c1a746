"""Renumbers ids that have a meaning in one image only, so that those of several images stay apart in one log.

A dump counts its namespaces and shared objects by itself, and calls its root task's namespaces 0. Processes of two containers
share no memory and no tables, so all numbers of the second are moved behind those of the first. Namespaces are the same where
both containers had joined one (the same path, the same container) or were in that of the process that took the checkpoint.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from planner.events.records import (
    AnyEvent,
    FactRecorded,
    ImageOpened,
    NamespaceRecorded,
    Place,
    SharingRecorded,
    TaskNamespacesRecorded,
)
from planner.forest.model import SHARED_KINDS
from planner.identity import NamespaceId
from planner.pods.contents import HeldNumbers
from planner.pods.parts import labelled

ROOT: Final = NamespaceId(0)
PID: Final = "pid"
LEFT_OUT: Final = NamespaceId(-1)
"""A namespace that is the executor's own, while the root of the whole has another: nothing is to be done about it."""

OUTSIDE: Final = ("outside", "")
"""Identity of the namespace of the process that took the checkpoint."""

Identity = tuple[str, str]


class Renumbering:
    """The numbering of a log of several images; `next_image` comes before the events of each."""

    def __init__(self) -> None:
        self._first = True
        self._held = HeldNumbers()
        self._objects = 0
        """Highest number of a shared object so far; that of the images before is added to the next one's."""
        self._namespaces = 0
        """The same of namespaces; the first number behind it is that of the next image's root task."""
        self._objects_before = 0
        self._namespaces_before = 0
        self._pid_namespaces: set[NamespaceId] = set()
        self._pid_namespaces_before: frozenset[NamespaceId] = frozenset()
        """Ids of the pid namespaces of the images before."""
        self._known: dict[tuple[str, Identity], NamespaceId] = {}
        self._recorded: set[tuple[str, NamespaceId]] = set()
        self._roots: dict[str, NamespaceId] = {}
        """Ids in the log of the namespaces of this image's root task, by kind."""
        self._left: dict[str, Place] = {}
        """Kinds in which this image's root task is with the executor, and where the image says so."""

    def next_image(self, events: Sequence[AnyEvent]) -> None:
        """Settle the namespaces of an image's root task: what nothing says to be the same is its own."""
        self._held.next_image()
        self._objects_before = self._objects
        self._namespaces_before = 0 if self._first else self._namespaces + 1
        self._pid_namespaces_before = frozenset(self._pid_namespaces)
        self._roots = {PID: ROOT}
        self._left = {}
        container = next((event.facts.get("container_id", "") for event in events if isinstance(event, ImageOpened)), "")
        own = ROOT if self._first else NamespaceId(self._namespaces_before)
        for event in events:
            if isinstance(event, NamespaceRecorded) and event.id == ROOT and event.kind != PID:
                names = [(event.kind, identity) for identity in _identities(event, container)]
                found = next((self._known[name] for name in names if name in self._known), own)
                self._known.update((name, found) for name in names if name not in self._known)
                if OUTSIDE in (identity for _, identity in names) and found != ROOT:
                    found = LEFT_OUT
                    self._left[event.kind] = event.at
                self._roots[event.kind] = found
        self._first = False

    def event(self, event: AnyEvent) -> AnyEvent | None:
        """Return an event with the numbers of the whole log, None for a namespace that the log has already or needs not."""
        if isinstance(event, SharingRecorded):
            return self._shared(event)
        if isinstance(event, NamespaceRecorded):
            identity = self._namespace(event.kind, event.id)
            if identity == LEFT_OUT or (event.kind, identity) in self._recorded:
                return None
            self._recorded.add((event.kind, identity))
            parent = self._namespace(event.kind, event.parent)
            return msgspec.structs.replace(event, id=identity, parent=parent, owner=self._namespace("user", event.owner))
        if isinstance(event, TaskNamespacesRecorded):
            found = {kind: self._namespace(kind, identity) for kind, identity in event.namespaces.items()}
            return msgspec.structs.replace(event, namespaces={kind: new for kind, new in found.items() if new != LEFT_OUT})
        if isinstance(event, FactRecorded) and event.property == "pid_for_children" and event.value.isdecimal():
            return msgspec.structs.replace(event, value=str(self._namespace(PID, NamespaceId(int(event.value)))))
        return self._held.event(event, self._objects_before)

    def remarks(self, label: str) -> Iterator[FactRecorded]:
        """Yield what this image's root task has and the log cannot say by numbers."""
        for kind, at in self._left.items():
            value = "that of the process that took the checkpoint; its tasks stay in that of the rebuild"
            yield FactRecorded(property=f"{kind} namespace of {label}", value=value, at=labelled(label, at))

    def _shared(self, event: SharingRecorded) -> SharingRecorded:
        numbers = {kind: getattr(event, kind) for kind in SHARED_KINDS if getattr(event, kind)}
        moved = {kind: number + self._objects_before for kind, number in numbers.items()}
        self._objects = max(self._objects, *moved.values()) if moved else self._objects
        return msgspec.structs.replace(event, **moved) if self._objects_before else event

    def _namespace(self, kind: str, identity: NamespaceId) -> NamespaceId:
        if identity < ROOT:
            return identity
        if identity == ROOT:
            found = self._roots.get(kind, NamespaceId(self._namespaces_before))
        elif kind == PID and identity not in self._pid_namespaces_before:
            found = identity  # the pid of its init, which no other container of the pid namespace has
        else:
            found = NamespaceId(identity + self._namespaces_before)
        if kind == PID:
            self._pid_namespaces.add(found)
        self._namespaces = max(self._namespaces, found)
        return found


def _identities(event: NamespaceRecorded, container: str) -> list[Identity]:
    """Return by what a namespace is known whatever the image: the path or the container that was joined, or its own container."""
    if event.facts.get("created") == "no":
        return [OUTSIDE]
    joined, of = event.facts.get("joined", ""), event.facts.get("joined_container", "")
    names = [("path", joined)] if joined else []
    if of or (container and not joined):
        names.append(("container", of or container))
    return names
