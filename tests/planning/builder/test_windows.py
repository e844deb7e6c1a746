"""The order of births and of changes of session and group: topological, ties by image order, circles loosened or explained."""

import pytest

from tests.helpers.stories import happens, helpers, plan, rule_of, told


def created(text: str) -> list[int]:
    """Return who is created in a plan, in order."""
    return [int(line.split()[2]) for line in told(plan(text)) if "creates" in line]


def test_image_order_decides_where_nothing_else_does() -> None:
    assert created("1 5:1 3:1 4:1 2:1") == [1, 5, 3, 4, 2]


def test_a_parent_comes_before_its_children_whatever_the_image_says() -> None:
    assert created("1 5:4 4:3 3:1") == [1, 3, 4, 5]


def test_windows_stand_around_setsid() -> None:
    assert happens(plan("1 2:1/2 3:2/2 4:2/1"), "2 creates 4", "2 setsid", "2 creates 3")


def test_windows_stand_around_the_making_of_a_group() -> None:
    assert happens(plan("1:0/0/1 2:1/0/1 3:1/0/0"), "1 creates 3", "1 joins 1")


def test_a_namespace_has_its_init_before_those_who_enter() -> None:
    assert created("@1:0 1 4.2:1@1 3.1:1@1") == [1, 3, 4]


def test_a_window_into_a_namespace_that_comes_later_is_kept_open_by_a_helper() -> None:
    """The namespace is made by one that leads the session that its parent entered from before."""
    made = plan("@1:0 1 2:1/2 3.1:2/2@1 4.2:2/1@1")
    (helper,) = helpers(made)
    assert happens(made, f"2 creates {helper}", "2 setsid", "2 creates 3 as an init", f"{helper} creates 4 as a sibling")


def test_a_window_helper_is_named_by_its_rule() -> None:
    """2 was in the session outside when it created what has created 106, and in its own when it created the namespace."""
    made = plan("@1:0 1:0/0/0 2:0/2/2 41.1:2@1 106.12:2/0@1")
    (helper,) = helpers(made)
    assert rule_of(made, f"2 creates {helper}") == "window-helper"
    assert happens(made, f"2 creates {helper}", "2 setsid", f"{helper} enters 41", f"{helper} creates 106 as a sibling")


def test_an_init_is_born_in_time_for_an_early_child() -> None:
    made = plan("@1:0 1:0/0/1 103.1:1@1 89.101:1//0@1")
    assert helpers(made) == []
    assert happens(made, "1 creates 103 as an init", "1 creates 89", "1 joins 1", "1 puts 103 into 1")


def test_without_the_need_no_window_is_kept_open() -> None:
    assert helpers(plan("@1:0 1:0/0/1 89:1//0 103.1:1@1")) == []


@pytest.mark.parametrize("text", ["1 2:1//3 3:1//4 4:1//2", "1 3:1//2 2:1//3 5:2//3 6:3//2", "1 2:1//3 4:2//4 3:1//4"])
def test_joins_that_only_save_steps_are_put_off_rather_than_refused(text: str) -> None:
    assert told(plan(text))


def test_a_task_that_joins_before_its_children_saves_their_joining() -> None:
    made = plan("1 2:1//2 3:1//2 4:3//2 5:3//2")
    assert [line for line in told(made) if "joins 2" in line] == ["2 joins 2", "3 joins 2"]
