"""Each rule of births on both sides: a forest that it lets through, and one that it alone keeps out.

`planner/README.md` has the rules by the same names.
"""

import pytest

from planner.errors import Contradiction
from planner.pipeline.resolve import resolve
from planner.planning.solver.births import solve
from planner.planning.solver.solution import Refusal, Solution
from planner.testing.forests import events, forest
from tests.helpers.places import ROOT
from tests.planning.solver.oracle import is_reachable

RULES = {
    "session at birth": ("1 2:1/2 3:2/3 4:3/2", "@1:0 1 2.1:1/2@1 3.2:2@1 4.3:3/1@1"),
    "one birth session": ("1 2:1/2 3:2/3 4:3/2 5:2/1", "1 2:1/2 3:2/3 4:3/2 5:3/1"),
    "leader below": ("1 2:1/2 3:1/3 4:2/3 5:3/2", "1 2:1/2 4:2/3 5:4/2"),
    "adopted below": ("1 2:1/2 3:2/3 4:1/3", "@1:0 1 2.1:1/2@1 3.2:1/2@1"),
    "adopted by an init": ("@1:0 1 2.1:1/2@1 3.2:2/1@1", "@1:0 1 2.1:1/2@1 3.2:2/2@1 4.3:3/1@1"),
    "sibling": ("@1:0 1 2.1:1@1 3.2:1/3@1 4.3:1/3@1", "@1:0 1 2.1:1@1 3.2:1/3@1 4.3:0/3@1"),
    "group seen": ("1 2:1//3 3:1//2", "@1:0 1 2.1:1@1 3.2:2@1 4:1//4 5.3:3//4@1 6:1//6 7.4:3//6@1 8.5:3//8@1"),
    "group at birth": (
        "@1:0 @2:1 1 3:1//3 4:1//4 2.1:1@1 5.2.1:2@2 6.3.2:5//3@2 7.4.3:5//4@2",
        "@1:0 1 3:1//3 4:1//4 2.1:1@1 5.2:2//5@1 6.3:5//3@1 7.4:5//4@1",
    ),
    "birth group left": ("1:0/0/0 2:1/0/0 3:2/0/0", "1:0/0/0 2:1/0/0 3:2/0/2"),
    "moved by a parent": (
        "@1:0 1 2:1//2 3.1:1//2@1",
        "@1:0 1 2.1:1@1 5:1//5 3.2:2@1 4.3:3//4@1 6.4:3//5@1 7.5:4//5@1 8.6:3//8@1",
    ),
    "moved by the executor": ("1:0/0/0 2:1/0/1", "1:0/0/0 2:1/0/0 3:2/0/2"),
    "root of a subtree": ("30:0/0/0 31:30/0/30", "30:0/0/0 31:30/0/0 32:31/0/31"),
}
"""For each rule a forest that a history reaches, and one that none does."""


@pytest.mark.parametrize("rule", RULES)
def test_what_a_rule_allows_is_planned(rule: str) -> None:
    reached, _ = RULES[rule]
    assert is_reachable(forest(reached))
    assert isinstance(solve(forest(reached)), Solution)
    assert resolve(events(reached)).plan.steps


@pytest.mark.parametrize("rule", RULES)
def test_what_a_rule_forbids_is_refused(rule: str) -> None:
    _, unreached = RULES[rule]
    assert not is_reachable(forest(unreached))
    assert isinstance(solve(forest(unreached)), Refusal)
    with pytest.raises(Contradiction):
        resolve(events(unreached))


def test_the_page_has_these_rules_and_no_others() -> None:
    page = (ROOT / "planner" / "README.md").read_text().partition("## The rules of births")[2]
    names = [line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| ")]
    assert names[:1] == ["rule"]
    assert [name for name in names if name in RULES] == list(RULES)
