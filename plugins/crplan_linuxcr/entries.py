"""From the pid sections of generations A, S and B, where entries hold numbers, to events.

Vectors are the entry's number at level 0 and then as many inner numbers as its depth says, outermost first. Of a dead leader
these generations know only the number at level 0, from the entries that name it: it becomes a `PidRecorded` that says that it
is not complete, at the first such entry.
"""

from array import array
from collections.abc import Iterator
from itertools import repeat

from crplan_linuxcr.members import Roll, Row, enrol
from crplan_linuxcr.sections import WIDE, WORD, Sections
from planner.errors import BadImage
from planner.events.records import AnyEvent, OuterNumberRecorded, PidRecorded
from planner.identity import Number, ProcessId

NULL = -1
"""What stands for a missing struct pid before generation P."""

PID, PARENT, THREAD_GROUP, GROUP, SESSION = range(5)
FIELDS = ("pid", "ppid", "tgid", "pgid", "sid")


def read_entries(sections: Sections, roll: Roll) -> Iterator[AnyEvent]:
    """Yield tasks and threads in entry order, then outer numbers and dead leaders; raises `BadImage`."""
    _check(sections)
    yield from enrol(lambda: _rows(sections), roll)
    yield from _outer_numbers(sections)
    yield from _dead_leaders(sections)


def _depths(sections: Sections) -> Iterator[int]:
    """Return the depth of each entry; A has none, and 0 in its place."""
    return iter(sections.column(6 if sections.width * WORD == WIDE else 5))


def _check(sections: Sections) -> None:
    """Refuse what is no number, and depths that the inner numbers contradict."""
    for field, name in enumerate(FIELDS):
        lowest = 1 if field in (PID, THREAD_GROUP) else NULL
        column = sections.column(field)
        if min(column) < lowest:
            index = next(index for index, value in enumerate(column) if value < lowest)
            at = sections.entry_at(index) + field * WORD
            raise BadImage(at, f"TREE: entry {index} has {name} {column[index]}, expected {lowest} or more")
    inner = 0
    for index, depth in enumerate(_depths(sections)):
        inner += depth
        if depth < 0 or inner > len(sections.numbers):
            raise BadImage(
                sections.entry_at(index),
                f"TREE: entry {index} has depth {depth}, expected at most {len(sections.numbers) - inner + depth},"
                " the inner numbers that are left",
            )
    if inner != len(sections.numbers):
        raise BadImage(
            sections.numbers_at, f"inner numbers: there are {len(sections.numbers)}, expected {inner}, the sum of the depths"
        )
    if inner and min(sections.numbers) < 1:
        index = next(index for index, value in enumerate(sections.numbers) if value < 1)
        at = sections.numbers_at + index * WORD
        raise BadImage(at, f"inner numbers: number {index} is {sections.numbers[index]}, expected 1 or more")


def _rows(sections: Sections) -> Iterator[Row]:
    numbers, numbers_at = sections.numbers, sections.numbers_at
    columns = [sections.column(field) for field in range(5)]
    for field in (PARENT, GROUP, SESSION):
        if min(columns[field]) < 0:
            columns[field] = array("i", (max(value, 0) for value in columns[field]))
    depths: Iterator[int] = _depths(sections) if numbers else repeat(0)
    at, stride = sections.entries_at, sections.width * WORD
    used = 0
    for pid, parent, thread_group, group, session, depth in zip(*columns, depths, strict=False):
        if depth:
            yield (pid, *numbers[used : used + depth]), parent, thread_group, group, session, at, numbers_at + used * WORD
            used += depth
        else:
            yield (pid,), parent, thread_group, group, session, at, None
        at += stride


def _outer_numbers(sections: Sections) -> Iterator[OuterNumberRecorded]:
    """Yield generation S's `rpid`, the pid that the process that took the checkpoint saw; 0 where there is none."""
    if sections.width * WORD != WIDE:
        return
    for index, (pid, outer) in enumerate(zip(sections.column(PID), sections.column(5), strict=True)):
        at = sections.entry_at(index) + 5 * WORD
        if outer < 0:
            raise BadImage(at, f"TREE: entry {index} has rpid {outer}, expected 0 or more")
        if outer:
            yield OuterNumberRecorded(pid=ProcessId(pid), number=Number(outer), at=at)


def _dead_leaders(sections: Sections) -> Iterator[PidRecorded]:
    groups, sessions = sections.column(GROUP), sections.column(SESSION)
    known = {*sections.column(PID), 0, NULL}
    if known.issuperset(groups) and known.issuperset(sessions):
        return
    for index, leaders in enumerate(zip(groups, sessions, strict=True)):
        for leader in leaders:
            if leader not in known:
                known.add(leader)
                yield PidRecorded(numbers=(Number(leader),), complete=False, at=sections.entry_at(index))
