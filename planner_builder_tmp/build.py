"""From a solution to a cast and its order."""

from planner.builder.casting import cast_of
from planner.builder.cloning import Cloning
from planner.builder.order import CannotBeMoved, Sorting, Unordered
from planner.builder.spaces import spaces_of
from planner.cast import Cast
from planner.forest import Forest
from planner.identity import ProcessId
from planner.order import Event
from planner.solver.solution import Solution


def build(forest: Forest, solution: Solution) -> tuple[Cast, list[Event]]:
    """Return the cast of a rebuild that does what a solution says, and its births and changes in order.

    Raises Unordered where the rules of the search and of the builder disagree.
    """
    apart: set[ProcessId] = set()
    for _ in range(len(solution.births) + 1):
        spaces = spaces_of(forest, solution.lost)
        sorting = Sorting(spaces, solution, Cloning(forest, spaces, solution, apart).run())
        try:
            order = sorting.run()
        except CannotBeMoved as error:
            if error.pid in apart:
                raise Unordered(str(error)) from None
            apart.add(error.pid)
            continue
        return cast_of(forest, spaces, sorting.clones), order
    raise Unordered("too many processes cannot be moved")
