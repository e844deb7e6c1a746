"""Stand-ins for dead leaders: where they lived, and the helpers that bear their numbers.

A number that sessions or groups bear and no task bears belonged to a leader that has died. The rebuild needs somebody to lead
anew: a helper with that number, in a pid namespace where all members can be served. A session's members live in the leader's
namespace or below it, because a session goes from creator to child and clones go down only. A group's leader may live deeper
than a member, and even in a namespace that is gone.
"""

from collections.abc import Iterable
from itertools import chain, islice

from planner.errors import Contradiction
from planner.forest.laws_processes import ended_by
from planner.identity import OUTSIDE, NamespaceId, Number, Pids, ProcessId, Sequence
from planner.planning.births.cast import ANY, Actor, Cast
from planner.planning.births.trapped_inits import Waits, ring_facts, ring_words, trapped_for_ever


class Misplaced(Contradiction):
    """No plan is found, and another place for one of `leaders`, of sessions or groups, may help if that one is dead."""

    def __init__(self, code: str, message: str, because: Iterable[int], pid: int, leaders: Iterable[ProcessId]) -> None:
        super().__init__(code, message, because, pid)
        self.leaders = tuple(leaders)


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
    waits = Waits(cast)
    for number, members in groups.items():
        if number in actors:
            continue
        space, known = _group_space(cast, number, members, waits)
        waits.place(members, space)
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
    the session can only be served from the parent's own level. Deeper places are next where that leads nowhere, then the others.
    """
    known, complete = _known(cast, number)
    level = len(known) - 1
    shallowest = min(members, key=lambda member: member.level)
    if not complete:
        for member in members:
            parent = cast.actors.get(member.parent)
            if parent is not None and parent.session not in (number, parent.pid) and not cast.is_init(parent):
                level = max(level, parent.level)
        level = max(min(level, shallowest.level), len(known) - 1)
        levels = [*range(level, shallowest.level + 1), *range(level - 1, len(known) - 2, -1)]
        if len(levels) > 1:
            cast.places[number] = len(levels)
    if level > shallowest.level:
        raise Contradiction(
            "session-from-below",
            f"session {number} was led at level {level}, and its member {shallowest.pid} lives at level {shallowest.level}",
            (*shallowest.because, *cast.facts(number)),
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
    if not cast.is_free(space, known):
        raise Contradiction(
            "duplicate-number",
            f"session {number} was led by a task with the numbers {'.'.join(map(str, known))}, of which one is somebody else's",
            (*shallowest.because, cast.forest.leaders[number].recorded),
            shallowest.pid,
        )
    return space, known


MOST_CANDIDATES = 64
"""How many pid namespaces are weighed for a dead group leader; the cost of one is a look at each member."""


def _group_space(cast: Cast, number: ProcessId, members: list[Actor], waits: Waits) -> tuple[NamespaceId, Pids]:
    """Find the namespace of a dead group leader: below its session's leader, and best for the members that cannot see it.

    A member that does not see the group must have been born in it, which is easy where its parent is an init or sees the group
    from outside, and else a demand on the parent. An init must not wait for itself by its group (rule "init-trap" of the kernel),
    so a group that an init is in was led where it does not.
    """
    known, complete = _known(cast, number)
    level = len(known) - 1
    session_space = cast.space_of(members[0].session) if members[0].session != OUTSIDE else NamespaceId(0)
    barred = {member.space for member in members if member.level > 0 and cast.is_init(member)}

    def fits(space: NamespaceId) -> bool:
        init = cast.actors.get(cast.spaces[space].init)
        if init is None or cast.has_ended(init) or not cast.covers(session_space, space) or not cast.is_free(space, known):
            return False
        return not barred or barred.isdisjoint(cast.chain(space))

    seen_from = dict.fromkeys(member.space for member in members)
    if complete:
        near = dict.fromkeys(cast.space_at(space, level) for space in seen_from if cast.spaces[space].level >= level)
    else:
        near = dict.fromkeys(
            here for space in seen_from for here in reversed(cast.chain(space)) if cast.spaces[here].level >= level
        )
    candidates = [space for space in near if fits(space)][:MOST_CANDIDATES]
    inits = bool(waits.inits(members))
    others = chain(waits.harmless(level) if inits else (), (space for space in cast.spaces if cast.spaces[space].level == level))
    anywhere = (space for space in others if space not in near and fits(space))
    if not candidates:
        candidates = list(islice(anywhere, MOST_CANDIDATES))
    if not candidates:
        trapped = [member for member in members if member.space in barred and cast.is_init(member) and member.level < len(known)]
        if trapped and known[-1] != 1:
            raise _trap(cast, number, [[trapped[0].pid]], _unfit(cast, number, members))
        _refuse_session_inside(cast, number, [member for member in members if cast.is_init(member)], session_space)
        return _lost_space(cast, known, session_space, members), known
    if len(candidates) > 1:
        candidates.sort(key=lambda space: (_burden(cast, number, members, space), inits and not waits.is_harmless(space)))
        cast.places[number] = len(candidates)
    if not inits:
        return candidates[0], known
    found: list[list[ProcessId]] = []
    for space in chain(candidates, islice(anywhere, MOST_CANDIDATES)):
        if not (ring := waits.ring(members, space)):
            return space, known
        found.append(ring)
    raise _trap(cast, number, found, _unfit(cast, number, members))


def _trap(cast: Cast, number: ProcessId, rings: list[list[ProcessId]], elsewhere: Iterable[Sequence]) -> Contradiction:
    """Return the refusal of a dead leader's group for which an init waits for itself wherever it was led.

    `rings` are those in the places where it may have been led, and `elsewhere` are the facts that leave no others. Where another
    group on a ring may have been led in several places, one of those may help. A ring without this group is there in any case.
    """
    apart = next((ring for ring in rings if all(cast.actors[pid].group != number for pid in ring)), None)
    if apart is not None:
        return trapped_for_ever(cast, apart)
    because = dict.fromkeys((*(fact for ring in rings for fact in ring_facts(cast, ring)), *elsewhere))
    groups = dict.fromkeys(cast.actors[pid].group for ring in rings for pid in ring)
    movable = [group for group in groups if group in cast.places and group != number]
    message = ring_words(cast, rings[0])
    if movable:
        return Misplaced("init-trap", message, because, rings[0][0], movable)
    return Contradiction("init-trap", message, because, rings[0][0])


def _refuse_session_inside(cast: Cast, number: ProcessId, inits: list[Actor], session_space: NamespaceId) -> None:
    """Raise Contradiction for an init in a group of a session that is led from the init's own namespace, or from below."""
    for init in inits:
        if init.level > 0 and cast.covers(init.space, session_space):
            raise Contradiction(
                "leader-without-namespace",
                f"task {init.pid} is the init of a pid namespace and in group {number}, and the group's session "
                f"{init.session} is led from inside that namespace: no process before the init can have been in it",
                (*init.because, *cast.whereabouts(init.session)),
                init.pid,
            )


