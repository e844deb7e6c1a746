"""The creator of each process: of children, siblings, and orphans that a helper's death gives to their final parent."""

import pytest

from planner.errors import Contradiction
from planner.events.records import BirthDecided, TaskRecorded
from planner.pipeline.resolve import resolve
from planner.steps import Create
from planner.testing.forests import events
from tests.helpers.stories import happens, helpers, plan, rule_of, told, waits_of


def test_a_parent_creates_its_children() -> None:
    made = plan("1 2:1 3:2")
    assert told(made) == ["0 creates 1 as an init", "1 setsid", "1 creates 2", "2 creates 3"]
    assert rule_of(made, "1 creates 2") == "parent-creates"
    assert rule_of(made, "0 creates 1 as an init") == "root-first"


def test_a_subtree_has_an_init_above_it_that_stays() -> None:
    made = plan("30 31:30")
    assert rule_of(made, "0 creates 1 as an init") == "reaper-for-subtree"
    assert [process.role for process in made.processes if process.pid == 1] == ["reaper"]
    assert not happens(made, "1 ends")


def test_the_reaper_of_a_subtree_leads_what_the_image_names_by_1() -> None:
    assert happens(plan("30:0/1/1 31:30"), "1 setsid", "1 creates 30")
    assert happens(plan("30:0/0/1 31:30/0/1"), "1 joins 1")
    assert "1 setsid" not in told(plan("30:0/0/0"))


def test_a_nested_init_comes_first_in_its_namespace() -> None:
    made = plan("@1:0 1 4.2:2@1 2.1:1@1")
    assert happens(made, "1 creates 2 as an init", "2 creates 4")
    assert rule_of(made, "1 creates 2 as an init") == "nested-init-first"


def test_a_child_in_a_namespace_below_its_parents_is_born_by_entry() -> None:
    made = plan("@1:0 1 2.1:1@1 3.2:1@1 4:1")
    assert happens(made, "1 enters 2", "1 creates 3", "1 enters 1", "1 creates 4")
    assert rule_of(made, "1 creates 3") == "entered"


def test_the_executor_enters_for_tasks_from_outside_and_waits_for_the_init() -> None:
    made = plan("@1:0 1 2.1:1@1 3.2:0/0@1")
    assert happens(made, "0 enters 2", "0 creates 3", "0 enters 0")
    assert waits_of(made, "0 enters 2") == {"1 creates 2 as an init": "init-before-entry"}


def test_an_init_several_levels_below_its_parent_is_made_by_a_helper_beside_it() -> None:
    made = plan("@1:0 @2:1 1 2.1:1@1 3.2.1:1@2")
    (helper,) = helpers(made)
    assert happens(made, "1 enters 2", f"1 creates {helper}", f"{helper} creates 3 as an init as a sibling", f"{helper} ends")
    assert rule_of(made, f"1 creates {helper}") == "jump-helper"


def test_a_sibling_has_exit_signal_0_and_others_their_own() -> None:
    made = plan("!5 1 6:1/5 7:1x10")
    signals = {step.child: step.exit_signal for step in made.steps if isinstance(step, Create)}
    assert signals[6] == 0  # type: ignore[index]
    assert signals[7] == 10  # type: ignore[index]


def test_an_orphan_of_a_nested_init_is_adopted_by_it_and_by_no_subreaper_outside() -> None:
    made = plan("@1:0 !5 1s 2.1:1@1 6.4:2/5@1")
    (helper,) = [pid for pid in helpers(made) if pid != 5]
    assert made.process_table()[helper].namespace == 2  # type: ignore[index]
    assert happens(made, f"{helper} creates 6", f"{helper} ends", "1 adopts")


def test_a_task_that_serves_those_below_another_is_born_there_and_moves_up() -> None:
    made = plan("1 2:1/2 3:1/3 4:2/3 5:3/2")
    lower, upper = (2, 3) if "2 adopts" not in told(made) else (3, 2)
    assert happens(made, f"{upper} setsid", f"{lower} setsid", f"{upper} adopts", f"{upper} adopts no more")
    assert "session-below-parent" in {step.rule for step in made.steps}


