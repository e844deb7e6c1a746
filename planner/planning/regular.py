"""Forests that need no search: every task is created by its parent, in image order, without helpers.

It is planned in one pass. A task is regular if its parent stands before it in the image, in its pid namespace, or around it where
the task is an init; if it is in its parent's session or leads its own; and if it makes its group, joins one that it sees, or
inherits the group outside from a parent that never leaves that. One task that is not leaves the whole forest to the search. The
steps are those that the search and its builder come to.
"""

from collections.abc import Mapping

from planner.forest.model import Forest, Task
from planner.identity import OUTSIDE, ProcessId
from planner.planning.builder.rows import tasks_of
from planner.planning.cast import Cast, Change, Event
from planner.planning.clones import Clone
from planner.planning.spaces import Spaces, spaces_of


def plan_regular(forest: Forest) -> tuple[Cast, list[Event]] | None:
    """Return the processes of a regular forest, and its births and changes in order; None for any other."""
    if forest.leaders or (forest.root != 1 and ProcessId(1) in forest.tasks):
        return None
    if not all(_keeps_session(forest, task) for task in forest.tasks.values()):
        return None
    led = {task.group for task in forest.tasks.values()}
    saving = {task.parent for task in forest.tasks.values() if _is_saved(forest, task)}
    spaces, clones = spaces_of(forest), tasks_of(forest)
    there: set[ProcessId] = set()
    order: list[Event] = []
    for clone in clones.values():
        parent = clones.get(clone.creator)
        if parent is None:
            if clone.pid != 1 or {clone.session, clone.group} - {OUTSIDE, clone.pid}:
                return None
        elif parent.pid not in there or not (_is_near(spaces, clone, parent) and _is_grouped(clones, clone, parent, led)):
            return None
        there.add(clone.pid)
        order.append(Event(clone.pid, None))
        if clone.session == clone.pid:
            order.append(Event(clone.pid, Change("setsid", clone.pid)))
        elif clone.pid in led:
            order.append(Event(clone.pid, Change("make", clone.pid)))
        elif clone.pid in saving and clone.group in there and parent and clone.group not in (parent.group, parent.pid):
            order.append(Event(clone.pid, Change("join", clone.group)))
    return Cast(forest, spaces, clones), order


def _keeps_session(forest: Forest, task: Task) -> bool:
    """Tell whether a task is in its parent's session or leads its own; asked first, since most other forests end here."""
    parent = forest.tasks.get(task.parent)
    return parent is None or task.session in (task.pid, parent.session)


def _is_saved(forest: Forest, task: Task) -> bool:
    """Tell whether a task is spared a step if its parent is in its final group when it creates the task."""
    parent = forest.tasks.get(task.parent)
    return parent is not None and parent.group == task.group != task.pid


def _is_near(spaces: Spaces, clone: Clone, parent: Clone) -> bool:
    """Tell whether a parent creates a task without entering a namespace, in its own session or for a session of its own."""
    if clone.session not in (clone.pid, parent.session):
        return False
    if clone.namespace == parent.namespace:
        return True
    is_init = spaces.init(clone.namespace) == clone.pid
    return is_init and spaces.outside(clone.namespace) == parent.namespace and clone.group == clone.pid


def _is_grouped(clones: Mapping[ProcessId, Clone], clone: Clone, parent: Clone, led: set[ProcessId]) -> bool:
    """Tell whether a task comes into its group by itself, or is born in the group outside, and keeps the one that it makes."""
    group = clone.group
    if group == OUTSIDE:
        inherits = parent.group == OUTSIDE and not parent.leads_session and parent.pid not in led
        return inherits and clone.pid not in led
    if group == clone.pid:
        return True
    leader = clones.get(group or OUTSIDE)
    return leader is not None and leader.namespace == clone.namespace and leader.group == group and clone.pid not in led
