"""The records of the tasks, in the order of the entries: state and name, and what of the rest tells of sharing.

TASK is followed by the STRING with the task's name; of a zombie nothing more is written. A living task's further records hold
its memory, files and so on, and may be long; they are passed over, except the numbers of its shared objects and namespaces.
"""

import struct
from collections.abc import Iterator
from typing import Final

import msgspec

from crplan_linuxcr.framing import HEADER_SIZE, FailureFound, Records
from crplan_linuxcr.generations import ERROR, OBJREF, STRING, TAIL, Generation
from crplan_linuxcr.members import Roll
from crplan_linuxcr.namespaces import Namespaces
from crplan_linuxcr.recognise import TAIL_MAGIC
from crplan_linuxcr.text import text
from planner.errors import BadImage
from planner.events.records import AnyEvent, DefectRecorded, ImageClosed, SharingRecorded, TaskState, TaskStateRecorded
from planner.identity import ProcessId

NAME_LENGTH: Final = 16
LONGEST_NAME: Final = HEADER_SIZE + 4096
TAIL_LENGTH: Final = 16
STOPPED: Final = 4
"""The kernel's TASK_STOPPED; the other states of living tasks do not matter to a restart."""
EXIT_ZOMBIE: Final = 16
HIGHEST_STATUS: Final = 0xFFFF
HIGHEST_SIGNAL: Final = 64
MOST_STRANGE_TYPES: Final = 8


class Reading(msgspec.Struct, kw_only=True):
    """How far the tasks have been read."""

    tasks: int = 0
    pid: ProcessId = ProcessId(0)
    bears_objects: bool = False
    """Whether the last task is a living process, whose records may tell of sharing."""
    strange_types: set[int] = set()


def read_tasks(records: Records, generation: Generation, task_length: int, roll: Roll) -> Iterator[AnyEvent]:
    """Yield what the stream says from the first TASK to its end, `ImageClosed` included; raises `BadImage` and `FailureFound`."""
    reading = Reading()
    namespaces = Namespaces(generation, root=roll.numbers[0])
    order, task = records.order, generation.task
    numbers, threads, expected = roll.numbers, roll.threads, len(roll.numbers)
    # A task and its name are taken in one look, which holds for all streams that a kernel has written; and what tells nothing is
    # passed over without ceremony, since real images consist of it.
    before, after = generation.state_at - HEADER_SIZE, max(task_length - generation.state_at - 16, 0)
    whole = struct.Struct(f"{order}II{before}x4i{after}xII{NAME_LENGTH}s")
    size, name_length = whole.size, HEADER_SIZE + NAME_LENGTH
    telling = {
        OBJREF,
        TAIL,
        ERROR,
        task,
        generation.ns,
        generation.task_ns,
        generation.task_objs,
        generation.tree,
    } | SECTION_TYPES
    mute = frozenset(records.names) - telling
    unpack_head, unpack_whole = records.head.unpack_from, whole.unpack_from
    while True:
        if records.fill(size):
            buffer, position = records.buffer, records.position
            kind, length = unpack_head(buffer, position)
            if kind == task and length == task_length and reading.tasks < expected:
                _, _, state, exit_state, status, signal, name_kind, found_length, name = unpack_whole(buffer, position)
                if name_kind == STRING and found_length == name_length:
                    at = records.base + position
                    records.position = position + size
                    pid = numbers[reading.tasks]
                    reading.tasks += 1
                    reading.pid = pid
                    reading.bears_objects = exit_state == 0 and pid not in threads
                    yield _state(pid, state, exit_state, status, signal, text(name), at)
                    continue
            elif kind in mute and HEADER_SIZE <= length <= len(buffer) - position:
                records.position = position + length
                continue
        if not records.next():
            yield from _end_without_tail(records, reading, expected)
            return
        if records.type == TAIL:
            yield from _tail(records, reading, expected)
            return
        if records.type == ERROR:
            raise FailureFound
        if records.type == task:
            yield _task(records, generation, task_length, roll, reading)
        else:
            yield from _other(records, generation, namespaces, reading)


def _state(pid: ProcessId, state: int, exit_state: int, status: int, signal: int, name: str, at: int) -> TaskStateRecorded:
    """Return the event of a TASK record; of a zombie only the exit status and the name mean something."""
    if exit_state == 0:
        if not -1 <= signal <= HIGHEST_SIGNAL:
            raise BadImage(at, f"TASK: exit signal {signal} of task {pid}, expected -1 to {HIGHEST_SIGNAL}")
        word: TaskState = "stopped" if state & STOPPED else "running"
        return TaskStateRecorded(pid=pid, state=word, exit_signal=signal, name=name, at=at)
    if exit_state != EXIT_ZOMBIE:
        raise BadImage(at, f"TASK: exit state {exit_state} of task {pid}, expected 0 or {EXIT_ZOMBIE}")
    if not 0 <= status <= HIGHEST_STATUS:
        raise BadImage(at, f"TASK: exit code {status} of task {pid}, expected 0 to {HIGHEST_STATUS}")
    return TaskStateRecorded(pid=pid, state="zombie", exit_status=status, name=name, at=at)


