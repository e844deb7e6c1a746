"""The processes of a rebuild: what each must be, and how it is cloned.

Tasks of the image, placeholders for dead leaders, the reaper of a subtree image and helpers are all processes of the rebuild. A
process is cloned by its creator while that one is at a *stage*: in the session and group that the process inherits. The executor
is process 0, which changes neither.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from planner.identity import NamespaceId, Pids, ProcessId, Sequence
from planner.steps import Role

EXECUTOR_SPACE: Final = NamespaceId(-1)
"""The executor's own pid namespace, which encloses the container's root namespace."""

FIRST_HELPER_NUMBER: Final = 301
"""Helpers take the lowest free number from here on; the kernel itself hands out no lower number a second time (RESERVED_PIDS)."""

SIGCHLD: Final = 17
"""The exit signal of a process that has no other on record."""

AS_BORN: Final = ProcessId(-2)
"""The stage of a process that has not changed its session or group since its birth."""

LAST: Final = ProcessId(-1)
"""The stage of a process after all its changes. Every other stage is the number of the group that the process has come into."""


class Clone(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A process of the rebuild: what it must be when all is done, and how it is cloned."""

    pid: ProcessId
    pids: Pids
    namespace: NamespaceId
    parent: ProcessId | None
    """The final parent; None for one that ends."""
    session: ProcessId
    group: ProcessId | None
    """The final group; None where it does not matter."""
    role: Role = "task"
    zombie: bool = False
    order: int
    """Place among the others where nothing else decides: image order, with gaps for helpers."""
    creator: ProcessId
    birth_session: ProcessId
    stage: ProcessId = LAST
    """The stage of the creator in which the process is cloned."""
    sibling: bool = False
    """Whether it is cloned with CLONE_PARENT."""
    adopter: ProcessId | None = None
    """The process that adopts its children when it ends; None where it leaves none."""
    keeps: ProcessId | None = None
    """The group of another process that it keeps alive."""
    rule: str = "parent-creates"
    because: tuple[Sequence, ...] = ()

    @property
    def leads_session(self) -> bool:
        """Whether this is a session leader."""
        return self.session == self.pid

    @property
    def ends(self) -> bool:
        """Whether the plan ends it again: a helper or a placeholder."""
        return self.role == "helper"


def makers_of(clones: Mapping[ProcessId, Clone]) -> set[ProcessId]:
    """Return those that make a group by setpgid: leaders of groups that lead no session."""
    groups = {group for clone in clones.values() for group in (clone.group, clone.keeps) if group in clones}
    return {pid for pid in groups if pid is not None and not clones[pid].leads_session}
