"""Helpers that groups need: anchors that keep a group alive, and those that join one to create somebody in it.

A group lasts as long as it has a member, and whoever cannot see it can only be born in it or be put there by a parent above
(`planner.planning.births.outer_parents`). `planner.planning.births.groups` says who needs which of these helpers.
"""

from planner.identity import NamespaceId, ProcessId
from planner.planning.births.cast import ANY, Actor, Cast


def leads_group(cast: Cast) -> set[ProcessId]:
    """Return the actors whose number is a group's, session leaders aside: they make their group by setpgid."""
    groups = {actor.group for actor in cast.actors.values()}
    groups.update(actor.birth_group for actor in cast.actors.values())
    return {pid for pid in groups if pid in cast.actors and not cast.actors[pid].leads_session()}


def cast_anchors(cast: Cast) -> None:
    """Cast a helper for every ring of group leaders that each end up in the next one's group: the first group needs an anchor.

    A leader may leave the group that bears its number while others stay in it. In a ring each would have to wait for the one
    before; a helper that was born in one of the groups keeps that group alive until the ring is closed.
    """
    makers = leads_group(cast)
    target = {pid: cast.actors[pid].group for pid in makers if cast.actors[pid].group not in (pid, ANY)}
    state: dict[ProcessId, int] = {}
    for number, start in enumerate(sorted(target, key=lambda pid: cast.actors[pid].order), 1):
        here = start
        while here in target and here not in state:
            state[here] = number
            here = target[here]
        if state.get(here) == number:
            cast_anchor(cast, here)


def cast_anchor(cast: Cast, pid: ProcessId) -> Actor:
    """Cast the helper that is born in the group that `pid` has made, and keeps it alive when `pid` goes on to another."""
    leader = cast.actors[pid]
    anchor = cast.add_helper(pid, leader.space, leader.session, "group-anchor", leader)
    anchor.birth_group = pid
    anchor.order = leader.order + 1
    return anchor


def help_into_group(cast: Cast, actor: Actor, group: ProcessId, space: NamespaceId, session: ProcessId) -> Actor:
    """Cast a helper that joins `group` and creates `actor` as its sibling, beside the creator that it has now."""
    helper = cast.add_helper(actor.creator, space, session, "group-helper", actor)
    helper.group = group
    put_beside(cast, helper, actor)
    return helper


def put_beside(cast: Cast, helper: Actor, actor: Actor) -> None:
    """Have `helper` be born as `actor` would have been, and create it as its sibling."""
    cast.take_place(helper, actor)
    actor.sibling = True


def leave_to_helper(cast: Cast, helper: Actor, children: list[Actor], inherited: set[tuple[ProcessId, ProcessId]]) -> bool:
    """Have a helper that would join a group to create `children` in it put them into that group in the end instead.

    They are then its own children until it dies, so that neither it nor they have to wait for the group to be made. That takes a
    helper and a parent above the children's namespace, and children from whom nobody has `inherited` the group (creator, group).
    Tells whether it is so.
    """
    group = helper.group
    parent = cast.actors.get(children[0].parent)
    if parent is None or helper.space != parent.space or helper.adopter not in (ANY, parent.pid):
        return False
    if any(child.parent != parent.pid or child.group != group or not cast.stands_above(parent, child) for child in children):
        return False
    if any(child.sibling and cast.birth_parent(child) != parent.pid for child in children):
        return False
    if any((child.pid, group) in inherited for child in children):
        return False
    helper.adopter = parent.pid
    helper.group = ANY
    for child in children:
        child.sibling = False
        child.birth_group = ANY
    return True
