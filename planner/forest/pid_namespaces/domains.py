"""The domains of the search for namespaces: the open cells, and the namespaces that each may be."""

from collections.abc import Callable
from typing import NamedTuple

from planner.forest.pid_namespaces.cells import Bearers, Cells
from planner.forest.pid_namespaces.constraints import OpenCells


class Domains(NamedTuple):
    """The open cells of some bearers with their values, as both the assignment and the order of values need them.

    `open` are the cells that may be several namespaces, `namespaces` the cells that are namespaces by level, and `line` returns
    the nested cells from level 1 down to a cell. The domains themselves are in `problem`, and shrink as it propagates.
    """

    problem: OpenCells
    bearers: Bearers
    cells: Cells
    members: list[int]
    open: list[int]
    namespaces: list[list[int]]
    line: Callable[[int], tuple[int, ...]]
