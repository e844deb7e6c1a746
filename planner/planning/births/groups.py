"""Groups that can only be inherited: who must have been in which group when it created whom.

A group is inherited at the clone or set by setpgid, and setpgid looks numbers up in the caller's namespace. So a task joins a
group that it can see by itself, whenever the group has a member. Into a group without a number in the task's namespace its
parent can put it, if that stands above the namespace and in the session; children that the task has by then do not move along.
Any other task must be born in such a group. That is a demand on the creator: it sees the group and joins it, or a helper of it
does (a sibling made with CLONE_PARENT then has the right parent), or it cannot see the group either and must itself have been
born in it, and so on upwards. The outermost creator that is asked stands in the namespace of the session's leader, which sees
every group of the session, or is the executor, whose own group is the one outside.

A process is born in one group only. To a second one that it cannot see, only a parent above its namespace can move it. An init
that is asked for a second one is spared: a helper that was born in that group enters the init's namespace, creates the child and
dies, so that the init adopts the child.

Why an order is found. A group that a process was in once serves for ever: a helper that is forked then keeps it. So what has
become possible stays possible, and the least fixed point of "created", "made" and "has been in" is all that any history comes
to, as far as births are given, but for one choice: the group that a process is born in. It matters where no parent above its
namespace can move it, and there the children that need the group leave no choice; an init can be spared them, since a helper
can enter. Whether all that follows from the choice is free of circles is decided by the search and not here.
"""

from collections import Counter, deque

from planner.identity import OUTSIDE, NamespaceId, ProcessId
from planner.planning.births.cast import ANY, Actor, Cast
from planner.planning.births.group_helpers import help_into_group, leads_group
from planner.planning.births.outer_parents import give_outer_parent

_Demand = tuple[Actor, ProcessId, Actor | None]


def settle_groups(cast: Cast) -> None:
    """Make every group that must be inherited inheritable, casting helpers; raises Contradiction."""
    demands: deque[_Demand] = deque()
    late: deque[Actor] = deque()
    for actor in cast.actors.values():
        group = actor.group
        if group in (ANY, actor.pid) or actor.session == actor.pid or cast.sees(actor, group):
            continue
        if group == OUTSIDE:
            demands.appendleft((actor, group, None))
        elif not cast.can_be_moved(actor, cast.space_of(group)):
            if cast.can_be_moved(actor, cast.space_of(group), by_helper=True):
                late.append(actor)
            else:
                demands.append((actor, group, None))
    if demands or late:
        settling = _Settling(cast, demands, late)
        settling.run()
        for pid in settling.makers:
            actor = cast.actors[pid]
            if actor.group not in (ANY, pid) and not actor.mortal and not cast.sees(actor, actor.group):
                give_outer_parent(cast, actor, actor.group)


