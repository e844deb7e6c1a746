"""Images that say which namespaces their tasks are in."""

from planner.events.records import (
    AnyEvent,
    ImageClosed,
    ImageOpened,
    NamespaceRecorded,
    SharingRecorded,
    TaskNamespacesRecorded,
    TaskRecorded,
    TaskStateRecorded,
    ThreadRecorded,
)
from planner.identity import NamespaceId, Number, ProcessId
from planner.pipeline.resolve import resolve
from planner.plans.model import Plan

KINDS = ("user", "mnt", "uts", "ipc", "net", "cgroup", "time")


class Image:
    """An image in the making: task 1 is the root, and namespaces that are not named are the root's."""

    def __init__(self) -> None:
        self.facts: list[AnyEvent] = []
        self.later: list[AnyEvent] = []
        self.count = 0

    def task(self, *pids: int, parent: int = 0, session: int = 1, state: str = "running", **namespaces: int) -> "Image":
        pid = ProcessId(pids[0])
        self.facts.append(
            TaskRecorded(
                pids=tuple(map(Number, pids)),
                parent=ProcessId(parent),
                group=ProcessId(session),
                session=ProcessId(session),
                at="x#1",
            )
        )
        self.facts.append(TaskStateRecorded(pid=pid, state=state, at="x#2"))  # type: ignore[arg-type]
        kinds = {"pid": 10 * (len(pids) - 1), **dict.fromkeys(KINDS, 0), **namespaces}
        if state != "zombie":
            places = {kind: NamespaceId(number) for kind, number in kinds.items()}
            self.facts.append(TaskNamespacesRecorded(pid=pid, namespaces=places, at="x#3"))
        self.count += 1
        return self

    def thread(self, number: int, group: int) -> "Image":
        self.later.append(ThreadRecorded(pids=(Number(number),), thread_group=ProcessId(group), at="x#4"))
        return self

    def record(self, kind: str, number: int, parent: int = -1, owner: int = -1, **facts: str) -> "Image":
        record = NamespaceRecorded(
            kind=kind, id=NamespaceId(number), parent=NamespaceId(parent), owner=NamespaceId(owner), facts=facts, at="x#5"
        )
        self.later.append(record)
        return self

    def shares(self, pid: int, **objects: int) -> "Image":
        self.later.append(SharingRecorded(pid=ProcessId(pid), at="x#6", **objects))
        return self

    def events(self) -> list[AnyEvent]:
        opened = ImageOpened(format="test", generation="1", at="x#0")
        return [opened, *self.facts, *self.later, ImageClosed(tasks=self.count, complete=True, at="x#7")]

    def plan(self) -> Plan:
        return resolve(self.events()).plan

    def lost(self) -> list[tuple[int, str]]:
        findings = resolve(self.events()).findings
        return [(found.pid, found.property) for found in findings if found.code == "namespace-not-covered"]
