"""The orders against all trees and graphs of four members."""

from collections.abc import Iterator
from itertools import product
from random import Random

import pytest

from planner.planning.solver.engine import FALSE, Engine
from planner.planning.solver.orders import Acyclic, Regions, TreeOrder

MEMBERS = range(4)
PAIRS = [(upper, lower) for upper in MEMBERS for lower in MEMBERS if upper != lower]
ABOVE = [[2 + upper * 4 + lower if upper != lower else FALSE for lower in MEMBERS] for upper in MEMBERS]
CREATORS = {(child, creator): 20 + child * 4 + creator for creator, child in PAIRS}
BORN = {(member, leader): 40 + member * 4 + leader for leader, member in PAIRS}
TOP = {member: 60 + member for member in MEMBERS}
"""The literal that a member has no creator among the others."""

VARIABLES = 64

ONE_CREATOR = [
    *([TOP[child], *(CREATORS[child, creator] for creator in MEMBERS if creator != child)] for child in MEMBERS),
    *([-TOP[lower], -ABOVE[upper][lower]] for upper, lower in PAIRS),
    *([-CREATORS[child, one], -CREATORS[child, other]] for one, other in PAIRS for child in MEMBERS if child not in (one, other)),
]
"""The theory presupposes that every member has one creator or is at the top."""


def lines(creators: tuple[int, ...]) -> list[list[int]] | None:
    """Return all members above each member, the creator first; None where there is a circle. -1 stands for no creator."""
    found = []
    for member in MEMBERS:
        line: list[int] = []
        here = creators[member]
        while here >= 0:
            if here in line or here == member:
                return None
            line.append(here)
            here = creators[here]
        found.append(line)
    return found


def trees() -> Iterator[tuple[tuple[int, ...], list[list[int]]]]:
    for creators in product((-1, *MEMBERS), repeat=len(MEMBERS)):
        found = lines(creators)
        if found is not None:
            yield creators, found


TREES = list(trees())


def tree_engine(clauses: list[list[int]]) -> Engine:
    engine = Engine(VARIABLES, [*ONE_CREATOR, *clauses], [])
    tree = TreeOrder(engine, ABOVE, CREATORS)
    engine.use(tree)
    engine.use(Regions(engine, tree, BORN))
    return engine


def literals(creators: tuple[int, ...], found: list[list[int]]) -> list[int]:
    said = [ABOVE[upper][lower] if upper in found[lower] else -ABOVE[upper][lower] for upper, lower in PAIRS]
    return said + [literal if creators[child] == creator else -literal for (child, creator), literal in CREATORS.items()]


def test_every_tree_satisfies_its_order() -> None:
    assert len(TREES) == 125
    none_in_a_session = [-literal for literal in BORN.values()]
    for creators, found in TREES:
        assert tree_engine([[literal] for literal in literals(creators, found) + none_in_a_session]).search()


@pytest.mark.parametrize("seed", range(200))
def test_what_no_tree_satisfies_is_refused(seed: int) -> None:
    """A few statements about which member is above which hold in some tree, or the theory says that they do not."""
    random = Random(seed)
    said = [random.choice((1, -1)) * ABOVE[upper][lower] for upper, lower in random.sample(PAIRS, random.randint(3, 9))]
    said += [random.choice((1, 1, -1)) * literal for literal in random.sample(list(CREATORS.values()), random.randint(0, 2))]
    fits = any(set(said) <= set(literals(creators, found)) for creators, found in TREES)
    assert tree_engine([[literal] for literal in said]).search() is fits


def regions(creators: tuple[int, ...], found: list[list[int]]) -> Iterator[set[int]]:
    """Yield the birth sessions that a tree allows: a leader above, or none, and the same one for every member on the way."""
    for sessions in product((-1, *MEMBERS), repeat=len(MEMBERS)):
        if all(
            session < 0 or (session in found[member] and (creators[member] == session or sessions[creators[member]] == session))
            for member, session in enumerate(sessions)
        ):
            yield {literal if sessions[member] == leader else -literal for (member, leader), literal in BORN.items()}


def test_regions_allow_what_creators_pass_on() -> None:
    for creators, found in TREES[::5]:
        for session in regions(creators, found):
            assert tree_engine([[literal] for literal in (*literals(creators, found), *session)]).search()


def test_nobody_between_a_leader_and_a_member_is_of_another_session() -> None:
    chain = [[ABOVE[0][1]], [ABOVE[1][2]], [BORN[2, 0]]]
    engine = tree_engine(chain)
    assert engine.search()
    assert engine.holds(BORN[1, 0])
    assert not tree_engine([*chain, [-BORN[1, 0]]]).search()


@pytest.mark.parametrize("seed", range(100))
def test_a_graph_has_no_cycle(seed: int) -> None:
    random = Random(f"graph {seed}")
    edges = [(2 + place, *random.sample(MEMBERS, 2)) for place in range(8)]
    wanted = random.sample(range(2, 10), random.randint(3, 7))
    engine = Engine(10, [[literal] for literal in wanted], [])
    engine.use(Acyclic(edges))
    assert engine.search() is is_acyclic([edge[1:] for edge in edges if edge[0] in wanted])


def is_acyclic(edges: list[tuple[int, int]]) -> bool:
    left = set(MEMBERS)
    while free := {member for member in left if not any(after == member and before in left for before, after in edges)}:
        left -= free
    return not left
