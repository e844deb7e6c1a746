"""The kinds of number that run through crplan, each with a type of its own.

They are all integers, and mixing them up is the classic mistake of restart tools: a number at level 0 is not the number that
the task itself sees, and a step is not a sequence number.
"""

from typing import Final, NewType

ProcessId = NewType("ProcessId", int)
"""A task's number at level 0, the container's root namespace.

Every task of an image is visible there, so this number is also its identity in events, forests and plans. Dead leaders and
helpers have one too. 0 is whatever stands outside the image; in a plan it is the executor.
"""

Number = NewType("Number", int)
"""A number in one pid namespace, whichever it is; 0 means that the task cannot be seen from there."""

Level = NewType("Level", int)
"""Depth of a pid namespace: 0 is the container's root namespace. The executor stands at level -1."""

Pids = tuple[Number, ...]
"""A pid vector: one number for each level, **outermost first**, so `pids[0]` is level 0 and `pids[-1]` is the task's own.

The kernel wants `set_tid` innermost first; `planner.steps.set_tid` is the one place that reverses.
"""

NamespaceId = NewType("NamespaceId", int)
"""A namespace of one image; 0 is the root task's own.

A pid namespace is named by the level-0 pid of its init, in events as in plans, previews and explanations. Only where an image has
ids of its own does it keep them, and a namespace whose init no pid is known of has a number that is no pid.
"""

NO_PID: Final = 1 << 22
"""The first number that no process can have (PID_MAX_LIMIT of the kernel)."""

EventNumber = NewType("EventNumber", int)
"""Position of an event in its log, dense from 0."""

Sequence = EventNumber
"""The same, for the modules of the planner that are being replaced."""

StepNumber = NewType("StepNumber", int)
"""Position of a step in its plan, dense from 1."""

MOST_TASKS: Final = 1 << 22
"""Tasks and threads of one image, whatever reader reads it: a pid namespace has no more numbers (PID_MAX_LIMIT)."""

OUTSIDE: Final = ProcessId(0)
"""The parent, session or group that lies outside the image; as an actor, the executor."""


def level_of(pids: Pids) -> Level:
    """Return the level of the namespace that a task with this vector lives in."""
    return Level(len(pids) - 1)


def number_at(pids: Pids, level: Level) -> Number:
    """Return the number that a namespace at `level` knows the task by, 0 where it cannot be seen.

    The caller must know that the namespace is an ancestor of the task's, or the task's own: two namespaces at one level
    have numbers of their own.
    """
    return pids[level] if 0 <= level < len(pids) else Number(0)
