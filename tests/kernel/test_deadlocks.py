"""Inits that could never finish dying: rings are found, on the model alone, and no generator of histories ever comes into one.

Nothing here is ever done to the running kernel.
"""

import copy
from itertools import product
from random import Random

import pytest

from planner.kernel.deadlocks import ring_of, rings, shortest_ring, trapped
from planner.kernel.objects import DYING
from tests.generators.histories import PROFILES, Historian, Operation
from tests.generators.histories_model import ModelPlayer
from tests.generators.scenes import Stage

MADE: list[Operation] = [("clone", 0, 1, (1,), 1, 0, 17)]


def played(*operations: Operation) -> ModelPlayer:
    """Play a history on the model, all of which must succeed."""
    player = ModelPlayer()
    for operation in (*MADE, *operations):
        answer = player.play(operation)
        assert isinstance(answer, int), f"{operation}: {answer}"
    return player


def nested(number: int, above: int = 1, *inner: int) -> Operation:
    """A child in a new pid namespace; a seat has the same number at level 0."""
    return ("clone", above, number, (number, *inner, 1), 1, 0, 17)


def inside(number: int, init: int, *inner: int) -> Operation:
    """A child of a nested init, which lives at level 1 or deeper."""
    return ("clone", init, number, (number, *(inner or (number,))), 0, 0, 17)


CROSSED = (nested(2), nested(3), inside(4, 2), inside(5, 3), ("setpgid", 4, 0, 0), ("setpgid", 5, 0, 0))
"""Two namespaces, in each of which a group is led."""

LED = {number: ("setpgid", number, 0, 0) for number in (3, 4, 5, 7)}
"""A process leads a group of its own."""

NEVER_ENDING: dict[str, tuple[tuple[Operation, ...], set[int]]] = {
    "led in its own namespace": ((nested(2), inside(3, 2), LED[3], ("setpgid", 2, 0, 3)), {2}),
    "led below": ((nested(2), nested(3, 2, 3), inside(4, 3, 4, 4), LED[4], ("setpgid", 2, 0, 4)), {2}),
    "led by an init below": ((nested(2), nested(3, 2, 3), LED[3], ("setpgid", 2, 0, 3)), {2}),
    "two in each other's": ((*CROSSED, ("setpgid", 1, 2, 5), ("setpgid", 1, 3, 4)), {2, 3}),
    "three in a ring": (
        (*CROSSED, nested(6), inside(7, 6), LED[7], ("setpgid", 1, 2, 5), ("setpgid", 1, 3, 7), ("setpgid", 1, 6, 4)),
        {2, 3, 6},
    ),
    "led by one who has died": (
        (
            *(*CROSSED, inside(8, 2), ("setpgid", 8, 0, 4), ("exit", 4, 0), ("wait", 2, 4), ("setpgid", 1, 2, 5)),
            *(("setpgid", 1, 3, 4), ("exit", 8, 0), ("wait", 2, 8)),
        ),
        {2, 3},
    ),
    "over two levels": (
        (
            *(nested(2), inside(4, 2), LED[4], nested(3), nested(6, 3, 6), inside(5, 6, 5, 5), LED[5]),
            *(("setpgid", 1, 2, 5), ("setpgid", 1, 3, 4)),
        ),
        {2, 3},
    ),
}
"""Histories that end in a trap, and who is on the ring."""

GUEST: tuple[Operation, ...] = (
    ("clone", 1, 7, (7,), 0, 0, 17),
    ("setpgid", 7, 0, 4),
    ("enter", 7, 3),
    ("clone", 7, 8, (8, 8), 0, 0, 17),
)
"""A child with another in the namespace of 3, both in the group that is led in that of 2."""

ENDING: dict[str, tuple[Operation, ...]] = {
    "in one beside": (*CROSSED, ("setpgid", 1, 2, 5)),
    "in each other's own group": (nested(2), nested(3), ("setpgid", 2, 0, 0), ("setpgid", 1, 3, 2)),
    "in groups that are led above": (nested(2), inside(3, 2), ("setpgid", 1, 2, 0), ("setpgid", 2, 3, 1)),
    "with an ordinary member outside": (nested(2), inside(3, 2), LED[3], ("clone", 1, 4, (4,), 0, 0, 17), ("setpgid", 4, 0, 3)),
    "with an ordinary member beside": (*CROSSED, inside(6, 3), ("setpgid", 1, 2, 5), *GUEST),
    "after one has left": (*CROSSED, ("setpgid", 1, 2, 5), ("setpgid", 1, 2, 2), ("setpgid", 1, 3, 4)),
    "after one has ended": (*CROSSED, ("setpgid", 1, 2, 5), ("exit", 2, 0)),
}


