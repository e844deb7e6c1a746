"""Trees tried by hand: those that a history leads to are planned, the others refused with the facts that exclude each other."""

from contextlib import suppress

import pytest

from planner.errors import Contradiction
from planner.events.records import BirthDecided, ProcessPlanned, StepPlanned
from planner.forest.fold import fold
from planner.identity import EventNumber, ProcessId
from planner.pipeline.resolve import resolve
from planner.planning.decide import decide
from planner.planning.solver.solution import Undecided
from planner.plans.rules import RULES
from planner.testing.forests import events, forest
from tests.helpers.images import Image
from tests.helpers.stories import happens, helpers, plan, rules, told
from tests.helpers.trials import image_of, planned, random_history

REACHABLE = {
    "an init alone": "1",
    "an init in the session and group outside": "1:0/0/0",
    "plain children": "1 2:1 3:1 4:2",
    "two leaders, each with a child of the other's session": "1 2:1/2 3:1/3 4:2/3 5:3/2",
    "three leaders in a ring": "1 2:1/2 3:1/3 4:1/4 12:3/2 13:4/3 14:2/4",
    "a leader below a leader, with children of both others": "1 2:1/2 4:2/4 3:1/3 5:4/1 6:4/3",
    "two leaders in each other's group": "1 2:1//3 3:1//2",
    "a nested init in a group, with children in others": "@1:0 !8.. 1 3:1//3 2:1//2 9.1:1//3@1 10.2:9//1@1 11.3:9//2@1 "
    "12.4:9//3@1 13.5:9//8@1",
    "orphans of the root's init, of a session whose leader is dead": "!5 1 6:1/5 7:1/5",
    "orphans of a nested init": "@1:0 !5.3 1 2.1:1@1 6.4:2/5@1",
    "orphans of a nested init, led from outside": "@1:0 !5 1 2.1:1@1 6.4:2/5@1",
    "orphans of a subreaper": "!5 1 2:1s 6:2/5",
    "orphans of one that is a subreaper no more": "!5 1 2:1 6:2/5",
    "a group without its leader": "!5.. 1 6:1//5 7:1//5",
    "a dead leader in a nested namespace, its group seen from outside": "@1:0 !5.3.. 1 2.1:1@1 6.4:2//5@1 7:1//5",
    "sibling namespaces with equal inner numbers": "@1:0 @2:0 1 2.1:1@1 3.1:1@2 4.7:2@1 5.7:3@2",
    "namespaces within namespaces": "@1:0 @2:1 @3:2 1 2.1:1@1 3.2.1:2@2 4.3.2.1:3@3",
    "forks before setsid": "1 2:1/2 3:2/1 4:2/2",
    "forks before setsid, three deep": "1 2:1/2 3:2/1 4:3/1 5:2/5 6:5/2 7:5/5",
    "an init that its parent outside has put back into its group": "1:0/0/0 2:1/0/1",
    "a nested init that a parent outside has put back": "@1:0 1:0/0/0 2.1:0/0/0@1 3.2:2/0/2@1",
    "one that entered and was put back": "1:0/0/0 5:0/0/0 6:5/0/5",
    "a subtree": "30 31:30 32:30/32 33:32/30",
    "a subtree in a session from above": "30:0/5/5 31:30/5/5",
    "a subtree in the session of number 1": "30:0/1/1 31:30/1/1",
    "a subtree in the group of number 1": "30:0/0/1 31:30/0/1",
    "tasks of the session and group outside": "1 2:1 3:0/0/0 4:3/0/0",
    "tasks that entered from outside": "@1:0 1 2.1:1@1 3.2:0/0@1",
    "tasks that entered from within": "@1:0 1 2.1:1@1 3.2:1@1 4.3:1//1@1",
    "entry over two levels": "@1:0 @2:1 1 2.1:1@1 3.2.1:2@2 4.3.2:1@2",
    "an init with children in two invisible groups": "@1:0 @2:1 1 3:1//3 4:1//4 2.1:1@1 5.2.1:2@2 6.3.2:5//3@2 7.4.3:5//4@2",
    "an init two levels below its parent": "@1:0 @2:1 1 2.1:1@1 3.2.1:1@2",
    "siblings by CLONE_PARENT of a leader that lives": "@1:0 1 2.1:1@1 3.2:1/3@1 4.3:1/3@1",
    "a nested init whose parent has died": "@1:0 1 2:1/2 3.1:1/2@1",
    "zombies of every kind": "@1:0 1 2:1z256 3:1z9 4:1/4z 5:1//5z 6:1//5 7.1:1z9@1 8:1z+9",
    "threads": "@1:0 1+2 3.1:1+4.2+5.3@1",
    "subreapers": "1s 2:1s 3:2",
}
"""Every kind of tree that an image may hold, in the notation."""

