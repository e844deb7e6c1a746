"""Sharing between processes: which births share files, filesystem information or semaphore undo lists with their creator.

A clone flag shares an object between creator and child, and nothing joins two tables later. So a task can share with those above
it in the tree of births only; helpers between them share too. Memory and signal handlers are left out: what an executor puts
into a task's memory is its own, and tasks that shared it would run on one stack. What is lost is said in a finding.
"""

from collections.abc import Callable
from typing import Final

from planner.cast import Cast
from planner.events import FindingRaised, SharingRecorded
from planner.identity import ProcessId

PLANNED: Final[dict[str, Callable[[SharingRecorded], int]]] = {
    "files": lambda record: record.files,
    "fs": lambda record: record.fs,
    "sysv_undo": lambda record: record.sysv_undo,
}
"""What clone flags share between two processes that keep their own memory: CLONE_FILES, CLONE_FS, CLONE_SYSVSEM of clone(2)."""

LEFT_OUT: Final[dict[str, Callable[[SharingRecorded], int]]] = {
    "memory": lambda record: record.memory,
    "signal_handlers": lambda record: record.signal_handlers,
}


class Sharing:
    """What each birth shares with its creator, and what cannot be shared."""

    def __init__(self, cast: Cast, born: list[ProcessId]) -> None:
        """Decide for a cast, given everybody in order of birth."""
        self.flags: dict[ProcessId, tuple[str, ...]] = {}
        self.findings: list[FindingRaised] = []
        self._cast = cast
        records = cast.forest.sharing
        if not records:
            return
        first: dict[tuple[str, int], ProcessId] = {}
        for pid in born:
            record = records.get(pid)
            if record is None:
                continue
            for kind, number in PLANNED.items():
                self._share(pid, kind, number(record), first)
            for kind, number in LEFT_OUT.items():
                if number(record) and first.setdefault((kind, number(record)), pid) != pid:
                    self._lose(pid, kind, first[kind, number(record)])

    def _share(self, pid: ProcessId, kind: str, number: int, first: dict[tuple[str, int], ProcessId]) -> None:
        """Have `pid` share an object with whoever it descends from by births, if anybody has it already."""
        if not number or first.setdefault((kind, number), pid) == pid:
            return
        actors = self._cast.actors
        path = [pid]
        above = actors.get(actors[pid].creator)
        while above is not None and above.mortal:
            path.append(above.pid)
            above = actors.get(above.creator)
        record = None if above is None else self._cast.forest.sharing.get(above.pid)
        if record is None or PLANNED[kind](record) != number:
            self._lose(pid, kind, first[kind, number])
            return
        for here in path:
            if kind not in self.flags.get(here, ()):
                self.flags[here] = (*self.flags.get(here, ()), kind)

    def _lose(self, pid: ProcessId, kind: str, other: ProcessId) -> None:
        what = kind.replace("_", " ")
        self.findings.append(
            FindingRaised(
                code="sharing-lost",
                pid=pid,
                property=kind,
                recorded=f"shared with {other}",
                target="its own",
                detail=f"task {pid} shares its {what} with task {other}, and gets its own in a rebuild",
                because=self._cast.actors[pid].because,
            )
        )
