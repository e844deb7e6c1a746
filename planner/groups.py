"""Groups that can only be inherited: who must have been in which group when it created whom.

A group is inherited at the clone or set by setpgid, and setpgid looks numbers up in the caller's namespace. So a task joins a
group that it can see by itself, whenever the group has a member; a group without a number in the task's namespace it must be
born in. That is a demand on the creator: it sees the group and joins it, or a helper of it does (a sibling made with
CLONE_PARENT then has the right parent), or it cannot see the group either and must itself have been born in it, and so on
upwards. The outermost creator that is asked stands in the namespace of the session's leader, which sees every group of the
session, or is the executor, whose own group is the one outside.

A process is born in one group only. An init that is asked for a second one is spared: a helper that was born in that group
enters the init's namespace, creates the child and dies, so that the init adopts the child.
"""

from collections import deque

from planner.cast import ANY, Actor, Cast
from planner.forest import Contradiction
from planner.identity import OUTSIDE, NamespaceId, ProcessId

_Demand = tuple[Actor, ProcessId, Actor | None]


def settle_groups(cast: Cast) -> None:
    """Make every group that must be inherited inheritable, casting helpers; raises Contradiction."""
    demands: deque[_Demand] = deque()
    for actor in cast.actors.values():
        if actor.group in (ANY, actor.pid) or actor.session == actor.pid:
            continue
        if actor.group == OUTSIDE or not _sees(cast, actor, actor.group):
            demands.append((actor, actor.group, None))
    if demands:
        _Settling(cast, demands).run()


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
            leader = cast.actors[here]
            anchor = cast.add_helper(here, leader.space, leader.session, "group-anchor", leader)
            anchor.birth_group = here
            anchor.order = leader.order + 1


def _sees(cast: Cast, actor: Actor, group: ProcessId) -> bool:
    """Tell whether a group has a number in an actor's namespace."""
    return group != OUTSIDE and cast.covers(actor.space, cast.space_of(group))


class _Settling:
    def __init__(self, cast: Cast, demands: deque[_Demand]) -> None:
        self.cast = cast
        self.demands = demands
        self.makers = leads_group(cast)
        self.helpers: dict[tuple[ProcessId, ProcessId, bool, bool, NamespaceId, ProcessId], Actor] = {}

    def run(self) -> None:
        while self.demands:
            actor, group, child = self.demands.popleft()
            if actor.birth_group == group:
                continue
            if actor.birth_group != ANY:
                self._spare(actor, group, child)
                continue
            actor.birth_group = group
            self._ask_creator(actor, group)

    def _ask_creator(self, actor: Actor, group: ProcessId) -> None:
        """See to it that the creator of `actor` is in `group` when it creates it."""
        cast = self.cast
        creator = cast.actors.get(actor.creator)
        if creator is None:
            if group != OUTSIDE:
                self._help(actor, group, NamespaceId(0), OUTSIDE)
        elif creator.mortal:
            if creator.group == group:
                return
            if not _sees(cast, creator, group):
                self._born_in(creator, group, actor)
            elif creator.group == ANY and creator.birth_group in (ANY, group):
                creator.group = group
            else:
                self._help(actor, group, creator.space, creator.session)
        elif creator.leads_session() and not actor.early:
            if group != creator.pid:
                self._help(actor, group, creator.space, creator.session)
        elif group == creator.pid and not creator.leads_session():
            return
        elif _sees(cast, creator, group):
            self._help(actor, group, creator.space, actor.birth_session)
        elif creator.leads_session() or creator.group != group:
            actor.early = True
            self.demands.append((creator, group, actor))
        else:
            self.demands.append((creator, group, None))

    def _born_in(self, creator: Actor, group: ProcessId, actor: Actor) -> None:
        """Have a helper born in `group`, or a second helper like it where it was born in another."""
        if creator.birth_group not in (ANY, group):
            twin = self.cast.add_helper(creator.creator, creator.space, creator.session, creator.rule, actor)
            twin.adopter, twin.early, twin.sibling = creator.adopter, creator.early, creator.sibling
            actor.creator = twin.pid
            creator = twin
        self.demands.append((creator, group, actor))

    def _help(self, actor: Actor, group: ProcessId, space: NamespaceId, session: ProcessId) -> None:
        """Have a helper join `group` and create `actor` as its sibling, beside the creator that cannot."""
        key = (actor.creator, group, actor.early, actor.sibling, space, session)
        helper = self.helpers.get(key)
        if helper is None:
            helper = self.cast.add_helper(actor.creator, space, session, "group-helper", actor)
            helper.early = actor.early
            helper.sibling = actor.sibling
            helper.group = group
            self.helpers[key] = helper
        actor.creator = helper.pid
        actor.early = False
        actor.sibling = True

    def _spare(self, creator: Actor, group: ProcessId, child: Actor | None) -> None:
        """Have somebody else create `child` in `group`, which `creator` was not born in."""
        cast = self.cast
        if child is None or not cast.is_init(creator) or cast.covers(creator.space, cast.space_of(child.birth_session)):
            because = creator.because if child is None else (*creator.because, *child.because)
            raise Contradiction(
                "two-birth-groups",
                f"task {creator.pid} would have to be born in group {creator.birth_group} and in group {group}, and neither has a "
                f"number in its pid namespace",
                because,
                creator.pid,
            )
        helper = cast.add_helper(child.birth_session, creator.space, child.birth_session, "orphan-helper", child)
        helper.adopter = creator.pid
        child.creator = helper.pid
        child.early = child.sibling = False
        child.rule = "session-enters"
        self.demands.append((helper, group, child))
