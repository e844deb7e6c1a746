"""Cycles of inits that could never finish dying, each in a group whose living leader another one encloses; and their facts.

`planner.kernel.deadlocks` says which init waits for which. A history can lead to a tree with such a cycle; the tree is refused,
because it could never end. Where leaders are dead the search finds such cycles.
"""

from planner.errors import Contradiction
from planner.forest.model import Forest
from planner.identity import OUTSIDE, ProcessId
from planner.kernel.deadlocks import rings, smallest_ring, words
from planner.planning.solver.problem import EXECUTOR_NAMESPACE, INIT, Problem, Process

Held = dict[ProcessId, list[ProcessId]]


def trap(forest: Forest, problem: Problem) -> Contradiction | None:
    """Return the refusal of the first inits that wait for themselves or for each other, None where there are none."""
    held = _held_up(problem)
    trapped = {init for ring in rings(held) for init in ring}
    if not trapped:
        return None
    first = next(init for init in held if init in trapped)
    ring = smallest_ring(first, lambda one: held.get(one, ()))
    return _of_ring(forest, ring)


def _of_ring(forest: Forest, ring: list[ProcessId]) -> Contradiction:
    """Return the refusal of inits that wait for each other: the root's place is known, and so is where its group is led."""
    groups = [(init, forest.tasks[init].group) for init in ring]
    known = {*ring, *(group for init, group in groups if INIT not in (init, group))}
    return Contradiction("init-trap", words(groups), sorted(forest.tasks[pid].recorded for pid in known), ring[0])


def _held_up(problem: Problem) -> Held:
    """Return for each living init whose group is not led above it the inits that cannot end before it."""
    return {process.pid: held for process in problem.processes.values() if (held := _held_up_by(problem, process))}


def _held_up_by(problem: Problem, init: Process) -> list[ProcessId]:
    namespaces, group = problem.namespaces, init.group
    if not init.is_init or init.ended or init.dead or group in (None, OUTSIDE, init.pid):
        return []
    if init.pid == INIT:
        return [INIT]
    leader = problem.processes[group]
    if leader.dead:
        return []
    place = namespaces.parent[leader.places[0]] if leader.is_init else leader.places[0]
    if place == EXECUTOR_NAMESPACE or namespaces.is_above(place, init.places[0]):
        return []
    return [namespaces.init[around] for around in namespaces.line(place)]
