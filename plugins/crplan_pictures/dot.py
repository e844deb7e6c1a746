"""The forest for Graphviz: pid namespaces are clusters, edges go from parent to child, dashed ones from creator to child."""

import math
from collections.abc import Iterator
from typing import Final

import msgspec

from crplan_pictures.folding import Fold, folded
from crplan_pictures.scene import Node, Scene, scene
from planner.errors import CannotEmit
from planner.hookspecs import Artefact
from planner.identity import OUTSIDE, ProcessId
from planner.options import Options

MOST: Final = 400
"""Nodes that Graphviz lays out in a few seconds; it does not end on 5,000."""


FEWEST_STAGGERED: Final = 8
MOST_COLUMNS: Final = 6
"""Siblings are set in as many columns as the root of an eighth of their number, up to so many."""


def emit(artefact: Artefact, options: Options) -> str:
    """Return the graph in the DOT language; raises `CannotEmit` for a bound that cannot be kept."""
    most = options.get("most", MOST)
    if not isinstance(most, int) or most < 2:
        raise CannotEmit(f"option most is {most}, and must be 2 or more")
    drawn = scene(artefact)
    kept, folds = folded(drawn, most)
    return "".join(f"{line}\n" for line in _lines(msgspec.structs.replace(drawn, nodes=kept), folds))


def _lines(drawn: Scene, folds: list[Fold]) -> Iterator[str]:
    yield "digraph crplan {"
    yield f"  graph [label={_quoted([drawn.title])}, labelloc=t, rankdir=LR, fontname=sans]"
    yield '  node [shape=box, style="filled,rounded", fillcolor="#ffffff", fontcolor="#111111", fontname=sans]'
    yield "  edge [fontname=sans, fontsize=10]"
    yield from _clusters(drawn, folds)
    apart = _staggered(drawn)
    for node in drawn.nodes.values():
        if node.parent in drawn.nodes and not node.helper:
            yield f"  {_name(node.parent)} -> {_name(node.pid)}{apart.get(node.pid, '')}"
        creator = node.parent if node.helper else node.creator
        if creator in drawn.nodes:
            yield f"  {_name(creator)} -> {_name(node.pid)} [style=dashed, constraint=false, label={_quoted([node.rule])}]"
    for place, fold in enumerate(folds):
        if fold.parent in drawn.nodes:
            yield f"  {_name(fold.parent)} -> f{place}"
    yield "}"


def _staggered(drawn: Scene) -> dict[ProcessId, str]:
    """Return the attributes that set many siblings in several columns, where Graphviz would make a single one of them."""
    children: dict[ProcessId, list[ProcessId]] = {}
    for node in drawn.nodes.values():
        if not node.helper:
            children.setdefault(node.parent, []).append(node.pid)
    apart: dict[ProcessId, str] = {}
    for siblings in children.values():
        columns = min(MOST_COLUMNS, math.isqrt(len(siblings) // FEWEST_STAGGERED))
        for place, pid in enumerate(siblings):
            if columns > 1 and place % columns:
                apart[pid] = f" [minlen={1 + 2 * (place % columns)}]"
    return apart


def _clusters(drawn: Scene, folds: list[Fold]) -> Iterator[str]:
    """Yield namespaces within namespaces, with what is in them; the depth of nesting is that of the kernel's levels."""
    members: dict[ProcessId, list[str]] = {}
    for node in drawn.nodes.values():
        members.setdefault(node.namespace, []).append(_node(node, drawn))
    for place, fold in enumerate(folds):
        members.setdefault(fold.namespace, []).append(f"f{place} [label={_quoted([fold.words])}, shape=box3d]")
    inner: dict[ProcessId, list[int]] = {}
    for place, space in enumerate(drawn.spaces):
        inner.setdefault(space.around, []).append(place)
    stack = [(place, True) for place in reversed(inner.get(OUTSIDE, []))]
    while stack:
        place, opening = stack.pop()
        space = drawn.spaces[place]
        indent = "  " * (space.level + 1)
        if not opening:
            yield f"{indent}}}"
            continue
        yield f"{indent}subgraph cluster_{space.init} {{"
        yield f"{indent}  label={_quoted([space.words])}"
        for member in members.pop(space.init, []):
            yield f"{indent}  {member}"
        stack.append((place, False))
        stack.extend((within, True) for within in reversed(inner.get(space.init, [])))
    for rest in members.values():
        for member in rest:
            yield f"  {member}"


def _name(pid: ProcessId) -> str:
    return f"p{pid}"


def _node(node: Node, drawn: Scene) -> str:
    attributes = [f"label={_quoted([node.head, *node.facts])}"]
    if node.session in drawn.colours:
        attributes.append(f'fillcolor="{drawn.colours[node.session]}"')
    if node.helper:
        attributes.append('style="dashed"')
    elif node.zombie:
        attributes.append('style="filled,dotted"')
    return f"{_name(node.pid)} [{', '.join(attributes)}]"


def _quoted(lines: list[str]) -> str:
    """Return lines as one quoted string: a backslash, a quote or an ampersand, which begins an entity, is only itself."""
    return '"' + "\\n".join(line.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"') for line in lines) + '"'
