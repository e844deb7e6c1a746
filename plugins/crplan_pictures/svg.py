"""The forest as a picture: a line for each task, indented below its parent, with bars for the pid namespaces around it.

Long pictures have several columns, so that they are about as high as they are wide; very large forests are folded.
"""

import math
from collections.abc import Iterator
from html import escape
from typing import Final

import msgspec

from crplan_pictures.folding import Fold, folded
from crplan_pictures.scene import Node, Scene, scene
from planner.errors import CannotEmit
from planner.hookspecs import Artefact
from planner.identity import OUTSIDE, ProcessId
from planner.options import Options

MOST: Final = 600
"""Nodes that are drawn where no option says otherwise: a picture of more is too large to look at."""

SHORTEST_COLUMN: Final = 40
"""Lines that stand in one column in any case."""

ROW: Final = 22
"""Pixels of a line."""

INDENT: Final = 18
"""Pixels of a generation."""

DEEPEST: Final = 20
"""Generations that are indented; deeper ones say their number."""

LETTER: Final = 7.3
"""Pixels that a letter needs at most, in the size used here."""

BARS: Final = ("#7d8aa0", "#3b7dd8", "#d9822b", "#2f9e62", "#c2458f", "#7a5bd0")
"""Colours of namespaces by level; each begins with a line that names it."""

_STYLE: Final = (
    "text{font:13px sans-serif;fill:#1b2230}.q{fill:#545e70}.h{font-weight:bold}.z{font-style:italic}.g{fill:#fff}"
    "@media (prefers-color-scheme:dark){text{fill:#e6eaf1}.q{fill:#a3aec0}.g{fill:#1a1f28}}"
)


_Place = tuple[str, ProcessId]
"""What a line is for: "space" or "node" and a process, or "fold" and its place among the folds."""

_TOP: Final[_Place] = ("top", OUTSIDE)


class _Line(msgspec.Struct):
    """A line of the picture: a node, or in words a namespace or what is folded (level -1), and where it is."""

    depth: int
    bars: tuple[tuple[int, int], ...]
    node: Node | None = None
    words: str = ""
    level: int = 0


def emit(artefact: Artefact, options: Options) -> str:
    """Return the picture, without script and without anything fetched; raises `CannotEmit` for a bound that cannot be kept."""
    most = options.get("most", MOST)
    if not isinstance(most, int) or most < 2:
        raise CannotEmit(f"option most is {most}, and must be 2 or more")
    drawn = scene(artefact)
    kept, folds = folded(drawn, most)
    lines = list(_lines(msgspec.structs.replace(drawn, nodes=kept), folds))
    facts_at = int(max((_facts_from(line) for line in lines), default=0)) + 16
    across = facts_at + int(max((len(_facts(line)) for line in lines), default=0) * LETTER) + 24
    high = _column(len(lines), across)
    columns = -(-len(lines) // high)
    width, height = across * columns, (min(len(lines), high) + 1) * ROW + 16
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">',
        f"<title>{escape(drawn.title)}</title><style>{_STYLE}</style>",
        '<rect class="g" width="100%" height="100%"/>',
        f'<text x="8" y="20" class="h">{escape(drawn.title)}</text>',
    ]
    for column in range(columns):
        if columns > 1:
            parts.append(f'<g transform="translate({across * column})">')
        for place, line in enumerate(lines[column * high : (column + 1) * high]):
            parts.extend(_drawn(drawn, line, ROW * (place + 1) + 8, facts_at))
        if columns > 1:
            parts.append("</g>")
    return "\n".join([*parts, "</svg>", ""])


def _column(lines: int, across: int) -> int:
    """Return how many lines a column has: as many as make the picture about square."""
    return max(SHORTEST_COLUMN, math.isqrt(lines * across // ROW))


def _lines(drawn: Scene, folds: list[Fold]) -> Iterator[_Line]:
    """Yield namespaces and nodes, parents first; a namespace hangs below its init's parent, a task that entered stands in it."""
    spaces = {space.init: space for space in drawn.spaces}
    below = _below(drawn, folds)
    stack: list[tuple[_Place, int, tuple[tuple[int, int], ...]]] = [(item, 0, ()) for item in reversed(below.get(_TOP, []))]
    while stack:
        item, depth, bars = stack.pop()
        kind, pid = item
        inner = bars
        if kind == "space":
            yield _Line(depth=depth, bars=bars, words=spaces[pid].words, level=spaces[pid].level)
            inner = (*bars, (min(depth, DEEPEST), spaces[pid].level))
        elif kind == "fold":
            yield _Line(depth=depth, bars=bars, words=folds[pid].words, level=-1)
        else:
            yield _Line(depth=depth, bars=bars, node=drawn.nodes[pid])
        stack.extend((child, depth + 1, inner) for child in reversed(below.get(item, [])))


def _below(drawn: Scene, folds: list[Fold]) -> dict[_Place, list[_Place]]:
    """Return what hangs below each namespace and node, in order."""
    spaces = {space.init for space in drawn.spaces}
    below: dict[_Place, list[_Place]] = {}
    for node in drawn.nodes.values():
        parent = drawn.nodes.get(node.parent)
        place = ("space", node.namespace) if node.namespace in spaces else _TOP
        if node.pid in spaces:
            below.setdefault(("node", node.parent) if parent is not None else _TOP, []).append(("space", node.pid))
            place = ("space", node.pid)
        elif parent is not None and parent.namespace == node.namespace:
            place = ("node", node.parent)
        below.setdefault(place, []).append(("node", node.pid))
    for number, fold in enumerate(folds):
        place = ("node", fold.parent) if fold.parent in drawn.nodes else _TOP
        below.setdefault(place, []).append(("fold", ProcessId(number)))
    return below


def _left(line: _Line) -> int:
    return 12 + min(line.depth, DEEPEST) * INDENT


def _label(line: _Line) -> str:
    if line.node is None:
        return line.words
    deep = f"depth {line.depth} " if line.depth > DEEPEST else ""
    return deep + line.node.head


def _facts(line: _Line) -> str:
    if line.node is None:
        return f"level {line.level}" if line.level >= 0 else ""
    return ", ".join(line.node.facts)


def _facts_from(line: _Line) -> float:
    return _left(line) + 20 + len(_label(line)) * LETTER


def _drawn(drawn: Scene, line: _Line, y: int, facts_at: int) -> Iterator[str]:
    for depth, level in line.bars:
        x = 12 + depth * INDENT + 5
        yield f'<rect x="{x}" y="{y}" width="3" height="{ROW}" fill="{BARS[level % len(BARS)]}"/>'
    x, baseline = _left(line), y + 15
    node = line.node
    if node is None and line.level < 0:
        yield f'<path d="M{x} {y + 7}h11M{x} {y + 11}h11M{x} {y + 15}h11" stroke="#667" stroke-width="2"/>'
        style = "q"
    elif node is None:
        colour = BARS[line.level % len(BARS)]
        yield f'<rect x="{x}" y="{y + 5}" width="11" height="11" fill="none" stroke="{colour}" stroke-width="3"/>'
        style = "h"
    else:
        colour = drawn.colours.get(node.session, "none")
        dashes = ' stroke-dasharray="2 2"' if node.helper or node.zombie else ""
        yield f'<rect x="{x}" y="{y + 5}" width="11" height="11" rx="3" fill="{colour}" stroke="#667"{dashes}/>'
        style = "z" if node.helper or node.zombie else ""
    yield f'<text x="{x + 18}" y="{baseline}" class="{style}">{escape(_label(line))}</text>'
    yield f'<text x="{facts_at}" y="{baseline}" class="q">{escape(_facts(line))}</text>'
