"""What a plan's order leaves free: its longest path, and what can run side by side.

A plan is a list, and any order that keeps each actor's own steps in order and honours `waits` is as good. Back ends and people
may ask how much that leaves: the longest chain of steps that must follow each other bounds how fast any executor can be.
"""

from typing import TYPE_CHECKING

from planner.identity import ProcessId, StepNumber
from planner.plans.model import Plan
from planner.steps import Create, CreateThread, Verify

if TYPE_CHECKING:
    import networkx as nx


def constraint_graph(plan: Plan) -> "nx.DiGraph[StepNumber]":
    """Return the steps of a plan with an edge from each to those that must come later; the edge's `rule` says why.

    Edges are those between neighbouring steps of one actor ("same-actor"), from a creation to the first step of the created
    ("created-before-acting"), and `waits`. Verify steps wait for all others by definition; they are left out.
    """
    import networkx as nx

    graph: nx.DiGraph[StepNumber] = nx.DiGraph()
    last: dict[ProcessId, tuple[StepNumber, str]] = {}
    for step in plan.steps:
        if isinstance(step, Verify):
            continue
        graph.add_node(step.number)
        if step.actor in last:
            before, rule = last[step.actor]
            graph.add_edge(before, step.number, rule=rule)
        for wait in step.waits:
            graph.add_edge(wait.step, step.number, rule=wait.rule)
        last[step.actor] = (step.number, "same-actor")
        if isinstance(step, (Create, CreateThread)):
            last[step.child] = (step.number, "created-before-acting")
    return graph


def longest_path(plan: Plan) -> list[StepNumber]:
    """Return the longest chain of steps that must follow each other; of several the first by step numbers."""
    before: dict[StepNumber, StepNumber] = {}
    length: dict[StepNumber, int] = {}
    graph = constraint_graph(plan)
    for number in graph:
        earlier = max(graph.predecessors(number), key=lambda step: (length[step], -step), default=None)
        length[number] = 1
        if earlier is not None:
            before[number] = earlier
            length[number] += length[earlier]
    if not length:
        return []
    path = [max(length, key=lambda step: (length[step], -step))]
    while path[-1] in before:
        path.append(before[path[-1]])
    return path[::-1]


def side_by_side(plan: Plan) -> list[list[StepNumber]]:
    """Return the steps in waves: those of a wave need only steps of earlier waves, and can run side by side."""
    import networkx as nx

    return [sorted(wave) for wave in nx.topological_generations(constraint_graph(plan))]
