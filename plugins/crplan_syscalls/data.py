"""Writes the plan as the file that the executor `c` maps: the tables of `runtime/plan.h`, one after the other."""

import struct
from itertools import chain
from typing import Final

from crplan_syscalls.names import CLONE_FLAGS, NAMESPACES
from crplan_syscalls.tables import RULE_BYTES, ProcessRow, StepRow, tables
from planner.plans.model import Plan

MAGIC: Final = 0x31706372
LEVELS: Final = 32
NAME_SIZE: Final = 16

KINDS: Final = ("EXECUTOR", "TASK", "THREAD", "HELPER", "REAPER")
OPERATIONS: Final = (
    "CREATE", "SPAWN", "SETSID", "SETPGID", "SUBREAPER", "ENTER", "EXIT", "KILL", "REAP", "UNSHARE", "JOIN", "MAP", "VERIFY",
    "STOP",
)  # fmt: skip
"""`enum kind` and `enum op` of `plan.h`, in its order."""

HEAD: Final = struct.Struct("=15I")
PROCESS: Final = struct.Struct(f"=IIIi{LEVELS}i{NAME_SIZE}s")
STEP: Final = struct.Struct("=III5i4I")
PLACE: Final = struct.Struct("=III")

FLAGS: Final = dict(CLONE_FLAGS)


def plan_file(plan: Plan, guests: tuple[int, int, int] = (0, 0, 0)) -> bytes:
    """Return the file; `guests` are free numbers of a namespace that is there: keeper, executor, watcher. Raises CannotEmit."""
    rows = tables(plan)
    parts = [
        b"".join(map(_process, rows.processes)),
        bytes(STEP.size) + b"".join(map(_step, rows.steps)),
        _numbers(list(chain.from_iterable(step.listed for step in rows.steps))),
        b"".join(PLACE.pack(place.step, list(NAMESPACES).index(place.kind), place.holder) for place in rows.places)
        + bytes(PLACE.size),
        "".join(f"{line}\n" for line in rows.maps).encode("ascii") + b"\0",
        b"".join(rule.encode("ascii").ljust(RULE_BYTES + 1, b"\0") for rule in rows.rules),
    ]
    places: list[int] = []
    at = HEAD.size
    for place, part in enumerate(parts):
        parts[place] = part + bytes(-len(part) % 8)
        places.append(at)
        at += len(parts[place])
    sizes = (len(rows.processes), len(rows.steps) + 1, rows.root, int(rows.keeps_proc))
    return HEAD.pack(MAGIC, *sizes, *guests, *places, at) + b"".join(parts)


def _process(row: ProcessRow) -> bytes:
    numbers = row.set_tid + (0,) * (LEVELS - len(row.set_tid))
    return PROCESS.pack(KINDS.index(row.kind), row.first, row.ends, len(row.set_tid), *numbers, row.name)


def _step(row: StepRow) -> bytes:
    flags = sum(FLAGS[name] for name in row.flags)
    a = flags if row.op in ("CREATE", "UNSHARE") else row.a
    b = flags if row.op == "JOIN" else row.b
    operation = OPERATIONS.index(row.op)
    return STEP.pack(
        operation, row.actor, row.subject, a, b, row.c, row.d, row.e, row.at, len(row.listed), row.following, row.rule
    )


def _numbers(numbers: list[int]) -> bytes:
    return struct.pack(f"={len(numbers)}I", *numbers)
