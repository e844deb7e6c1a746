"""How each task comes by its session: what that demands of parents, of session leaders, and of the order of their births.

A session is inherited from the creator at the moment of the clone, and the only other way is setsid, which makes one's own. So a
task that leads no session was created by a member of its session, and only one question is left: how did it become the child of
its parent A when A is no member? Let L be the session's leader.

* A leads another session and was born in this one: A created it before setsid ("window").
* L stands in A's namespace or above, and A is an init: a member enters the namespace, creates the task and dies ("entered").
* L stands in A's namespace: L was once below A, and a member below A created the task, which A adopted ("below").
* L lives deeper than A: only a sibling made with CLONE_PARENT by a member whose parent is A ("sibling").

There is no other way, since adoption moves a task only to an ancestor at the level of the dying parent, or to that namespace's
init. A window is a demand on A's own birth: A itself must be created by a member, and so on upwards.

An A whose own parent is outside its pid namespace must have L below it, unless L has that parent too: a window would want a
sibling of A to be a member. Where A could use a window or have L below it, the choice decides who is born first: the window
wants L before A, the other A before L. An A that several sessions demand can serve one by its window, and all others must be
born below it. So leaders are taken off in reverse order of birth: the last one born has no other below it, and may be demanded
by one foreign session only.
"""

import heapq
from collections import Counter
from collections.abc import Iterator
from typing import Literal, NoReturn

from planner.errors import Contradiction
from planner.identity import OUTSIDE, ProcessId, Sequence
from planner.planning.births.cast import ANY, Actor, Cast
from planner.planning.births.standins import Misplaced

Mode = Literal["parent", "window", "entered", "below", "sibling", "choice", "window or entered"]


