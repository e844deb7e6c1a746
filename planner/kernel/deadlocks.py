"""Inits that could never finish dying, because each waits for the next in a ring (a cycle of inits).

The init A of a pid namespace that dies kills every process in the namespace and below, and waits until no number but its own is
in use there (Linux 6.18: zap_pid_ns_processes sleeps until `pid_allocated` has come down to the init's own, and free_pid counts
it down). A number is in use while a process has it as its own, as its group or as its session. Who can keep A waiting?

* An ordinary process in the namespace or below is killed with it and gone once it has been waited for. Its parent lives in
  the namespace or above, and there every process can be killed; a dying one leaves its children to one who waits for them, or to
  an init that ignores SIGCHLD because it is dying itself. So such a process delays A for a bounded time.
* An ordinary process outside, in a group that is led inside, is not killed with A. It keeps A waiting until it leaves the group
  or dies, and nothing keeps it from either. The same goes for an init that is a zombie: its namespace is empty.
* Another init B, alive or dying, is gone only when it has finished dying. So A waits for B where B lives below A, and where B's
  group has a number in A's namespace that is not A's own.
* Sessions add nothing: a session passes from creator to child, so that its members live in the leader's namespace or below.

An init that waits for itself, by itself or through others, never finishes dying, and neither does a process that waits for one on
that ring. The shortest rings go by groups alone, from each init to one in whose namespace its group has a number: where A waits
for C because C lives below it, and C for B because B's group has a number in C's namespace, that group has one in A's, too. And
an init whose group is led above it holds up only processes above it, which are held up by whatever holds up the init;
it need not be looked at. A ring of one is an init in a group that is led in its own namespace or below; it was seen on Linux
6.18, and so was a ring of two. Longer ones are argued from the source and from the model kernel. No test tries any, because
only a reboot ends them.

A ring is closed only by setpgid on an init that has processes below it: an init that was just born waits for none, and setsid
leads to a group that is led above.
"""

from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from typing import Final, TypeVar

from planner.kernel.objects import ZOMBIE, Namespace, Pid, Process

Init = TypeVar("Init", bound=Hashable)

MOST_TOLD: Final = 8
"""How many inits of a ring a sentence names."""


def held_up_by(init: Process, group: Pid | None = None) -> list[Process]:
    """Return the inits that cannot end while `init` is in its group, or would be in `group`; none where it is led above `init`.

    Those are the inits of the namespaces in which the group has a number other than the init's own.
    """
    led = init.group if group is None else group
    space: Namespace | None = led.namespace
    if space is not None and led.numbers[-1] == 1:
        space = space.parent
    if space is None or (space is not init.namespace and init.namespace.within(space)):
        return []
    found: list[Process] = []
    while space is not None and space.level >= 0:
        if space.init is not None:
            found.append(space.init)
        space = space.parent
    return found


def is_waited_for(process: Process) -> bool:
    """Tell whether a process is an init that has not finished dying."""
    return process.namespace.init is process and process.state != ZOMBIE


def ring_of(init: Process, group: Pid | None = None) -> list[Process]:
    """Return a shortest ring that `init` is on, or would be on were it in `group`; none where there is no such ring."""
    if not is_waited_for(init):
        return []
    return shortest_ring(init, lambda one: held_up_by(one, group if one is init else None))


def trapped(processes: Iterable[Process]) -> list[Process]:
    """Return those among all processes of a container that are on a ring of inits, in the order given.

    Were one of them to leave its group, there would be a ring less. Inits that wait for one on a ring are not named.
    """
    inits = {process: held_up_by(process) for process in processes if is_waited_for(process)}
    found = {init for ring in rings(inits) for init in ring}
    return [init for init in inits if init in found]


class Past:
    """Which process has held up which so far, over or not, so that the common case is settled by one look at the end."""

    def __init__(self) -> None:
        self._held_up: dict[Process, dict[Process, None]] = {}
        self._joined: dict[Process, set[int]] = {}

    def note(self, process: Process, step: int) -> None:
        """Take note of a process that was born or has come into another group by a step."""
        if is_waited_for(process) and (held_up := held_up_by(process)):
            self._held_up.setdefault(process, {}).update(dict.fromkeys(held_up))
            self._joined.setdefault(process, set()).add(step)

    def rings(self) -> dict[Process, set[int]]:
        """Return the inits that would be on a cycle, had no process ever left a group, and the steps by which they came there.

        Where there is none, there never was a cycle.
        """
        return {init: self._joined[init] for ring in rings(self._held_up) for init in ring}


def words(ring: Sequence[tuple[int, int]]) -> str:
    """Say what a ring of inits, each with its group, comes to."""
    if len(ring) == 1:
        init, group = ring[0]
        return (
            f"task {init} is the init of a pid namespace and in group {group}, which is led from inside that namespace: the init "
            f"could never finish dying"
        )
    nexts = [init for init, _ in (*ring[1:], ring[0])]
    each = [
        f"task {init} is in group {group}, led inside that of {other}" for (init, group), other in zip(ring, nexts, strict=True)
    ]
    more = f", and so on for {len(each) - MOST_TOLD} more" if len(each) > MOST_TOLD else ""
    return f"inits of pid namespaces wait for each other and could never finish dying: {', '.join(each[:MOST_TOLD])}{more}"


def shortest_ring(start: Init, held_up: Callable[[Init], Iterable[Init]]) -> list[Init]:
    """Return a shortest ring from `start` on, each holding up the next and the last one `start`; none where there is none."""
    before: dict[Init, Init] = {}
    queue = deque([start])
    while queue:
        here = queue.popleft()
        for following in held_up(here):
            if following == start:
                way = [here]
                while way[-1] != start:
                    way.append(before[way[-1]])
                return way[::-1]
            if following not in before:
                before[following] = here
                queue.append(following)
    return []


def smallest_ring(start: Init, held_up: Callable[[Init], Iterable[Init]]) -> list[Init]:
    """Return a ring of which no part is a ring, among those on a shortest one from `start`; none where there is none of those."""
    way = shortest_ring(start, held_up)
    place = {init: number for number, init in enumerate(way)}
    back = [
        (place[init] - place[other], place[other])
        for init in way
        for other in held_up(init)
        if place.get(other, len(way)) <= place[init]
    ]
    if not back:
        return way
    span, first = min(back)
    part = set(way[first : first + span + 1])
    return shortest_ring(way[first], lambda one: [other for other in held_up(one) if other in part])


def rings(held_up: Mapping[Init, Collection[Init]]) -> list[list[Init]]:
    """Return the sets of inits that wait for each other, and those that wait for themselves, in time linear in the graph.

    `held_up` says for each init which it holds up; one that is no key of it holds up none. Hardly any image has an init that
    holds up another, so the graph library is loaded for those alone.
    """
    if not any(held_up.values()):
        return []
    import networkx as nx

    graph: nx.DiGraph[Init] = nx.DiGraph((init, other) for init, others in held_up.items() for other in others)
    return [list(ring) for ring in nx.strongly_connected_components(graph) if len(ring) > 1 or graph.has_edge(*ring, *ring)]