def _burden(cast: Cast, number: ProcessId, members: list[Actor], space: NamespaceId) -> tuple[int, int, int]:
    """Count the members that would not see the group, were it led in `space`.

    First those whose parents must have been in the group for them, then those that no parent can move, then all.
    """
    asked = born = blind = 0
    for member in members:
        if cast.covers(member.space, space):
            continue
        blind += 1
        if not cast.can_be_moved(member, space):
            born += 1
            parent = cast.actors.get(member.parent)
            helpless = parent is not None and not cast.covers(parent.space, space) and not cast.is_init(parent)
            if helpless and parent is not None and parent.group != number:
                asked += 1
    return asked, born, blind


def _lost_space(cast: Cast, known: Pids, session_space: NamespaceId, members: list[Actor]) -> NamespaceId:
    """Add the namespace of a dead leader that was its init; any other number keeps its namespace from ending.

    Source: tried on 6.18; zap_pid_ns_processes waits until no number but the init's own is in use.
    """
    level = len(known) - 1
    if known[-1] == 1:
        for space, record in cast.spaces.items():
            init = cast.actors.get(record.init)
            if record.level != level - 1 or init is None or cast.has_ended(init):
                continue
            if cast.covers(session_space, space) and cast.is_free(space, known[:-1]):
                return cast.add_lost_space(space, ProcessId(known[0]))
    number = ProcessId(known[0])
    raise Contradiction(
        "leader-without-namespace",
        f"the dead leader {'.'.join(map(str, known))} lived in a pid namespace at level {level} that the image does not hold",
        dict.fromkeys((*members[0].because, *(cast.facts(number) if level else ()), *_unfit(cast, number, members))),
        members[0].pid,
    )


def _unfit(cast: Cast, number: ProcessId, members: list[Actor]) -> list[Sequence]:
    """Return the facts by which a dead group leader was in none of the namespaces at its level, as far as `members` do not say.

    There an init has ended, or is itself a member, or bears one of the leader's numbers with somebody else's; or the namespace is
    not below that of the session's leader.
    """
    known, _ = _known(cast, number)
    session = members[0].session
    found: list[Sequence] = []
    for space, record in cast.spaces.items():
        init = cast.actors.get(record.init)
        if record.level != len(known) - 1 or init is None:
            continue
        if record.level == 0:
            found += ended_by(cast.forest, cast.forest.tasks[init.pid]) if cast.has_ended(init) else ()
        elif init in members:
            found += cast.facts(init.pid)
        elif cast.has_ended(init):
            found += (*cast.facts(init.pid), *ended_by(cast.forest, cast.forest.tasks[init.pid]))
        elif not cast.covers(cast.space_of(session), space):
            found += cast.whereabouts(session)
        else:
            found += _bearers(cast, space, known)
    return found


def _bearers(cast: Cast, space: NamespaceId, known: Pids) -> list[Sequence]:
    """Return the facts about those who bear one of the nested numbers of a vector that ends in `space`."""
    found: list[Sequence] = []
    for actor in cast.actors.values():
        if actor.level and set(enumerate(actor.pids[1:], 1)).intersection(enumerate(known[1:], 1)):
            shared = zip(cast.chain(actor.space), cast.chain(space), actor.pids, known, strict=False)
            if any(one == other and number == taken for one, other, number, taken in list(shared)[1:]):
                found += cast.facts(actor.pid)
    return found
