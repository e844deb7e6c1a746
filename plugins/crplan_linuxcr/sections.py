"""The pid sections as arrays of numbers, told apart by their structure alone.

All generations list the tasks in a TREE. S and St have a VPIDS record with an array of all inner numbers after it, B only the
array, A nothing; P has an array of pid objects, PIDS, before it, and a TREE of tags.
"""

from array import array
from sys import byteorder
from typing import Final, Literal

import msgspec

from crplan_linuxcr.framing import HEADER_SIZE, Records
from crplan_linuxcr.generations import BUFFER, PIDS, VPIDS
from planner.errors import BadImage
from planner.identity import MOST_TASKS

MOST_LEVELS: Final = 64
"""Levels that the sum of depths may come to for each task: twice what a kernel allows, so that too deep a task can be named."""

TREE, TREE_WITH_PIDS = 101, 102
TREE_LENGTH, PIDS_LENGTH, VPIDS_LENGTH = 16, 24, 16
NARROW, WIDE = 24, 32
WORD: Final = 4

Shape = Literal["objects", "wide", "announced", "inline", "flat"]
"""`objects` is P, `wide` S, `announced` St, `inline` B with inner numbers, `flat` whatever has only narrow entries."""


class Sections(msgspec.Struct, frozen=True, kw_only=True):
    """The pid sections of a stream.

    `entries` are the words of the TREE's entries, `width` of them to an entry, the first at offset `entries_at`. `numbers` are
    the inner numbers, or the pid objects with their depths, the first word at `numbers_at`. `offset_field` is that of PIDS.
    """

    shape: Shape
    tree_at: int
    entries_at: int
    entries: "array[int]"
    width: int
    numbers_at: int = 0
    numbers: "array[int]"
    objects: int = 0
    offset_field: int = 0

    @property
    def tasks(self) -> int:
        """Number of entries."""
        return len(self.entries) // self.width

    def entry_at(self, index: int) -> int:
        """Return the offset of an entry."""
        return self.entries_at + index * self.width * WORD

    def column(self, index: int) -> "array[int]":
        """Return one field of all entries."""
        return self.entries[index :: self.width]


def read_sections(records: Records) -> Sections:
    """Read from PIDS or TREE up to the record before the first task's; raises `BadImage`."""
    head = records.peek()
    if head == (PIDS, PIDS_LENGTH):
        return _read_objects(records)
    tasks = _read_tree(records, TREE)
    tree_at = records.at
    narrow, wide = HEADER_SIZE + tasks * NARROW, HEADER_SIZE + tasks * WIDE
    payload = records.expect(BUFFER, "BUFFER (TREE)", HEADER_SIZE, wide)
    entries_at = records.at + HEADER_SIZE
    if records.length not in (narrow, wide):
        raise BadImage(records.at, f"BUFFER (TREE): length {records.length}, expected {narrow} or {wide} for {tasks} tasks")
    width = (WIDE if records.length == wide else NARROW) // WORD
    entries = _words(records, payload)
    records.refuse_failure()
    numbers: array[int] = array("i")
    shape: Shape = "flat"
    head = records.peek()
    if head is None:
        raise BadImage(records.offset, f"the stream ends after the TREE, expected the records of {tasks} tasks")
    if head == (VPIDS, VPIDS_LENGTH):
        shape = "wide" if width == WIDE // WORD else "announced"
        announced = _announced(records, tasks)
        if announced:
            numbers = _read_numbers(records, announced)
    elif width == WIDE // WORD:
        raise BadImage(
            records.offset, f"found {records.name(head[0])} of length {head[1]}, expected VPIDS of length {VPIDS_LENGTH}"
        )
    elif head[0] == BUFFER:
        shape = "inline"
        depths = entries[5::width]
        if min(depths) < 0:
            raise BadImage(tree_at, f"TREE: an entry has depth {min(depths)}, expected 0 or more")
        if sum(depths) > tasks * MOST_LEVELS:
            raise BadImage(tree_at, f"TREE: the sum of depths is {sum(depths)}, expected at most {tasks * MOST_LEVELS}")
        numbers = _read_numbers(records, sum(depths))
    return Sections(
        shape=shape,
        tree_at=tree_at,
        entries_at=entries_at,
        entries=entries,
        width=width,
        numbers_at=records.at + HEADER_SIZE,
        numbers=numbers,
    )


def _read_objects(records: Records) -> Sections:
    payload = records.expect(PIDS, "PIDS", PIDS_LENGTH, PIDS_LENGTH)
    objects, inner, offset_field = (value & 0xFFFFFFFF for value in _words(records, payload)[:3])
    most = MOST_TASKS * 4
    if not 0 < objects <= most or inner > objects * MOST_LEVELS:
        raise BadImage(
            records.at, f"PIDS: {objects} pids with {inner} inner numbers, expected 1 to {most} and {MOST_LEVELS} for each"
        )
    length = HEADER_SIZE + objects * 2 * WORD + inner * WORD
    payload = records.expect(BUFFER, "BUFFER (PIDS)", length, length)
    numbers_at = records.at + HEADER_SIZE
    numbers = _words(records, payload)
    tasks = _read_tree(records, TREE_WITH_PIDS)
    tree_at = records.at
    length = HEADER_SIZE + tasks * NARROW
    payload = records.expect(BUFFER, "BUFFER (TREE)", length, length)
    entries_at = records.at + HEADER_SIZE
    records.refuse_failure()
    return Sections(
        shape="objects",
        tree_at=tree_at,
        entries_at=entries_at,
        entries=_words(records, payload),
        width=NARROW // WORD,
        numbers_at=numbers_at,
        numbers=numbers,
        objects=objects,
        offset_field=offset_field,
    )


def _read_tree(records: Records, kind: int) -> int:
    payload = records.expect(kind, "TREE", TREE_LENGTH, TREE_LENGTH)
    tasks = _words(records, payload)[0]
    if not 0 < tasks <= MOST_TASKS:
        raise BadImage(records.at, f"TREE: {tasks} tasks, expected 1 to {MOST_TASKS}")
    return tasks


def _announced(records: Records, tasks: int) -> int:
    payload = records.expect(VPIDS, "VPIDS", VPIDS_LENGTH, VPIDS_LENGTH)
    inner = _words(records, payload)[0]
    if not 0 <= inner <= tasks * MOST_LEVELS:
        raise BadImage(records.at, f"VPIDS: {inner} inner numbers, expected 0 to {tasks * MOST_LEVELS} for {tasks} tasks")
    return inner


def _read_numbers(records: Records, count: int) -> "array[int]":
    length = HEADER_SIZE + count * WORD
    return _words(records, records.expect(BUFFER, "BUFFER (inner numbers)", length, length))


def _words(records: Records, payload: bytes) -> "array[int]":
    """Return the payload, a multiple of four bytes, as signed 32-bit numbers."""
    words: array[int] = array("i")
    words.frombytes(payload)
    if (records.order == "<") != (byteorder == "little"):
        words.byteswap()
    return words
