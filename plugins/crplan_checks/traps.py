"""An init whose group is led from within its own pid namespace can never finish dying (rule `init-trap` of the model kernel)."""

from collections.abc import Iterator

from crplan_checks.kinds import INIT_CANNOT_DIE
from planner.contradictions import MOST_LEVELS
from planner.findings import Answer, Passed
from planner.forest import Forest
from planner.hookspecs import Artefact
from planner.identity import NamespaceId


def check(artefact: Artefact) -> Iterator[Answer]:
    """Yield every init that is trapped; the cost is that of the levels of all inits."""
    forest = artefact.forest
    found = False
    for task in forest.tasks.values():
        if task.pids[-1] != 1 or task.group == task.pid or not task.group:
            continue
        leader = forest.tasks.get(task.group)
        if leader is not None and _within(forest, leader.namespace, task.namespace):
            found = True
            yield INIT_CANNOT_DIE.found(
                f"init {task.pid} is in group {task.group}, whose leader lives in the init's own pid namespace or below",
                pid=task.pid,
                property="group",
                recorded=str(task.group),
            )
    if not found:
        yield Passed(code=INIT_CANNOT_DIE.code, detail="no init is in a group of its own pid namespace")


def _within(forest: Forest, inner: NamespaceId, outer: NamespaceId) -> bool:
    """Whether a pid namespace is another or lies below it; namespaces nest at most 32 deep."""
    current: NamespaceId | None = inner
    for _ in range(MOST_LEVELS + 1):
        if current == outer:
            return True
        namespace = forest.namespaces.get(current) if current is not None else None
        if namespace is None or namespace.parent == current:
            return False
        current = namespace.parent
    return False