@pytest.mark.parametrize("name", NEVER_ENDING)
def test_a_ring_is_found_and_stays_for_ever(name: str) -> None:
    operations, expected = NEVER_ENDING[name]
    player = played(*operations)
    assert {process.pid.first for process in trapped(player.kernel.processes())} == expected
    player.play(("kill", 0, 1, 9))
    assert {process.pid.first for process in player.kernel.processes() if process.state == DYING} >= expected


@pytest.mark.parametrize("name", ENDING)
def test_what_is_no_ring_ends_with_the_container(name: str) -> None:
    player = played(*ENDING[name])
    assert not trapped(player.kernel.processes())
    player.play(("kill", 0, 1, 9))
    player.play(("wait", 0, 1))
    assert not list(player.kernel.processes())


def test_the_shortest_ring_follows_from_which_init_holds_up_which() -> None:
    player = played(*NEVER_ENDING["over two levels"][0])
    two, three = player.processes[2], player.processes[3]
    assert ring_of(two) == [two, three]
    assert ring_of(three) == [three, two]
    assert ring_of(player.processes[1]) == []
    assert ring_of(three, three.pid) == []


@pytest.mark.parametrize("seed", range(60))
def test_rings_are_those_of_a_search_from_every_process(seed: int) -> None:
    random = Random(seed)
    size = random.randrange(1, 9)
    graph = {one: [other for other in range(size) if random.random() < 1.2 / size] for one in range(size)}
    reached = {one: set(graph[one]) for one in graph}
    for middle, one in product(graph, graph):
        if middle in reached[one]:
            reached[one] |= reached[middle]
    expected = {frozenset({one, *(other for other in graph if other in reached[one] and one in reached[other])}) for one in graph
                if one in reached[one]}  # fmt: skip
    found = rings(graph)
    assert {frozenset(ring) for ring in found} == expected
    assert len(found) == len(expected)
    for one in graph:
        way = shortest_ring(one, graph.__getitem__)
        assert bool(way) == (one in reached[one])
        assert all(later in graph[earlier] for earlier, later in zip(way, [*way[1:], *way[:1]], strict=True))


def test_a_long_ring_takes_no_recursion() -> None:
    size = 50_000
    graph = {one: [(one + 1) % size] for one in range(size)}
    assert [len(ring) for ring in rings(graph)] == [size]
    graph[size - 1] = []
    assert rings(graph) == []


# The generators of histories.


class Watched(ModelPlayer):
    """A model on which no operation may ever lead to a trap."""

    def play(self, operation: Operation) -> int | str:
        answer = super().play(operation)
        assert not trapped(self.kernel.processes()), operation
        return answer


PRESSED = {"nest": 5, "clone": 5, "setpgid": 6, "setpgid-child": 60, "exit": 2, "enter": 3, "wait": 2, "wrong": 0}
"""Most is done to nested inits by the parent above them, who alone can put them into groups that they cannot see."""


@pytest.mark.parametrize("seed", range(30))
def test_no_history_is_in_a_trap_at_any_moment(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what the historian does not do would have been refused, or have set off a trap."""
    monkeypatch.setitem(PROFILES, "pressed", PRESSED)
    historian = Historian(Random(seed), "pressed", Watched())
    for operation in CROSSED:
        historian.made += operation[0] == "clone"
        historian._act(operation)
    allowed, avoided = historian._no_trap, 0

    def watched(operation: Operation) -> Operation | None:
        nonlocal avoided
        if allowed(operation) is not None:
            return operation
        tried = copy.deepcopy(historian.player)
        if isinstance(ModelPlayer.play(tried, operation), int):  # type: ignore[arg-type]  # a Watched, and not watched here
            assert trapped(tried.kernel.processes()), operation  # type: ignore[attr-defined]  # as above
            avoided += 1
        return None

    monkeypatch.setattr(historian, "_no_trap", watched)
    historian.run(100)
    print(f"{avoided} traps avoided")


@pytest.mark.parametrize("seed", range(30))
def test_no_history_of_scenes_is_in_a_trap_at_any_moment(seed: int) -> None:
    random = Random(seed)
    stage = Stage(random, most=200)
    stage.cuts = 0.0
    inits = [stage.fork(stage.root, nest=True) for _ in range(4)]
    inits += [stage.fork(init, nest=True) for init in inits]
    for init in inits:
        child = stage.fork(init)
        stage.group(child, child)
    for _ in range(150):
        init, member = random.choice(inits), random.choice(stage.standing())
        stage.join(init.parent, init, member)
        assert not trapped(stage.standing())
