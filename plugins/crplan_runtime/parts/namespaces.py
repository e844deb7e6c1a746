"""Namespaces of other kinds than pid: made empty, joined through a member, compared by inode."""

from __future__ import annotations

import errno
import os

from crplan_runtime.parts.kernel import (
    CLONE_NEWNS,
    CLONE_NEWUSER,
    NR_PIDFD_OPEN,
    PR_SET_DUMPABLE,
    checked,
    libc,
    prctl,
    syscall,
)
from crplan_runtime.parts.proc import Mismatch, Proc, compare, numbers
from crplan_runtime.parts.tables import Plan, Step

NAMESPACE_FLAGS = {
    "user": CLONE_NEWUSER,
    "mnt": CLONE_NEWNS,
    "uts": 0x4000000,
    "ipc": 0x8000000,
    "net": 0x40000000,
    "cgroup": 0x2000000,
    "time": 0x80,
}


def unshare(proc: Proc, kinds: list[str]) -> None:
    """Make a namespace of each kind for the caller; raises OSError."""
    flags = sum(NAMESPACE_FLAGS[kind] for kind in kinds)
    try:
        checked(libc.unshare(flags))
    except PermissionError:
        if "user" not in kinds:
            raise
        take_mapped_ids(proc)
        checked(libc.unshare(flags))
    if "time" in kinds:
        # unshare has made it for the children only; the caller enters it itself (time_namespaces(7)).
        set_namespace(proc.open("self/ns/time_for_children"), "time")


def take_mapped_ids(proc: Proc) -> None:
    """Take the first ids that the caller's user namespace maps, without which it can make none below; raises OSError."""
    maps = [proc.read("self/" + name).split() for name in ("gid_map", "uid_map")]
    if not all(maps):
        raise PermissionError(errno.EPERM, "the user namespace maps no ids")
    group, user = (int(words[0]) for words in maps)
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)
    # With other ids its files in /proc are root's until it may be looked at again.
    prctl(PR_SET_DUMPABLE, 1)


def map_ids(proc: Proc, step: Step) -> None:
    """Write the id maps of the target's user namespace and read them back; raises OSError and Mismatch."""
    own = "own" in step.words
    for name in ("uid", "gid"):
        path = f"{step.target}/{name}_map"
        try:
            file = proc.open(path, os.O_RDWR)
        except OSError:
            if own:
                continue
            raise
        try:
            status = os.fstat(file)
            lines = [[0, status.st_uid if name == "uid" else status.st_gid, 1]] if own else step.extents(name)
            if not lines:
                continue
            os.write(file, "".join("{} {} {}\n".format(*line) for line in lines).encode())
            text = os.pread(file, 65536, 0).decode()
        except OSError:
            if own:
                continue
            raise
        finally:
            os.close(file)
        compare(f"the {name}_map", numbers(text.split()), tuple(number for line in lines for number in line))


def join(number: int, kind: str) -> None:
    """Enter the namespace of the process that the caller knows by `number`; raises OSError."""
    set_namespace(syscall(NR_PIDFD_OPEN, number, 0), kind)


def set_namespace(descriptor: int, kind: str) -> None:
    """Enter a namespace and close its descriptor; raises OSError."""
    try:
        checked(libc.setns(descriptor, NAMESPACE_FLAGS[kind]))
    finally:
        os.close(descriptor)


class Comparison:
    """Who is in which namespace, held against the verify steps; `outside` are the executor's own, by kind."""

    def __init__(self, plan: Plan) -> None:
        kinds = {kind for step in plan.steps if step.op == "verify" for kind in NAMESPACE_FLAGS if step.has(kind)}
        self._holders: dict[tuple[str, tuple[int, int]], int] = {}
        for kind in sorted(kinds):
            self._holders[kind, own_namespace(kind)] = 0
        self._known = {(kind, 0): space for kind, space in self._holders}

    def check(self, proc: Proc, step: Step) -> None:
        """Check a task: it is with the task that the step names, and apart from all others; raises Mismatch and OSError."""
        for kind in NAMESPACE_FLAGS:
            if not step.has(kind):
                continue
            holder = step.value(kind)
            space = proc.identity(f"{step.target}/ns/{kind}")
            if self._holders.setdefault((kind, space), holder) != holder:
                raise Mismatch(f"the {kind} namespace is that of {self._holders[kind, space]}, the plan says {holder}")
            compare(f"the {kind} namespace", space, self._known.setdefault((kind, holder), space))


def own_namespace(kind: str) -> tuple[int, int]:
    """Return what tells the caller's namespace from all others; raises OSError."""
    status = os.stat(f"/proc/self/ns/{kind}")
    return status.st_dev, status.st_ino
