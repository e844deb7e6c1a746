"""Placeholders for dead leaders: where they live, and that they keep their numbers as long as a process needs them."""

import pytest

from planner.errors import Contradiction
from planner.pipeline.resolve import resolve
from planner.plans.model import Plan
from planner.testing.forests import events
from tests.helpers.stories import happens, helpers, plan, rule_of, told, waits_of


def vector(made: Plan, pid: int) -> tuple[int, ...]:
    return made.process_table()[pid].pids  # type: ignore[index]


def test_living_leaders_need_no_stand_in() -> None:
    assert helpers(plan("1 2:1/2 3:2 4:1//4")) == []


def test_a_dead_session_leader_leads_again_and_dies() -> None:
    made = plan("!5 1 6:1/5")
    assert helpers(made) == [5]
    assert happens(made, "1 creates 5", "5 setsid", "5 creates 6 as a sibling", "5 ends", "1 reaps 5")
    assert rule_of(made, "1 creates 5") == "dead-session-leader"


def test_a_dead_group_leader_stays_until_all_have_joined() -> None:
    made = plan("!5.. 1 6:1//5 7:1//5")
    assert rule_of(made, "1 creates 5") == "dead-group-leader"
    assert happens(made, "5 joins 5", "6 joins 5", "5 ends")
    assert set(waits_of(made, "5 ends")) >= {"6 joins 5", "7 joins 5"}


def test_a_number_that_nobody_recorded_gets_a_stand_in_too() -> None:
    assert helpers(plan("1 6:1/5 7:1//8")) == [5, 8]


def test_a_dead_leader_inside_a_nested_namespace_keeps_its_inner_number() -> None:
    made = plan("@1:0 !5.3 1 2.1:1@1 6.4:2/5@1")
    assert vector(made, 5) == (5, 3)
    assert happens(made, "2 creates 5", "5 setsid", "5 ends")


def test_a_dead_group_leader_in_a_nested_namespace_serves_members_outside_it() -> None:
    made = plan("@1:0 !5.3.. 1 2.1:1@1 6.4:2//5@1 7:1//5")
    assert vector(made, 5) == (5, 3)
    assert happens(made, "5 joins 5", "7 joins 5", "5 ends")


def test_of_two_namespaces_the_one_is_taken_where_the_number_is_free() -> None:
    made = plan("@1:0 @2:0 !5.3.. 1 2.1:1@1 3.1:1@2 4.3:2@1 7:1//5")
    assert vector(made, 5) == (5, 3)
    assert made.process_table()[5].namespace == 3  # type: ignore[index]


def test_of_two_namespaces_the_one_is_taken_that_asks_less_of_parents() -> None:
    """Led in the first, the group would be out of sight for 98, whose child would have to inherit it."""
    made = plan("@1:0 @2:0 @3:2 !130.97.. 1 103.1:1@1 55.101:1//130@1 33.1:1@2 83.54:33//130@2 98.16:33@2 86.114.1:98//130@3")
    assert happens(made, "1 puts 55 into 130", "83 joins 130", "98 puts 86 into 130")


def test_a_place_from_which_a_member_cannot_get_into_the_group_is_given_up() -> None:
    """Led in the second namespace, the group would be seen by most; but 60 comes into it after it has had a child in another."""
    made = plan("@1:0 @2:0 !5.10.. 1 156:1//156 59.1:156@1 69.1:156@2 16.22:69//5@2 17.23:69//5@2 60.16:59//5@1 109.73:60//156@1")
    (leader,) = (process for process in made.processes if process.pid == 5)
    assert leader.namespace == 59
    assert happens(made, "60 creates 109", "60 joins 5")


def test_a_place_is_given_up_for_a_group_that_a_child_would_have_to_inherit() -> None:
    """Led in the second namespace, group 8 would be out of sight for 16, whose parent has never been in it."""
    made = plan(
        "@1:0 @2:0 @3:2 !8.91.. 1:0/0 44:1 86:1 142:1 128:86 72:142//8 36.1:128@1 112.1:72//112@2 28.151:36@1 5.85:36@1 "
        "51.75:112//99@2 26.135.1:112@3 85.116:5@1 154.40:51//8@2 99.60.123:26//99@3 16.2:85//8@1"
    )
    assert happens(made, "85 creates 16", "16 joins 8")


