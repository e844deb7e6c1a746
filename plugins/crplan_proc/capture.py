"""From a snapshot to image events: numbers begin at the root task's own pid namespace, namespaces at 0, the root task's.

What /proc does not show is said: whether a process is a subreaper has no file. That a process has adopted and so was one is told
where the sessions prove it.
"""

import os
from collections.abc import Iterator
from typing import Final

import msgspec

from crplan_proc.crossings import crossings
from crplan_proc.snapshot import KINDS, Process, Snapshot, steady
from planner.errors import BadImage
from planner.events.records import (
    AnyEvent,
    FactRecorded,
    ImageClosed,
    ImageOpened,
    NamespaceRecorded,
    PidRecorded,
    SharingRecorded,
    TaskNamespacesRecorded,
    TaskRecorded,
    TaskStateRecorded,
    ThreadRecorded,
)
from planner.hookspecs import Detail
from planner.identity import NO_PID, NamespaceId, Number, Pids, ProcessId
from planner.text import escaped

UNKNOWN: Final = NamespaceId(-1)
HELD: Final = ("all", "commands", "values")
"""Details that ask what the tasks hold."""


def capture(pid: int, detail: Detail = "tree") -> list[AnyEvent]:
    """Return the image events of the tree below process `pid` as it stands now, with more than the tree where that is asked for.

    Level 0 is the pid namespace that `pid` is in; when it is the init of that namespace, all who are in it or below belong to
    the tree, entered tasks included. Raises BadImage where the process does not exist, is a thread, or its tree keeps changing.
    """
    return list(events(steady(pid), detail))


def events(snapshot: Snapshot, detail: Detail = "tree") -> Iterator[AnyEvent]:
    """Yield the image events of a snapshot, parents first and children by number; what tasks hold is read when it is yielded."""
    tree = _Tree(snapshot)
    yield ImageOpened(
        format="capture",
        generation="proc",
        facts={"kernel": os.uname().release, "architecture": os.uname().machine},
        at=f"/proc/{snapshot.root}",
    )
    yield from tree.namespaces()
    for process in tree.ordered:
        yield from tree.task(process)
    yield from tree.dead_leaders()
    yield from tree.adopters()
    yield from tree.crossings()
    yield FactRecorded(property="subreaper", value="not shown by /proc", at=f"/proc/{snapshot.root}/status")
    if detail in HELD:
        # Loaded where it is asked for: a capture of the tree alone stays as light as it was.
        from crplan_proc.held import Held

        yield from Held(tree.snapshot, tree.numbers(), tree.ids).events(detail)
    yield ImageClosed(tasks=len(tree.ordered), complete=True, at=f"/proc/{snapshot.root}")


