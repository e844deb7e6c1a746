"""Reuse: zombies, placeholders for dead leaders and siblings do the work that would need a helper."""

from tests.helpers.stories import happens, helpers, plan, rule_of, waits_of


def test_a_zombie_leaves_its_child_to_the_reaper() -> None:
    made = plan("1 2:1 3:2/3z 4:1/3")
    assert helpers(made) == []
    assert happens(made, "3 setsid", "3 creates 4", "3 ends")
    assert rule_of(made, "3 ends") == "zombie-leaves-children"


def test_the_adopter_is_a_subreaper_until_the_zombie_has_ended() -> None:
    made = plan("1 5:1 2:5 3:2/3z256 4:5/3")
    assert helpers(made) == []
    assert happens(made, "3 creates 4", "5 adopts", "3 ends with 256", "5 adopts no more")
    assert waits_of(made, "5 adopts no more") == {"3 ends with 256": "reaped-before-flag-off"}


def test_a_zombie_that_is_a_subreaper_leaves_it_to_a_helper() -> None:
    """Its flag comes when all adoptions are over, and so does its end."""
    made = plan("1 2:1 3:2/3zs 4:1/3")
    assert len(helpers(made)) == 1
    assert rule_of(made, "3 ends") == "zombie-last"


def test_a_member_that_ends_does_it_for_a_leader_that_stays() -> None:
    made = plan("1:0/0/0 2:0/2/2 3:0/2/2z 4:1/2/2")
    assert helpers(made) == []
    assert happens(made, "3 creates 4", "3 ends")


def test_the_stand_in_for_a_group_leader_leaves_children_too() -> None:
    assert helpers(plan("!4.. 1:0/0/0 2:0/2/2 3:1/2/4")) == [4]


def test_the_stand_in_for_a_session_leader_does_it_before_its_setsid() -> None:
    made = plan("!5 1:0/0/0 2:0/5/5 3:0/3/3 4:1/3/3")
    assert helpers(made) == [5]
    assert happens(made, "3 creates 5 as a sibling", "5 creates 4", "5 setsid", "5 creates 2 as a sibling", "5 ends")


def test_a_leader_creates_an_init_beside_itself_before_its_setsid() -> None:
    made = plan("@1:0 1:0/0/0 2.1:0/0/0@1 3:0/3/3")
    assert helpers(made) == []
    assert happens(made, "3 creates 2 as an init as a sibling", "3 setsid")


def test_a_stand_in_creates_an_init_beside_itself() -> None:
    assert helpers(plan("@1:0 !3.. 1:0/0/0 2.1:0/0/3@1")) == [3]


def test_inits_share_the_helper_that_creates_them() -> None:
    assert len(helpers(plan("@1:0 @2:0 1:0/0/0 2.1:0/0/0@1 3.1:0/3/3@2"))) == 1


def test_an_init_that_is_moved_for_a_while_creates_an_init_in_the_group() -> None:
    """Task 26 is in group 13 when it creates 69, and comes back to its own."""
    made = plan("!13 1:0/0/1 26.1:1 27.2:26 69.19.1:26//13 33.5:1//13 50.9:33")
    assert helpers(made) == [13]
    assert happens(made, "1 puts 26 into 13", "26 creates 69 as an init", "1 puts 26 into 1")
