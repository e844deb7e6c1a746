"""How a log of an older format version is read: its upcast turns the events into those of the next version."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

import msgspec

from planner.events.digests import plan_digest, plan_digest_1
from planner.events.records import (
    AnyEvent,
    NamespaceInferred,
    NamespaceRecorded,
    PlanProved,
    ProcessPlanned,
    RunStarted,
    StepPlanned,
    TaskNamespacesRecorded,
    TaskPlaced,
)
from planner.identity import NO_PID, OUTSIDE, NamespaceId
from planner.steps import AnyStep, Process

Upcast = Callable[[Iterable[AnyEvent]], Iterator[AnyEvent]]
"""Turns the events of a log of one format version into those of the next version, one by one."""


def from_1(events: Iterable[AnyEvent]) -> Iterator[AnyEvent]:
    """Yield the events of a log of format 1 as format 2 has them.

    Format 1 counted the names of rules in `plan_id`. A recorded id is compared with the digest of format 1 of what stands before
    it, and becomes that of format 2 where it agrees; elsewhere it stays, so that it agrees with nothing. Inferred namespaces
    had the next free number as id, and have the pid of their init now.
    """
    plan = _Plan()
    namespaces = _Namespaces()
    for event in events:
        match event:
            case ProcessPlanned():
                plan.processes.append(event.process)
            case StepPlanned():
                plan.steps.append(event.step)
            case PlanProved() | RunStarted():
                event = msgspec.structs.replace(event, plan_id=plan.renamed(event.plan_id))
            case NamespaceRecorded() | TaskNamespacesRecorded() | NamespaceInferred() | TaskPlaced():
                event = namespaces.renamed(event)
            case _:
                pass
        yield event


class _Plan:
    """The plan of a log of format 1 as far as it was read."""

    def __init__(self) -> None:
        self.processes: list[Process] = []
        self.steps: list[AnyStep] = []
        self._ids: dict[str, str] = {}

    def renamed(self, recorded: str) -> str:
        """Return the id of format 2 for a recorded id of format 1, the same id where that is not the plan's."""
        if recorded not in self._ids:
            own = plan_digest_1(self.processes, self.steps)
            self._ids[recorded] = plan_digest(self.processes, self.steps) if own == recorded else recorded
        return self._ids[recorded]


class _Namespaces:
    """The pid namespaces of a log of format 1: those that were inferred get the pid of their init as id."""

    def __init__(self) -> None:
        self._recorded: set[NamespaceId] = {NamespaceId(0)}
        self._ids: dict[NamespaceId, NamespaceId] = {}

    def renamed(
        self, event: NamespaceRecorded | TaskNamespacesRecorded | NamespaceInferred | TaskPlaced
    ) -> NamespaceRecorded | TaskNamespacesRecorded | NamespaceInferred | TaskPlaced:
        """Return an event with the ids of format 2."""
        match event:
            case NamespaceRecorded():
                if event.kind == "pid":
                    self._recorded.add(event.id)
                return event
            case TaskNamespacesRecorded():
                if "pid" in event.namespaces:
                    self._recorded.add(event.namespaces["pid"])
                return event
            case NamespaceInferred():
                parent = self._ids.get(event.parent, event.parent)
                if event.id in self._recorded:
                    return msgspec.structs.replace(event, parent=parent)
                named = NamespaceId(event.init)
                taken = event.init == OUTSIDE or named in self._recorded
                self._ids[event.id] = NamespaceId(event.id + NO_PID) if taken else named
                return msgspec.structs.replace(event, id=self._ids[event.id], parent=parent)
            case TaskPlaced():
                return msgspec.structs.replace(event, namespace=self._ids.get(event.namespace, event.namespace))


UPCASTS: Final[Mapping[int, Upcast]] = {1: from_1}
"""How to leave each older format version."""
