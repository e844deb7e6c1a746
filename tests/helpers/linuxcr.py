"""A builder of linux-cr images, for tests of readers, plans and back ends.

`build` writes a stream of any generation and byte order from a list of `Entry`, with the oddities that real and broken streams
have. It shares nothing with the reader, so that the two can be held against each other. `entries` turns the JSON description of
a tree into such a list.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

GENERATIONS: Final = ("A3", "A4", "A4b", "A5", "S", "St", "B", "B2", "P", "P2", "P3")
NESTING_GENERATIONS: Final = GENERATIONS[4:]
"""Generations that hold the numbers of nested pid namespaces."""

HEAD_MAGIC: Final = 0x00FEED0CC0A2D200
TAIL_MAGIC: Final = 0x002D2A0CC0DEEF00
OBJREF, VPIDS, PGARR, TAIL, ERROR = 6, 118, 403, 9001, 9999

_REVISIONS = {"A3": 3, "A4": 4, "A4b": 4, "A5": 5}
_ARCHITECTURES = {
    "A3": {"i686": 1, "x86_64": 1, "s390x": 2},
    "A4": {"i686": 1, "x86_64": 1, "s390x": 2},
    "A4b": {"i686": 1, "x86_64": 5, "s390x": 2},
    "P3": {"i686": 1, "x86_64": 2, "s390x": 3, "armv7l": 4},
}
_ARCHITECTURES_A5 = {"i686": 1, "x86_64": 2, "s390x": 3}
_OLD_X86_64 = 2
"""What the A generations of the samples say for x86-64, which had no number of its own then."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the task list, or a pid object without a task (`dead`), which only P generations write.

    Numbers are level-0 numbers, vectors outermost first. `thread_group` defaults to the own number, `group` to the thread
    group, `session` to the group. `outer` is the number that the checkpointer saw (generation S). The numbers of shared objects
    and namespaces are written when `build` gets `objects`; 0 is an object of the task's own.
    """

    pids: tuple[int, ...]
    parent: int = 0
    thread_group: int | None = None
    group: int | None = None
    session: int | None = None
    name: str | bytes | None = None
    stopped: bool = False
    zombie: bool = False
    exit_status: int = 0
    exit_signal: int = 17
    dead: bool = False
    outer: int = 0
    files: int = 0
    memory: int = 0
    fs: int = 0
    signal_handlers: int = 0
    sysv_undo: int = 0
    namespaces: int = 0
    """A set of uts, ipc and net namespaces; equal numbers are one set, 0 is the root task's."""

    @property
    def numbers(self) -> tuple[int, int, int, int, int]:
        """Return number, parent, thread group, group and session, with the defaults filled in."""
        thread_group = self.pids[0] if self.thread_group is None else self.thread_group
        group = thread_group if self.group is None else self.group
        return self.pids[0], self.parent, thread_group, group, group if self.session is None else self.session


def entries(document: Mapping[str, Any]) -> list[Entry]:
    """Return the entries of a tree described in JSON.

    `tasks` is a list of objects with `pids` and `ppid`, and where they are not the defaults `tgid`, `pgid`, `sid`, `zombie` with
    `exit_code` (a wait status), and `dead` for the pid object of a dead leader.
    """
    return [
        Entry(
            pids=tuple(task["pids"]),
            parent=task["ppid"],
            thread_group=task.get("tgid"),
            group=task.get("pgid", None if "tgid" in task or "sid" not in task else task["pids"][0]),
            session=task.get("sid"),
            zombie=task.get("zombie", False),
            exit_status=task.get("exit_code", 0),
            dead=task.get("dead", False),
        )
        for task in document["tasks"]
    ]


