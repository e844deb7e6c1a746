"""Dead leaders whose numbers fit into no pid namespace of the image: which facts leave no place for one."""

from collections.abc import Iterator

from planner.errors import Contradiction
from planner.forest.laws_processes import dead, ended_by
from planner.forest.model import Forest, Namespace
from planner.identity import EventNumber
from planner.kernel.deadlocks import words
from planner.planning.solver.problem import Problem


def homeless(forest: Forest, problem: Problem) -> Contradiction | None:
    """Return the refusal of the first dead leader that can have lived nowhere, None where each has a place."""
    nowhere = next((pid for pid, process in problem.processes.items() if not process.possible), None)
    if nowhere is None:
        return None
    member = next(task for task in forest.tasks.values() if nowhere in (task.session, task.group))
    leader = forest.leaders.get(nowhere)
    numbers = (nowhere,) if leader is None else leader.pids
    because = [] if leader is None or len(numbers) == 1 else [leader.recorded]
    trapped = []
    for space in forest.namespaces.values():
        if space.level == len(numbers) - 1:
            init = forest.tasks.get(space.init)
            if init is not None and init.group == nowhere and space.level:
                trapped.append(init)
                because.append(init.recorded)
            else:
                because += _taken(forest, problem, space, numbers)
    if trapped:
        init = trapped[0]
        return Contradiction("init-trap", words([(init.pid, nowhere)]), dict.fromkeys(because), init.pid)
    message = (
        f"the dead leader {'.'.join(map(str, numbers))} lived in a pid namespace at level {len(numbers) - 1}, and the image "
        f"holds none where its numbers are free and an init lives"
    )
    return Contradiction("leader-without-namespace", message, dict.fromkeys((member.recorded, *because)), member.pid)


def _taken(forest: Forest, problem: Problem, space: Namespace, numbers: tuple[int, ...]) -> Iterator[EventNumber]:
    """Yield the facts by which a dead leader did not live in a namespace: its init has ended, or a task bears its number."""
    init = forest.tasks.get(space.init)
    if init is not None and dead(forest, init):
        yield init.recorded
        yield from ended_by(forest, init)
        return
    line = problem.namespaces.line(space.id)
    for task in forest.tasks.values():
        own = problem.namespaces.line(task.namespace)
        for bearer in (task, *forest.threads.get(task.pid, ())):
            shared = zip(own[1:], line[1:], bearer.pids[1:], numbers[1:], strict=False)
            if any(one == other and number == taken for one, other, number, taken in shared):
                yield bearer.recorded
                yield task.recorded
                return
