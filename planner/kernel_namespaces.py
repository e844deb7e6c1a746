"""Namespaces of other kinds than pid in the model kernel: who has which, who may make and join them.

They are made and joined here as `planner.plans` asks for it, by a process that acts with all capabilities in its user namespace.
"""

from typing import Final

from planner.kernel_objects import LIVING, OtherNamespace, Pid, Process
from planner.kernel_rules import KernelError

USER: Final = "user"
OWNED: Final = ("mnt", "uts", "ipc", "net", "cgroup", "time")
"""Kinds that a user namespace owns."""


def outermost() -> dict[str, OtherNamespace]:
    """Return namespaces of every kind, as whoever builds the container has them."""
    user = OtherNamespace(USER, None)
    return {USER: user, **{kind: OtherNamespace(kind, user) for kind in OWNED}}


def unshare(caller: Process, kinds: tuple[str, ...]) -> None:
    """Give the caller namespaces of its own; a user namespace owns what comes with it or after it."""
    if not kinds or len(set(kinds)) != len(kinds) or not caller.others.keys() >= set(kinds):
        raise KernelError("namespace-kind")
    if caller.threads:
        raise KernelError("namespace-threads")
    others = dict(caller.others)
    if USER in kinds:
        others[USER] = OtherNamespace(USER, others[USER])
    for kind in kinds:
        if kind != USER:
            others[kind] = OtherNamespace(kind, others[USER])
    caller.others = others


def join(caller: Process, target: Pid | None, kind: str) -> None:
    """Put the caller into the namespace of `kind` of the process `target`; None is one that it cannot see."""
    if kind not in caller.others:
        raise KernelError("namespace-kind")
    process = None if target is None or target.thread else target.owner
    if process is None or process.state != LIVING or process.main_ended:
        raise KernelError("join-gone")
    if caller.threads:
        raise KernelError("namespace-threads")
    wanted, user = process.others[kind], caller.others[USER]
    if kind == USER and wanted is user:
        raise KernelError("join-own-user")
    owner = wanted if kind == USER else wanted.owner
    if owner is None or not owner.within(user) or not process.others[USER].within(user):
        raise KernelError("join-rights")
    caller.others = {**caller.others, kind: wanted}
