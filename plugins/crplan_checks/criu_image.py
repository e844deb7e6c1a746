"""What CRIU's own checks of an image refuse before any task is made, and sharing that a restore does not give back.

A dump by CRIU passes all of these; an image that was mixed from two dumps, converted or written by hand may not. Source: CRIU
4.2, `check_img_inventory`, `read_pstree_image`, `prepare_pstree_kobj_ids` and `check_core`.
"""

from collections.abc import Iterator
from typing import Final

from crplan_checks import kinds
from planner.events.records import SharingRecorded
from planner.findings.registry import Answer
from planner.forest.model import Forest
from planner.identity import OUTSIDE, ProcessId

REFUSED: Final = {
    ("fdinfo_per_id", "no"): "Too old image, no longer supported",
    ("root_cg_set", "0"): "Corrupted root cgset",
    ("root_ids", "missing"): "No kIDs provided, image corruption",
    ("files_of_root", "those of the dumping process"): "Image corruption on kIDs data",
}
"""Facts of the image, and what CRIU says to them."""

ALONE: Final = ("memory", "fs", "signal_handlers")
"""Objects that CRIU makes for every task anew."""


def answers(forest: Forest) -> Iterator[Answer]:
    """Yield the problems."""
    yield from _inventory(forest)
    yield from _parents(forest)
    yield from _machines(forest)
    yield from _sharing(forest)


def _inventory(forest: Forest) -> Iterator[Answer]:
    for (fact, value), words in REFUSED.items():
        if forest.image_facts.get(fact) == value:
            yield kinds.CRIU_IMAGE_REFUSED.found(f"{fact} is {value}: {words}", property=fact, recorded=value)


def _parents(forest: Forest) -> Iterator[Answer]:
    """A tree has one root: every other task has a parent in it."""
    for task in forest.tasks.values():
        if task.parent == OUTSIDE and task.pid != forest.root:
            yield kinds.CRIU_IMAGE_REFUSED.found(
                f"task {task.pid} has no parent and is not the root: Parent missed on non-root task, image corruption",
                pid=task.pid,
                property="parent",
                recorded="0",
            )


def _machines(forest: Forest) -> Iterator[Answer]:
    for _, fact in forest.facts:
        if fact.property == "architecture" and fact.pid:
            root = forest.image_facts.get("architecture", "")
            yield kinds.CRIU_IMAGE_REFUSED.found(
                f"task {fact.pid} is of architecture {fact.value}, and the root task of {root}: Core march mismatch",
                pid=fact.pid,
                property="architecture",
                recorded=fact.value,
                target=root,
                at=fact.at,
            )


def _sharing(forest: Forest) -> Iterator[Answer]:
    """A table of descriptors passes from parent to child alone, and nothing else is shared; a later child has lost it."""
    first: dict[tuple[str, int], ProcessId] = {}
    for task in forest.tasks.values():
        mine, parents = forest.sharing.get(task.pid), forest.sharing.get(task.parent)
        if mine is None:
            continue
        for word in (*ALONE, "files"):
            number = _number(mine, word)
            other = first.setdefault((word, number), task.pid) if number else task.pid
            if other == task.pid or (word == "files" and parents is not None and _number(parents, word) == number):
                continue
            yield kinds.CRIU_SHARING.found(
                f"task {task.pid} shares its {word.replace('_', ' ')} with task {other}, and a restored one does not",
                pid=task.pid,
                property=word,
                recorded=str(number),
                at=mine.at,
            )


def _number(record: SharingRecorded, word: str) -> int:
    value = getattr(record, word)
    assert isinstance(value, int)
    return value
