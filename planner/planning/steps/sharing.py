"""Sharing between processes: which births share memory, signal handlers, files and the like with their creator.

A clone flag shares an object between creator and child, and nothing joins two later. So a task can share with those above it in
the tree of births only; helpers between them share too. Signal handlers are shared only together with memory (clone(2)), and no
history of processes leads to anything else. What is lost is said in a finding with its reason.
"""

from collections.abc import Callable
from typing import Final

from planner.events.records import FindingRaised, SharingRecorded
from planner.identity import OUTSIDE, ProcessId
from planner.planning.cast import Cast

PLANNED: Final[dict[str, Callable[[SharingRecorded], int]]] = {
    "files": lambda record: record.files,
    "fs": lambda record: record.fs,
    "sysv_undo": lambda record: record.sysv_undo,
    "memory": lambda record: record.memory,
    "signal_handlers": lambda record: record.signal_handlers,
}
"""What clone flags share between two processes: CLONE_FILES, CLONE_FS, CLONE_SYSVSEM, CLONE_VM and CLONE_SIGHAND of clone(2)."""

Held = dict[tuple[str, ProcessId], ProcessId]
"""Who was the first to have the object of a kind that a task has."""


class Sharing:
    """What each birth shares with its creator, and what cannot be shared."""

    def __init__(self, cast: Cast, born: list[ProcessId]) -> None:
        """Decide for a cast, given all actors in order of birth."""
        self.flags: dict[ProcessId, tuple[str, ...]] = {}
        self.findings: list[FindingRaised] = []
        self._cast = cast
        self._held: Held = {}
        records = cast.forest.sharing
        if not records:
            return
        first: dict[tuple[str, int], ProcessId] = {}
        for pid in born:
            record = records.get(pid)
            if record is None or cast.clones[pid].zombie:
                continue
            for kind, number in PLANNED.items():
                if number(record):
                    self._share(pid, kind, number(record), first.setdefault((kind, number(record)), pid))

    def _share(self, pid: ProcessId, kind: str, number: int, first: ProcessId) -> None:
        """Have `pid` share an object with the process that it descends from by births, if `first` has it already."""
        self._held[kind, pid] = pid
        if first == pid:
            return
        actors = self._cast.clones
        path = [pid]
        above = actors.get(actors[pid].creator)
        while above is not None and above.ends:
            path.append(above.pid)
            above = actors.get(above.creator)
        record = None if above is None else self._cast.forest.sharing.get(above.pid)
        if above is None or above.zombie or record is None or PLANNED[kind](record) != number:
            creator = OUTSIDE if above is None else above.pid
            self._lose(pid, kind, first, f"its creators lead up to {_who(creator)} first, and that has its own")
            return
        if kind == "signal_handlers" and not all("memory" in self.flags.get(here, ()) for here in path):
            self._lose(pid, kind, first, f"that takes shared memory, which it does not have with task {above.pid}")
            return
        for here in path:
            if kind not in self.flags.get(here, ()):
                self.flags[here] = (*self.flags.get(here, ()), kind)
        holder = self._held[kind, pid] = self._held[kind, above.pid]
        if holder != first:
            self._lose(pid, kind, first, f"it has what task {holder} has, which gets its own")

    def _lose(self, pid: ProcessId, kind: str, other: ProcessId, why: str) -> None:
        what = kind.replace("_", " ")
        self.findings.append(
            FindingRaised(
                code="sharing-lost",
                pid=pid,
                property=kind,
                recorded=f"shared with {other}",
                target="its own" if self._held[kind, pid] == pid else f"shared with {self._held[kind, pid]}",
                detail=f"task {pid} shares its {what} with task {other}, and not so in a rebuild: {why}",
                because=self._cast.clones[pid].because,
            )
        )


def _who(pid: ProcessId) -> str:
    return f"task {pid}" if pid else "the executor"
