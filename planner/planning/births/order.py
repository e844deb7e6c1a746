"""The order of births: who is created before whom, and before which change of session or group.

Each actor has one creation, and at most one change: setsid, making its own group, or joining a group whose members it is to
create. Between these stand the edges of named precedence rules. Creations and changes come in topological order with ties broken
by image order, so that plans can be compared. What makes a circle is loosened where it can be: a join that only saves steps is
put off, and a child of an early window is left to a helper that keeps the window open. A circle that remains is explained.
"""

import heapq
from collections.abc import Collection

from planner.identity import OUTSIDE, ProcessId, Sequence
from planner.planning.births.cast import ANY, Actor, Cast
from planner.planning.births.group_helpers import cast_anchor, help_into_group, leads_group, leave_to_helper, put_beside
from planner.planning.births.standins import Misplaced
from planner.planning.cast import Change, Event

MOST_ABOVE = 64
"""How many creators are looked at to find who brings about a pid namespace."""

Key = tuple[ProcessId, int]
"""A creation (0) or a change (1 and up) of an actor."""


class Order:
    """The creations and changes of a cast in order."""

    def __init__(self, cast: Cast) -> None:
        """Prepare for one cast; `find` does the work."""
        self.cast = cast
        self.put_off: set[ProcessId] = set()
        self.sooner: dict[ProcessId, list[ProcessId]] = {}
        """Groups that a process comes into before others, by process, in order."""
        self.changes: dict[ProcessId, list[Change]] = {}
        self.made: dict[ProcessId, int] = {}
        """For each leader, which of its changes makes its group."""

    def find(self) -> list[Event]:
        """Return all creations and changes in order; raises Contradiction for a circle that cannot be loosened."""
        while True:
            self._decide_changes()
            order = self._scan()
            if order:
                return order
            order, stuck = self._sort()
            if not stuck:
                return order
            if not self._loosen(stuck):
                raise self._circle(stuck)

    def _decide_changes(self) -> None:
        """Decide what each actor changes during the births, in order."""
        cast = self.cast
        makers = leads_group(cast)
        saving = self._parents_in_group()
        changes: dict[ProcessId, list[Change]] = {
            pid: [self._stay(cast.actors[pid], group) for group in groups] for pid, groups in cast.moves.items()
        }
        made: dict[ProcessId, int] = {}
        for actor in cast.actors.values():
            pid = actor.pid
            if actor.session == pid:
                change = Change("setsid", pid)
            elif pid in makers:
                change = Change("make", pid)
            elif (actor.mortal and actor.group != ANY) or pid in cast.joining or (pid in saving and self._may_join(actor)):
                change = Change("join", actor.group)
            else:
                continue
            own = changes.setdefault(pid, [])
            own.append(change)
            if change.kind != "join":
                made[pid] = len(own)
        for pid, groups in self.sooner.items():
            changes[pid].sort(key=lambda change: groups.index(change.group) if change.group in groups else len(groups))
            groups_now = [change.group for change in changes[pid]]
            if pid in made:
                made[pid] = groups_now.index(pid) + 1
        self.changes, self.made = changes, made

    def _stay(self, actor: Actor, group: ProcessId) -> Change:
        """Return how an actor comes into a group for a moment."""
        return Change("visit" if self.cast.covers(actor.space, self.cast.space_of(group)) else "moved", group)

    def _parents_in_group(self) -> set[ProcessId]:
        """Return the tasks that would save a child a setpgid by joining their group before they create it."""
        actors = self.cast.actors
        return {
            actor.creator
            for actor in actors.values()
            if actor.creator in actors and actors[actor.creator].group == actor.group != actor.pid
        }

    def _may_join(self, actor: Actor) -> bool:
        """Tell whether a task can join its group early: it sees it, its leader comes first, and it does not inherit it anyway."""
        cast = self.cast
        creator = cast.actors.get(actor.creator)
        if actor.group in (ANY, OUTSIDE) or actor.pid in self.put_off or actor.birth_group != ANY or creator is None:
            return False
        if creator.group == actor.group or actor.group == creator.pid or cast.actors[actor.group].order > actor.order:
            return False
        return cast.covers(actor.space, cast.space_of(actor.group))

    def _edges(self) -> dict[Key, list[tuple[ProcessId, int, str]]]:
        """Return the edges between actors other than creator and child, by the later event."""
        cast = self.cast
        edges: dict[Key, list[tuple[ProcessId, int, str]]] = {}
        for actor in cast.actors.values():
            creator = cast.actors.get(actor.creator)
            if actor.pid != 1 and (creator is None or creator.space != actor.space):
                record = cast.spaces[actor.space]
                if record.init != actor.pid:
                    edges.setdefault((actor.pid, 0), []).append((record.init, 0, "init-before-entry"))
        for pid, changes in self.changes.items():
            for index, change in enumerate(changes, 1):
                if change.group != pid:
                    before = (change.group, self.made.get(change.group, 0), "group-before-member")
                    edges.setdefault((pid, index), []).append(before)
                if change.kind == "moved":
                    self._move_before_setsid(edges, cast.actors[pid], index)
        return edges

    def _move_before_setsid(self, edges: dict[Key, list[tuple[ProcessId, int, str]]], actor: Actor, index: int) -> None:
        """Have a creator that leads a session later move `actor` while it is in the same session."""
        creator = self.cast.actors.get(actor.creator)
        if creator is not None and creator.leads_session() and not actor.sibling:
            stage = self._stage(actor)
            if stage < len(self.changes[creator.pid]):
                edges.setdefault((creator.pid, len(self.changes[creator.pid])), []).append(
                    (actor.pid, index, "child-before-leaving")
                )

    def _stage(self, actor: Actor) -> int:
        """Return the number of changes of its creator that an actor is born after."""
        if actor.early:
            return 0
        changes = self.changes.get(actor.creator, ())
        if actor.stage == ANY:
            return len(changes)
        return next(index for index, change in enumerate(changes, 1) if change.group == actor.stage)

    def _scan(self) -> list[Event]:
        """Return what `_sort` would where image order satisfies every edge, as it mostly does; nothing where it does not."""
        changes = self.changes
        edges = self._edges()
        order: list[Event] = []
        done = {OUTSIDE}
        for actor in sorted(self.cast.actors.values(), key=lambda actor: actor.order):
            if actor.creator not in done or (actor.creator in changes and self._stage(actor) < len(changes[actor.creator])):
                return []
            for index in range(len(changes.get(actor.pid, ())) + 1):
                before = edges.get((actor.pid, index), ()) if edges else ()
                if any(pid == OUTSIDE or pid not in done for pid, _, _ in before):
                    return []
                after = tuple((pid, rule) for pid, _, rule in before)
                order.append(Event(actor.pid, changes[actor.pid][index - 1] if index else None, after))
            done.add(actor.pid)
        return order

    def _sort(self) -> tuple[list[Event], list[Key]]:
        """Sort by Kahn's algorithm with a heap over image order; also return what is left when it ends in a circle."""
        actors = self.cast.actors
        changes = self.changes
        edges = self._edges()
        waiting = {key: len(before) for key, before in edges.items()}
        unlocks: dict[Key, list[Key]] = {}
        for key, before in edges.items():
            for pid, index, _ in before:
                unlocks.setdefault((pid, index), []).append(key)
        children: dict[Key, list[ProcessId]] = {}
        for actor in actors.values():
            children.setdefault((actor.creator, self._stage(actor)), []).append(actor.pid)
        heap: list[tuple[int, int, ProcessId, int]] = []
        reached: set[Key] = set()
        unborn: dict[Key, int] = {}
        order: list[Event] = []

        def reach(pid: ProcessId, index: int) -> None:
            reached.add((pid, index))
            if not waiting.get((pid, index)):
                heapq.heappush(heap, (actors[pid].order, len(reached), pid, index))

        for pid in children.get((OUTSIDE, 0), ()):
            reach(pid, 0)
        while heap:
            _, _, pid, index = heapq.heappop(heap)
            after = tuple((before, rule) for before, _, rule in edges.get((pid, index), ()))
            order.append(Event(pid, changes[pid][index - 1] if index else None, after))
            born_here = children.get((pid, index), ())
            if index < len(changes.get(pid, ())):
                if born_here:
                    unborn[pid, index] = len(born_here)
                else:
                    reach(pid, index + 1)
            for child in born_here:
                reach(child, 0)
            actor = actors[pid]
            stage = (actor.creator, self._stage(actor))
            if not index and stage in unborn:
                unborn[stage] -= 1
                if not unborn[stage]:
                    reach(actor.creator, stage[1] + 1)
            for key in unlocks.get((pid, index), ()):
                waiting[key] -= 1
                if not waiting[key] and key in reached:
                    heapq.heappush(heap, (actors[key[0]].order, len(reached), *key))
        if len(order) == len(actors) + sum(map(len, changes.values())):
            return order, []
        counts: dict[ProcessId, int] = {}
        for event in order:
            counts[event.pid] = counts.get(event.pid, 0) + 1
        stuck = [(pid, i) for pid in actors for i in range(counts.get(pid, 0), len(changes.get(pid, ())) + 1)]
        return order, stuck

    def _loosen(self, stuck: list[Key]) -> bool:
        """Put off joins that only save steps, else keep windows open by helpers; tell whether anything was loosened."""
        actors = self.cast.actors
        left = set(stuck)
        joins = [pid for pid, index in stuck if index and self.changes[pid][index - 1].kind == "join" and not actors[pid].mortal]
        if joins:
            self.put_off.update(joins)
            self._help_children(self.cast.joining.intersection(joins))
            self.cast.joining.difference_update(joins)
            return True
        if self._change_sooner(stuck):
            return True
        if self._part_helpers(stuck) or self._leave_to_helpers(stuck):
            return True
        held = [actors[pid] for pid, index in stuck if not index and actors[pid].rule != "window-helper"]
        held = [actor for actor in held if (actor.creator, self._stage(actor) + 1) in left and actor.creator in actors]
        if self._hurry(held, left):
            return True
        for actor in held:
            creator = actors[actor.creator]
            session = creator.session if actor.birth_session == ANY else actor.birth_session
            helper = self.cast.add_helper(creator.pid, creator.space, session, "window-helper", actor)
            helper.birth_group = actor.birth_group
            put_beside(self.cast, helper, actor)
        return bool(held)

    def _change_sooner(self, stuck: list[Key]) -> bool:
        """Have processes that wait to be moved to a group come first into groups that are there; tell whether any do.

        Whoever leaves the group that it has made leaves an anchor in it.
        """
        left = set(stuck)
        sooner = False
        leaving: dict[ProcessId, None] = {}
        for pid, index in stuck:
            changes = self.changes.get(pid, ())
            if not index or changes[index - 1].kind != "moved" or (pid, index - 1) in left:
                continue
            if len({change.group for change in changes}) < len(changes):
                continue
            for change in changes[index:]:
                there = (change.group, self.made.get(change.group, 0)) not in left
                if change.kind == "make" or (change.kind == "moved" and there):
                    before = [earlier.group for earlier in changes[: index - 1]]
                    self.sooner[pid] = [*before, change.group]
                    if change.kind == "make":
                        leaving[pid] = None
                    sooner = True
                    break
        self._anchor(leaving)
        return sooner

    def _anchor(self, leaving: Collection[ProcessId]) -> None:
        """Cast a helper for each of the processes, which is born in the group that it has made, before it goes on to another."""
        if not leaving:
            return
        for actor in self.cast.actors.values():
            if actor.creator in leaving and actor.birth_group == actor.creator:
                actor.stage = actor.creator
        for pid in leaving:
            cast_anchor(self.cast, pid).stage = pid

    def _hurry(self, held: list[Actor], left: set[Key]) -> bool:
        """Have whoever brings about the pid namespace of an early child be born as early; tell whether there is anybody."""
        actors = self.cast.actors
        inherited = {(actor.creator, actor.birth_group) for actor in actors.values()}
        hurried = False
        for child in held:
            here = actors.get(self.cast.spaces[child.space].init)
            for _ in range(MOST_ABOVE):
                if here is None or (here.pid, 0) not in left or here.creator == child.creator:
                    break
                here = actors.get(here.creator)
            if here is None or here.creator != child.creator or (here.pid, 0) not in left:
                continue
            if self._stage(here) > self._stage(child) and self._may_hurry(here, child, inherited):
                here.birth_group = ANY
                here.early, here.stage = child.early, child.stage
                hurried = True
        return hurried

    def _may_hurry(self, actor: Actor, child: Actor, inherited: set[tuple[ProcessId, ProcessId]]) -> bool:
        """Tell whether `actor` can be born before its creator changes session or group, as `child` is."""
        cast = self.cast
        if cast.actors[actor.creator].leads_session() and actor.birth_session not in (ANY, child.birth_session):
            return False
        if actor.birth_group == ANY:
            return True
        group = actor.birth_group
        if group != actor.group or (actor.pid, group) in inherited:
            return False
        return group != OUTSIDE and cast.can_be_moved(actor, cast.space_of(group))

    def _part_helpers(self, stuck: list[Key]) -> bool:
        """Give children that need no group a helper of their own, where theirs has to wait for a group; tell whether any were."""
        actors = self.cast.actors
        waiting = {pid for pid, index in stuck if index and actors[pid].rule == "orphan-helper"}
        served: dict[ProcessId, list[Actor]] = {}
        for actor in actors.values():
            if actor.creator in waiting:
                served.setdefault(actor.creator, []).append(actor)
        parted = False
        for pid, children in served.items():
            free = [child for child in children if child.birth_group == ANY]
            if free and len(free) < len(children):
                twin = self.cast.add_twin(actors[pid], free[0])
                for child in free:
                    child.creator = twin.pid
                parted = True
        return parted

    def _leave_to_helpers(self, stuck: list[Key]) -> bool:
        """Let helpers that wait for a group put their children into it in the end, where they can; tell whether any were."""
        actors = self.cast.actors
        waiting = {pid for pid, index in stuck if index and actors[pid].rule == "group-helper"}
        served: dict[ProcessId, list[Actor]] = {}
        for actor in actors.values():
            if actor.creator in waiting:
                served.setdefault(actor.creator, []).append(actor)
        inherited = {(actor.creator, actor.birth_group) for actor in actors.values()}
        left = [pid for pid, children in served.items() if leave_to_helper(self.cast, actors[pid], children, inherited)]
        return bool(left)

    def _help_children(self, late: set[ProcessId]) -> None:
        """Cast helpers for children that must inherit a group from creators which join it too late."""
        if not late:
            return
        for actor in list(self.cast.actors.values()):
            if actor.creator in late and actor.birth_group != ANY:
                creator = self.cast.actors[actor.creator]
                if actor.birth_group == creator.group:
                    help_into_group(self.cast, actor, actor.birth_group, creator.space, creator.session)

    def _circle(self, stuck: list[Key]) -> Misplaced:
        """Explain a circle of births and changes by the actors on it, or say who waits for somebody that takes no part."""
        import networkx as nx

        missing = self._missing(stuck)
        if missing is not None:
            return missing
        graph: nx.DiGraph[Key] = nx.DiGraph()
        for actor in self.cast.actors.values():
            stage = self._stage(actor)
            graph.add_edge((actor.creator, stage), (actor.pid, 0))
            for index in range(len(self.changes.get(actor.pid, ()))):
                graph.add_edge((actor.pid, index), (actor.pid, index + 1))
            if stage < len(self.changes.get(actor.creator, ())):
                graph.add_edge((actor.pid, 0), (actor.creator, stage + 1))
        for key, before in self._edges().items():
            for pid, index, _ in before:
                graph.add_edge((pid, index), key)
        circle = [edge[0] for edge in nx.find_cycle(graph.subgraph(stuck))]
        words = [f"{pid}: {self.changes[pid][index - 1].kind if index else 'created'}" for pid, index in circle]
        because = dict.fromkeys(seq for pid, _ in circle for seq in self._reasons(self.cast.actors[pid]))
        message = f"each waits for the one before: {', '.join(words)}"
        return Misplaced("order-circle", message, because, circle[0][0], dict.fromkeys(pid for pid, _ in circle))

    def _missing(self, stuck: list[Key]) -> Misplaced | None:
        """Explain why an event never comes that does not wait for another one of the cast; None where there is no such event."""
        actors = self.cast.actors
        edges = self._edges()
        for pid, index in stuck:
            actor = actors[pid]
            because = actor.because
            for before, _, rule in edges.get((pid, index), ()):
                if before not in actors:
                    what = "its pid namespace has no init" if rule == "init-before-entry" else f"{before} takes no part"
                    code = "namespace-without-init" if rule == "init-before-entry" else "order-circle"
                    return Misplaced(code, f"task {pid} waits for a process that does not come: {what}", because, pid, (pid,))
            if not index and actor.creator not in actors and actor.creator != OUTSIDE:
                return Misplaced("order-circle", f"task {pid} waits for a creator, and none was found", because, pid, (pid,))
        return None

    def _reasons(self, actor: Actor) -> tuple[Sequence, ...]:
        """Return the facts that an actor is there for, and for a session leader those by which it is born in another session."""
        from planner.planning.births.sessions import Sessions

        asked = actor.pid in self.cast.asked_by
        return (*actor.because, *(Sessions(self.cast).facts(actor) if asked else ()))
