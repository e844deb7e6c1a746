"""The forest as a picture: a line for each task, indented below its parent, with bars for the pid namespaces around it."""

from collections.abc import Iterator
from html import escape
from typing import Final

import msgspec

from crplan_pictures.scene import Node, Scene, scene
from planner.hookspecs import Artefact
from planner.identity import OUTSIDE, ProcessId

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


class _Line(msgspec.Struct):
    """A line of the picture: a namespace or a node, and where it is."""

    depth: int
    bars: tuple[tuple[int, int], ...]
    node: Node | None = None
    words: str = ""
    level: int = 0


def emit(artefact: Artefact) -> str:
    """Return the picture, without script and without anything fetched."""
    drawn = scene(artefact)
    lines = list(_lines(drawn))
    facts_at = int(max((_facts_from(line) for line in lines), default=0)) + 16
    width = facts_at + int(max((len(_facts(line)) for line in lines), default=0) * LETTER) + 24
    height = (len(lines) + 1) * ROW + 16
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">',
        f"<title>{escape(drawn.title)}</title><style>{_STYLE}</style>",
        '<rect class="g" width="100%" height="100%"/>',
        f'<text x="8" y="20" class="h">{escape(drawn.title)}</text>',
    ]
    for place, line in enumerate(lines):
        parts.extend(_drawn(drawn, line, ROW * (place + 1) + 8, facts_at))
    return "\n".join([*parts, "</svg>", ""])


def _lines(drawn: Scene) -> Iterator[_Line]:
    """Yield namespaces and nodes, parents first; a namespace hangs below its init's parent, a task that entered stands in it."""
    spaces = {space.init: space for space in drawn.spaces}
    below: dict[tuple[str, ProcessId], list[tuple[str, ProcessId]]] = {}
    top = ("top", OUTSIDE)
    for node in drawn.nodes.values():
        parent = drawn.nodes.get(node.parent)
        if node.pid in spaces:
            around = ("node", node.parent) if parent is not None else top
            below.setdefault(around, []).append(("space", node.pid))
            place = ("space", node.pid)
        elif parent is not None and parent.namespace == node.namespace:
            place = ("node", node.parent)
        else:
            place = ("space", node.namespace) if node.namespace in spaces else top
        below.setdefault(place, []).append(("node", node.pid))
    stack: list[tuple[tuple[str, ProcessId], int, tuple[tuple[int, int], ...]]] = [
        (item, 0, ()) for item in reversed(below.get(top, []))
    ]
    while stack:
        item, depth, bars = stack.pop()
        kind, pid = item
        inner = bars
        if kind == "space":
            yield _Line(depth=depth, bars=bars, words=spaces[pid].words, level=spaces[pid].level)
            inner = (*bars, (min(depth, DEEPEST), spaces[pid].level))
        else:
            yield _Line(depth=depth, bars=bars, node=drawn.nodes[pid])
        stack.extend((child, depth + 1, inner) for child in reversed(below.get(item, [])))


def _left(line: _Line) -> int:
    return 12 + min(line.depth, DEEPEST) * INDENT


def _label(line: _Line) -> str:
    if line.node is None:
        return line.words
    deep = f"depth {line.depth} " if line.depth > DEEPEST else ""
    return deep + line.node.head


def _facts(line: _Line) -> str:
    return ", ".join(line.node.facts) if line.node is not None else f"level {line.level}"


def _facts_from(line: _Line) -> float:
    return _left(line) + 20 + len(_label(line)) * LETTER


def _drawn(drawn: Scene, line: _Line, y: int, facts_at: int) -> Iterator[str]:
    for depth, level in line.bars:
        x = 12 + depth * INDENT + 5
        yield f'<rect x="{x}" y="{y}" width="3" height="{ROW}" fill="{BARS[level % len(BARS)]}"/>'
    x, baseline = _left(line), y + 15
    node = line.node
    if node is None:
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
