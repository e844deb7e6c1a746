"""Which nodes of a large forest are drawn, and what stands for the others."""

from collections import deque
from typing import Final

import msgspec

from crplan_pictures.scene import Node, Scene
from planner.identity import OUTSIDE, ProcessId

FEWEST_FOLDED: Final = 3
"""Leaves of one parent that are worth folding into one node."""


class Fold(msgspec.Struct, frozen=True):
    """Leaves of one parent and namespace, or whatever is below it, drawn as one node."""

    parent: ProcessId
    namespace: ProcessId
    words: str


def folded(drawn: Scene, most: int) -> tuple[dict[ProcessId, Node], list[Fold]]:
    """Return the nodes that are drawn and what stands for the others: leaves fold first, then what is far from the root."""
    if len(drawn.nodes) <= most:
        return drawn.nodes, []
    children: dict[ProcessId, list[Node]] = {}
    for node in drawn.nodes.values():
        children.setdefault(node.parent if node.parent in drawn.nodes else OUTSIDE, []).append(node)
    kept: dict[ProcessId, Node] = {}
    folds: list[Fold] = []
    waiting = deque([OUTSIDE])
    while waiting:
        parent = waiting.popleft()
        leaves: dict[ProcessId, list[Node]] = {}
        for node in children.get(parent, []):
            if node.pid not in children:
                leaves.setdefault(node.namespace, []).append(node)
        for namespace, alike in leaves.items():
            if len(alike) >= FEWEST_FOLDED:
                folds.append(Fold(parent, namespace, _words(alike)))
        for node in children.get(parent, []):
            if node.pid in children or len(leaves[node.namespace]) < FEWEST_FOLDED:
                kept[node.pid] = node
                waiting.append(node.pid)
    if len(kept) + len(folds) <= most:
        return kept, folds
    return _cut(drawn, children, list((kept or drawn.nodes).values())[: most // 2])


def _words(leaves: list[Node]) -> str:
    """Return what stands for leaves: how many tasks with their first and last, and how many helpers."""
    tasks = [node for node in leaves if not node.helper]
    helpers = len(leaves) - len(tasks)
    words = [f"{len(tasks)} task{'s' * (len(tasks) > 1)}, {tasks[0].numbers} to {tasks[-1].numbers}"] if tasks else []
    words += [f"{helpers} helper{'s' * (helpers > 1)}"] if helpers else []
    return "; ".join(words)


def _cut(drawn: Scene, children: dict[ProcessId, list[Node]], first: list[Node]) -> tuple[dict[ProcessId, Node], list[Fold]]:
    """Keep the first nodes, each with at most one fold for all that is below it and not kept."""
    kept = {node.pid: node for node in first}
    below = _sizes(children)
    folds = []
    for node in first:
        cut = [child for child in children.get(node.pid, []) if child.pid not in kept]
        if cut:
            count = sum(below[child.pid] for child in cut)
            folds.append(Fold(node.pid, node.namespace, f"{count} more below {node.numbers}"))
    left = (
        len(drawn.nodes)
        - len(kept)
        - sum(below[child.pid] for node in first for child in children.get(node.pid, []) if child.pid not in kept)
    )
    if left:
        folds.append(Fold(OUTSIDE, first[0].namespace, f"{left} more beside these"))
    return kept, folds


def _sizes(children: dict[ProcessId, list[Node]]) -> dict[ProcessId, int]:
    """Return how many nodes each branch has, its top included."""
    order: list[ProcessId] = []
    stack = [node.pid for node in children.get(OUTSIDE, [])]
    while stack:
        pid = stack.pop()
        order.append(pid)
        stack.extend(child.pid for child in children.get(pid, []))
    sizes: dict[ProcessId, int] = {}
    for pid in reversed(order):
        sizes[pid] = 1 + sum(sizes[child.pid] for child in children.get(pid, []))
    return sizes
