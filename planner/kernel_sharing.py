"""Objects that processes share, in the model kernel: clone flags let a child use its creator's, and nothing joins two later.

A process that shares nothing of a kind has an object of its own, which is not written down. Making or joining a namespace can end
sharing; the model refuses that where a plan would lose by it.
"""

from typing import Final

from planner.kernel_objects import Process, SharedObject
from planner.kernel_rules import KernelError

ENDS_SHARING: Final = {"fs": frozenset({"user", "mnt"}), "sysv_undo": frozenset({"ipc"})}
"""What one stops to share by making or joining a namespace of which kinds."""


def share(creator: Process, child: Process, kinds: tuple[str, ...]) -> None:
    """Let a child that was just born use its creator's objects of these kinds."""
    if "signal_handlers" in kinds and "memory" not in kinds:
        raise KernelError("handlers-with-memory")
    if creator.objects is None:
        creator.objects = {}
    objects = child.objects = {}
    for kind in kinds:
        objects[kind] = creator.objects.setdefault(kind, SharedObject())


def object_of(process: Process, kind: str) -> object:
    """Return what stands for the process's object of a kind: the same for whoever shares it, for no other process."""
    return process if process.objects is None else process.objects.get(kind, process)


def keeps_sharing(process: Process, kinds: tuple[str, ...]) -> None:
    """Refuse namespaces by which a process would stop to share, or which the kernel gives to none that shares memory."""
    objects = process.objects
    if objects is None:
        return
    if "time" in kinds and "memory" in objects:
        raise KernelError("time-alone")
    for kind, ending in ENDS_SHARING.items():
        if kind in objects and ending.intersection(kinds):
            raise KernelError("namespace-sharing")