class _Tree:
    """The numbering of one snapshot: which numbers and namespaces the events use."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        root = snapshot.processes[snapshot.root]
        self.level = len(root.status.pids) - 1
        self.ordered = self._order()
        self.snapshot = msgspec.structs.replace(snapshot, shared=self._counted(snapshot.shared))
        self.ids: dict[str, dict[int, NamespaceId]] = {kind: {} for kind in KINDS}
        self.where: dict[tuple[str, int], int] = {}
        own = dict(root.namespaces).get("pid", 0)
        first = next((inode for process in self.ordered for kind, inode in process.namespaces if kind == "pid"), own)
        self.inits = {first: NamespaceId(0)}
        for process in self.ordered:
            inode = dict(process.namespaces).get("pid", 0)
            if inode and process.status.pids[-1] == 1:
                self.inits.setdefault(inode, NamespaceId(self.vector(process.status.pids, process.status.number)[0]))
        for process in self.ordered:
            for kind, inode in process.namespaces:
                self._identify(kind, inode)
                self.where.setdefault((kind, inode), process.status.number)
        # Namespaces between two of the tree may have no task left but what is below them.
        for inode in list(self.ids["pid"]):
            while inode != own and inode in snapshot.parents:
                inode = snapshot.parents[inode]
                self._identify("pid", inode)

    def _identify(self, kind: str, inode: int) -> None:
        """Give a namespace its id: a pid namespace the level-0 pid of its init, all others the next number of their kind."""
        known = self.ids[kind]
        if kind == "pid":
            known.setdefault(inode, self.inits.get(inode, NamespaceId(NO_PID + len(known))))
        else:
            known.setdefault(inode, NamespaceId(len(known)))

    def _order(self) -> list[Process]:
        processes = self.snapshot.processes
        children: dict[int, list[Process]] = {}
        for process in processes.values():
            parent = process.status.parent if process.status.parent in processes else 0
            children.setdefault(0 if process.status.number == self.snapshot.root else parent, []).append(process)
        for siblings in children.values():
            siblings.sort(key=self._rank, reverse=True)
        ordered: list[Process] = []
        waiting = children.get(0, [])
        while waiting:
            process = waiting.pop()
            ordered.append(process)
            waiting += children.get(process.status.number, ())
        return ordered

    def _counted(self, shared: dict[str, dict[int, int]]) -> dict[str, dict[int, int]]:
        """Return what tasks share with ids that are counted in the order of the tree: equal trees have equal ones."""
        counted: dict[str, dict[int, int]] = {}
        for kind, objects in shared.items():
            ids: dict[int, int] = {}
            users = [process.status.number for process in self.ordered if process.status.number in objects]
            counted[kind] = {number: ids.setdefault(objects[number], len(ids) + 1) for number in users}
        return counted

    def numbers(self) -> dict[int, ProcessId]:
        """Return the processes' numbers in the log by those that this process sees."""
        return {
            process.status.number: ProcessId(self.vector(process.status.pids, process.status.number)[0])
            for process in self.ordered
        }

    def _rank(self, process: Process) -> tuple[bool, int]:
        """The root first, then by number."""
        return process.status.number != self.snapshot.root, self.vector(process.status.pids, process.status.number)[0]

    def vector(self, pids: tuple[int, ...], number: int) -> Pids:
        """Return a vector from level 0 on; raises BadImage for a task that the root's namespace does not see."""
        if len(pids) <= self.level:
            raise BadImage(f"/proc/{number}/status#NSpid", "the task cannot be seen from the root's pid namespace")
        return tuple(map(Number, pids[self.level :]))

    def task(self, process: Process) -> Iterator[AnyEvent]:
        """Yield everything about one process."""
        status = process.status
        at = f"/proc/{status.number}/status"
        pids = self.vector(status.pids, status.number)
        pid = ProcessId(pids[0])
        parent = self.snapshot.processes.get(status.parent) if status.number != self.snapshot.root else None
        yield TaskRecorded(
            pids=pids,
            parent=ProcessId(self.vector(parent.status.pids, status.parent)[0] if parent else 0),
            group=ProcessId(status.groups[self.level]),
            session=ProcessId(status.sessions[self.level]),
            at=f"{at}#NSpid",
        )
        yield TaskStateRecorded(
            pid=pid,
            state=status.state,
            exit_status=status.exit_status,
            exit_signal=status.exit_signal,
            name=status.name,
            at=f"/proc/{status.number}/stat",
        )
        yield from self.threads(process, pid)
        if status.state != "zombie" and self.snapshot.shared:
            shared = {kind: objects.get(status.number, 0) for kind, objects in self.snapshot.shared.items()}
            yield SharingRecorded(pid=pid, at=f"/proc/{status.number}", **shared)
        if process.namespaces:
            namespaces = {kind: self.ids[kind][inode] for kind, inode in process.namespaces}
            yield TaskNamespacesRecorded(pid=pid, namespaces=namespaces, at=f"/proc/{status.number}/ns")
        own = dict(process.namespaces).get("pid", 0)
        if process.for_children not in (0, own):
            value = str(self.ids["pid"].get(process.for_children, "another, which no task is in"))
            yield FactRecorded(pid=pid, property="pid_for_children", value=value, at=f"/proc/{status.number}/ns")
        if status.state == "zombie" and not own:
            # The kernel shows it to those who may trace the task, and a zero to all others.
            yield FactRecorded(pid=pid, property="exit_status", value="not shown to this user", at=f"/proc/{status.number}/stat")
        for name, value in status.facts:
            yield FactRecorded(pid=pid, property=name, value=value, at=at)

    def threads(self, process: Process, pid: ProcessId) -> Iterator[AnyEvent]:
        """Yield the threads beside the leader."""
        for thread in process.threads:
            at = f"/proc/{process.status.number}/task/{thread.number}/status"
            pids = self.vector(thread.pids, thread.number)
            yield ThreadRecorded(pids=pids, thread_group=pid, at=f"{at}#NSpid")
            yield TaskStateRecorded(pid=ProcessId(pids[0]), state=thread.state, name=thread.name, at=at)

    def namespaces(self) -> Iterator[NamespaceRecorded]:
        """Yield every namespace of the tree, with what encloses and owns it; the inode is part of the place."""
        for kind, known in self.ids.items():
            parents = self.snapshot.parents if kind in ("pid", "user") else {}
            users = self.ids["user"]
            for inode, identifier in known.items():
                owner = self.snapshot.owners.get(inode, 0)
                number = self.where.get((kind, inode), self.snapshot.root)
                yield NamespaceRecorded(
                    kind=kind,
                    id=identifier,
                    parent=known.get(parents.get(inode, 0), UNKNOWN),
                    owner=users.get(owner, UNKNOWN),
                    facts=_namespace_facts(kind, number, inode),
                    at=f"/proc/{number}/ns/{kind}#{inode}",
                )

    def crossings(self) -> Iterator[FactRecorded]:
        """Yield what tasks of several pid namespaces hold together: facts of no one task, and so of no part of the image's id."""
        numbers = self.numbers()
        for found in crossings(self.snapshot):
            pids = sorted(numbers[number] for number in found.processes)
            yield FactRecorded(
                property="crosses pid namespaces",
                value=f"{escaped(found.what)} is held by tasks {', '.join(map(str, pids))}",
                at=f"/proc/{found.processes[0]}/fd",
            )

    def dead_leaders(self) -> Iterator[PidRecorded | FactRecorded]:
        """Yield the numbers of leaders that are no task of the tree, as far as a member of the group or session sees them."""
        held = {status.pids[self.level] for process in self.ordered for status in (process.status, *process.threads)}
        seen: dict[int, tuple[Pids, int, int]] = {}
        for process in self.ordered:
            for vector in (process.status.groups, process.status.sessions):
                inner = self.vector(vector, process.status.number)
                visible = inner[: inner.index(Number(0))] if 0 in inner else inner
                if visible and visible[0] not in held and len(visible) > len(seen.get(visible[0], ((),))[0]):
                    seen[visible[0]] = (visible, vector[0], process.status.number)
        for visible, leader, member in seen.values():
            at = f"/proc/{member}/status#NSsid"
            yield PidRecorded(numbers=visible, complete=False, at=at)
            if leader in self.snapshot.living:
                yield FactRecorded(property="leader outside the tree", value=str(visible[0]), at=at)

    def adopters(self) -> Iterator[FactRecorded]:
        """Yield who has adopted and is no init, so was a subreaper at that time.

        A child's creator was in the child's session then. A process that leads no session has been in one session for ever; where
        its child is in another, led by neither, another process created that child.
        """
        for process in self.ordered:
            status = process.status
            parent = self.snapshot.processes.get(status.parent)
            if parent is None or parent.status.pids[-1] == 1 or status.number == self.snapshot.root:
                continue
            session, of_parent = status.sessions[0], parent.status.sessions[0]
            if session not in (status.number, of_parent) and of_parent != parent.status.number:
                adopter = self.vector(parent.status.pids, parent.status.number)[0]
                child = self.vector(status.pids, status.number)[0]
                yield FactRecorded(
                    pid=ProcessId(adopter),
                    property="subreaper",
                    value=f"was one when it adopted {child}",
                    at=f"/proc/{status.number}/status#NSsid",
                )


def _namespace_facts(kind: str, number: int, inode: int) -> dict[str, str]:
    """Return whether the namespace is another than the reader's, and what a user namespace maps."""
    facts: dict[str, str] = {}
    try:
        facts["created"] = "no" if os.stat(f"/proc/self/ns/{kind}").st_ino == inode else "yes"
        if kind == "user":
            for name in ("uid_map", "gid_map"):
                with open(f"/proc/{number}/{name}", encoding="ascii") as stream:
                    facts[name] = ", ".join(" ".join(line.split()) for line in stream)
    except OSError:
        # It ended after it had been read; the snapshot holds, and this fact stays unknown.
        return facts
    return facts