UNREACHABLE = {
    "a ring of two, one below the other": ("1 2:1/2 4:2/3 5:4/2", "session-not-below"),
    "three leaders that hold children of both others": (
        "1 2:1/2 3:1/3 4:1/4 12:2/3 13:2/4 14:3/2 15:3/4 16:4/2 17:4/3",
        "crossing-sessions",
    ),
    "two birth sessions": ("1 2:1/2 3:2/3 4:3/2 5:3/1", "two-birth-sessions"),
    "a session from above a task that leads none": ("@1:0 1 2.1:1/2@1 3.2:2@1 4.3:3/1@1", "session-from-above"),
    "an entered leader whose member has another outer parent": ("@1:0 1 2.1:1@1 3.2:1/3@1 4.3:0/3@1", "session-from-below"),
    "children in two invisible groups, and a parent that sees neither": (
        "@1:0 1 3:1//3 4:1//4 2.1:1@1 5.2:2//5@1 6.3:5//3@1 7.4:5//4@1",
        "two-birth-groups",
    ),
    "a root in a session that is neither its own nor outside's": ("!2 1:0/2/2", ""),
    "a group that a child of the root cannot have left": ("1:0/0/0 2:1/0/0 3:2/0/2", ""),
}
"""Trees that no history leads to, each with the code of its refusal where that is settled."""


@pytest.mark.parametrize("name", REACHABLE)
def test_a_reachable_tree_is_planned_and_holds_in_any_order(name: str) -> None:
    found = plan(REACHABLE[name])
    assert told(found)[0] == "0 creates 1 as an init"
    assert rules(found) <= RULES.keys()


@pytest.mark.parametrize("name", UNREACHABLE)
def test_an_unreachable_tree_is_refused_with_its_facts(name: str) -> None:
    text, code = UNREACHABLE[name]
    history = events(text)
    with pytest.raises(Contradiction) as refusal:
        resolve(history)
    assert code in refusal.value.code
    assert refusal.value.because, "a refusal names the facts that contradict each other"
    assert all(0 <= seq < len(history) for seq in refusal.value.because)
    assert any(character.isdigit() for character in refusal.value.message)


def test_decisions_are_births_then_processes_then_steps() -> None:
    tree = forest("1 2:1/2 3:2/1 4:1/2")
    decisions = decide(tree, EventNumber(100))
    kinds = [type(decision) for decision in decisions]
    order = [BirthDecided, ProcessPlanned, StepPlanned]
    assert kinds == sorted(kinds, key=order.index)
    assert set(kinds) == set(order)
    steps = [decision.step for decision in decisions if isinstance(decision, StepPlanned)]
    assert [step.number for step in steps] == list(range(1, len(steps) + 1))


def test_every_decision_names_facts_of_the_image() -> None:
    history = events("@1:0 !8 1 2:1/2 3:2/1 4:1/2 5:1/8 6.1:1@1")
    facts = len(history)
    for decision in resolve(history).events[facts:]:
        because = getattr(decision, "because", ())
        assert all(0 <= seq < facts for seq in because)
        if isinstance(decision, BirthDecided):
            assert because


def test_every_task_is_created_once_and_verified_once() -> None:
    found = plan(REACHABLE["forks before setsid, three deep"])
    creations = [line for line in told(found) if "creates" in line]
    assert len(creations) == len(set(creations)) == len(found.processes)
    assert happens(found, "2 creates 3", "2 setsid", "2 creates 5", "5 creates 6", "5 setsid", "5 creates 7")


def test_a_plain_tree_needs_no_helper_and_no_wait() -> None:
    for name in ("plain children", "forks before setsid", "namespaces within namespaces", "threads", "subreapers"):
        found = plan(REACHABLE[name])
        assert helpers(found) == []
        assert not any(step.waits for step in found.steps)