class Sessions:
    """The demands that sessions make, resolved: a mode for every task that its parent does not simply create."""

    def __init__(self, cast: Cast) -> None:
        """Prepare for one cast; `resolve` does the work."""
        self.cast = cast
        self.modes: dict[ProcessId, Mode] = {}
        """How a task whose parent is no member of its birth session becomes that parent's child."""
        self.below: dict[ProcessId, list[ProcessId]] = {}
        """For a leader, the processes that it must be born below, in the order in which they were demanded."""
        self.stand_in_parent: dict[ProcessId, ProcessId] = {}
        """For a dead leader, the parent that it must share with members."""
        self.witnesses: dict[tuple[ProcessId, ProcessId], Actor] = {}
        """For a leader and who it must be born below, the member that is the reason; the same for a parent to be shared."""
        self.asked_by = cast.asked_by
        self.born_late: list[ProcessId] = []
        """Leaders in reverse order of birth, as far as that was decided."""
        self._open: dict[ProcessId, dict[ProcessId, list[ProcessId]]] = {}
        self._peeling: _Peeling | None = None

    def resolve(self) -> None:
        """Find a mode for every task and a birth session for every leader of which one is demanded; raises Contradiction."""
        actors = self.cast.actors
        irregular: list[Actor] = []
        for actor in actors.values():
            if actor.session == actor.pid:
                if actor.pid != 1:
                    actor.birth_session = ANY
            elif actor.parent != ANY:
                parent = actors.get(actor.parent)
                if actor.session != (OUTSIDE if parent is None else parent.session):
                    irregular.append(actor)
        for actor in irregular:
            self._demand(actor, actor.session)
        if self._open:
            self._peeling = _Peeling(self, self._open)
            self._peeling.run()
        for leader, demands in self.below.items():
            if leader in self.stand_in_parent:
                raise self._elsewhere(leader, demands[0], self.stand_in_parent[leader])

    def _demand(self, actor: Actor, session: ProcessId) -> None:
        """Have `actor` born in `session`, and pass on what that demands."""
        mode = self.mode(actor, session)
        parent = self.cast.actors.get(actor.parent)
        if mode == "window or entered":
            assert parent is not None
            mode = "window" if self._is_cheap(parent, session) else "entered"
        if mode == "choice":
            self._open.setdefault(actor.parent, {}).setdefault(session, []).append(actor.pid)
            if self._peeling is not None:
                self._peeling.note(actor.parent, session)
            return
        self.modes[actor.pid] = mode
        if mode == "window":
            assert parent is not None
            self.set_birth_session(parent, session, actor)
        elif mode == "below":
            self.put_below(session, actor.parent, actor)
        elif mode == "sibling":
            self._share_parent(session, actor)

    def mode(self, actor: Actor, session: ProcessId) -> Mode:
        """Tell how `actor`, born in `session`, becomes the child of its parent; raises Contradiction when it cannot."""
        cast = self.cast
        parent = cast.actors.get(actor.parent)
        if session == (OUTSIDE if parent is None else parent.session):
            return "parent"
        if parent is None:
            return "sibling"
        if parent.leads_session() and parent.birth_session == session:
            return "window"
        leader_space = cast.space_of(session)
        if leader_space != parent.space and not cast.covers(leader_space, parent.space):
            return "sibling"
        if cast.is_init(parent):
            above = leader_space != parent.space
            return "window or entered" if parent.leads_session() and above else "entered"
        if leader_space != parent.space:
            if parent.leads_session():
                return "window"
            raise Misplaced(
                "session-from-above",
                f"task {actor.pid} is in session {session}, which its parent {parent.pid} never was in; the session's leader "
                f"lives above the parent's pid namespace, so no member of it can have been below the parent",
                dict.fromkeys((*self.facts(actor), *parent.because, *cast.whereabouts(session))),
                actor.pid,
                (session,),
            )
        if not parent.leads_session():
            return "below"
        if cast.is_ancestor(session, parent.pid):
            return "window"
        leader = cast.actors[session]
        if leader.parent != ANY and cast.is_ancestor(parent.pid, session):
            return "below"
        grandparent = cast.actors.get(parent.parent)
        if leader.parent not in (ANY, parent.parent) and (grandparent is None or grandparent.space != parent.space):
            return "below"
        return "choice"

    def set_birth_session(self, leader: Actor, session: ProcessId, child: Actor) -> None:
        """Have a leader born in `session` because of a child that it created before setsid; raises Contradiction."""
        if leader.birth_session == session:
            return
        if leader.birth_session != ANY:
            raise Misplaced(
                "two-birth-sessions",
                f"task {leader.pid} would have to be born in session {leader.birth_session} and in session {session}: "
                f"child {child.pid} can be created only before its setsid",
                dict.fromkeys((*self.facts(leader), *self._window_facts(leader, session, child))),
                leader.pid,
                (session, leader.birth_session),
            )
        leader.birth_session = session
        self.asked_by[leader.pid] = child
        if leader.parent != ANY:
            self._demand(leader, session)

    def facts(self, actor: Actor) -> tuple[Sequence, ...]:
        """Return the facts by which `actor` is born in its birth session: for a leader those of the child that asks for it."""
        found: list[Sequence] = []
        here: Actor | None = actor
        while here is not None:
            child = self.asked_by.get(here.pid)
            found += self.cast.facts(here.pid)
            if child is not None:
                found += self._reasons(here, actor.birth_session)
            here = child
        return tuple(dict.fromkeys(found))

    def _window_facts(self, leader: Actor, session: ProcessId, child: Actor) -> tuple[Sequence, ...]:
        """Return the facts by which `leader` must create `child` in `session`, before its setsid."""
        return (*self.cast.facts(leader.pid), *self._reasons(leader, session), *self.facts(child))

    def _reasons(self, leader: Actor, session: ProcessId) -> tuple[Sequence, ...]:
        """Return the facts that keep the leader of `session` from having been below `leader`: it lives, or was born, above."""
        cast = self.cast
        if cast.space_of(session) != leader.space:
            return cast.whereabouts(session)
        if not cast.is_ancestor(session, leader.pid):
            return ()
        return self.line(leader.pid, session)

    def below_facts(self, leader: ProcessId, above: ProcessId) -> tuple[Sequence, ...]:
        """Return the facts by which the leader of a session must be born below `above`; none where that was not demanded.

        They are those of a member that is a child of `above`, and where `above` leads a session itself, those by which it cannot
        have created that child before its setsid: it was born in another session, or stands above the leader, or is older.
        """
        child = self.witnesses.get((leader, above))
        if child is None:
            return ()
        cast = self.cast
        parent = cast.actors[above]
        found = [*self.facts(child), *cast.facts(above)]
        if parent.leads_session():
            if above in self.asked_by and parent.birth_session != leader:
                found += self.facts(parent)
            elif cast.is_ancestor(above, leader):
                found += self.line(leader, above)
            else:
                found += (*self.facts(cast.actors[leader]), *cast.whereabouts(parent.parent))
        return tuple(dict.fromkeys(found))

    def line(self, pid: ProcessId, above: ProcessId) -> tuple[Sequence, ...]:
        """Return the facts by which `pid` stands below `above` in the image's tree."""
        found: list[Sequence] = []
        while pid not in (above, OUTSIDE):
            found += self.cast.facts(pid)
            pid = self.cast.actors[pid].parent
        return tuple(found)

    def put_below(self, leader: ProcessId, above: ProcessId, child: Actor) -> None:
        """Have a session leader born below `above`, whose child `child` is in that session."""
        demands = self.below.setdefault(leader, [])
        if above not in demands:
            demands.append(above)
            self.witnesses[leader, above] = child
            if self._peeling is not None:
                self._peeling.order_below(above, leader)

    def _share_parent(self, session: ProcessId, actor: Actor) -> None:
        """Check that the leader of `session` can have the same parent as `actor`, from birth; a dead one is put there."""
        cast = self.cast
        leader = cast.actors.get(session)
        if leader is not None and not cast.is_init(leader):
            if leader.parent == ANY:
                self.witnesses.setdefault((session, actor.parent), actor)
                if self.stand_in_parent.setdefault(session, actor.parent) == actor.parent:
                    return
            elif leader.parent == actor.parent:
                return
        where = "outside the image" if actor.parent == OUTSIDE else f"task {actor.parent}"
        raise Contradiction(
            "session-from-below",
            f"task {actor.pid} is in session {session}, whose leader lives deeper than the task's parent ({where}): only a "
            f"sibling can have created it, and the leader does not have that parent",
            dict.fromkeys((*self.facts(actor), *cast.whereabouts(actor.parent), *self._led_from(session))),
            actor.pid,
        )

    def _led_from(self, session: ProcessId) -> tuple[Sequence, ...]:
        """Return the facts that say whose child the leader of a session was; a dead one had the parent of a member."""
        shared = self.stand_in_parent.get(session)
        if shared is None:
            return self.cast.whereabouts(session)
        return (*self.cast.facts(session), *self.facts(self.witnesses[session, shared]), *self.cast.whereabouts(shared))

    def _elsewhere(self, leader: ProcessId, above: ProcessId, shared: ProcessId) -> Contradiction:
        """Explain that a dead leader's parent was outside, or above its pid namespace, so that it was below nobody inside."""
        member, child = self.witnesses[leader, shared], self.witnesses[leader, above]
        where = "outside the image" if shared == OUTSIDE else f"task {shared}, above its pid namespace"
        return Contradiction(
            "session-not-below",
            f"task {above} has child {child.pid} in session {leader}, so that session's leader must have been below it once; "
            f"and task {member.pid} can only have been created beside that leader, whose parent was {where}",
            dict.fromkeys((*self.facts(member), *self.below_facts(leader, above))),
            above,
        )

    def _is_cheap(self, leader: Actor, session: ProcessId) -> bool:
        """Tell whether a leader can be born in `session` without a helper, so that its window serves children of that session."""
        if leader.birth_session != ANY:
            return leader.birth_session == session
        return self._session_of(leader.parent) == session

    def _session_of(self, pid: ProcessId) -> ProcessId:
        actor = self.cast.actors.get(pid)
        return OUTSIDE if actor is None else actor.session


