"""Which creators are tried first where many processes are entangled: those that the image names together with a process."""

from collections.abc import Iterator, Mapping

from planner.identity import OUTSIDE, ProcessId
from planner.planning.solver.problem import Problem
from planner.planning.solver.reduction import Reduced


def kin_of(problem: Problem, reduced: Reduced) -> Mapping[ProcessId, list[ProcessId]]:
    """Return for each process of a core the likely creators.

    They are its parent, its parent's parent and session's leader, the leaders of its own session and group, the inits that come
    before it, and where a parent has a child in another one's session, each of these two for the other.
    """
    core = frozenset(reduced.core)
    kin: dict[ProcessId, dict[ProcessId, None]] = {pid: {} for pid in reduced.core}
    for pid in reduced.core:
        process = problem.processes[pid]
        parent = problem.processes.get(process.parent or OUTSIDE)
        inits = [problem.init_before(pid, place) for place in process.places]
        above = () if parent is None else (parent.session, parent.parent)
        for other in (process.parent, process.session, process.group, *inits, *above):
            if other in core and other != pid:
                kin[pid][other] = None
    for one, other in _asked(problem, reduced):
        if one in core and other in core and one != other:
            kin[one][other] = kin[other][one] = None
    return {pid: list(others) for pid, others in kin.items()}


def _asked(problem: Problem, reduced: Reduced) -> Iterator[tuple[ProcessId, ProcessId]]:
    """Yield parents with the leaders of sessions and hidden groups that their children are in."""
    for pid in reduced.core:
        process = problem.processes[pid]
        yield process.parent or OUTSIDE, process.session or OUTSIDE
        if process.group in reduced.hidden:
            yield process.parent or OUTSIDE, process.group or OUTSIDE
    for demand in reduced.demands:
        yield demand.parent, demand.session