def test_every_rule_of_a_plan_is_explained_and_every_rule_is_used() -> None:
    """The stories of all test modules, and two histories, meet every rule of the table."""
    used: set[str] = set()
    for text in (*REACHABLE.values(), *STORIES):
        used |= rules(plan(text))
    for seed, profile in ((2, "deep"), (8, "entry")):
        used |= rules(planned(image_of(random_history(f"rule {seed}", profile, 100))).plan)
    apart = Image().task(1).task(2, parent=1, user=5, net=6).task(3, parent=1, net=6).record("uts", 0, created="yes")
    used |= rules(apart.task(4, parent=1, user=7).record("user", 7, parent=5).plan())
    assert used - RULES.keys() == set()
    assert RULES.keys() - used == set()


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["deep", "entry", "groups", "sessions", "zombies"])
def test_every_rule_of_the_plan_of_a_history_is_explained(profile: str) -> None:
    used: set[str] = set()
    for seed in range(60):
        with suppress(Contradiction):
            used |= rules(planned(image_of(random_history(f"rule {seed}", profile, 100))).plan)
    assert used
    assert used <= RULES.keys()


STORIES = [
    "@1:0 1:0/0/1 2.1:1@1 3.2:2//2@1",
    "@1:0 1:0/0/1 2.1:1@1 3.2:1//0@1",
    "@1:0 1:0/0 2.1:1//2z9@1",
    "@1:0 @2:1 1:0/0 2.1:1@1 3.2:1@1 4.3.1:1@2",
    "@1:0 1 2:1 3.1:2/3z@1+4.2 5.6:2@1",
    "@1:0 1:0/0/0 2:0/2/2 41.1:2@1 106.12:2/0@1",
    "1 2:1T",
]
"""Trees that meet a rule which the kinds of tree above do not."""


def test_a_forest_that_is_folded_again_is_planned_alike() -> None:
    first = resolve(events(REACHABLE["three leaders in a ring"]))
    again = resolve(first.events)
    assert again.plan == first.plan
    assert fold(first.events) == first.forest


def test_a_search_that_meets_its_bound_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Led one level deeper, session 65 can be rebuilt: that takes a look at two places, or an exact search."""
    text = "1 2.1:1 3.5:2/3 4.6:3/1 6.7:3/65"
    assert plan(text)
    unanswered = Undecided(conflicts=0, processes=(ProcessId(6),))
    monkeypatch.setattr("planner.planning.solver.births.solve", lambda forest, **_: unanswered)
    with pytest.raises(Contradiction) as refusal:
        resolve(events(text))
    assert refusal.value.code == "plan-undecided"
    assert refusal.value.because
    with pytest.raises(Contradiction) as proof:
        resolve(events("!65 " + text))
    assert proof.value.code == "plan-undecided", "where there is one place, one look would be a proof, had the search an answer"
    monkeypatch.undo()
    with pytest.raises(Contradiction) as proof:
        resolve(events("!65 " + text))
    assert proof.value.code == "two-birth-sessions"


def test_placings_that_were_not_tried_prove_nothing_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """Session 20 may have been led in one of several namespaces, and in none can 21 have come to its other parent."""
    text = "1 2.1:1 3.1:1 4.5.1:1 6.7.1:1 20.20:0/20 21.21:1/20"
    with pytest.raises(Contradiction) as proof:
        resolve(events(text))
    assert proof.value.code not in ("plan-undecided", "namespace-undecided")
    monkeypatch.setattr("planner.pipeline.resolve.MOST_SOLUTIONS", 2)
    with pytest.raises(Contradiction) as refusal:
        resolve(events(text))
    assert refusal.value.code == "plan-undecided"


@pytest.mark.parametrize(("text", "pid"), [("1z1", 1), ("1 5.1:1z139", 5)])
def test_an_init_that_a_fault_has_ended_is_refused_and_not_rebuilt_otherwise(text: str, pid: int) -> None:
    with pytest.raises(Contradiction) as refusal:
        resolve(events(text))
    assert (refusal.value.code, refusal.value.pid) == ("init-signal", pid)
    assert plan("1 5:1z139"), "a fault of another task can be told by a signal"
