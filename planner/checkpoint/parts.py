"""Parts of a tree: what one `criu dump` takes, which is one pid namespace.

CRIU refuses a task in another pid namespace than the root task's, so each pid namespace is a part with its init as the root. A
part without a namespace of its own is that of the tree's root.
"""

import msgspec

from planner.forest.model import Forest
from planner.identity import OUTSIDE, NamespaceId, Pids, ProcessId


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """The tasks of one pid namespace, in image order; `root` is the first of them and, but for the tree's own root, an init.

    `parent` is the task outside of the part whose child the root is, `OUTSIDE` for the tree's root; `enclosing` names the part
    that this task is in.
    """

    name: str
    root: ProcessId
    parent: ProcessId
    enclosing: str
    namespace: NamespaceId
    level: int
    tasks: tuple[ProcessId, ...]


def parts_of(forest: Forest) -> tuple[Part, ...]:
    """Return the parts of a forest in image order, that of the root first: each after the part that it hangs below."""
    members: dict[NamespaceId, list[ProcessId]] = {}
    own = forest.tasks[forest.root].namespace
    members[own] = []
    for task in forest.tasks.values():
        members.setdefault(task.namespace, []).append(task.pid)
    names = {namespace: f"part{number}" for number, namespace in enumerate(members)}
    found = []
    for namespace, tasks in members.items():
        root = forest.root if namespace == own else _init(forest, tasks)
        parent = OUTSIDE if namespace == own else forest.tasks[root].parent
        found.append(
            Part(
                name=names[namespace],
                root=root,
                parent=parent,
                enclosing=names[forest.tasks[parent].namespace] if parent in forest.tasks else "",
                namespace=namespace,
                level=forest.tasks[root].level,
                tasks=tuple(tasks),
            )
        )
    return tuple(found)


def _init(forest: Forest, tasks: list[ProcessId]) -> ProcessId:
    """Return the init among the tasks of a namespace, the first of them where the init is none of the tree's."""
    return next((pid for pid in tasks if forest.tasks[pid].pids[-1] == 1), tasks[0])


def deepest_first(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """Return the parts in the order in which they are dumped: each before the one that it hangs below."""
    return tuple(sorted(parts, key=lambda part: -part.level))


def number_in(part: Part, pids: Pids) -> int:
    """Return the number of a vector in a part's own pid namespace, 0 where it has none there."""
    return pids[part.level] if len(pids) > part.level else 0
