"""Laws: each tells a tree that no history leads to, and not its neighbour, which is planned or refused by another law."""

import pytest

from planner.errors import Contradiction
from planner.findings.registry import KINDS
from planner.pipeline.resolve import resolve
from planner.planning.refusals import UNTOLD
from planner.planning.refusals.laws import LAWS
from planner.testing.forests import events

SIDES = {
    "init-trap": (
        "@1:0 @2:0 !5.2 !4.2 1 2.1:1/1/5@1 3.1:1/1/4@2",
        "@1:0 @2:0 @3:0 !5.2 !4.3 1 2.1:1/1/5@1 3.1:1/1/4@2 6.1:1/1/1@3",
    ),
    "two-birth-groups": (
        "@1:0 1 3:1//3 4:1//4 2.1:1@1 5.2:2//5@1 6.3:5//3@1 7.4:5//4@1",
        "@1:0 1 3:1//3 2.1:1@1 5.2:2//5@1 6.3:5//3@1",
    ),
    "group-out-of-sight": (
        "@1:0 1:0/0/1 5.1:1/0/0@1 41.37:1/0/0@1 38.57:41//1@1",
        "@1:0 1:0/0/1 5.1:1/0/0@1 41.37:1/0/0@1 38.57:41/0/0@1",
    ),
    "session-from-below": ("@1:0 1 2.1:1@1 5:1 3.2:1/3@1 4.3:5/3@1", "@1:0 1 2.1:1@1 5:1 3.2:1/3@1 4.3:1/3@1"),
    "session-from-above": ("@1:0 !5 1 2.1:1@1 3.2:2@1 6.4:3/5@1", "@1:0 !5 1 2.1:1@1 3.2:2@1 6.4:2/5@1"),
    "two-birth-sessions": ("!65 1 2.1:1 3.5:2/3 4.6:3/1 6.7:3/65", "!65 1 2.1:1 3.5:2/3 4.6:3/1 6.7:3/3"),
    "session-not-below": ("1 2:1/2 4:2/3 5:4/2", "1 2:1/2 4:2/4 5:4/2"),
    "birth-circle": ("!5 1:0/0/0 2:1/3/3 3:2/3/3", "!5 1:0/0/0 2:1/2/2 3:2/3/3"),
    "crossing-sessions": (
        "1 2:1/2 3:1/3 4:1/4 12:2/3 13:2/4 14:3/2 15:3/4 16:4/2 17:4/3",
        "1 2:1/2 3:1/3 4:1/4 12:2/3 13:2/4 14:3/2 15:3/4 16:4/2",
    ),
    "order-circle": (
        "@1:0 @2:0 @3:2 1:0/0/0 2.1:1/0/0@1 7.1:1/0/0@2 3.2.1:7/0/5@3 4.2:2/0/6@1 5.3:4/0/5@1 6.3.2:3/0/6@3",
        "@1:0 @2:0 @3:2 1:0/0/0 2.1:1/0/0@1 7.1:1/0/0@2 3.2.1:7/0/5@3 4.2:2/0/6@1 5.3:2/0/5@1 6.3.2:3/0/6@3",
    ),
    UNTOLD: ("1:0/0 2:0/2 3:0/3 4:2/3 5:3/2", "1:0/0 2:1/2 3:0/3 4:2/3 5:3/2"),
}
"""For each code a tree that is refused with it, and one with one fact less or another one."""


def code(text: str) -> str:
    """Return the code of a refusal, "" for a tree that is planned."""
    try:
        resolve(events(text))
    except Contradiction as refusal:
        assert "{" not in refusal.message
        return refusal.code
    return ""


@pytest.mark.parametrize("name", SIDES)
def test_a_law_tells_its_tree_and_not_the_neighbour(name: str) -> None:
    tree, neighbour = SIDES[name]
    assert code(tree) == name
    assert code(neighbour) != name


def test_every_code_is_known_and_tried() -> None:
    codes = {law.code for law in LAWS} | {UNTOLD}
    assert codes <= KINDS.keys()
    assert codes - SIDES.keys() == set()
