"""Entries of a TREE as processes and threads.

An entry whose number is not its thread group's is a thread. The image gives every thread the parent, group and session of its
process again; the vocabulary does not, so a thread that disagrees is reported here. Entry 0 is the root by the format: what "as
the root" and namespace 0 mean was written by it, and restart begins with it. So an init beside it cannot be the root instead.
"""

from collections.abc import Callable, Iterator

import msgspec

from planner.events.records import AnyEvent, DefectRecorded, TaskRecorded, ThreadRecorded
from planner.identity import OUTSIDE, Pids, ProcessId

Row = tuple[tuple[int, ...], int, int, int, int, int, int | None]
"""An entry in level-0 numbers: vector, parent, thread group, group, session, its offset, the vector's offset or None."""


class Roll(msgspec.Struct, kw_only=True):
    """Who the entries are, in their order, which is the order of the TASK records too."""

    numbers: list[ProcessId] = []
    threads: set[ProcessId] = set()


def enrol(rows: Callable[[], Iterator[Row]], roll: Roll) -> Iterator[AnyEvent]:
    """Yield processes and threads in entry order, put them on the roll, then yield what threads disagree about."""
    numbers, threads = roll.numbers, roll.threads
    of_threads: list[Row] = []
    init_at = -1
    for row in rows():
        vector, parent, thread_group, group, session, at, pids_at = row
        pid = ProcessId(vector[0])
        numbers.append(pid)
        if pid == thread_group:
            if pid == 1 and parent == OUTSIDE:
                init_at = at
            yield TaskRecorded(
                pids=as_pids(vector),
                parent=ProcessId(parent),
                group=ProcessId(group),
                session=ProcessId(session),
                at=at,
                pids_at=pids_at,
            )
        else:
            threads.add(pid)
            of_threads.append(row)
            yield ThreadRecorded(pids=as_pids(vector), thread_group=ProcessId(thread_group), at=at, pids_at=pids_at)
    if init_at >= 0 and numbers[0] != 1:
        yield DefectRecorded(
            code="reaper-taken",
            detail=f"the root, entry 0, is {numbers[0]}, and number 1 is another task: no init is left to be its reaper",
            pid=numbers[0],
            at=init_at,
        )
    if of_threads:
        yield from _disagreements(rows, of_threads)


def as_pids(vector: tuple[int, ...]) -> Pids:
    """Return a vector that has been checked, with its type."""
    return vector  # type: ignore[return-value]  # Number is an int at run time; a copy would cost


def _disagreements(rows: Callable[[], Iterator[Row]], threads: list[Row]) -> Iterator[DefectRecorded]:
    wanted = {row[2] for row in threads}
    processes = {row[0][0]: row for row in rows() if row[0][0] == row[2] and row[2] in wanted}
    for vector, parent, thread_group, group, session, at, _ in threads:
        process = processes.get(thread_group)
        if process is None:
            continue
        found = {"parent": parent, "group": group, "session": session}
        expected = {"parent": process[1], "group": process[3], "session": process[4]}
        for what in found:
            if found[what] != expected[what]:
                yield DefectRecorded(
                    code="thread-disagrees",
                    detail=f"thread {vector[0]} has {what} {found[what]}, and its thread group {thread_group} {expected[what]}",
                    pid=ProcessId(vector[0]),
                    at=at,
                )
                break
