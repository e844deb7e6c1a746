"""Stand-ins for dead leaders: where they lived, and the helpers that bear their numbers.

A number that sessions or groups bear and no task bears belonged to a leader that has died. The rebuild needs somebody to lead
anew: a helper with that number, in a pid namespace where all members can be served. A session's members live in the leader's
namespace or below it, because a session goes from creator to child and clones go down only. A group's leader may live deeper
than a member, and even in a namespace that is gone.
"""

from planner.cast import ANY, Actor, Cast
from planner.forest import Contradiction
from planner.identity import OUTSIDE, NamespaceId, Number, Pids, ProcessId


def add_stand_ins(cast: Cast) -> None:
    """Add a mortal actor for every session and group that has lost its leader; raises Contradiction where none could lead."""
    sessions: dict[ProcessId, list[Actor]] = {}
    groups: dict[ProcessId, list[Actor]] = {}
    actors = cast.actors
    for actor in actors.values():
        if actor.session not in actors and actor.session != OUTSIDE:
            sessions.setdefault(actor.session, []).append(actor)
        if actor.group not in actors and actor.group != OUTSIDE and actor.group != actor.session:
            groups.setdefault(actor.group, []).append(actor)
    for number, members in sessions.items():
        space, known = _session_space(cast, number, members)
        _add(cast, number, space, known, number, members[0], "dead-session-leader")
    for number, members in groups.items():
        if number in actors:
            continue
        space, known = _group_space(cast, number, members)
        _add(cast, number, space, known, members[0].session, members[0], "dead-group-leader")


def _add(cast: Cast, number: ProcessId, space: NamespaceId, known: Pids, session: ProcessId, member: Actor, rule: str) -> None:
    pids = cast.free_pids(space, known)
    actor = Actor(number, pids, space, ANY, session, number)
    actor.role = "helper"
    actor.mortal = True
    actor.order = member.order - 8
    actor.rule = rule
    leader = cast.forest.leaders.get(number)
    actor.because = member.because if leader is None else (*member.because, leader.recorded)
    if session == number:
        actor.birth_session = ANY
    cast.actors[number] = actor
    cast.leader_spaces[number] = space


def _known(cast: Cast, number: ProcessId) -> tuple[Pids, bool]:
    leader = cast.forest.leaders.get(number)
    return ((Number(number),), False) if leader is None else (leader.pids, leader.complete)


def _session_space(cast: Cast, number: ProcessId, members: list[Actor]) -> tuple[NamespaceId, Pids]:
    """Find the namespace of a dead session leader: a common ancestor of its members' namespaces.

    Where the depth is not known it is as shallow as the members allow: a member whose parent neither is an init nor ever was in
    the session can only be served from the parent's own level.
    """
    known, complete = _known(cast, number)
    level = len(known) - 1
    shallowest = min(members, key=lambda member: member.level)
    if not complete:
        for member in members:
            parent = cast.actors.get(member.parent)
            if parent is not None and parent.session not in (number, parent.pid) and not cast.is_init(parent):
                level = max(level, parent.level)
        level = min(level, shallowest.level)
    if level > shallowest.level:
        raise Contradiction(
            "session-from-below",
            f"session {number} was led at level {level}, and its member {shallowest.pid} lives at level {shallowest.level}",
            shallowest.because,
            shallowest.pid,
        )
    space = cast.space_at(shallowest.space, level)
    for member in members:
        if cast.space_at(member.space, level) != space:
            raise Contradiction(
                "session-across-namespaces",
                f"session {number} has members {shallowest.pid} and {member.pid} in namespaces that no leader encloses",
                (*shallowest.because, *member.because),
                member.pid,
            )
    return space, known


def _group_space(cast: Cast, number: ProcessId, members: list[Actor]) -> tuple[NamespaceId, Pids]:
    """Find the namespace of a dead group leader: below its session's leader, and visible to as many members as can be."""
    known, complete = _known(cast, number)
    level = len(known) - 1
    session_space = cast.space_of(members[0].session) if members[0].session != OUTSIDE else NamespaceId(0)
    if not complete:
        # An init whose group is led from its own namespace could never end (rule "init-trap" of the kernel).
        barred = {member.space for member in members if member.level > 0 and cast.is_init(member)}
        deepest = session_space
        for member in members:
            space = member.space
            for here in reversed(cast.chain(space)) if barred else ():
                if here in barred:
                    space = cast.spaces[here].parent
            if cast.covers(deepest, space) and (cast.spaces[space].level < level or cast.is_free(space, known)):
                deepest = space
        if cast.spaces[deepest].level >= level:
            return deepest, known
    candidates = [cast.space_at(member.space, level) for member in members if member.level >= level]
    candidates += [space for space, record in cast.spaces.items() if record.level == level]
    for space in candidates:
        init = cast.actors.get(cast.spaces[space].init)
        if cast.covers(session_space, space) and init is not None and not init.zombie and cast.is_free(space, known):
            return space, known
    return _lost_space(cast, known, session_space, members[0]), known


def _lost_space(cast: Cast, known: Pids, session_space: NamespaceId, member: Actor) -> NamespaceId:
    """Add the namespace of a dead leader that was its init; any other number keeps its namespace from ending.

    Source: tried on 6.18; zap_pid_ns_processes waits until no number but the init's own is in use.
    """
    level = len(known) - 1
    if known[-1] == 1:
        for space, record in cast.spaces.items():
            if record.level == level - 1 and cast.covers(session_space, space) and cast.is_free(space, known[:-1]):
                return cast.add_lost_space(space, ProcessId(known[0]))
    raise Contradiction(
        "leader-without-namespace",
        f"the dead leader {'.'.join(map(str, known))} lived in a pid namespace at level {level} that the image does not hold",
        member.because,
        member.pid,
    )