def _task(records: Records, generation: Generation, task_length: int, roll: Roll, reading: Reading) -> TaskStateRecorded:
    """Read a task near the stream's end, or one whose name has an unusual length."""
    at = records.at
    if reading.tasks >= len(roll.numbers):
        raise BadImage(at, f"TASK: one more than the {len(roll.numbers)} entries of the TREE")
    payload = records.payload("TASK", task_length, task_length)
    state, exit_state, status, signal = struct.unpack_from(records.order + "4i", payload, generation.state_at - HEADER_SIZE)
    name = text(records.expect(STRING, "STRING (the task's name)", HEADER_SIZE, LONGEST_NAME))
    pid = roll.numbers[reading.tasks]
    reading.tasks += 1
    reading.pid = pid
    reading.bears_objects = exit_state == 0 and pid not in roll.threads
    return _state(pid, state, exit_state, status, signal, name, at)


def _other(records: Records, generation: Generation, namespaces: Namespaces, reading: Reading) -> Iterator[AnyEvent]:
    """Yield what a record between tasks tells; most tell nothing and are passed over."""
    kind, at = records.type, records.at
    if kind == OBJREF:
        namespaces.object_begins(*struct.unpack(records.order + "Ii", records.payload("OBJREF", 16, 16)))
    elif kind == generation.ns:
        namespaces.read(records.order, at, records.payload("NS", 16, 64))
    elif kind == generation.task_objs:
        payload = records.payload("TASK_OBJS", HEADER_SIZE + 4 * len(generation.shared), 64)
        if reading.bears_objects:
            yield _sharing(reading.pid, generation, records.order, payload, at)
    elif kind == generation.task_ns:
        payload = records.payload("TASK_NS", 12, 64)
        if reading.bears_objects:
            yield from namespaces.task(reading.pid, struct.unpack_from(records.order + "i", payload)[0], at)
    elif kind in SECTION_TYPES or kind == generation.tree:
        raise BadImage(at, f"found {records.name(kind)} after {reading.tasks} tasks, expected records of tasks or TAIL")
    else:
        if kind not in records.names and kind not in reading.strange_types:
            reading.strange_types.add(kind)
            if len(reading.strange_types) > MOST_STRANGE_TYPES:
                raise BadImage(at, f"record type {kind}: more than {MOST_STRANGE_TYPES} unknown types, expected known ones")
            yield DefectRecorded(
                code="unknown-record", detail=f"record type {kind} is unknown; such records are passed over", at=at
            )
        records.skip()


SECTION_TYPES: Final = frozenset({1, 2, 3, 7})


def _sharing(pid: ProcessId, generation: Generation, order: str, payload: bytes, at: int) -> SharingRecorded:
    numbers = struct.unpack_from(f"{order}{len(generation.shared)}i", payload)
    if min(numbers) < 0:
        numbers = tuple(max(number, 0) for number in numbers)
    return SharingRecorded(pid=pid, at=at, **dict(zip(generation.shared, numbers, strict=True)))


def _tail(records: Records, reading: Reading, expected: int) -> Iterator[AnyEvent]:
    at = records.at
    if reading.tasks != expected:
        raise BadImage(at, f"TAIL after {reading.tasks} TASK records, expected {expected}, one for each entry of the TREE")
    (magic,) = struct.unpack(records.order + "Q", records.payload("TAIL", TAIL_LENGTH, TAIL_LENGTH))
    if magic != TAIL_MAGIC:
        raise BadImage(at, f"TAIL: magic number {magic:#018x}, expected {TAIL_MAGIC:#018x}")
    if records.fill(1):
        yield DefectRecorded(
            code="bytes-after-tail", detail="the stream goes on after TAIL; that was not read", at=records.offset
        )
    yield ImageClosed(tasks=reading.tasks, complete=True, at=at)


def _end_without_tail(records: Records, reading: Reading, expected: int) -> Iterator[AnyEvent]:
    if reading.tasks != expected:
        raise BadImage(records.offset, f"the stream ends after {reading.tasks} TASK records, expected {expected} and TAIL")
    yield DefectRecorded(
        code="tail-missing", detail=f"the stream ends after its {expected} tasks without TAIL", at=records.offset
    )
    yield ImageClosed(tasks=reading.tasks, complete=False, at=records.offset)
