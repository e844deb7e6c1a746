"""Groups: joined by those who see them, inherited by those who do not, anchored while their members swap."""

import pytest

from planner.errors import Contradiction
from planner.pipeline.resolve import resolve
from planner.testing.forests import events
from tests.helpers.stories import happens, helpers, plan, rule_of, told, waits_of


def test_a_leader_makes_its_group_and_children_inherit_it() -> None:
    made = plan("1 2:1//2 3:2")
    assert told(made)[2:] == ["1 creates 2", "2 joins 2", "2 creates 3"]
    assert rule_of(made, "2 joins 2") == "group-leader"


def test_a_member_that_sees_the_group_joins_it_after_it_was_made() -> None:
    made = plan("1 2:1//2 3:1//2")
    assert waits_of(made, "3 joins 2") == {"2 joins 2": "group-before-member"}
    assert rule_of(made, "3 joins 2") == "group-member"


def test_a_leader_that_left_its_group_waits_for_those_who_join() -> None:
    made = plan("1 2:1//1 3:1//2")
    assert happens(made, "2 joins 2", "3 joins 2", "2 joins 1")
    assert waits_of(made, "2 joins 1")["3 joins 2"] == "member-before-leaving"


def test_leaders_in_each_others_group_need_an_anchor() -> None:
    made = plan("1 2:1//3 3:1//2")
    (anchor,) = helpers(made)
    assert any(step.rule == "group-anchor" for step in made.steps)
    assert happens(made, f"{anchor} ends")


def test_a_chain_of_leaders_that_left_needs_none() -> None:
    assert helpers(plan("1 2:1//3 3:1//4 4:1//4")) == []


def test_a_longer_ring_needs_one_anchor() -> None:
    assert len(helpers(plan("1 2:1//3 3:1//4 4:1//5 5:1//2"))) == 1


def test_a_group_without_a_number_in_the_namespace_is_inherited() -> None:
    made = plan("@1:0 1 2:1//2 3.1:2@1 4.2:3@1")
    assert happens(made, "2 joins 2", "2 creates 3 as an init", "3 creates 4")
    assert not any("joins 2" in line and not line.startswith("2 ") for line in told(made))


def test_a_nested_init_is_put_into_a_group_that_its_creator_is_not_in() -> None:
    made = plan("@1:0 1 3:1//3 2.1:1//3@1")
    assert helpers(made) == []
    assert happens(made, "1 creates 2 as an init", "1 puts 2 into 3")
    assert waits_of(made, "1 puts 2 into 3") == {"3 joins 3": "group-before-member"}


def test_a_creator_that_is_not_in_the_group_moves_an_init_there_in_time() -> None:
    made = plan("@1:0 1 5:1 3:5//3 2.1:1//3@1 4.2:2//3@1")
    assert helpers(made) == []
    assert happens(made, "3 joins 3", "1 puts 2 into 3", "2 creates 4")
    assert rule_of(made, "1 puts 2 into 3") == "group-by-parent"


def test_an_init_inherits_its_group_to_a_child_that_does_not_see_it() -> None:
    made = plan("@1:0 1 3:1//3 2.1:1//3@1 4.2:2//3@1")
    assert helpers(made) == []
    assert happens(made, "3 joins 3", "1 puts 2 into 3", "2 creates 4")


def test_an_init_is_in_a_group_for_a_moment() -> None:
    made = plan("@1:0 1 2:1//2 5:1 3.1:5//3@1 4.2:3//2@1")
    assert helpers(made) == []
    assert happens(made, "5 creates 3 as an init", "5 puts 3 into 2", "3 creates 4", "3 joins 3")


def test_a_leader_to_be_moves_its_child_before_its_setsid() -> None:
    made = plan("@1:0 1:0/0/1 2:0/2/2 3.1:2/0/1@1 4.2:3/0/1@1")
    assert helpers(made) == []
    assert happens(made, "2 creates 3 as an init", "2 puts 3 into 1", "3 creates 4")
    assert happens(made, "2 puts 3 into 1", "2 setsid")


