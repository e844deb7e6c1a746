"""The engine against all assignments: whether there is one, which is the least, and which assumptions exclude each other."""

from collections.abc import Iterator, Sequence
from itertools import product
from random import Random

import pytest

from planner.planning.solver.engine import TRUE, Engine

VARIABLES = range(2, 9)
"""Variable 1 is constant."""


def clauses(random: Random) -> list[list[int]]:
    drawn = []
    for _ in range(random.randint(8, 34)):
        chosen = random.sample(VARIABLES, random.choice((1, 2, 3, 3)))
        drawn.append([variable if random.random() < 0.5 else -variable for variable in chosen])
    return drawn


def assignments(clauses: Sequence[Sequence[int]], order: Sequence[int]) -> Iterator[set[int]]:
    """Yield all assignments that satisfy some clauses, the least one in an order of preferred literals first."""
    for choice in product((1, -1), repeat=len(order)):
        chosen = {literal * sign for literal, sign in zip(order, choice, strict=True)}
        if all(chosen.intersection(clause) for clause in clauses):
            yield chosen


@pytest.mark.parametrize("seed", range(150))
def test_the_least_assignment_is_found_where_there_is_one(seed: int) -> None:
    random = Random(seed)
    drawn = clauses(random)
    order = [random.choice((variable, -variable)) for variable in random.sample(VARIABLES, len(VARIABLES))]
    least = next(assignments(drawn, order), None)
    engine = Engine(max(VARIABLES), drawn, order)
    assert engine.search() is (least is not None)
    if least is not None:
        engine.least()
        assert {literal for literal in (*VARIABLES, *(-variable for variable in VARIABLES)) if engine.holds(literal)} == least


@pytest.mark.parametrize("seed", range(150))
def test_the_core_is_a_part_of_the_assumptions_that_cannot_hold(seed: int) -> None:
    random = Random(f"core {seed}")
    drawn = clauses(random)[:14]
    engine = Engine(max(VARIABLES), drawn, list(VARIABLES))
    for _ in range(4):
        assumed = [random.choice((variable, -variable)) for variable in random.sample(VARIABLES, 4)]
        found = engine.search(assumed)
        assert found is any(chosen.issuperset(assumed) for chosen in assignments(drawn, VARIABLES))
        if not found:
            assert set(engine.core) <= set(assumed)
            assert not any(chosen.issuperset(engine.core) for chosen in assignments(drawn, VARIABLES))


def pigeons(count: int) -> list[list[int]]:
    """Return clauses that seat one more than there are places, which takes many conflicts to refute."""
    seats = {(pigeon, hole): 2 + pigeon * count + hole for pigeon in range(count + 1) for hole in range(count)}
    everywhere = [[seats[pigeon, hole] for hole in range(count)] for pigeon in range(count + 1)]
    apart = [
        [-seats[one, hole], -seats[other, hole]] for hole in range(count) for one in range(count + 1) for other in range(one)
    ]
    return everywhere + apart


def test_beyond_the_bound_on_conflicts_nothing_is_said() -> None:
    hard = pigeons(6)
    engine = Engine(1 + 6 * 7, hard, [])
    assert engine.search(most_conflicts=20) is None
    assert engine.conflicts == 20
    assert Engine(1 + 4 * 5, pigeons(4), []).search() is False


def test_a_clause_without_literals_cannot_be_satisfied() -> None:
    assert Engine(2, [[]], []).search() is False
    assert Engine(2, [[-TRUE]], []).search() is False
    assert Engine(2, [[TRUE], [2]], []).search() is True
