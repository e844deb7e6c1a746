"""Inits of an image that could never finish dying: refused where the image says so, avoided where the planner has a choice.

`planner.kernel.deadlocks` says who waits for whom. Here it is asked of the tasks of an image and of the places of dead group
leaders: where such a leader may have lived in several pid namespaces, it is put where no init waits for itself.
"""

from collections.abc import Iterable, Sequence

from planner.errors import Contradiction
from planner.identity import OUTSIDE, NamespaceId, ProcessId
from planner.identity import Sequence as Seq
from planner.kernel.deadlocks import rings, smallest_ring, words
from planner.planning.births.cast import ANY, EXECUTOR_SPACE, Actor, Cast


class Waits:
    """Who holds up whom among the inits of an image, as far as it is known where their groups are led."""

    def __init__(self, cast: Cast) -> None:
        self.cast = cast
        self._held_up: dict[ProcessId, list[ProcessId]] | None = None
        self._harmless: dict[int, list[NamespaceId]] = {}

    def harmless(self, level: int) -> list[NamespaceId]:
        """Return the pid namespaces at a level that any group can be led in, wherever others are."""
        if level not in self._harmless:
            spaces = self.cast.spaces.items()
            self._harmless[level] = [space for space, record in spaces if record.level == level and self.is_harmless(space)]
        return self._harmless[level]

    def is_harmless(self, space: NamespaceId) -> bool:
        """Tell whether all inits that a group keeps waiting which is led in `space` are in groups that are led above them."""
        inits = (self.cast.actors.get(self.cast.spaces[here].init) for here in self.cast.chain(space)[1:])
        return all(init is not None and init.group in (OUTSIDE, init.pid, init.session) for init in inits)

    def held_up(self) -> dict[ProcessId, list[ProcessId]]:
        """Return for each init whose group is not led above it the inits that cannot end before it; built when first asked."""
        if self._held_up is None:
            self._held_up = {}
            for record in self.cast.spaces.values():
                init = self.cast.actors.get(record.init)
                if init is not None and init.group not in (OUTSIDE, ANY):
                    leader = self.cast.actors.get(init.group)
                    self.place((init,), self.cast.leader_spaces.get(init.group) if leader is None else leader.space)
        return self._held_up

    def place(self, members: Iterable[Actor], space: NamespaceId | None) -> None:
        """Note where the group of some members is led, None where that is not known yet."""
        if self._held_up is not None and space is not None:
            for init in self.inits(members):
                if found := self._by_group(init, space):
                    self._held_up[init.pid] = found

    def ring(self, members: Sequence[Actor], space: NamespaceId) -> list[ProcessId]:
        """Return a ring that there would be if the group of some members were led in `space`; none where there would be none."""
        known = self.held_up()
        new = {init.pid: self._by_group(init, space) for init in self.inits(members)}
        for pid, found in new.items():
            if found and (ring := smallest_ring(pid, lambda one: new[one] if one in new else known.get(one, ()))):
                return ring
        return []

    def inits(self, members: Iterable[Actor]) -> list[Actor]:
        """Return the nested inits among some members that are alive in the end; for all others somebody can simply wait."""
        cast = self.cast
        return [one for one in members if one.level and cast.is_init(one) and not one.mortal and not cast.has_ended(one)]

    def _by_group(self, init: Actor, space: NamespaceId) -> list[ProcessId]:
        """Return the inits that `init` holds up if its group is led in `space`, none where that is above it."""
        cast = self.cast
        if space != EXECUTOR_SPACE and cast.spaces[space].init == init.group:
            space = cast.spaces[space].parent if cast.spaces[space].level else EXECUTOR_SPACE
        if space == EXECUTOR_SPACE or (space != init.space and cast.covers(space, init.space)):
            return []
        return [cast.spaces[here].init for here in cast.chain(space)]


def refuse_trapped_inits(cast: Cast) -> None:
    """Raise Contradiction for inits that could never finish dying, because they wait for themselves or for each other."""
    root = cast.actors[cast.spaces[NamespaceId(0)].init]
    if root.group not in (OUTSIDE, root.pid):
        raise trapped_for_ever(cast, [root.pid])
    held_up = Waits(cast).held_up()
    if found := rings(held_up):
        trapped = {init for ring in found for init in ring}
        first = next(init for init in held_up if init in trapped)
        raise trapped_for_ever(cast, smallest_ring(first, lambda one: held_up.get(one, ())))


def trapped_for_ever(cast: Cast, ring: Sequence[ProcessId]) -> Contradiction:
    """Return the refusal of inits whose groups are led where they are led, and nowhere else."""
    return Contradiction("init-trap", ring_words(cast, ring), dict.fromkeys(ring_facts(cast, ring)), ring[0])


def ring_words(cast: Cast, ring: Sequence[ProcessId]) -> str:
    """Say what a ring of inits comes to."""
    return words([(pid, cast.actors[pid].group) for pid in ring])


def ring_facts(cast: Cast, ring: Iterable[ProcessId]) -> list[Seq]:
    """Return the facts by which inits wait for each other: what is known of each, and where its group is led."""
    found: list[Seq] = []
    for pid in ring:
        init = cast.actors[pid]
        found += init.because
        # The container's init is in the container, and so is whoever leads a group of the image.
        found += () if init.level == 0 else cast.whereabouts(init.group)
    return found
