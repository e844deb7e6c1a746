"""How each task comes by its session: by its parent, in a window, by entry, from below, or from a sibling."""

import pytest

from planner.errors import Contradiction
from planner.pipeline.resolve import resolve
from planner.testing.forests import events
from tests.helpers.stories import happens, helpers, plan, rule_of, told


def test_a_child_in_its_parents_session_needs_nothing() -> None:
    made = plan("1 2:1/2 3:2 4:3")
    assert {rule_of(made, line) for line in ("2 creates 3", "3 creates 4")} == {"parent-creates"}


def test_a_child_of_the_old_session_is_born_in_a_window_before_setsid() -> None:
    made = plan("1 2:1/2 3:2/1")
    assert happens(made, "1 creates 2", "2 creates 3", "2 setsid")
    assert rule_of(made, "2 creates 3") == "before-setsid"


def test_a_window_is_a_demand_on_the_creators_own_birth_and_so_on_upwards() -> None:
    assert happens(plan("1 2:1/2 3:2/3 4:3/4 5:4/1"), "2 creates 3", "3 creates 4", "4 creates 5", "4 setsid")


def test_without_a_child_of_another_session_the_birth_of_a_leader_is_free() -> None:
    assert happens(plan("1 2:1/2 3:2/3"), "2 setsid", "2 creates 3")


def test_a_member_from_above_enters_and_the_init_adopts() -> None:
    """The leader stands above the parent's namespace, and the parent is an init."""
    text = "@1:0 !5 1 2.1:1@1 6.4:2/5@1"
    made = plan(text)
    assert happens(made, "5 enters 2", "301 creates 6", "301 ends")
    assert rule_of(made, "301 creates 6") == "session-enters"


def test_without_an_init_a_session_from_above_is_out_of_reach() -> None:
    with pytest.raises(Contradiction) as refusal:
        resolve(events("@1:0 !5 1 2.1:1@1 3.2:2@1 6.4:3/5@1"))
    assert refusal.value.code == "session-from-above"


def test_a_leader_below_its_parent_has_a_member_there_create_the_child() -> None:
    made = plan("1 2:1 3:2/3 4:2/3")
    assert happens(made, "2 creates 3", "3 setsid", "3 creates 4 as a sibling")
    assert rule_of(made, "3 creates 4 as a sibling") == "session-from-sibling"


def test_a_leader_that_stands_above_never_was_below() -> None:
    with pytest.raises(Contradiction) as refusal:
        resolve(events("1 2:1/2 4:2/3 5:4/2"))
    assert refusal.value.code == "session-not-below"


def test_a_leader_that_lives_deeper_than_the_parent_makes_siblings() -> None:
    assert rule_of(plan("@1:0 1 2.1:1@1 3.2:1/3@1 4.3:1/3@1"), "3 creates 4 as a sibling") == "session-from-sibling"


def test_an_entered_leader_whose_member_has_another_outer_parent_is_refused() -> None:
    with pytest.raises(Contradiction) as refusal:
        resolve(events("@1:0 1 2.1:1@1 5:1 3.2:1/3@1 4.3:5/3@1"))
    assert refusal.value.code == "session-from-below"


def test_an_init_makes_no_sibling() -> None:
    """The session's leader is itself the init of the nested namespace: it cannot create a task for its own parent."""
    with pytest.raises(Contradiction) as refusal:
        resolve(events("@1:0 1 2.1:1/2@1 3.2:1/2@1"))
    assert refusal.value.code == "session-from-below"


def test_two_crossed_leaders_one_is_born_below_the_other() -> None:
    made = plan("1 2:1/2 3:1/3 4:2/3 5:3/2")
    rules = {step.rule for step in made.steps}
    assert {"before-setsid", "session-below-parent"} <= rules


def test_in_a_ring_of_leaders_one_serves_from_below_and_two_by_their_windows() -> None:
    rules = [step.rule for step in plan("1 2:1/2 3:1/3 4:1/4 12:3/2 13:4/3 14:2/4").steps]
    assert (rules.count("session-below-parent"), rules.count("before-setsid")) == (1, 2)


def test_longer_rings_are_planned_too() -> None:
    for size in (4, 7, 12):
        leaders = " ".join(f"{pid}:1/{pid}" for pid in range(2, size + 2))
        members = " ".join(f"{pid + 50}:{pid}/{pid % size + 2 if pid > 1 else 2}" for pid in range(2, size + 2))
        assert told(plan(f"1 {leaders} {members}"))


def test_leaders_with_one_possible_creator_are_born_in_image_order_too() -> None:
    """The dead leaders 8 and 24 are both below 25, and the others pass their sessions on to them by windows."""
    made = plan("1 25:1 29:25/29 19:25/19 30:29/24 27:19/29 36:19/36 38:36/38 40:38/8")
    assert helpers(made) == [24, 8]
    assert happens(made, "25 creates 29", "29 creates 19 as a sibling", "29 creates 24", "19 creates 36", "38 creates 8")


def test_the_last_born_of_three_serves_one_foreign_session_only() -> None:
    with pytest.raises(Contradiction) as refusal:
        resolve(events("1 2:1/2 3:1/3 4:1/4 12:2/3 13:2/4 14:3/2 15:3/4 16:4/2 17:4/3"))
    assert refusal.value.code == "crossing-sessions"
    assert set(refusal.value.because) == {9, 11, 13, 15, 17, 19}, "the children alone: the leaders' own rows are not needed"


def test_two_that_hold_children_of_both_others_are_reachable() -> None:
    assert plan("1 2:1/2 3:1/3 4:1/4 12:2/3 13:2/4 14:3/2 15:3/4 16:4/2")


def test_a_task_in_the_session_outside_comes_from_the_executor() -> None:
    """Its parent is an init in a session of its own, so a helper of the executor's enters, creates it and dies."""
    made = plan("@1:0 1 2.1:1@1 3.2:2/0/0@1")
    (helper,) = helpers(made)
    assert happens(made, "0 enters 2", f"0 creates {helper}", f"{helper} creates 3", f"{helper} ends", f"0 reaps {helper}")
