"""The steps of a plan in their phases: births, final groups, ends of helpers, threads, subreapers, zombies, verification."""

from planner.steps import Exit, Verify
from tests.helpers.stories import happens, plan, rule_of, told, waits_of


def test_the_phases_follow_each_other() -> None:
    made = plan("1s 2:1//3+20 3:1z256 4:1/4 5:4/1 !9 6:1/9")
    lines = told(made)
    phases = [
        lines.index(line) for line in ("4 setsid", "2 joins 3", "9 ends", "2 makes thread 20", "1 adopts", "3 ends with 256")
    ]
    assert phases == sorted(phases)
    assert all(isinstance(step, Verify) for step in made.steps[len(lines) :])


def test_every_task_is_verified_as_the_image_has_it() -> None:
    made = plan("@1:0 1 2.1:1//2@1+3.2 4:1z9 5:1s")
    verified = {step.target: step for step in made.steps if isinstance(step, Verify)}
    assert list(verified) == [1, 2, 4, 5]
    assert (verified[2].parent, verified[2].group, verified[2].session, verified[2].threads) == (1, 2, 1, (3,))  # type: ignore[index]
    assert (verified[4].zombie, verified[4].status) == (True, 9)  # type: ignore[index]
    assert verified[5].subreaper  # type: ignore[index]
    assert {step.actor for step in verified.values()} == {0}


def test_a_zombie_ends_with_its_status_and_is_not_reaped() -> None:
    made = plan("1 2:1z256 3:1z9")
    assert happens(made, "2 ends with 256", "3 ends with 9")
    assert rule_of(made, "2 ends with 256") == "zombie-last"
    assert not any("reaps" in line for line in told(made))


def test_a_zombie_ends_after_it_has_created_and_led() -> None:
    made = plan("1 2:1/2z 3:1/2")
    assert happens(made, "2 setsid", "2 creates 3 as a sibling", "2 ends")


def test_an_init_that_was_killed_is_killed_by_its_parent() -> None:
    made = plan("@1:0 1 2.1:1z9@1")
    assert told(made)[-1] == "1 kills 2"
    assert rule_of(made, "1 kills 2") == "init-killed"


def test_an_init_that_ended_by_itself_does_so() -> None:
    assert told(plan("@1:0 1 2.1:1z256@1"))[-1] == "2 ends with 256"


def test_a_zombie_init_ends_after_what_served_in_its_namespace() -> None:
    made = plan("@1:0 !5 1 2.1:1//5z256@1 6:1//5")
    assert happens(made, "2 ends with 256")
    assert told(made)[-1] == "2 ends with 256"


def test_a_leading_thread_ends_alone() -> None:
    made = plan("1 2:1z256+3")
    assert happens(made, "1 creates 2", "2 makes thread 3", "2 ends with 256")
    assert [step.thread_only for step in made.steps if isinstance(step, Exit)] == [True]


def test_a_leading_thread_of_an_init_ends_after_its_namespace_was_entered() -> None:
    made = plan("@1:0 1 2.1:1z768@1+3.2 4.5:0/0@1")
    assert "entry-before-ending" in waits_of(made, "2 ends with 768").values()


def test_threads_are_made_by_their_own_process() -> None:
    made = plan("@1:0 1 2.1:1@1+3.2+4.3")
    assert told(made)[-2:] == ["2 makes thread 3", "2 makes thread 4"]
    assert rule_of(made, "2 makes thread 3") == "thread-of-process"


def test_final_subreapers_are_set_when_nothing_more_is_adopted() -> None:
    made = plan("1s 2:1/2s 3:1/3 4:2/3 5:3/2")
    last_reaping = max(number for number, line in enumerate(told(made)) if "reaps" in line)
    assert told(made).index("1 adopts") > last_reaping
    assert rule_of(made, "1 adopts") == "final-subreaper"


def test_adoptions_come_one_after_the_other() -> None:
    made = plan("1 2:1/2 3:1/3 4:1/4 12:3/2 13:4/3 14:2/4")
    rules = {wait.rule for step in made.steps for wait in step.waits}
    assert {"adoptions-in-order", "flag-before-adoption", "ended-before-reaped", "reaped-before-flag-off"} <= rules


def test_a_task_that_entered_a_namespace_goes_back_before_it_makes_threads() -> None:
    assert happens(plan("@1:0 1 2.1:1@1 3:1+5 4.2:3@1"), "3 enters 2", "3 enters 1", "3 makes thread 5")


def test_waits_name_only_what_others_do() -> None:
    made = plan("@1:0 !5 1 2:1/2 3:1/3 4:2/3 5:3/2 6.1:1@1 7.2:6/2@1".replace("!5 ", ""))
    for step in made.steps:
        assert all(made.steps[wait.step - 1].actor != step.actor for wait in step.waits)
        assert [wait.step for wait in step.waits] == sorted({wait.step for wait in step.waits})
