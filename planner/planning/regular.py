"""What needs no search: a forest in which every task is created by its parent, in image order, and no helper is cast.

It is planned in one pass. A task is regular if its parent stands before it in the image, in its pid namespace, or around it where
the task is an init; if it is in its parent's session or leads its own; and if it makes its group, joins one that it sees, or
inherits the group outside from a parent that never leaves that. One task that is not leaves the whole forest to the search. The
steps are those that the search and its builder come to.
"""

from planner.forest.model import Forest, Task
from planner.identity import OUTSIDE, ProcessId
from planner.planning.births.cast import Actor, Cast
from planner.planning.births.order import Change, Event


def plan_regular(forest: Forest) -> tuple[Cast, list[Event]] | None:
    """Return the cast of a regular forest, and its births and changes in order; None for any other."""
    if forest.leaders or (forest.root != 1 and ProcessId(1) in forest.tasks):
        return None
    led = {task.group for task in forest.tasks.values()}
    saving = {task.parent for task in forest.tasks.values() if _is_saved(forest, task)}
    cast = Cast(forest)
    there: set[ProcessId] = set()
    order: list[Event] = []
    for actor in cast.actors.values():
        parent = cast.actors.get(actor.parent)
        if parent is None:
            if actor.pid != 1 or {actor.session, actor.group} - {OUTSIDE, actor.pid}:
                return None
        elif parent.pid not in there or not (_is_near(cast, actor, parent) and _is_grouped(cast, actor, parent, led)):
            return None
        there.add(actor.pid)
        order.append(Event(actor.pid, None))
        if actor.session == actor.pid:
            order.append(Event(actor.pid, Change("setsid", actor.pid)))
        elif actor.pid in led:
            order.append(Event(actor.pid, Change("make", actor.pid)))
        elif actor.pid in saving and actor.group in there and parent and actor.group not in (parent.group, parent.pid):
            order.append(Event(actor.pid, Change("join", actor.group)))
    return cast, order


def _is_saved(forest: Forest, task: Task) -> bool:
    """Tell whether a task is spared a step if its parent is in its final group when it creates the task."""
    parent = forest.tasks.get(task.parent)
    return parent is not None and parent.group == task.group != task.pid


def _is_near(cast: Cast, actor: Actor, parent: Actor) -> bool:
    """Tell whether a parent creates a task without entering a namespace, in its own session or for a session of its own."""
    if actor.session not in (actor.pid, parent.session):
        return False
    if actor.space == parent.space:
        return True
    space = cast.spaces[actor.space]
    return space.init == actor.pid and space.parent == parent.space and actor.group == actor.pid


def _is_grouped(cast: Cast, actor: Actor, parent: Actor, led: set[ProcessId]) -> bool:
    """Tell whether a task comes into its group by itself, or is born in the group outside, and keeps the one that it makes."""
    group = actor.group
    if group == OUTSIDE:
        inherits = parent.group == OUTSIDE and not parent.leads_session() and parent.pid not in led
        return inherits and actor.pid not in led
    if group == actor.pid:
        return True
    leader = cast.actors.get(group)
    return leader is not None and leader.space == actor.space and leader.group == group and actor.pid not in led
