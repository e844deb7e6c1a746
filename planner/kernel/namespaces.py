"""Namespaces of other kinds than pid in the model kernel: who has which, who may make and join them.

They are made and joined here as `planner.plans.model` asks for it, by a process that acts with all capabilities in its user
namespace.
"""

from typing import Final

from planner.kernel.objects import LIVING, OtherNamespace, Pid, Process
from planner.kernel.rules import KernelError
from planner.kernel.sharing import leave, leave_by_namespaces, shares

USER: Final = "user"
OWNED: Final = ("mnt", "uts", "ipc", "net", "cgroup", "time")
"""Kinds that a user namespace owns."""


def outermost() -> dict[str, OtherNamespace]:
    """Return namespaces of every kind, as the process that builds the container has them."""
    user = OtherNamespace(USER, None)
    user.mapped = True
    return {USER: user, **{kind: OtherNamespace(kind, user) for kind in OWNED}}


def unshare(caller: Process, kinds: tuple[str, ...]) -> None:
    """Give the caller namespaces of its own; a user namespace owns what comes with it or after it."""
    if not kinds or len(set(kinds)) != len(kinds) or not caller.others.keys() >= set(kinds):
        raise KernelError("namespace-kind")
    if caller.threads:
        raise KernelError("namespace-threads")
    others = dict(caller.others)
    if USER in kinds and not others[USER].mapped:
        raise KernelError("user-unmapped")
    if USER in kinds:
        others[USER] = OtherNamespace(USER, others[USER])
    for kind in kinds:
        if kind != USER:
            others[kind] = OtherNamespace(kind, others[USER])
    caller.others = others
    leave_by_namespaces(caller, kinds)


def be_born_in_new_user(child: Process) -> None:
    """Give a child that was just born a user namespace of its own, CLONE_NEWUSER, which owns the pid namespace that it begins."""
    user = OtherNamespace(USER, child.others[USER])
    child.others = {**child.others, USER: user}
    if child.namespace.init is child:
        child.namespace.user = user


def map_ids(caller: Process, target: Pid | None, whole: bool) -> None:
    """Map the ids of the user namespace that `target` is in; `whole` says that there are users and groups.

    The target may be a zombie, which keeps its user namespace until it is waited for.
    """
    if target is None or target.owner is None:
        raise KernelError("map-gone")
    user = target.owner.others[USER]
    if user.owner is not caller.others[USER]:
        raise KernelError("map-from-above")
    if user.mapped:
        raise KernelError("map-once")
    user.mapped = whole


def join(caller: Process, target: Pid | None, kind: str) -> None:
    """Put the caller into the namespace of `kind` of the process `target`; None is one that it cannot see."""
    if kind not in caller.others:
        raise KernelError("namespace-kind")
    if target is None or target.owner is None:
        raise KernelError("join-gone")
    if target.thread:
        raise KernelError("enter-thread")
    process, user = target.owner, caller.others[USER]
    if not process.others[USER].within(user):
        raise KernelError("join-rights")
    if process.state != LIVING or process.main_ended:
        raise KernelError("join-gone")
    if kind == "time" and shares(caller, "memory"):
        raise KernelError("time-alone")
    wanted = process.others[kind]
    if wanted is user:
        raise KernelError("join-own-user")
    if not _has_rights(user, wanted):
        raise KernelError("join-rights")
    if caller.threads:
        raise KernelError("namespace-threads")
    if kind in (USER, "mnt") and shares(caller, "fs"):
        raise KernelError("join-fs")
    if kind == "ipc":
        leave(caller, ("sysv_undo",))
    caller.others = {**caller.others, kind: wanted}


def _has_rights(user: OtherNamespace, namespace: OtherNamespace) -> bool:
    return namespace.owner is not None and namespace.owner.within(user)
