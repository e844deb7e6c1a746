"""What /proc says of one task: `status` for numbers and credentials, `stat` for how it ends and when it began.

Numbers are vectors, outermost first, beginning at the pid namespace that the proc instance shows. Source: proc(5), and
`fs/proc/array.c` for the order of fields.
"""

import os
from typing import Final

import msgspec

from planner.events.records import TaskState

PF_EXITING: Final = 0x4
"""Flag of a task that is on its way out (`include/linux/sched.h`)."""

CREDENTIALS: Final = {
    "Uid": "uid",
    "Gid": "gid",
    "Groups": "groups",
    "CapInh": "cap_inheritable",
    "CapPrm": "cap_permitted",
    "CapEff": "cap_effective",
    "CapBnd": "cap_bounding",
    "CapAmb": "cap_ambient",
    "NoNewPrivs": "no_new_privs",
    "Seccomp": "seccomp",
}
"""Lines of `status` that are kept as facts, with the property's name."""

QUIET: Final = frozenset({"groups", "cap_inheritable", "cap_ambient", "no_new_privs", "seccomp"})
"""Facts that are left out where they have their ordinary value: empty, or zero."""

SECCOMP: Final = {"1": "strict", "2": "filter"}


class Gone(Exception):
    """The task is no longer there, or is just going."""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """One task or thread at one moment; equal when nothing that matters has changed."""

    number: int
    """As the reader sees it, which is the name of its directory."""
    thread_group: int
    """Number of the leader of its thread group."""
    pids: tuple[int, ...]
    groups: tuple[int, ...]
    sessions: tuple[int, ...]
    parent: int
    state: TaskState
    name: str
    exit_status: int
    exit_signal: int
    started: int
    ending: bool
    """Neither alive nor zombie: on its way out and held up, as an init is that waits for the last task of its namespace."""
    facts: tuple[tuple[str, str], ...]


def read_status(directory: str) -> Status:
    """Read `/proc/PID` or `/proc/PID/task/TID`; raises Gone."""
    try:
        stat = _read(f"{directory}/stat")
        lines = dict(line.partition(":\t")[::2] for line in _read(f"{directory}/status").splitlines())
    except (FileNotFoundError, ProcessLookupError):
        raise Gone(directory) from None
    name, _, rest = stat.partition("(")[2].rpartition(")")
    fields = rest.split()
    letter, flags = fields[0], int(fields[6])
    if letter in "Xx" or "NSpid" not in lines:
        raise Gone(directory)
    state: TaskState = "zombie" if letter == "Z" else "stopped" if letter == "T" else "running"
    return Status(
        number=int(lines["Pid"]),
        thread_group=int(lines["Tgid"]),
        pids=_vector(lines["NSpid"]),
        groups=_vector(lines["NSpgid"]),
        sessions=_vector(lines["NSsid"]),
        parent=int(lines["PPid"]),
        state=state,
        name=name,
        exit_status=int(fields[49]) if state == "zombie" else 0,
        exit_signal=int(fields[35]),
        started=int(fields[19]),
        ending=state != "zombie" and bool(flags & PF_EXITING),
        facts=tuple(_facts(lines)),
    )


def _read(file: str) -> str:
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = []
        while part := os.read(descriptor, 1 << 16):
            parts.append(part)
    finally:
        os.close(descriptor)
    return b"".join(parts).decode("utf-8", "backslashreplace")


def _vector(line: str) -> tuple[int, ...]:
    return tuple(map(int, line.split()))


def _facts(lines: dict[str, str]) -> list[tuple[str, str]]:
    facts = []
    for line, name in CREDENTIALS.items():
        value = " ".join(lines.get(line, "").split())
        if value and not (name in QUIET and not value.strip("0 ")):
            facts.append((name, SECCOMP.get(value, value) if name == "seccomp" else value))
    return facts
