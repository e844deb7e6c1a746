"""The independent parts of a core: they have only the container's init in common."""

from collections.abc import Iterator

from planner.identity import OUTSIDE, ProcessId
from planner.planning.solver.problem import INIT, Problem
from planner.planning.solver.reduction import Reduced


def components(problem: Problem, reduced: Reduced) -> list[Reduced]:
    """Return the parts of a core, each with the container's init, in image order of their first processes.

    Two processes belong together where one is the other's parent, leads its session or its hidden group, or is the init of
    a namespace that the other needs. No process of another part is needed between them: what such a process creates, its own
    creator can create as well.
    """
    first: dict[ProcessId, ProcessId] = {pid: pid for pid in reduced.core}
    for one, other in _ties(problem, reduced):
        if one in first and other in first and INIT not in (one, other):
            _join(first, one, other)
    parts: dict[ProcessId, list[ProcessId]] = {}
    for pid in reduced.core:
        if pid != INIT:
            parts.setdefault(_first(first, pid), []).append(pid)
    if not parts:
        return [reduced]
    return [_part(problem, reduced, (INIT, *members)) for members in parts.values()]


def _part(problem: Problem, reduced: Reduced, members: tuple[ProcessId, ...]) -> Reduced:
    inside = set(members)
    groups = {problem.processes[pid].group for pid in members}
    return Reduced(
        core=members,
        demands=tuple(one for one in reduced.demands if inside.issuperset({one.parent, one.session} - {OUTSIDE})),
        taken=(),
        heads=frozenset(),
        hidden=tuple(group for group in reduced.hidden if group in groups),
    )


def _ties(problem: Problem, reduced: Reduced) -> Iterator[tuple[ProcessId, ProcessId]]:
    """Yield pairs of processes that belong together."""
    hidden = set(reduced.hidden)
    for pid in reduced.core:
        process = problem.processes[pid]
        yield pid, process.parent or OUTSIDE
        yield pid, process.session or OUTSIDE
        if process.group in hidden:
            yield pid, process.group or OUTSIDE
        for place in process.places:
            yield pid, problem.init_before(pid, place)
    for demand in reduced.demands:
        yield demand.parent, demand.session


def _first(first: dict[ProcessId, ProcessId], pid: ProcessId) -> ProcessId:
    """Return the process that stands for the part of another one (disjoint sets, paths halved)."""
    while first[pid] != pid:
        first[pid] = first[first[pid]]
        pid = first[pid]
    return pid


def _join(first: dict[ProcessId, ProcessId], one: ProcessId, other: ProcessId) -> None:
    first[_first(first, one)] = _first(first, other)