class _Settling:
    def __init__(self, cast: Cast, demands: deque[_Demand], late: deque[Actor]) -> None:
        self.cast = cast
        self.demands = demands
        self.late = late
        """Those that may be born in their group, and may as well be moved to it."""
        self.spared: deque[tuple[Actor, ProcessId, Actor]] = deque()
        """What inits are asked for by children that somebody else could create: it comes last."""
        self.own = {actor.pid: group for actor, group, _ in demands}
        """The group that each task must be born in for its own sake."""
        self.vain: set[tuple[ProcessId, ProcessId]] = set()
        """Processes, with a group that neither they nor those above them can be born in, because they need another."""
        self.makers = leads_group(cast)
        self.helpers: dict[tuple[ProcessId, ProcessId, bool, bool, NamespaceId, ProcessId], Actor] = {}
        self.twins: dict[tuple[ProcessId, ProcessId], Actor] = {}
        self.claims: dict[ProcessId, ProcessId] = {}
        """The group that each helper's children need."""
        self.served = Counter(actor.creator for actor in cast.actors.values())

    def run(self) -> None:
        """Meet all demands; raises Contradiction."""
        while self.demands or self.spared or self.late:
            if self.demands:
                self._meet(*self.demands.popleft())
                continue
            if not self.spared:
                actor = self.late.popleft()
                self._meet(actor, actor.group, None)
                continue
            init, group, child = self.spared.popleft()
            if self._can_have_been_in(init, group):
                self._meet(init, group, child)
            else:
                self._leave_to_another(init, group, child)
        if self.cast.moves:
            self._set_stages()

    def _set_stages(self) -> None:
        """Have the children of those who are moved be born while their creator is in their group."""
        cast = self.cast
        for actor in cast.actors.values():
            creator = cast.actors.get(actor.creator)
            if creator is None or creator.pid not in cast.moves or actor.stage != ANY or actor.birth_group == ANY:
                continue
            if actor.birth_group == creator.birth_group:
                actor.early = True

    def _meet(self, actor: Actor, group: ProcessId, child: Actor | None) -> None:
        """Have `actor` be born in `group`, or moved to it."""
        if child is not None:
            self.cast.asked.setdefault((actor.pid, group), child)
        if actor.birth_group == ANY:
            actor.birth_group = group
            self._ask_creator(actor, group)
        elif actor.birth_group != group:
            self._move(actor, group, child)

    def _demand(self, actor: Actor, group: ProcessId, child: Actor) -> None:
        """Note that `actor` must be born in `group`, because of `child`.

        What somebody else can do for an init comes last, and the group outside first, since nobody can be moved into it.
        """
        cast = self.cast
        if cast.is_init(actor) and not cast.covers(actor.space, cast.space_of(child.birth_session)):
            self.spared.append((actor, group, child))
        elif group == OUTSIDE:
            self.demands.appendleft((actor, group, child))
        else:
            self.demands.append((actor, group, child))

    def _can_have_been_in(self, init: Actor, group: ProcessId) -> bool:
        """Tell whether an init can have been in a group for a child that somebody else could create."""
        return init.birth_group == group or (init.birth_group == ANY and self._can_be_born_in(init, group))

    def _can_be_born_in(self, init: Actor, group: ProcessId) -> bool:
        """Tell whether no creator above `init`, up to one that sees the group, needs another group at its own birth."""
        actors = self.cast.actors
        asked: list[tuple[ProcessId, ProcessId]] = []
        here = actors.get(init.creator)
        while here is not None and not self.cast.sees(here, group) and here.birth_group != group:
            key = (here.pid, group)
            asked.append(key)
            if key in self.vain or here.birth_group != ANY or self.own.get(here.pid, group) != group:
                self.vain.update(asked)
                return False
            here = actors.get(here.creator)
        return True

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
            if creator.rule == "orphan-helper":
                creator = self._own_helper(creator, group, actor)
            if not cast.sees(creator, group):
                actor.early = actor.early or (creator.group == creator.pid and not creator.leads_session())
                self._demand(creator, group, actor)
            elif creator.group == ANY:
                creator.group = group
            elif creator.group != group:
                before = creator.leads_session() and actor.early
                self._help(actor, group, creator.space, actor.birth_session if before else creator.session)
        elif creator.leads_session() and not actor.early:
            if group != creator.pid:
                self._help(actor, group, creator.space, creator.session)
        elif group == creator.pid and not creator.leads_session():
            return
        elif (
            not creator.leads_session()
            and creator.group == group
            and creator.pid not in self.makers
            and cast.sees(creator, group)
        ):
            cast.joining.add(creator.pid)
        elif cast.sees(creator, group):
            self._help(actor, group, creator.space, actor.birth_session)
        elif creator.leads_session() or creator.group != group:
            actor.early = True
            self._name_window(actor)
            self._demand(creator, group, actor)
        else:
            actor.early = creator.pid in self.makers
            if actor.early:
                self._name_window(actor)
            self._demand(creator, group, actor)

    def _name_window(self, actor: Actor) -> None:
        if actor.rule == "parent-creates":
            actor.rule = "before-own-group"

    def _own_helper(self, helper: Actor, group: ProcessId, actor: Actor) -> Actor:
        """Return the helper for children that need `group`: this one for the group that is asked for first, else a twin."""
        leader = self.cast.actors.get(group)
        apart = leader is not None and leader.creator == helper.pid and self.served[helper.pid] > 1
        if not apart and self.claims.setdefault(helper.pid, group) == group:
            return helper
        twin = self.twins.get((helper.pid, group))
        if twin is None:
            twin = self.cast.add_twin(helper, actor)
            self.twins[helper.pid, group] = twin
            self.claims[twin.pid] = group
            self.served[twin.pid] = 0
        actor.creator = twin.pid
        self.served[helper.pid] -= 1
        self.served[twin.pid] += 1
        return twin

    def _help(self, actor: Actor, group: ProcessId, space: NamespaceId, session: ProcessId) -> None:
        """Have a helper join `group` and create `actor` as its sibling; those with the same creator and needs share it."""
        key = (actor.creator, group, actor.early, actor.sibling, space, session)
        helper = self.helpers.get(key)
        if helper is not None:
            actor.creator = helper.pid
            actor.early = False
            actor.sibling = True
        else:
            self.helpers[key] = help_into_group(self.cast, actor, group, space, session)

    def _move(self, actor: Actor, group: ProcessId, child: Actor | None) -> None:
        """Serve a second group, which `actor` was not born in: its outer parent moves it."""
        cast = self.cast
        give_outer_parent(cast, actor, group)
        if child is not None:
            child.early = False
            moves = cast.moves.setdefault(actor.pid, [])
            if group not in moves:
                moves.append(group)
            child.stage = group
            final = actor.group
            if final not in (ANY, group, actor.pid) and not cast.sees(actor, final):
                give_outer_parent(cast, actor, final)

    def _leave_to_another(self, init: Actor, group: ProcessId, child: Actor) -> None:
        """Have a helper in `group` enter the namespace of `init` and create `child`, which the init adopts."""
        helper = self.cast.add_helper(child.birth_session, init.space, child.birth_session, "orphan-helper", child)
        helper.adopter = init.pid
        self.served[helper.pid] = 1
        child.creator = helper.pid
        child.early = child.sibling = False
        child.rule = "session-enters"
        self._demand(helper, group, child)
