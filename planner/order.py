"""The order of births: who is created before whom, and before which change of session or group.

Each actor has one creation, and at most one change: setsid, making its own group, or joining a group whose members it is to
create. Between these stand the edges of named precedence rules. Creations and changes come in topological order with ties broken
by image order, so that plans can be compared. What makes a circle is loosened where it can be: a join that only saves steps is
put off, and a child of an early window is left to a helper that keeps the window open. A circle that remains is explained.
"""

import heapq

import msgspec

from planner.cast import ANY, Actor, Cast
from planner.forest import Contradiction
from planner.groups import leads_group
from planner.identity import OUTSIDE, ProcessId


class Event(msgspec.Struct, frozen=True, gc=False):
    """A creation, or with `change` the change of session or group, of one actor; `after` are earlier ones of others by rule."""

    pid: ProcessId
    change: str
    after: tuple[tuple[ProcessId, str], ...] = ()


class Order:
    """The creations and changes of a cast in order."""

    def __init__(self, cast: Cast) -> None:
        """Prepare for one cast; `find` does the work."""
        self.cast = cast
        self.makers = leads_group(cast)
        self.put_off: set[ProcessId] = set()
        self.changes: dict[ProcessId, str] = {}

    def find(self) -> list[Event]:
        """Return all creations and changes in order; raises Contradiction for a circle that cannot be loosened."""
        while True:
            self.changes = self._changes()
            order, stuck = self._sort()
            if not stuck:
                return order
            if not self._loosen(stuck):
                raise self._circle(stuck)

    def _changes(self) -> dict[ProcessId, str]:
        """Return what each actor changes during the births: "setsid", "make" its group, or "join" one."""
        cast = self.cast
        changes: dict[ProcessId, str] = {}
        for actor in cast.actors.values():
            if actor.session == actor.pid:
                changes[actor.pid] = "setsid"
            elif actor.pid in self.makers:
                changes[actor.pid] = "make"
            elif actor.mortal and actor.group != ANY:
                changes[actor.pid] = "join"
            elif actor.group not in (ANY, OUTSIDE) and actor.pid not in self.put_off:
                leader = cast.actors[actor.group]
                if leader.order < actor.order and actor.birth_group == ANY and self._saves(actor):
                    changes[actor.pid] = "join"
        return changes

    def _saves(self, actor: Actor) -> bool:
        """Tell whether joining before it creates children saves the children a setpgid, and the actor does not inherit."""
        creator = self.cast.actors.get(actor.creator)
        if creator is None or creator.group == actor.group or actor.group == creator.pid:
            return False
        return actor.pid in self._parents_in_group() and self.cast.covers(actor.space, self.cast.space_of(actor.group))

    def _parents_in_group(self) -> set[ProcessId]:
        if not hasattr(self, "_parents"):
            actors = self.cast.actors
            self._parents = {
                actor.creator
                for actor in actors.values()
                if actor.creator in actors and actors[actor.creator].group == actor.group != actor.pid
            }
        return self._parents

    def _edges(self) -> dict[tuple[ProcessId, bool], list[tuple[ProcessId, bool, str]]]:
        """Return the edges between actors other than creator and child, by the later event: (earlier actor, change, rule)."""
        cast = self.cast
        edges: dict[tuple[ProcessId, bool], list[tuple[ProcessId, bool, str]]] = {}
        for actor in cast.actors.values():
            creator = cast.actors.get(actor.creator)
            space = OUTSIDE if creator is None else creator.space
            if actor.pid != 1 and (creator is None or space != actor.space):
                record = cast.spaces[actor.space]
                if record.init != actor.pid:
                    edges.setdefault((actor.pid, False), []).append((record.init, False, "init-before-entry"))
                elif creator is None and record.level > 0:
                    edges.setdefault((actor.pid, False), []).append((cast.spaces[record.parent].init, False, "init-before-entry"))
        for pid, change in self.changes.items():
            group = cast.actors[pid].group
            if change == "join" and group in self.changes:
                edges.setdefault((pid, True), []).append((group, True, "group-before-member"))
            elif change == "join":
                edges.setdefault((pid, True), []).append((group, False, "group-before-member"))
        return edges

    def _sort(self) -> tuple[list[Event], list[tuple[ProcessId, bool]]]:
        """Sort by Kahn's algorithm with a heap over image order; also return what is left when it ends in a circle."""
        actors = self.cast.actors
        changes = self.changes
        edges = self._edges()
        waiting: dict[tuple[ProcessId, bool], int] = {key: len(before) for key, before in edges.items()}
        unlocks: dict[tuple[ProcessId, bool], list[tuple[ProcessId, bool]]] = {}
        for key, before in edges.items():
            for pid, change, _ in before:
                unlocks.setdefault((pid, change), []).append(key)
        early: dict[ProcessId, list[Actor]] = {}
        late: dict[ProcessId, list[Actor]] = {}
        for actor in actors.values():
            (early if actor.early else late).setdefault(actor.creator, []).append(actor)
        windows = {pid: len(children) for pid, children in early.items()}
        heap: list[tuple[int, int, ProcessId, bool]] = []
        order: list[Event] = []
        serial = 0

        def release(pid: ProcessId, change: bool) -> None:
            nonlocal serial
            if not waiting.get((pid, change)):
                serial += 1
                heapq.heappush(heap, (actors[pid].order, serial, pid, change))

        open_events: set[tuple[ProcessId, bool]] = set()
        for actor in (*late.get(OUTSIDE, ()), *early.get(OUTSIDE, ())):
            open_events.add((actor.pid, False))
            release(actor.pid, False)
        while heap:
            _, _, pid, change = heapq.heappop(heap)
            after = tuple((before, rule) for before, _, rule in edges.get((pid, change), ()))
            order.append(Event(pid, changes[pid] if change else "", after))
            ready: list[tuple[ProcessId, bool]] = []
            if change:
                ready += [(child.pid, False) for child in late.get(pid, ())]
            else:
                ready += [(child.pid, False) for child in early.get(pid, ())]
                if pid not in windows and pid in changes:
                    ready.append((pid, True))
                elif pid not in changes:
                    ready += [(child.pid, False) for child in late.get(pid, ())]
                actor = actors[pid]
                if actor.early:
                    windows[actor.creator] -= 1
                    if windows[actor.creator] == 0:
                        creator = actor.creator
                        if creator in changes:
                            ready.append((creator, True))
            for key in unlocks.get((pid, change), ()):
                waiting[key] -= 1
                if not waiting[key] and key in open_events:
                    ready.append(key)
            for key in ready:
                open_events.add(key)
                release(*key)
        if len(order) == len(actors) + len(changes):
            return order, []
        done = {(event.pid, bool(event.change)) for event in order}
        stuck = [(pid, False) for pid in actors if (pid, False) not in done]
        stuck += [(pid, True) for pid in changes if (pid, True) not in done]
        return order, stuck

    def _loosen(self, stuck: list[tuple[ProcessId, bool]]) -> bool:
        """Put off joins that only save steps, else keep windows open by helpers; tell whether anything was loosened."""
        actors = self.cast.actors
        joins = [pid for pid, change in stuck if change and self.changes[pid] == "join" and not actors[pid].mortal]
        if joins:
            self.put_off.update(joins)
            return True
        held = [actors[pid] for pid, change in stuck if not change and actors[pid].early and actors[pid].rule != "window-helper"]
        held = [actor for actor in held if actor.creator in actors and (actor.creator, True) in set(stuck)]
        for actor in held:
            creator = actors[actor.creator]
            helper = self.cast.add_helper(creator.pid, creator.space, actor.birth_session, "window-helper", actor)
            helper.early = True
            helper.sibling = actor.sibling
            helper.birth_group = actor.birth_group
            actor.creator = helper.pid
            actor.sibling = True
            actor.early = False
        return bool(held)

    def _circle(self, stuck: list[tuple[ProcessId, bool]]) -> Contradiction:
        """Explain a circle of births and changes by the actors on it."""
        import networkx as nx

        graph: nx.DiGraph[tuple[ProcessId, bool]] = nx.DiGraph()
        left = set(stuck)
        for actor in self.cast.actors.values():
            graph.add_edge((actor.creator, actor.creator in self.changes and not actor.early), (actor.pid, False))
            if actor.pid in self.changes:
                graph.add_edge((actor.pid, False), (actor.pid, True))
            if actor.early and actor.creator in self.changes:
                graph.add_edge((actor.pid, False), (actor.creator, True))
        for key, before in self._edges().items():
            for pid, change, _ in before:
                graph.add_edge((pid, change), key)
        circle = [edge[0] for edge in nx.find_cycle(graph.subgraph(left))]
        words = [f"{pid} {self.changes[pid] + 's' if change else 'is created'}" for pid, change in circle]
        because = dict.fromkeys(seq for pid, _ in circle for seq in self.cast.actors[pid].because)
        return Contradiction("order-circle", f"each waits for the one before: {', '.join(words)}", because, circle[0][0])