def build(
    tasks: Iterable[Entry],
    generation: str = "P3",
    byte_order: Literal["little", "big"] = "little",
    *,
    first_tag: int = 1,
    parents: Literal["tags", "indices"] = "tags",
    revision: int | None = None,
    kernel: tuple[int, int, int] = (2, 6, 37),
    machine: str = "x86_64",
    flags: int = 0,
    time: int = 1269302406,
    task_length: int | None = None,
    objects: bool = False,
    payload: int = 0,
    error: str | None = None,
    error_inline: bool = False,
    tail: bool = True,
) -> bytes:
    """Return the image of a tree as a stream.

    `first_tag` and `parents` are of P generations: where tags begin, and whether a parent is a tag or an object's index from 1.
    `revision` may lie. `task_length` is that of TASK (64 for i386 in the A generations). With `objects` living tasks have records
    of their shared objects and namespaces. `payload` adds so many bytes of memory contents to each living task. `error` is the
    text of an ERROR record in place of the tail, in the record itself with `error_inline`. Raises ValueError for an unknown
    generation and for nested tasks in a generation that cannot hold them.
    """
    if generation not in GENERATIONS:
        raise ValueError(f"generation {generation}, expected one of {', '.join(GENERATIONS)}")
    everything = list(tasks)
    living_or_zombie = [entry for entry in everything if not entry.dead]
    if generation.startswith("A") and any(len(entry.pids) > 1 for entry in living_or_zombie):
        raise ValueError(f"generation {generation} cannot hold nested pid namespaces")
    writer = _Writer(generation, "<" if byte_order == "little" else ">")
    writer.header(_REVISIONS.get(generation, 6) if revision is None else revision, kernel, machine, flags, time)
    if generation.startswith("P"):
        writer.pid_objects(everything, first_tag, parents)
    else:
        writer.numbers(living_or_zombie)
    for index, entry in enumerate(living_or_zombie):
        writer.task(entry, index, task_length)
        if not entry.zombie:
            if objects:
                writer.shared_objects(entry)
            if payload:
                writer.record(PGARR)
                writer.record(4, bytes(payload))
    if error is not None:
        message = b"\0" + error.encode() + b"\0"
        writer.record(ERROR, message if error_inline else b"")
        if not error_inline:
            writer.record(5, message)
    elif tail:
        writer.record(TAIL, writer.pack("Q", TAIL_MAGIC))
    return b"".join(writer.parts)


