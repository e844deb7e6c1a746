"""From a solution to a cast and its order."""

from planner.builder.casting import cast_of
from planner.builder.cloning import Cloning
from planner.builder.order import Sorting
from planner.builder.rows import clones_of
from planner.builder.solution import Solution
from planner.builder.spaces import spaces_of
from planner.cast import Cast
from planner.forest import Forest
from planner.order import Event


def build(forest: Forest, solution: Solution) -> tuple[Cast, list[Event]]:
    """Return the cast of a rebuild that does what a solution says, and its births and changes in order."""
    spaces = spaces_of(forest)
    clones = Cloning(forest, spaces, solution, clones_of(forest, spaces, solution)).run()
    sorting = Sorting(spaces, solution, clones)
    order = sorting.run()
    return cast_of(forest, spaces, sorting.clones), order
