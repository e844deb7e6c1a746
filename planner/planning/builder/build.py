"""Builds from a solution the processes of the rebuild, and the order of their births and changes."""

from planner.forest.model import Forest
from planner.identity import ProcessId
from planner.planning.builder.cloning import Cloning
from planner.planning.builder.order import CannotBeMoved, Sorting, Unordered
from planner.planning.builder.rows import clones_of
from planner.planning.builder.thrift import thrifty
from planner.planning.cast import Cast, Event
from planner.planning.solver.solution import Solution
from planner.planning.spaces import spaces_of


def build(forest: Forest, solution: Solution, *, thrift: bool = True) -> tuple[Cast, list[Event]]:
    """Return the processes of a rebuild that does what a solution says, and its births and changes in order.

    With `thrift` the solution is changed first so that it takes fewer helpers. Raises Unordered where the rules of the search and
    those of the builder disagree.
    """
    apart: set[ProcessId] = set()
    spaces = spaces_of(forest, solution.lost)
    clones = clones_of(forest, spaces, solution)
    if thrift:
        solution = thrifty(forest, spaces, solution, clones)
    for _ in range(len(solution.births) + 1):
        sorting = Sorting(spaces, solution, Cloning(forest, spaces, solution, clones, apart).run())
        try:
            order = sorting.run()
        except CannotBeMoved as error:
            if error.pid in apart:
                raise Unordered(str(error)) from None
            apart.add(error.pid)
            spaces = spaces_of(forest, solution.lost)
            clones = clones_of(forest, spaces, solution)
            continue
        return Cast(forest, spaces, sorting.clones, {one.pid: one for one in solution.excluded}), order
    raise Unordered("too many processes cannot be moved")