def test_inits_in_each_others_group_are_moved_there_by_their_parent() -> None:
    """Neither can be born in a group that the other has yet to make, and neither sees the other's."""
    made = plan("@1:0 @2:0 1:0/0/1 2.1:1/0/3@1 3.1:1/0/2@2")
    (anchor,) = helpers(made)
    assert happens(made, "2 joins 2", f"2 creates {anchor}", "1 puts 2 into 3", "1 puts 3 into 2", f"{anchor} ends")


def test_where_the_parent_has_left_their_session_a_helper_moves_them() -> None:
    made = plan("@1:0 @2:0 1:0/1/1 2.1:1/0/3@1 3.1:1/0/2@2")
    (mover,) = [process.pid for process in made.processes if process.role == "helper" and len(process.pids) == 1]
    assert happens(made, "1 setsid", f"{mover} puts 2 into 3", f"{mover} puts 3 into 2")


def test_the_executor_moves_an_init_whose_parent_is_outside() -> None:
    made = plan("@1:0 @2:0 1:0/0/1 2.1:0/0/3@1 3.1:1/0/2@2")
    assert happens(made, "3 joins 3", "0 puts 2 into 3")
    assert rule_of(made, "0 puts 2 into 3") == "group-by-parent"


def test_without_an_invisible_group_no_helper_joins() -> None:
    assert helpers(plan("@1:0 1 3:1//3 2.1:1@1 5.2:2//5@1")) == []


def test_an_init_is_put_into_an_outer_group_by_its_outer_parent() -> None:
    """It must lead its own group until its child is born there, and it cannot see the outer group."""
    made = plan("@1:0 1:0/0/1 68.1:1@1 49.117:68//68@1")
    assert happens(made, "68 joins 68", "68 creates 49", "1 puts 68 into 1")
    assert rule_of(made, "1 puts 68 into 1") == "group-by-parent"
    assert waits_of(made, "1 puts 68 into 1").get("68 creates 49") == "child-before-leaving"


def test_a_group_outside_the_image_comes_from_the_executor() -> None:
    assert happens(plan("@1:0 1:0/0/0 2:1 3:0/0/0 4:3"), "0 enters 1", "0 creates 3", "3 creates 4")


def test_a_member_of_the_outer_group_is_born_before_its_parent_leaves_it() -> None:
    assert happens(plan("1:0/0/1 2:1/0/0"), "1 creates 2", "1 joins 1")
    assert helpers(plan("1:0/0/1 2:1/0/0")) == []


def test_an_init_with_children_in_several_invisible_groups_is_moved_from_one_to_the_other() -> None:
    made = plan("@1:0 1 3:1//3 4:1//4 9.1:1//3@1 10.2:9//1@1 11.3:9//4@1 12.4:9//3@1")
    assert helpers(made) == []
    assert happens(made, "9 creates 10", "1 puts 9 into 4", "9 creates 11", "1 puts 9 into 3", "9 creates 12")


def test_a_task_whose_child_holds_the_group_of_its_birth_is_moved_before_its_parent_leaves_the_session() -> None:
    """51 had 17 while it was in group 61, and its parent, which has left the session since, moved it to 140."""
    made = plan("@1:0 @2:1 1 61:1/61 9.2:1@1 149.1:61/149@1 140.28:61//140@1 42.7.1:9@2 51.18.2:149/61/140@2 17.12.3:51/61/61@2")
    assert helpers(made) == []
    assert happens(made, "149 creates 51", "51 creates 17", "149 puts 51 into 140", "149 setsid")
    assert happens(made, "140 joins 140", "149 puts 51 into 140")


def test_an_init_is_not_asked_for_a_group_that_a_process_above_it_cannot_have_been_in() -> None:
    """9 is in group 1 from birth, so that 157 cannot have been born in the group outside; the executor enters and creates 7."""
    made = plan("@1:0 @2:1 @3:2 1:0/0/1 72.1:1@1 9.2:72@1 8.9:72//8@1 157.3.1:9//8@2 7.6.4.1:157//0@3")
    (helper,) = helpers(made)
    assert happens(made, "9 creates 157 as an init", f"0 creates {helper}", f"{helper} creates 7 as an init", "9 puts 157 into 8")