class _Writer:
    """Records of one generation, in one byte order."""

    def __init__(self, generation: str, order: str) -> None:
        self.generation = generation
        self.order = order
        self.parts: list[bytes] = []
        self.tree = 102 if generation.startswith("P") else 101
        self.next_object = 1000
        self.written: dict[tuple[str, int], int] = {}

    def pack(self, layout: str, *values: int | bytes) -> bytes:
        return struct.pack(self.order + layout, *values)

    def record(self, kind: int, payload: bytes = b"") -> None:
        self.parts.append(self.pack("II", kind, 8 + len(payload)) + payload)

    def words(self, values: Sequence[int]) -> bytes:
        return self.pack(f"{len(values)}i", *values)

    def header(self, revision: int, kernel: tuple[int, int, int], machine: str, flags: int, time: int) -> None:
        by_machine = _ARCHITECTURES.get(self.generation, _ARCHITECTURES_A5)
        architecture = by_machine.get(machine, 0)
        if machine == "x86_64" and self.generation in ("A3", "A4"):
            architecture = _OLD_X86_64
        constants = (16, 44, 64, 65, 65, 65, 65, 65, 65, 16, 4096, 19)
        self.record(
            1,
            self.pack("Q", HEAD_MAGIC)
            + architecture.to_bytes(2, "little")
            + self.pack("4H6x12HQQ", *kernel, revision, *constants, time, flags),
        )
        release = ".".join(map(str, kernel)) + "-cr"
        for text in (release, "#1 SMP synthetic", machine):
            self.record(4, text.encode().ljust(65, b"\0"))
        self.record(2, b"" if machine == "s390x" else self.pack("HHHH", 1, 0, 512, 0))
        self.record(3)
        if self.generation != "A3":
            self.record(4, b"lsm_none".ljust(11, b"\0"))
            self.record(7, b"dummy")

    def numbers(self, tasks: list[Entry]) -> None:
        """Write the pid sections of generations A, S and B."""
        self.record(101, self.pack("i4x", len(tasks)))
        rows: list[int] = []
        inner: list[int] = []
        for entry in tasks:
            depth = len(entry.pids) - 1
            rows += entry.numbers
            rows += [entry.outer, depth, 0] if self.generation == "S" else [depth]
            inner += entry.pids[1:]
        self.record(4, self.words(rows))
        if self.generation in ("S", "St"):
            self.record(VPIDS, self.pack("i4x", len(inner)))
        if inner:
            self.record(4, self.words(inner))

    def pid_objects(self, tasks: list[Entry], first_tag: int, parents: str) -> None:
        """Write the pid sections of generations P: the objects in the order in which entries name them."""
        vectors = {entry.pids[0]: entry.pids for entry in tasks}
        index: dict[int, int] = {}
        rows: list[tuple[int, ...]] = []
        packed: list[int] = []

        def tag(number: int) -> int:
            if number <= 0:
                return number
            if number not in index:
                index[number] = len(index)
                vector = vectors.get(number, (number,))
                packed.extend((len(vector) - 1, *vector))
            return first_tag + index[number]

        borne: set[int] = set()
        for entry in tasks:
            if entry.dead:
                continue
            pid, parent, *others = entry.numbers
            if pid in borne:
                index[-len(index)] = len(index)
                packed.extend((len(entry.pids) - 1, *entry.pids))
                own = first_tag + len(index) - 1
            else:
                own = tag(pid)
            borne.add(pid)
            rows.append((own, parent, *(own if number == pid else tag(number) for number in others), len(entry.pids) - 1))
        for entry in tasks:
            tag(entry.pids[0])
        shift = 0 if parents == "tags" else first_tag - 1
        table: list[int] = []
        for own, parent, *rest in rows:
            table += (own, tag(parent) - shift if parent > 0 else parent, *rest)
        offset = first_tag - 1 if self.generation == "P" else first_tag
        self.record(101, self.pack("III4x", len(index), len(packed) - 2 * len(index), offset))
        self.record(4, self.words(packed))
        self.record(102, self.pack("I4x", len(rows)))
        self.record(4, self.words(table))

    def task(self, entry: Entry, index: int, length: int | None) -> None:
        if length is None:
            length = 72 if self.generation.startswith("A") else 64 if self.generation in ("S", "St", "B") else 80
        state = (64, 16, entry.exit_status, 0) if entry.zombie else (4 if entry.stopped else 0, 0, 0, entry.exit_signal)
        flags = bytes(4) if self.generation in ("P2", "P3") else b""
        self.record(self.tree + 1, (flags + self.words(state)).ljust(length - 8, b"\0"))
        name = f"task{index}" if entry.name is None else entry.name
        raw = name.encode() if isinstance(name, str) else name
        self.record(5, raw[:15].ljust(16, b"\0"))

    def shared_objects(self, entry: Entry) -> None:
        """Write TASK_NS and TASK_OBJS, and before them the set of namespaces where it is new."""
        old = self.generation in ("A3", "A4", "A4b")
        nets = self.generation in ("St", "B", "B2", "P", "P2", "P3")
        if ("namespaces", entry.namespaces) not in self.written:
            number = self.object("namespaces", entry.namespaces)
            kinds = [self.object(kind, entry.namespaces) for kind in ("uts", "ipc", "net")][: 3 if nets else 2]
            object_type = 7 if old else 9 if self.generation.startswith("P") else 8
            self.record(OBJREF, self.pack("Ii", object_type, number))
            self.record(OBJREF, self.pack("Ii", object_type + 1, kinds[0]))
            self.record(self.tree + 8)
            self.record(self.tree + 7, self.words([*kinds, 0] if nets else kinds))
        self.record(self.tree + 2, self.words([self.object("namespaces", entry.namespaces), 0]))
        kinds_shared = ["files", "memory"]
        if not old:
            kinds_shared.append("fs")
        if self.generation in ("B2", "P", "P2", "P3"):
            kinds_shared.append("sysv_undo")
        kinds_shared.append("signal_handlers")
        numbers = [self.object(kind, getattr(entry, kind)) for kind in kinds_shared] + [self.object("signal", 0)]
        self.record(self.tree + 3, self.words(numbers).ljust(16 if old else 24, b"\0"))

    def object(self, kind: str, number: int) -> int:
        """Return the number that a shared object has in the stream; 0 asks for a new one, except among namespaces."""
        if number == 0 and kind not in ("namespaces", "uts", "ipc", "net"):
            self.next_object += 1
            return self.next_object
        key = kind, number
        if key not in self.written:
            self.next_object += 1
            self.written[key] = self.next_object
        return self.written[key]
