"""The order of births: which process is older than which by parents, sessions and pid namespaces, and where that is a cycle.

A process above a task is older than the task, at any time: a parent has cloned its child, or is the parent of the sibling that
did, and an orphan goes to a process that was above it already, or to the init of its pid namespace, which came before all else in
it. A session's leader is older than its members. And one step more: of a task T whose creator was in session S, the parent A
either was in S itself at that time, or is older than the leader of S. For if A was never in S and is no init, T came to A because
a process below A was in S, by birth from another member below A, and so on back to the leader: it was below A once.

A process is in two sessions at most, the one that it was born in and its own. So a parent that is younger than the leader of S,
and no init, was born in S if it does not lead it: what is said of T is then true of A, and so on upwards.

Everything here follows from the rows of tasks alone, and each conclusion keeps the smallest set of tasks found whose rows it
follows from.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from planner.errors import Contradiction
from planner.forest.model import Forest, Task
from planner.identity import OUTSIDE, ProcessId

Rows = frozenset[ProcessId]
"""Tasks whose rows something follows from."""

_FIRST = ProcessId(1)


class _Reason(NamedTuple):
    """Why one is older than another: the rows, and the child and its session where the second was below the first once."""

    rows: Rows
    child: ProcessId = OUTSIDE
    session: ProcessId = OUTSIDE


class Ages:
    """What follows from the rows of some tasks of a forest."""

    def __init__(self, forest: Forest, pids: Iterable[ProcessId]) -> None:
        """Draw all conclusions; `contradictions` tells which of them exclude each other."""
        self.forest = forest
        self.rows: Mapping[ProcessId, Task] = {pid: forest.tasks[pid] for pid in pids}
        self.older: dict[ProcessId, dict[ProcessId, _Reason]] = {}
        """For a process, those that are younger for one reason."""
        self.born_in: dict[ProcessId, dict[ProcessId, Rows]] = {}
        """For a process, the sessions that its creator was in at the clone."""
        self._read_rows()
        while self._conclude():
            pass

    def _read_rows(self) -> None:
        rows = self.rows
        numbers = {number for task in rows.values() for number in (task.pid, task.parent, task.session)} | {_FIRST}
        for pid in numbers - {OUTSIDE}:
            self._note(OUTSIDE if pid == _FIRST else _FIRST, pid, _Reason(frozenset()))
        for pid, task in rows.items():
            own = frozenset((pid,))
            if task.parent != OUTSIDE:
                self._note(task.parent, pid, _Reason(own))
            if task.session != pid:
                self._note_birth(pid, task.session, own)
        for init in [task for task in rows.values() if _is_nested_init(task)]:
            for pid, task in rows.items():
                if self._lives_inside(task, init):
                    self._note(init.pid, pid, _Reason(frozenset((init.pid, pid))))

    def _lives_inside(self, task: Task, init: Task) -> bool:
        """Tell whether the image says that a task lives in the pid namespace of an init.

        Parents and session leaders live in a namespace that encloses the task's own, so that those at its level live in it.
        """
        if task is init or task.level != init.level:
            return False
        space = self.forest.namespaces.get(init.namespace)
        recorded = space is not None and not space.inferred and init.namespace > 0
        return task.pid in (init.parent, init.session) or (recorded and task.namespace == init.namespace)

    def _note(self, older: ProcessId, younger: ProcessId, reason: _Reason) -> bool:
        """Keep a reason that is the first or smaller than the one known; tell whether it is."""
        known = self.older.setdefault(older, {})
        if younger in known and len(known[younger].rows) <= len(reason.rows):
            return False
        known[younger] = reason
        return True

    def _note_birth(self, pid: ProcessId, session: ProcessId, rows: Rows) -> bool:
        known = self.born_in.setdefault(pid, {})
        if session in known and len(known[session]) <= len(rows):
            return False
        known[session] = rows
        self._note(session, pid, _Reason(rows))
        return True

    def _conclude(self) -> bool:
        """Go one step on from what is known of births; tell whether that said anything new."""
        news = False
        younger = {session: self._younger(session) for births in self.born_in.values() for session in births}
        for pid, births in list(self.born_in.items()):
            task = self.rows.get(pid)
            above = OUTSIDE if task is None else task.parent
            if task is None or above in (OUTSIDE, _FIRST):
                continue
            for session, born in list(births.items()):
                common = self._no_init(above, task)
                if session == above or common is None:
                    continue
                rows = born | common | {pid}
                if above in younger[session] and self._may_lead(above):
                    news |= self._note_birth(above, session, rows | younger[session][above])
                for other, elsewhere in list(self.born_in.get(above, {}).items()):
                    if other != session:
                        reason = _Reason(rows | elsewhere, pid, session)
                        news |= self._note(above, session, reason)
        return news

    def _may_lead(self, pid: ProcessId) -> bool:
        """Tell whether a process may have been born in another session than its own, as far as its row is known."""
        task = self.rows.get(pid)
        return task is None or task.session == pid

    def _no_init(self, pid: ProcessId, child: Task) -> Rows | None:
        """Return the rows by which a process is no init, or None: none in a child's namespace is, but at level 0."""
        if child.level == 0:
            return frozenset()
        task = self.rows.get(pid)
        return None if task is None or task.pids[-1] == 1 else frozenset((pid,))

    def _younger(self, start: ProcessId) -> dict[ProcessId, Rows]:
        """Return all that a process is older than, with few rows by which that is so."""
        found: dict[ProcessId, Rows] = {}
        heap: list[tuple[int, int, ProcessId, Rows]] = [(0, 0, start, frozenset())]
        pushed = 0
        while heap:
            _, _, here, rows = heapq.heappop(heap)
            if here in found:
                continue
            if here != start or pushed:
                found[here] = rows
            for pid, reason in self.older.get(here, {}).items():
                if pid not in found:
                    pushed += 1
                    whole = rows | reason.rows
                    heapq.heappush(heap, (len(whole), pushed, pid, whole))
        return found

    def contradictions(self) -> Iterator[Contradiction]:
        """Yield what excludes itself, what says most first: births in two sessions, and those that are older than themselves."""
        for pid, births in self.born_in.items():
            (one, first), *others = births.items()
            for other, second in others:
                yield self._refused(
                    "two-birth-sessions",
                    f"task {pid} would have to be born in session {one} and in session {other}",
                    first | second,
                    pid,
                )
        found = [(older, pid, reason) for older, known in self.older.items() for pid, reason in known.items()]
        for older, pid, reason in sorted(found, key=lambda each: not each[2].child):
            back = self._younger(pid).get(older)
            if back is None:
                continue
            if reason.child:
                yield self._refused(
                    "session-not-below",
                    f"task {older} has a child, {reason.child}, whose creator was in session {reason.session}, so that this "
                    f"session's leader must have been below it once, and it cannot have been: it is older",
                    reason.rows | back,
                    older,
                )
            else:
                yield self._refused(
                    "birth-circle",
                    f"task {pid} can only have been born after {older}, and {older} only after task {pid}: a process above a "
                    f"task or leads its session is older than the task",
                    reason.rows | back,
                    pid,
                )

    def _refused(self, code: str, message: str, rows: Rows, pid: ProcessId) -> Contradiction:
        return Contradiction(code, message, sorted(self.rows[row].recorded for row in rows), pid)


def _is_nested_init(task: Task) -> bool:
    return len(task.pids) > 1 and task.pids[-1] == 1
