"""The forest as a Mermaid flowchart, which code hosts draw; where there are too many tasks, siblings and branches are folded."""

from collections.abc import Iterator
from typing import Final

from crplan_pictures.folding import Fold, folded
from crplan_pictures.scene import Node, Scene, scene
from planner.errors import CannotEmit
from planner.hookspecs import Artefact
from planner.identity import ProcessId
from planner.options import Options

MOST_ALLOWED: Final = 240
"""Nodes, of which each has two edges at most: Mermaid's own limits are 500 edges and 50,000 characters."""

LONGEST_NAME: Final = 40
"""Letters of a task's name that are drawn."""


def emit(artefact: Artefact, options: Options) -> str:
    """Return the flowchart; raises `CannotEmit` for a bound that cannot be kept."""
    most = options.get("most", 150)
    if not isinstance(most, int) or not 2 <= most <= MOST_ALLOWED:
        raise CannotEmit(f"option most is {most}, and must be between 2 and {MOST_ALLOWED}")
    return "".join(f"{line}\n" for line in _lines(scene(artefact), most))


def _lines(drawn: Scene, most: int) -> Iterator[str]:
    kept, folds = folded(drawn, most)
    yield f"%% {_plain(drawn.title)}"
    yield "flowchart LR"
    yield from _spaces(drawn, kept, folds)
    for node in kept.values():
        if node.parent in kept and not node.helper:
            yield f"  p{node.parent} --> p{node.pid}"
        creator = node.parent if node.helper else node.creator
        if creator in kept:
            yield f'  p{creator} -. "{_label(node.rule)}" .-> p{node.pid}'
    for place, fold in enumerate(folds):
        if fold.parent in kept:
            yield f"  p{fold.parent} --> f{place}"
    colours = sorted(set(drawn.colours.values()))
    for place, colour in enumerate(colours):
        bearers = [f"p{node.pid}" for node in kept.values() if drawn.colours.get(node.session) == colour]
        if bearers:
            yield f"  classDef c{place} fill:{colour},stroke:#555,color:#111"
            yield f"  class {','.join(bearers)} c{place}"


def _spaces(drawn: Scene, kept: dict[ProcessId, Node], folds: list[Fold]) -> Iterator[str]:
    """Yield each namespace that holds something drawn as a subgraph; nesting is said in words, so that hosts draw it alike."""
    levels = {space.init: space for space in drawn.spaces}
    members: dict[ProcessId, tuple[list[Node], list[int]]] = {}
    for node in kept.values():
        members.setdefault(node.namespace, ([], []))[0].append(node)
    for place, fold in enumerate(folds):
        members.setdefault(fold.namespace, ([], []))[1].append(place)
    for init, (nodes, places) in members.items():
        space = levels.get(init)
        inside = f", inside that of {space.around}" if space is not None and space.around > 1 else ""
        yield f'  subgraph n{init} ["{_label(space.words if space else "pid namespace")}{inside}"]'
        for node in nodes:
            left, right = ("([", "])") if node.helper else ("[/", "/]") if node.zombie else ("[", "]")
            words = "<br>".join(_label(line) for line in (_head(node), *node.facts))
            yield f'    p{node.pid}{left}"{words}"{right}'
        for place in places:
            yield f'    f{place}[["{_label(folds[place].words)}"]]'
        yield "  end"


def _head(node: Node) -> str:
    cut = node.name[: LONGEST_NAME - 3] + "..." if len(node.name) > LONGEST_NAME else node.name
    return f"{node.numbers} {cut}".strip()


def _label(text: str) -> str:
    """Return text for a quoted label: whatever could end it or mean something to Markdown or HTML becomes an entity."""
    return "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in " /,.():-") else f"#{ord(letter)};" for letter in text
    )


def _plain(text: str) -> str:
    """Return text for a comment, where nothing but plain words may stand."""
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in " ,.:-") else "_" for letter in text)