def test_a_place_that_ends_in_a_circle_is_given_up() -> None:
    """Led beside 34, whose namespace needs group 62, group 20 would have to wait for 59, which must be born in it."""
    made = plan(
        "@1:0 @2:1 @3:1 @4:2 @5:3 !20.. 1:0/0 111:1//20 8.1:111//8@1 15.141:8//20@1 42.76:8//20@1 96.70:15@1 59.63.1:42@2 "
        "93.16:96@1 5.150.150:59@2 12.127.1:93//62@3 62.50.7.1:5//62@4 34.156.112:12//20@3 120.104.92.1:12@5"
    )
    (leader,) = (process for process in made.processes if process.pid == 20)
    assert leader.namespace == 8


def test_a_dead_init_whose_namespace_is_gone_led_a_group() -> None:
    """A member outside keeps the number; the namespace is made again and ends with its init."""
    made = plan("!5.1.. 1 7:1//5")
    assert vector(made, 5) == (5, 1)
    assert happens(made, "1 creates 5 as an init", "7 joins 5", "5 ends", "1 reaps 5")


def test_another_number_keeps_its_namespace_from_ending() -> None:
    with pytest.raises(Contradiction) as refusal:
        resolve(events("!5.3.. 1 7:1//5"))
    assert refusal.value.code == "leader-without-namespace"


def test_a_session_goes_down_only() -> None:
    with pytest.raises(Contradiction) as refusal:
        resolve(events("@1:0 !5.3 1 2.1:1@1 6:1/5"))
    assert refusal.value.code.startswith("session-")


def test_a_dead_leader_encloses_all_its_members() -> None:
    with pytest.raises(Contradiction) as refusal:
        resolve(events("@1:0 @2:0 !5.9 1 2.1:1@1 3.1:1@2 6.4:2/5@1 7.8:3/5@2"))
    assert refusal.value.code in ("session-across-namespaces", "two-inits")


def test_a_dead_session_leader_stands_where_its_members_parents_need_it() -> None:
    """Members below a task, an init and a leader, all of one dead leader's session."""
    made = plan("!9 1 2:1 3:2/9 4:1/9 5:1/5 6:5/9")
    assert happens(made, "9 setsid", "9 ends")
    assert told(made).count("9 ends") == 1


@pytest.mark.parametrize("tree", ["3.5:2/3 4.6:3/1 6.7:3/65", "4.2:2 3.7:4/3 6.10:3/65"])
def test_a_dead_session_leader_of_unknown_depth_stands_deeper_where_that_helps(tree: str) -> None:
    """Led at level 0, the session would have to come to task 3 by its birth, which was in another one."""
    made = plan(f"1 2.1:1 {tree}")
    assert len(vector(made, 65)) == 2


def test_a_dead_session_leader_whose_depth_is_known_stays_there() -> None:
    with pytest.raises(Contradiction) as refusal:
        resolve(events("!65 1 2.1:1 3.5:2/3 4.6:3/1 6.7:3/65"))
    assert refusal.value.code == "two-birth-sessions"


def test_a_leader_that_was_a_sibling_of_an_entered_task() -> None:
    """Number 5 had entered from outside, like its member 3."""
    made = plan("@1:0 !5.7 1 2.1:1@1 3.2:0/5@1")
    assert happens(made, "0 enters 2", "0 creates 5", "5 creates 3 as a sibling", "5 ends", "0 reaps 5")


def test_helpers_take_numbers_that_nobody_bears() -> None:
    taken = " ".join(f"{pid}:1" for pid in range(290, 320))
    made = plan(f"1 {taken} 2:1/2 3:1/3 4:2/3 5:3/2")
    assert min(helpers(made)) >= 320