def test_a_process_that_is_above_its_creator_is_not_born_beside_it() -> None:
    """4 comes to 2 from below 3, so that 3, which could be the sibling of 2 otherwise, is born below 2."""
    made = plan("1 2:1/2 3:1/2 4:2/4 5:3/4")
    assert rule_of(plan("1 2:1/2 3:1/2"), "2 creates 3 as a sibling") == "session-from-sibling"
    assert happens(made, "2 setsid", "4 setsid", "3 adopts", "3 adopts no more", "2 adopts", "2 adopts no more")


@pytest.mark.parametrize(
    "text",
    [
        # 6 is born below 3 and 3 below 2, whose parent is outside: number 1 adopts both.
        "1:0/1 2:0/0 3:1/0 4:2/6 5:3/6 6:1/6",
        "!7 1:0/1 2:0/0 3:1/7 4:2/6 5:3/6 6:1/6",
        "!7 1:0/0 2:0/7 3:1/7 4:2/6 5:3/6 6:1/6",
        # 7 is born below 2, and so 4 and 5 are; 2 need not be put below 4.
        "!6 !7 1:0/1 2:1/6 3:4/5 4:2/7 5:2/5",
        # 5 is below 2, a member of session 4, so that 4 is older and cannot have been born in session 5.
        "1:0/0 2:1/4 3:4/5 4:1/4 5:2/5",
        # 5 is beside the leader of 7, and creates 6 in that session before its own setsid.
        "!7 1:0/1 2:0/7 3:5/6 4:6/7 5:0/5 6:1/6",
    ],
)
def test_branches_that_must_be_one_are_put_below_each_other(text: str) -> None:
    assert plan(text)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        # 6 would have to be below 4 and 5, and both have a parent outside.
        ("1:0/1 2:4/6 3:5/6 4:0/4 5:0/5 6:1/6", {2, 3, 4, 5}),
    ],
)
def test_what_cannot_be_on_one_branch_is_refused_for_all_that_asks_for_it(text: str, named: set[int]) -> None:
    image = events(text)
    with pytest.raises(Contradiction) as refusal:
        resolve(list(image))
    assert refusal.value.code == "session-not-below"
    rows = {event.pids[0] for seq in refusal.value.because for event in (image[seq],) if isinstance(event, TaskRecorded)}
    assert rows >= named


def test_an_adopter_is_a_subreaper_for_the_adoption_only() -> None:
    made = plan("1 2:1/2 3:1/3 4:2/3 5:3/2")
    (adopts,) = [line for line in told(made) if line.endswith(" adopts")]
    adopter = adopts.split()[0]
    ending = next(line for line in told(made)[told(made).index(adopts) :] if line.endswith(" ends"))
    assert waits_of(made, ending) == {adopts: "flag-before-adoption"}
    assert rule_of(made, adopts) == "adopter"
    assert rule_of(made, f"{adopter} adopts no more") == "adopter-done"


def test_helpers_are_reaped_by_their_parent() -> None:
    made = plan("!5 1 2:1 6:2/5")
    assert happens(made, "5 ends", "2 reaps 5")
    assert waits_of(made, "2 reaps 5") == {"5 ends": "ended-before-reaped"}


def test_what_the_parent_does_not_simply_create_is_a_decision_with_its_facts() -> None:
    outcome = resolve(events("1 2:1/2 3:2/1 4:2"))
    births = {event.pid: event for event in outcome.events if isinstance(event, BirthDecided)}
    assert births[3].rule == "before-setsid"  # type: ignore[index]
    assert births[3].creator == 2  # type: ignore[index]
    assert births[3].because  # type: ignore[index]
    assert 4 not in births


def test_one_helper_serves_all_orphans_of_one_kind() -> None:
    text = "@1:0 !5 1 2.1:1@1 " + " ".join(f"{pid}.{pid}:2/5@1" for pid in range(10, 40))
    assert len(helpers(plan(text))) <= 3
