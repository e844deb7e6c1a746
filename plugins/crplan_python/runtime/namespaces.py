"""Namespaces of other kinds than pid: made empty, joined through a member, compared by inode."""

from __future__ import annotations

import os

from crplan_python.runtime.kernel import CLONE_NEWNS, CLONE_NEWUSER, NR_PIDFD_OPEN, checked, libc, syscall
from crplan_python.runtime.proc import Mismatch, Proc, compare
from crplan_python.runtime.tables import Plan, Step

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
    user, group = os.geteuid(), os.getegid()
    checked(libc.unshare(sum(NAMESPACE_FLAGS[kind] for kind in kinds)))
    if "user" in kinds:
        write_maps(proc, user, group)
    if "time" in kinds:
        # unshare has made it for the children only; the caller enters it itself (time_namespaces(7)).
        set_namespace(proc.open("self/ns/time_for_children"), "time")


def write_maps(proc: Proc, user: int, group: int) -> None:
    """Map root of the caller's new user namespace to the ids that the caller had; where they have none, it stays without."""
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        try:
            file = proc.open("self/" + name, os.O_WRONLY)
        except OSError:
            continue
        try:
            os.write(file, text.encode())
        except OSError:
            pass
        finally:
            os.close(file)


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
            self._holders[kind, identity(f"/proc/self/ns/{kind}")] = 0
        self._known = {(kind, 0): space for kind, space in self._holders}

    def check(self, proc: Proc, step: Step) -> None:
        """Check a task: it is with the task that the step names, and apart from all others; raises Mismatch and OSError."""
        for kind in NAMESPACE_FLAGS:
            if not step.has(kind):
                continue
            holder = step.value(kind)
            space = identity(f"{step.target}/ns/{kind}", proc.top)
            if self._holders.setdefault((kind, space), holder) != holder:
                raise Mismatch(f"the {kind} namespace is that of {self._holders[kind, space]}, the plan says {holder}")
            compare(f"the {kind} namespace", space, self._known.setdefault((kind, holder), space))


def identity(path: str, directory: int | None = None) -> tuple[int, int]:
    """Return what tells a namespace from all others; raises OSError."""
    status = os.stat(path, dir_fd=directory)
    return status.st_dev, status.st_ino
