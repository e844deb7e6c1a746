"""Objects that processes share, in the model kernel: memory, files, filesystem information, handlers, semaphore undo lists.

Clone flags let a child use its creator's; nothing joins two later, and each user can only leave. A process that shares nothing of
a kind has an object of its own, which is not written down, so that the cost of a large tree lies in what it shares.
"""

from collections.abc import Iterable
from typing import Final

from planner.kernel.objects import Process, SharedObject
from planner.kernel.rules import KernelError

SHARED: Final = ("memory", "files", "fs", "signal_handlers", "sysv_undo")
"""CLONE_VM, CLONE_FILES, CLONE_FS, CLONE_SIGHAND, CLONE_SYSVSEM, in the words of `planner.plans.model`."""

HANDLERS: Final = "signal_handlers"

LEFT_BY_EXEC: Final = ("memory", "files", "signal_handlers")
"""execve(2) gives a process memory, a table of files and signal handlers of its own: begin_new_exec."""

ENDS_SHARING: Final = {"fs": frozenset({"user", "mnt"}), "sysv_undo": frozenset({"ipc"})}
"""What one stops to share by making or joining a namespace of which kinds: ksys_unshare, ipcns_install."""


def check_share(kinds: Iterable[str]) -> None:
    """Refuse what clone3 does not let a child share."""
    if HANDLERS in kinds and "memory" not in kinds:
        raise KernelError("handlers-with-memory")


def share(creator: Process, child: Process, kinds: Iterable[str]) -> None:
    """Let a child that was just born use its creator's objects of these kinds, and copies of the others."""
    if creator.objects is None:
        creator.objects = {}
    child.objects = {}
    for kind in kinds:
        used = child.objects[kind] = creator.objects.setdefault(kind, SharedObject())
        used.users += 1
    if HANDLERS not in kinds and ignores_children(creator):
        child.objects[HANDLERS] = SharedObject(ignoring=True)


def leave(process: Process, kinds: Iterable[str] = SHARED) -> None:
    """Let a process have copies of its own of these kinds: unshare(2), execve(2), or its end."""
    if process.objects:
        for kind in kinds:
            used = process.objects.pop(kind, None)
            if used is not None:
                used.users -= 1
                if used.ignoring:
                    process.objects[kind] = SharedObject(ignoring=True)


def leave_by_namespaces(process: Process, kinds: Iterable[str]) -> None:
    """Let a process stop to share what new namespaces of these kinds take from it."""
    for what, ending in ENDS_SHARING.items():
        if not ending.isdisjoint(kinds):
            leave(process, (what,))


def shares(process: Process, kind: str) -> bool:
    """Tell whether another living process uses the same object of a kind."""
    return process.objects is not None and kind in process.objects and process.objects[kind].users > 1


def object_of(process: Process, kind: str) -> object:
    """Return what stands for the process's object of a kind: the same for the processes that share it, and for no other."""
    return process if process.objects is None else process.objects.get(kind, process)


def keeps_sharing(process: Process, kinds: Iterable[str]) -> None:
    """Refuse namespaces by which a process would stop to share, or which the kernel gives to none that shares memory.

    The kernel refuses some of these and lets the process leave by others; a plan loses by either.
    """
    if "time" in kinds and shares(process, "memory"):
        raise KernelError("time-alone")
    for kind, ending in ENDS_SHARING.items():
        if not ending.isdisjoint(kinds) and shares(process, kind):
            raise KernelError("namespace-sharing")


def ignores_children(process: Process) -> bool:
    """Tell whether a process ignores SIGCHLD."""
    return process.objects is not None and HANDLERS in process.objects and process.objects[HANDLERS].ignoring


def ignore_children(init: Process) -> None:
    """Let an init that begins to die ignore SIGCHLD, and with it all that share its handlers: zap_pid_ns_processes."""
    if init.objects and HANDLERS in init.objects:
        init.objects[HANDLERS].ignoring = True
