"""Entangled forests are rebuilt on the running kernel, by `crplan run` and by each program.

Only those count in which some processes have to be searched for. `CRPLAN_REBUILT=N` rebuilds N by `crplan run` and a fifth of
them by each program.
"""

from collections.abc import Iterator

import pytest

from planner.events.records import AnyEvent
from planner.forest.fold import fold
from planner.pipeline.resolve import resolve
from planner.planning.solver.problem import read_problem
from planner.planning.solver.reduction import reduce_problem
from tests.generators.entangled import SHAPES, entangled
from tests.helpers.amounts import amount
from tests.helpers.counts import tally
from tests.helpers.rebuilding import WAYS, rebuild
from tests.helpers.trials import image_of

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(7200)]

NUMBER = amount("CRPLAN_REBUILT", 500, 10)


def forests(way: str) -> Iterator[tuple[int, list[AnyEvent]]]:
    """Yield entangled forests, other ones for each way, and their numbers."""
    shapes = [shape for name, shape in SHAPES.items() if name != "many leaders"]
    found = 0
    number = 100_000 * WAYS.index(way)
    while found < (NUMBER if way == "run" else NUMBER // 5):
        image = image_of(entangled(number, shapes[number % len(shapes)]))
        if len(reduce_problem(read_problem(fold(image))).core) > 1:
            found += 1
            yield number, image
        number += 1


@pytest.mark.parametrize("way", WAYS)
def test_what_a_history_has_entangled_is_rebuilt(way: str) -> None:
    wrong: dict[int, str] = {}
    for number, image in forests(way):
        found = rebuild(way, resolve(list(image)).plan, image)
        tally("entangled forests rebuilt", **{way: 1})
        if found:
            wrong[number] = found
    assert not wrong
