"""Parents above a pid namespace, who put their children into groups that these cannot see.

setpgid looks numbers up in the caller's namespace, and takes the caller's child as well as the caller. So a task can come into
a group without a number in its own namespace, long after its birth, if its parent stands above that namespace, sees the group
and is in the same session at that time. Where the parent is not, a helper is, which leaves the task to that parent when it dies.
"""

from collections.abc import Iterable, Iterator
from typing import Final, Literal

from planner.identity import OUTSIDE, ProcessId, Sequence
from planner.planning.births.cast import ANY, Actor, Cast
from planner.planning.births.standins import Misplaced

Mover = Literal["", "parent", "helper", "helper beside", "helper of sibling", "helper above"]

MOST_ABOVE: Final = 64
"""How many creators are looked at for one that can cast a helper."""


def give_outer_parent(cast: Cast, actor: Actor, group: ProcessId) -> None:
    """See to it that the parent at birth can move `actor` to a group that it cannot see itself; raises Contradiction.

    The parent must stand above the actor's namespace, in the session that the actor is in at that time, and see the group. A
    helper does that in place of a parent in another session, and the parent adopts the actor afterwards.
    """
    way = mover(cast, actor, group)
    if way in ("parent", "helper beside"):
        if way == "helper beside":
            cast.actors[actor.creator].adopter = actor.parent
            actor.sibling = False
        return
    if way == "helper above":
        _cast_above(cast, actor)
        return
    if way:
        creator, parent = cast.actors[actor.creator], cast.actors[cast.birth_parent(actor)]
        helper = cast.add_helper(creator.pid, parent.space, actor.birth_session, "orphan-helper", actor)
        helper.adopter = actor.parent
        helper.birth_group = actor.birth_group
        if way == "helper":
            cast.take_place(helper, actor)
        else:
            actor.creator = helper.pid
            actor.sibling = False
        return
    if actor.birth_group in (ANY, group):
        moves = cast.moves.get(actor.pid, [])
        raise Misplaced(
            "group-out-of-sight",
            f"task {actor.pid} must have come into group {group} after its birth, and the group has no number in its pid "
            f"namespace, and no parent above it can have moved it there",
            dict.fromkeys((*_facts(cast, actor, (group, *moves[:1])), *(() if moves else _following(cast, actor)))),
            actor.pid,
            (group, actor.birth_group),
        )
    groups = (group, actor.birth_group)
    raise Misplaced(
        "two-birth-groups",
        f"task {actor.pid} would have to be in group {actor.birth_group} and in group {group}, one of which has no number in its "
        f"pid namespace, and no parent above it can have moved it",
        _facts(cast, actor, groups),
        actor.pid,
        groups,
    )


def mover(cast: Cast, actor: Actor, group: ProcessId) -> Mover:
    """Tell who can move `actor` to a group that it cannot see: its parent at birth, or a helper in that parent's place.

    "" where nobody can. A helper is cast where the parent is in another session: in the place of the actor, or below a sibling
    that creates it, or, where that one lives deeper than the parent, below whoever stands above it; or the helper that creates it
    as a sibling becomes its parent.
    """
    parent = cast.actors.get(cast.birth_parent(actor))
    session = actor.birth_session
    if parent is None:
        return "parent" if session == OUTSIDE != group else ""
    if not cast.stands_above(parent, actor) or not cast.sees(parent, group):
        return ""
    if session in (parent.session, ANY):
        return "parent"
    if not actor.sibling:
        return "helper" if actor.creator == actor.parent else ""
    creator = cast.actors[actor.creator]
    if creator.rule == "group-helper" and creator.adopter in (ANY, actor.parent):
        return "helper beside"
    if creator.space == parent.space and parent.pid == actor.parent and creator.session == session:
        return "helper of sibling"
    if parent.pid == actor.parent and (actor.pid, actor.birth_group) not in cast.asked and _forebear(cast, actor) is not None:
        return "helper above"
    return ""


def _forebear(cast: Cast, actor: Actor) -> tuple[Actor, bool] | None:
    """Return who above `actor` is in its session and in the pid namespace of its parent, and leaves children to that parent.

    Also tells whether it is in the session only before its own setsid.
    """
    parent = cast.actors[actor.parent]
    below = actor
    for _ in range(MOST_ABOVE):
        here = cast.actors.get(below.creator)
        if here is None:
            return None
        session = here.birth_session if below.early else here.session
        if here.space == parent.space and session == actor.birth_session:
            leaves = cast.is_init(parent) or here is parent or cast.birth_parent(here) == parent.pid
            return (here, below.early) if leaves else None
        below = here
    return None


def _cast_above(cast: Cast, actor: Actor) -> None:
    """Have `actor` be born as the child of a helper that lives where its parent does, is in its session, and dies in the end."""
    found = _forebear(cast, actor)
    assert found is not None
    forebear, early = found
    helper = cast.add_helper(forebear.pid, forebear.space, actor.birth_session, "orphan-helper", actor)
    helper.adopter = actor.parent
    helper.early = early
    actor.creator = helper.pid
    actor.early, actor.stage, actor.sibling, actor.birth_group = False, ANY, False, ANY
    outer = cast.spaces[actor.space].parent
    if cast.is_init(actor) and outer != helper.space:
        jumping = cast.add_helper(helper.pid, outer, actor.birth_session, "jump-helper", actor)
        actor.creator = jumping.pid
        actor.sibling = True


def _facts(cast: Cast, actor: Actor, groups: Iterable[ProcessId]) -> list[Sequence]:
    """Return the facts by which `actor` must have been in `groups`, and cannot have come back to one of them.

    Where it was in a group for a child that is so for a fact about the child. Nobody is moved into the group outside, whatever
    its parent, and no init is in a group that it sees.
    """
    found = list(actor.because)
    parent = cast.actors.get(actor.parent)
    if parent is not None and OUTSIDE not in groups:
        found += cast.facts(parent.pid)
    for group in groups:
        if not cast.is_init(actor):
            found += cast.whereabouts(group)
        if group != actor.group:
            found += _asking(cast, actor.pid, group)
    return list(dict.fromkeys(found))


def _asking(cast: Cast, pid: ProcessId, group: ProcessId) -> Iterator[Sequence]:
    """Yield the facts about the child for which `pid` must have been in `group`, or about its child in turn, and so on."""
    child = cast.asked.get((pid, group))
    while child is not None:
        yield from cast.facts(child.pid) or child.because
        child = cast.asked.get((child.pid, group))


def _following(cast: Cast, leader: Actor) -> Iterator[Sequence]:
    """Yield the facts about a member of the group that `leader` made, somebody else, if it leads no session."""
    if leader.leads_session():
        return
    others = [actor for actor in cast.actors.values() if actor is not leader]
    for actor in others:
        if actor.group == leader.pid:
            yield from cast.facts(actor.pid) or actor.because
            return
    for actor in others:
        if actor.birth_group == leader.pid:
            yield from cast.facts(actor.pid) or actor.because
            yield from _asking(cast, actor.pid, leader.pid)
            return
