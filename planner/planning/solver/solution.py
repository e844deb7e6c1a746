"""A solution: the creator, session and group at birth of each process, as the search writes it and the builder reads it."""

from typing import Literal

import msgspec

from planner.identity import NamespaceId, ProcessId, Sequence

How = Literal["created", "below", "entered", "sibling"]
"""How a process becomes the child of its final parent.

created: the parent's line clones it. below: the creator was born below the parent, with only processes of the parent's pid
namespace between, and a helper of the creator that lives in that namespace dies, so that the parent adopts as a subreaper or
init. entered: the parent is the init of a namespace, a helper of the creator enters it and dies. sibling: CLONE_PARENT by the
creator, a child of the same parent.
"""


class Birth(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How one process of the rebuild comes to be: a task of the image, or a placeholder for a dead leader.

    The clone itself may be made by a helper of the creator: a child of it that was forked while the creator was in the session
    and group wanted, and kept since.
    """

    pid: ProcessId
    creator: ProcessId
    """From whose line it is cloned; 0 is the executor."""
    namespace: NamespaceId
    """The pid namespace that it lives in; of a dead leader a choice."""
    session: ProcessId
    """The session that it is born in, by its leader; 0 is the executor's. The creator is in it, or was before its setsid."""
    group: ProcessId | None
    """The group that it must be born in; None where it makes a group, joins one that it sees or is moved into one later."""
    parent: ProcessId | None
    """The final parent; None for a placeholder that only has to end."""
    how: How
    moved_to: ProcessId | None = None
    """The final group, where its parent above its pid namespace puts it into that."""
    visits: tuple[ProcessId, ...] = ()
    """Groups that its parent above its pid namespace puts it into for a while, so that children are born in them."""


class LostNamespace(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A pid namespace that the image no longer holds: its init is a dead leader whose group still has members outside."""

    id: NamespaceId
    parent: NamespaceId
    init: ProcessId


class Excluded(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Why the parent of a process does not create it: facts that exclude each other if it does, given some other births."""

    pid: ProcessId
    parent: ProcessId
    facts: tuple[Sequence, ...]
    given: tuple[ProcessId, ...] = ()
    """Processes whose births were decided before; none where the facts exclude each other without any decision."""


class Solution(msgspec.Struct, frozen=True, kw_only=True):
    """Births of all tasks and placeholders, each behind all others that it needs: an order of events that works."""

    births: tuple[Birth, ...]
    lost: tuple[LostNamespace, ...] = ()
    excluded: tuple[Excluded, ...] = ()
    """Why some processes are not created by their parents; found within a bound, so that others may be excluded, too."""


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A proof that no history leads to the forest: rows of the image that cannot all hold, and no smaller set.

    Without the parent, session and group that any one of these rows states, the rules can be met.
    """

    processes: tuple[ProcessId, ...]
    facts: tuple[Sequence, ...]


class Undecided(msgspec.Struct, frozen=True, kw_only=True):
    """The search met its bound, which counts conflicts."""

    conflicts: int
    processes: tuple[ProcessId, ...]
    """The processes that its conflicts were about."""


Answer = Solution | Refusal | Undecided
