"""Orders other than the plan's own that could make inits wait for each other in a ring.

Executors run actors side by side: two steps of different actors can happen in either order unless waits put them in order.
The proof runs a plan in plan order. That says enough about traps (`planner.kernel.deadlocks`) where no process's change of group
can close a ring in any order, which is the rule, and where the steps that bring inits into a ring and out of it have only one
order.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

from planner.identity import OUTSIDE, ProcessId, StepNumber
from planner.steps import AnyStep, Create, Exit, Kill, SetGroup, SetSession


def first_unordered(
    steps: Sequence[AnyStep], joined: Mapping[ProcessId, Collection[int]], inits: Collection[ProcessId]
) -> StepNumber | None:
    """Return the first step that brings an init near a ring or away from it, and need not come after the one before.

    `joined` says by which steps inits came into groups that could be part of a ring. While one is in such a group the end of any
    of the `inits` counts, since it takes others along. None where there is only one order.
    """
    chosen: list[StepNumber] = []
    near: set[ProcessId] = set()
    for step in steps:
        pid = _concerned(step)
        if step.number in joined.get(pid, ()):
            near.add(pid)
        elif pid in near:
            near.discard(pid)
        elif not near or not isinstance(step, (Exit, Kill)) or _ended(step) not in inits:
            continue
        chosen.append(step.number)
    if len(chosen) < 2:
        return None
    import networkx as nx

    order: nx.DiGraph[StepNumber] = nx.DiGraph()
    last: dict[ProcessId, StepNumber] = {}
    for step in steps:
        order.add_edges_from((wait.step, step.number) for wait in step.waits)
        if step.actor in last:
            order.add_edge(last[step.actor], step.number)
        last[step.actor] = step.number
        if isinstance(step, Create):
            last[step.child] = step.number
    order.add_nodes_from(chosen)
    return next((later for earlier, later in pairwise(chosen) if not nx.has_path(order, earlier, later)), None)


def _concerned(step: AnyStep) -> ProcessId:
    """Return whose group a step decides; the executor's where it decides none."""
    match step:
        case Create(child=pid) | SetGroup(target=pid) | SetSession(actor=pid):
            return pid
    return OUTSIDE


def _ended(step: Exit | Kill) -> ProcessId:
    return step.target if isinstance(step, Kill) else step.actor