def test_another_task_is_born_in_one_group_only() -> None:
    with pytest.raises(Contradiction) as refusal:
        resolve(events("@1:0 1 3:1//3 4:1//4 2.1:1@1 5.2:2//5@1 6.3:5//3@1 7.4:5//4@1"))
    assert refusal.value.code == "two-birth-groups"
    assert refusal.value.pid == 5
    assert refusal.value.because


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("1 2.1:1//3 3.1:1//4 4.2.1:2//4 5.3.1:2 6.2.1:3", 1),
        ("@1:0 @2:0 1 2:1//3z256 3.1:1//16@1 15.1:1//3@2 34.11:3@1 16.2:15//16@2 18.3:15@2", 1),
        ("@1:0 @2:0 1 2:1z256 9.1:1//9@1 6.1:1//9@2 10.2:9//6@1 25.11:6@2", 2),
    ],
)
def test_inits_pass_groups_on_that_are_made_below_each_other(text: str, most: int) -> None:
    """Each init is moved to a group whose leader is born below the other one, so that it cannot have been born in it."""
    made = plan(text)
    assert len(helpers(made)) <= most
    assert any(step.rule == "group-by-parent" for step in made.steps)


def test_a_leader_that_is_moved_on_leaves_an_anchor_in_its_group() -> None:
    made = plan("1 2.1:1//3 3.1:1//4 4.2.1:2//4 5.3.1:2 6.2.1:3")
    (anchor,) = helpers(made)
    assert rule_of(made, f"3 creates {anchor}") == "group-anchor"
    assert happens(made, "3 joins 3", f"3 creates {anchor}", "1 puts 3 into 4", "3 creates 6 as an init", f"{anchor} ends")


def test_an_init_that_led_a_group_comes_back_to_one_from_above_by_a_helper_that_was_its_parent() -> None:
    """Task 110 has led the group that 92 is in; its parent is not in its session, and only a parent can move it."""
    made = plan("@1:0 @2:1 1:0/0 5:1/5 8.1:1@1 92.4:1/5/110@1 110.20.1:1/5@2")
    mover = next(line.split()[0] for line in told(made) if line.endswith("puts 110 into 5"))
    assert int(mover) in helpers(made)
    assert happens(made, f"5 creates {mover}", "110 joins 110", "92 joins 110", f"{mover} puts 110 into 5", f"{mover} ends")


def test_such_a_helper_is_born_before_the_parents_setsid_where_the_session_is_that_of_its_birth() -> None:
    made = plan(
        "@1:0 @2:1 @3:1 @4:1 @5:2 @6:1 @7:1 @8:6 @9:7 @10:3 1z256+14 3.1:1/3z256@1+28.15 35:1/35z9 33:1/33z "
        "38:1/33z768 36:1//32z 58:1/58z 59.6.10:1/58/59z768@2 60:1/60z256 63.24.4:1/60z9@3 "
        "12.5.1:3/12z256@4+19.2.2+26.3.3 32.13.1:3/1/32@2+82.16.4 34.11:3/1/49z768@1 41.14.4:3/41z9@4 "
        "43.12:3/43z768@1 49.17.6.1:3/1/32z256@5+50.18.8.3+85.19.7.6 64.21.1:3/64@6+80.26.4 71.22.1:3/43/71@7 "
        "61.25.1:3/61@3 78.30:3/43z768@1 107.31.9.2:32@5 97.27.11.5:49/97z768@5 105.8.8.1:64@8 76.23.3.1:71//76@9 "
        "65.29.5.1:61/65@10+88.36.8.3+94.47.9.6+104.51.12.7 106.33.3.2:105//106@8"
    )
    mover = next(line.split()[0] for line in told(made) if line.endswith("puts 49 into 32"))
    assert happens(made, f"3 creates {mover}", "3 setsid")
    assert happens(made, f"{mover} puts 49 into 32", f"{mover} ends")


def test_a_dead_leader_creates_in_its_group_and_stays_until_all_have_joined() -> None:
    made = plan(
        "!137.14.10 1 39.1:1/39 100.5.1:39 150.16.13.1:100/97/147 232.48.31.10.6:150/39/137 210.34.23.5.1:150/39 "
        "272.29.52.28:150/39/175"
    )
    assert len(helpers(made)) == 7
    assert happens(made, "175 creates 210 as an init", "175 joins 175", "175 creates 272", "175 ends")
