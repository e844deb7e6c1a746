"""Who is there anyway and can do what a helper would be cast for, while births are decided.

A helper that leaves its children to an adopter does nothing that others who end could not do as well: a stand-in for a dead
leader, and a zombie, which may end as soon as its children are there. Such an *idler* must be in the right session and pid
namespace: as a member of the session, or as a leader of another one, which creates the child before its own setsid and is itself
born where the helper would have been. A helper that creates an init beside itself can be any process with the same parent.

Each birth that needs somebody looks at a few idlers only, so that the cost stays linear; where none of them fits, a helper is
cast. Whoever would lose what it shares with its creator is left to a helper, too.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from planner.identity import OUTSIDE, NamespaceId, ProcessId
from planner.planning.births.cast import ANY, SIGCHLD, Actor, Cast
from planner.planning.births.group_helpers import put_beside

MOST_IDLERS = 8
"""How many idlers are looked at for one birth."""

MOST_ABOVE = 64
"""How many creators are looked at to see that nobody is born below itself; where there are more, a helper is cast."""


class Takeover:
    """The idlers of one cast, when everybody but helpers has a creator."""

    def __init__(
        self,
        cast: Cast,
        held: set[ProcessId],
        is_loose: Callable[[Actor], bool],
        alike: Callable[[Actor, Actor], bool],
    ) -> None:
        """Find the idlers.

        `held` are those that must be born below their creators. `is_loose` tells whether a stand-in may be born anywhere, `alike`
        whether two exit signals agree.
        """
        self.cast = cast
        self.held = held
        self.is_loose = is_loose
        self.alike = alike
        self.members: dict[tuple[ProcessId, NamespaceId], list[Actor]] = {}
        """Members of each session in each pid namespace that end."""
        self.leaders: dict[NamespaceId, list[Actor]] = {}
        """Session leaders in each pid namespace that end."""
        self.beside: dict[tuple[ProcessId, NamespaceId], list[Actor]] = {}
        """Session leaders by parent at birth and pid namespace."""
        self.serving: dict[tuple[ProcessId, NamespaceId, ProcessId], Actor] = {}
        """Idlers that have been found, by session, pid namespace and adopter of the children."""
        self.creators = {actor.creator for actor in cast.actors.values()}
        self.siblings: dict[ProcessId, list[Actor]] = {}
        """By creator, those that it creates beside itself."""
        for actor in cast.actors.values():
            if actor.sibling:
                self.siblings.setdefault(actor.creator, []).append(actor)
            if cast.is_init(actor) or not cast.may_serve(actor.pid):
                continue
            leads = actor.leads_session()
            if leads:
                self.beside.setdefault((cast.birth_parent(actor), actor.space), []).append(actor)
            if not cast.leaves_children(actor) or actor.adopter != ANY:
                continue
            if leads:
                self.leaders.setdefault(actor.space, []).append(actor)
            else:
                self.members.setdefault((actor.session, actor.space), []).append(actor)

    def leave(self, actor: Actor, adopter: Actor, space: NamespaceId) -> bool:
        """Have an idler in `space` create `actor` and leave it to `adopter`, in place of a helper that the creator casts."""
        session = actor.birth_session
        if session == ANY or actor.early or self.cast.shares(actor) or not self.cast.may_serve(actor.pid):
            return False
        key = (session, space, adopter.pid)
        idler = self.serving.get(key)
        if idler is None or not self._ends_for(idler, actor, adopter):
            idler = next(self._fitting(self.members.get((session, space), []), actor, adopter), None)
        if idler is None:
            idler = self._leader_for(actor, adopter, space)
        if idler is None:
            return False
        if actor.pid in self.held:
            self.held.add(idler.pid)
        self.serving[key] = idler
        self.creators.add(idler.pid)
        idler.adopter = adopter.pid
        actor.creator = idler.pid
        actor.early = idler.leads_session()
        return True

    def _fitting(self, idlers: list[Actor], actor: Actor, adopter: Actor) -> Iterator[Actor]:
        """Yield the idlers that can create `actor` where they stand."""
        while idlers and idlers[-1].adopter != ANY:
            idlers.pop()
        for idler in islice(reversed(idlers), MOST_IDLERS):
            if idler.adopter == ANY and self._ends_for(idler, actor, adopter):
                yield idler

    def _ends_for(self, idler: Actor, actor: Actor, adopter: Actor) -> bool:
        """Tell whether `adopter` gets the children of `idler`, as `actor` among them shall, and nobody is born below itself."""
        if idler is actor or not self._goes_to(idler, actor, adopter):
            return False
        return actor.pid not in self.creators or self._is_apart(idler.pid, (actor.pid,))

    def _goes_to(self, idler: Actor, actor: Actor, adopter: Actor) -> bool:
        """Tell whether `adopter` is the namespace's init, or above `idler` as it would be above a helper.

        Whoever must be born below its creator has the idler there, too.
        """
        held = actor.pid in self.held
        if self.cast.is_init(adopter) and not held:
            return True
        if idler.creator != actor.creator:
            return False
        return not idler.sibling or (adopter.pid != actor.creator and not held)

    def _is_apart(self, pid: ProcessId, others: Iterable[ProcessId]) -> bool:
        """Tell whether `pid` is none of the others, and none of them is among its creators, as far as that is seen."""
        actors = self.cast.actors
        for _ in range(MOST_ABOVE):
            if pid in others:
                return False
            if pid == OUTSIDE:
                return True
            pid = actors[pid].creator
        return False

    def _leader_for(self, actor: Actor, adopter: Actor, space: NamespaceId) -> Actor | None:
        """Find a leader of another session that can be born in the session of `actor`, and create it before its setsid."""
        session = actor.birth_session
        leaders = self.leaders.get(space, [])
        while leaders and leaders[-1].adopter != ANY:
            leaders.pop()
        for leader in islice(reversed(leaders), MOST_IDLERS):
            if leader.adopter != ANY or leader.pid == session or leader.early:
                continue
            if self._creates_in(leader, session) and self._ends_for(leader, actor, adopter):
                leader.birth_session = session
                return leader
            if leader is not actor and leader.birth_session == ANY and self._bear_beside(leader, actor, adopter):
                leader.birth_session = session
                return leader
        return None

    def _creates_in(self, leader: Actor, session: ProcessId) -> bool:
        """Tell whether a leader is in `session` before its setsid, or can be, born as it is."""
        creator = self.cast.actors.get(leader.creator)
        return leader.birth_session in (ANY, session) and (OUTSIDE if creator is None else creator.session) == session

    def _bear_beside(self, leader: Actor, actor: Actor, adopter: Actor) -> bool:
        """Have a leader be born by the creator of `actor`: beside it where that gives it the same parent, or as its child."""
        cast = self.cast
        creator = cast.actors.get(actor.creator)
        if creator is None or creator.session != actor.birth_session or not self._is_apart(creator.pid, (leader.pid,)):
            return False
        if leader.space != creator.space or cast.is_init(creator):
            return False
        beside = cast.birth_parent(leader) == cast.birth_parent(creator) and self.alike(leader, creator)
        if beside and (adopter is creator or actor.pid in self.held):
            return False
        if not beside and not self._uproot(leader, adopter.pid):
            return False
        leader.creator = creator.pid
        leader.sibling = beside
        return True

    def _uproot(self, idler: Actor, adopter: ProcessId) -> bool:
        """Have a stand-in's children not care where it is born: those that were to be its siblings go to `adopter` in the end."""
        siblings = self.siblings.get(idler.pid, ())
        if not self.is_loose(idler) or any(one.parent != adopter or one.exit_signal != SIGCHLD for one in siblings):
            return False
        if siblings:
            idler.adopter = adopter
            for one in self.siblings.pop(idler.pid):
                one.sibling = False
                one.rule = "session-enters" if self.cast.is_init(self.cast.actors[adopter]) else "session-below-parent"
        return True

    def create_beside(self, init: Actor, space: NamespaceId) -> bool:
        """Have somebody in `space` create `init` as its sibling, in place of a helper that is cast beside it."""
        cast = self.cast
        creator = cast.actors.get(init.creator)
        session = init.birth_session
        if session == ANY:
            session = OUTSIDE if creator is None else creator.session
        if cast.shares(init) or not cast.may_serve(init.pid):
            return False
        leaders = self.beside.get((cast.birth_parent(init), space), [])
        for leader in islice(leaders, MOST_IDLERS):
            if self._creates_in(leader, session) and not leader.early and self.alike(init, leader):
                leader.birth_session = session
                init.creator = leader.pid
                init.early, init.stage, init.sibling = True, ANY, True
                return True
        reaper = cast.actors.get(cast.spaces[space].init)
        for leader in islice(reversed(self.leaders.get(space, [])), MOST_IDLERS):
            if reaper is None or leader.adopter not in (ANY, reaper.pid) or leader.birth_session != ANY or leader.early:
                continue
            if self._is_apart(init.creator, (leader.pid,)) and self._uproot(leader, reaper.pid):
                leader.birth_session = session
                put_beside(cast, leader, init)
                init.early = True
                return True
        for idler in islice(reversed(self.members.get((session, space), [])), MOST_IDLERS):
            if idler.rule == "dead-group-leader" and idler.adopter == ANY and idler.pid not in self.creators:
                self.creators.add(idler.pid)
                put_beside(cast, idler, init)
                return True
        return False