class _Peeling:
    """Takes session leaders off in reverse order of birth, and so decides every open choice."""

    def __init__(self, sessions: Sessions, open_demands: dict[ProcessId, dict[ProcessId, list[ProcessId]]]) -> None:
        self.sessions = sessions
        self.cast = sessions.cast
        self.open = open_demands
        self.done: set[ProcessId] = set()
        self.later: dict[ProcessId, set[ProcessId]] = {}
        """For each leader, leaders that must be born after it and have not been taken off."""
        self.earlier: dict[ProcessId, set[ProcessId]] = {}
        self.by_place = {actor.order: actor.pid for actor in self.cast.actors.values() if actor.leads_session()}
        self.demands: Counter[ProcessId] = Counter()
        """How many leaders have an open choice about each session."""
        self.demanders: dict[ProcessId, list[ProcessId]] = {}
        self.ready: list[int] = []
        self.lazy: list[tuple[bool, int]] = []
        for actor in self.cast.actors.values():
            if actor.leads_session():
                self.later.setdefault(actor.pid, set())
                above = self._leader_above(actor.parent)
                if above is not None:
                    self._order(above, actor.pid)
                if actor.birth_session not in (ANY, OUTSIDE):
                    self._order(actor.birth_session, actor.pid)
        for leader, demands in sessions.below.items():
            for above in demands:
                self.order_below(above, leader)

    def run(self) -> None:
        """Decide every open choice, and in what order leaders are born; raises Contradiction when they wait for each other."""
        for pid, demands in list(self.open.items()):
            for session in demands:
                self.note(pid, session)
        for pid in self.later:
            self._push(pid)
        while self.open or self.ready:
            if self.ready:
                pid = self.by_place[-heapq.heappop(self.ready)]
                if pid in self.done or self.later[pid]:
                    continue
                unborn = [session for session in self.open.get(pid, ()) if session not in self.done]
                if not self._free_to_go(pid, unborn):
                    continue
                if pid not in self.open and self.demands[pid]:
                    heapq.heappush(self.lazy, (not self.cast.actors[pid].mortal, -self.cast.actors[pid].order))
                    continue
            elif self.lazy:
                # Nobody else can go, so one that others demand is born after them: below them.
                pid = self.by_place[-heapq.heappop(self.lazy)[1]]
                if pid in self.done or self.later[pid] or pid in self.open:
                    continue
                unborn = []
            else:
                self._fail()
            self._take_off(pid, unborn)

    def note(self, leader: ProcessId, session: ProcessId) -> None:
        """Take in an open choice: `leader` has a child in `session`."""
        demanders = self.demanders.setdefault(session, [])
        if leader not in demanders[-1:]:
            demanders.append(leader)
            self.demands[session] += 1
            self._push(leader)

    def _push(self, pid: ProcessId) -> None:
        if pid not in self.done and not self.later[pid]:
            heapq.heappush(self.ready, -self.cast.actors[pid].order)

    def _free_to_go(self, pid: ProcessId, unborn: list[ProcessId]) -> bool:
        """Tell whether a leader's birth session can serve all that it is demanded by and that is born before it."""
        birth_session = self.cast.actors[pid].birth_session
        return not unborn or (len(unborn) == 1 and birth_session in (ANY, unborn[0]))

    def _take_off(self, pid: ProcessId, unborn: list[ProcessId]) -> None:
        """Decide the choices of a leader that is born after all that are left, and take it off."""
        sessions = self.sessions
        leader = self.cast.actors[pid]
        for session, children in self.open.pop(pid, {}).items():
            self.demands[session] -= 1
            window = session in unborn
            for child in children:
                sessions.modes[child] = "window" if window else "below"
            if window:
                sessions.set_birth_session(leader, session, self.cast.actors[children[0]])
            else:
                sessions.put_below(session, pid, self.cast.actors[children[0]])
            self._push(session)
        self.done.add(pid)
        sessions.born_late.append(pid)
        for before in self.earlier.get(pid, ()):
            self.later[before].discard(pid)
            self._push(before)
        for demander in self.demanders.get(pid, ()):
            self._push(demander)

    def _leader_above(self, pid: ProcessId) -> ProcessId | None:
        actors = self.cast.actors
        here = actors.get(pid)
        while here is not None and not here.leads_session():
            here = actors.get(here.parent)
        return None if here is None else here.pid

    def _order(self, before: ProcessId, after: ProcessId) -> None:
        if before != after and after not in self.done and before not in self.done:
            self.later.setdefault(before, set()).add(after)
            self.earlier.setdefault(after, set()).add(before)

    def order_below(self, above: ProcessId, leader: ProcessId) -> None:
        """Have `leader` born after `above`, which is a leader or a member of some session."""
        nearest = self._leader_above(above)
        if nearest is not None:
            self._order(nearest, leader)
        session = self.cast.actors[above].session
        if session in self.cast.actors and session != leader:
            self._order(session, leader)

    def _fail(self) -> NoReturn:
        pids = sorted(self.open, key=lambda pid: self.cast.actors[pid].order)
        because = [seq for pid in pids for seq in self._facts(pid)]
        names = ", ".join(str(pid) for pid in pids)
        raise Contradiction(
            "crossing-sessions",
            f"session leaders {names} each have children in sessions of others among them, and whichever was born last "
            f"can have been born in one foreign session only",
            dict.fromkeys(because),
            pids[0],
        )

    def _facts(self, pid: ProcessId) -> Iterator[Sequence]:
        """Yield the facts about a leader, its children in other sessions, and what those sessions' leaders must be born below."""
        sessions = self.sessions
        cast = self.cast
        for session, children in self.open[pid].items():
            yield from sessions.facts(cast.actors[pid])
            yield from sessions.facts(cast.actors[children[0]])
            for leader in dict.fromkeys((pid, session, cast.actors[children[0]].session, *sorted(self.later[pid]))):
                for above in sessions.below.get(leader, ()):
                    yield from sessions.below_facts(leader, above)
                actor = cast.actors.get(leader)
                nearest = None if actor is None else self._leader_above(actor.parent)
                if nearest is not None:
                    yield from sessions.line(leader, nearest)
