"""What pid namespaces forbid: numbers used twice, tasks below an init that has ended, parents that live elsewhere.

Where the image holds identities, or they have been inferred, these are facts that exclude each other like those of
`planner.forest.laws`. Sources: alloc_pid, zap_pid_ns_processes and copy_pid_ns in the kernel.
"""

from planner.errors import Contradiction
from planner.forest.laws_processes import MOST_LEVELS, abridged, dead, ended_by
from planner.forest.model import Forest, Task, Thread
from planner.identity import NamespaceId, Number, ProcessId


def check_namespaces(forest: Forest) -> None:
    """Raise `Contradiction` for the first set of facts about pid namespaces that cannot be true together."""
    init = forest.tasks.get(ProcessId(1))
    if init is not None and dead(forest, init):
        for pid, task in forest.tasks.items():
            if pid != 1:
                raise _in_dead_namespace(forest, task, init)
    _check_level_0(forest)
    if len(forest.namespaces) < 2:
        return
    _check_enclosures(forest)
    lines = _lines_of_ancestors(forest)
    _check_numbers(forest, lines)
    _check_lines(forest, lines)
    for task in forest.tasks.values():
        for namespace in lines.get(task.namespace, ())[1:]:
            init = forest.tasks.get(forest.namespaces[namespace].init)
            if init is not None and init is not task and init.state == "zombie" and dead(forest, init):
                raise _in_dead_namespace(forest, task, init)


def _check_level_0(forest: Forest) -> None:
    """A task with one pid is in the root's namespace, and only such a task is."""
    for task in forest.tasks.values():
        if len(task.pids) == 1 and task.namespace > 0:
            raise Contradiction(
                "namespace-level",
                f"task {task.pid} has one pid and is in pid namespace {task.namespace}; at level 0 is the root's alone",
                (task.recorded,),
                task.pid,
            )
        if len(task.pids) > 1 and task.namespace == 0:
            raise Contradiction(
                "namespace-level",
                f"task {task.pid} has {len(task.pids)} numbers and is recorded in the root's pid namespace, which is at level 0",
                (task.recorded, *((task.namespace_recorded,) if task.namespace_recorded >= 0 else ())),
                task.pid,
            )


def _check_numbers(forest: Forest, lines: dict[NamespaceId, tuple[NamespaceId, ...]]) -> None:
    """A task has a pid in each namespace around it, and each pid of a namespace is that of one task or thread."""
    holders: dict[tuple[NamespaceId, Number], Task | Thread] = {}
    for task in forest.tasks.values():
        line = lines.get(task.namespace)
        if line is None:
            continue
        if len(line) != len(task.pids):
            raise Contradiction(
                "namespace-level",
                f"task {task.pid} has {len(task.pids)} numbers and is in a namespace at level {len(line) - 1}",
                (forest.namespaces[task.namespace].recorded, task.recorded),
                task.pid,
            )
        for holder in (task, *forest.threads.get(task.pid, ())):
            for namespace, number in zip(line[1:], holder.pids[1:], strict=False):
                other = holders.setdefault((namespace, number), holder)
                if other is not holder:
                    raise _borne_twice(namespace, number, other, holder)


def _check_lines(forest: Forest, lines: dict[NamespaceId, tuple[NamespaceId, ...]]) -> None:
    """Parents and session leaders live in the task's own namespace or in one that encloses it, of an init in one that does."""
    for task in forest.tasks.values():
        line = lines.get(task.namespace)
        if line is None:
            continue
        is_init = len(task.pids) > 1 and task.pids[-1] == 1
        for role, above in (("parent", task.parent), ("session's leader", task.session)):
            other = forest.tasks.get(above)
            if other is None or other.namespace not in lines:
                continue
            if other.namespace not in line:
                raise Contradiction(
                    "namespace-recorded-apart",
                    f"task {task.pid} is in pid namespace {task.namespace}, and its {role} {above} in {other.namespace}, which "
                    f"does not enclose it",
                    (other.recorded, task.recorded),
                    task.pid,
                )
            if is_init and other is not task and other.namespace == task.namespace:
                raise Contradiction(
                    "namespace-init-below",
                    f"task {task.pid} is the init of pid namespace {task.namespace}, and its {role} {above} is in that one too: "
                    f"it must stand above",
                    (other.recorded, task.recorded),
                    task.pid,
                )


def _check_enclosures(forest: Forest) -> None:
    """No pid namespace encloses itself; each is walked over once."""
    grounded: set[NamespaceId] = set()
    for namespace in forest.namespaces:
        line: dict[NamespaceId, None] = {}
        while namespace in forest.namespaces and namespace not in grounded:
            if namespace in line:
                walked = list(line)
                circle = walked[walked.index(namespace) :]
                raise Contradiction(
                    "namespace-cycle",
                    f"pid namespaces are recorded inside each other: {abridged([*circle, namespace])}",
                    (forest.namespaces[member].recorded for member in circle),
                )
            line[namespace] = None
            namespace = forest.namespaces[namespace].parent
        grounded.update(line)


def _lines_of_ancestors(forest: Forest) -> dict[NamespaceId, tuple[NamespaceId, ...]]:
    """Return for each namespace whose ancestors are all known the way to it from the root namespace, itself included."""
    lines: dict[NamespaceId, tuple[NamespaceId, ...]] = {NamespaceId(0): (NamespaceId(0),)}
    met = {NamespaceId(0)}
    for namespace in forest.namespaces:
        pending: list[NamespaceId] = []
        while namespace not in met and namespace in forest.namespaces:
            met.add(namespace)
            pending.append(namespace)
            namespace = forest.namespaces[namespace].parent
        line = lines.get(namespace, ())
        for below in reversed(pending):
            if not 0 < len(line) < MOST_LEVELS:
                break
            line = lines[below] = (*line, below)
    return lines


def _borne_twice(namespace: NamespaceId, number: Number, first: "Task | Thread", second: "Task | Thread") -> Contradiction:
    what = "two inits" if number == 1 else f"pid {number} twice"
    return Contradiction(
        "two-inits" if number == 1 else "duplicate-number",
        f"pid namespace {namespace} has {what}: {first.pids[0]} and {second.pids[0]}",
        (first.recorded, second.recorded),
        second.pids[0],
    )


def _in_dead_namespace(forest: Forest, task: Task, init: Task) -> Contradiction:
    is_init = (init.recorded,) if init.pid != 1 else ()
    return Contradiction(
        "zombie-init",
        f"task {task.pid} is in a pid namespace whose init {init.pid} is a zombie: such a namespace is empty",
        (*is_init, *ended_by(forest, init), task.recorded),
        task.pid,
    )
