"""Entangled forests: planner and rules agree on each, and a plan proves and holds in other orders.

The forests are the ends of histories (`tests.generators.entangled`), so that they can be, and such ends with a few facts changed,
of which the rules in clingo say whether they can (`tests/planning/solver/oracle.lp`, which shares no code with the planner). No
bound may be met. `CRPLAN_TANGLES=N` plays N histories.
"""

from collections import Counter
from random import Random

import pytest

from planner.errors import Contradiction
from planner.events.records import AnyEvent
from planner.forest.fold import fold
from planner.forest.model import Forest
from planner.pipeline.resolve import resolve
from planner.planning.solver.births import MOST_CONFLICTS
from planner.planning.solver.components import components
from planner.planning.solver.problem import read_problem
from planner.planning.solver.reduction import reduce_problem
from planner.planning.solver.rules import Rules
from planner.testing.forests import forest, notation
from tests.generators.entangled import SHAPES, Shape, changed, entangled
from tests.helpers.amounts import FULL, amount, blocks
from tests.helpers.counts import tally
from tests.helpers.trials import image_of, shrunk, story, trial
from tests.planning.solver.oracle import is_reachable

NUMBER = amount("CRPLAN_TANGLES", 10_000, 96)
"""Histories; of each there is a changed end, too."""

FAST = 16

LARGE = (12, 20, 36, 59) if FULL else (12, 20, 36)
"""Leaders of the large parts; those of 59 take seconds each."""

TOO_LARGE = 20
"""Of forests with more tasks the rules in clingo are not asked: they take seconds."""


def history_of(number: int) -> tuple[str, list[AnyEvent]]:
    """Return the shape of a case, and its end."""
    shape = list(SHAPES)[number % len(SHAPES)]
    return shape, image_of(entangled(number, SHAPES[shape]))


def smallest(number: int, shape: str, kind: str) -> str:
    """Return the story of the smallest part of a history that fails in the same way."""
    return story(shrunk(entangled(number, SHAPES[shape]), lambda end: trial(end, Random(0), 1).startswith(kind)))


def conflicts(image: Forest, most: int = MOST_CONFLICTS) -> Counter[tuple[int, int]]:
    """Return for the parts of a forest how many processes they have, and how many conflicts the search for them meets.

    No more than `most` are waited for.
    """
    problem = read_problem(image)
    found: Counter[tuple[int, int]] = Counter()
    for part in components(problem, reduce_problem(problem)):
        engine = Rules(problem, part).engine()
        engine.search(most_conflicts=most)
        found[len(part.core), engine.conflicts] += 1
    return found


@pytest.mark.parametrize("block", blocks(NUMBER, FAST, 250))
def test_what_a_history_has_entangled_is_planned(block: range) -> None:
    met: Counter[str] = Counter()
    for number in block:
        shape, image = history_of(number)
        found = trial(image, Random(number), 1)
        if found:
            pytest.fail(f"{shape} {number}: {found}\n{smallest(number, shape, found.partition(':')[0])}")
        for (size, count), parts in conflicts(fold(image)).items():
            met["parts"] += parts
            met["of more than 1 process"] += parts * (size > 1)
            met["of more than 5 processes"] += parts * (size > 5)
            met["with conflicts"] += parts * (count > 0)
            met["at the bound"] += parts * (count >= MOST_CONFLICTS)
    tally("entangled forests", forests=len(block), **{words.replace(" ", "_"): number for words, number in met.items()})
    assert not met["at the bound"]


@pytest.mark.parametrize("block", blocks(NUMBER, FAST, 250))
def test_what_the_rules_allow_is_planned_and_nothing_else(block: range) -> None:
    said: Counter[str] = Counter()
    for number in block:
        _, end = history_of(number)
        image = changed(end, Random(number))
        try:
            whole = fold(image)
        except Contradiction:
            continue
        if len(whole.tasks) > TOO_LARGE:
            continue
        try:
            resolve(list(image))
            verdict = "planned"
        except Contradiction as refusal:
            assert refusal.because
            verdict = "undecided" if "undecided" in refusal.code else "refused"
        said[verdict] += 1
        assert verdict == ("planned" if is_reachable(whole) else "refused"), f"{number}: {notation(whole)}"
    tally("changed entangled forests", **said)
    assert said["planned"]


def crossed(leaders: int, children: int, seed: int) -> str:
    """Return leaders, most of them below 1, with children in the sessions of any others."""
    random = Random(f"{leaders} {children} {seed}")
    numbers = range(2, 2 + leaders)
    words = ["1"]
    for pid in numbers:
        words.append(f"{pid}:{1 if random.random() < 0.7 else random.randrange(1, pid)}/{pid}")
    for pid in range(1000, 1000 + children):
        parent, session = random.sample(numbers, 2)
        words.append(f"{pid}:{parent}/{session}")
    return " ".join(words)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("density", [1.0, 1.5, 2.0])
@pytest.mark.parametrize("leaders", LARGE)
def test_large_parts_are_decided_far_from_the_bound(leaders: int, density: float, seed: int) -> None:
    """Bounds count conflicts: most of these meet fewer than 100, refused ones among them."""
    enough = MOST_CONFLICTS // 5
    for size, count in conflicts(forest(crossed(leaders, int(leaders * density), seed)), enough):
        assert count < enough, f"{size} processes take {count} conflicts"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("leaders", [12, 30, 56])
def test_the_search_decides_large_tangles(leaders: int, seed: int) -> None:
    image = fold(image_of(entangled(seed, Shape(leaders=leaders, most=3 * leaders, dead=True))))
    for size, count in conflicts(image):
        assert count <= MOST_CONFLICTS // 10, f"{size} processes take {count} conflicts"
