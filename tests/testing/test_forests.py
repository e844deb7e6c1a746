"""The notation says what it means, and a forest written in it reads back as the same facts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.errors import Contradiction
from planner.events.records import TaskRecorded
from planner.forest.digest import image_id
from planner.forest.model import Forest
from planner.testing.forests import events, forest, notation


def belongs(tree: Forest) -> dict[int, tuple[int, int, int]]:
    return {pid: (task.parent, task.session, task.group) for pid, task in tree.tasks.items()}


def test_a_session_leader_has_its_own_group_and_its_members_have_it_too() -> None:
    assert belongs(forest("1 2:1/2 3:1/3 4:2/3 5:3/2")) == {1: (0, 1, 1), 2: (1, 2, 2), 3: (1, 3, 3), 4: (2, 3, 3), 5: (3, 2, 2)}


def test_session_and_group_are_inherited_like_in_a_fork() -> None:
    assert belongs(forest("1 2:1//2 3:2 4:3/4")) == {1: (0, 1, 1), 2: (1, 1, 2), 3: (2, 1, 2), 4: (3, 4, 4)}


def test_the_default_group_of_a_member_of_a_foreign_session_is_that_of_its_leader() -> None:
    assert belongs(forest("1 2:1/2 3:1//3 4:3/2"))[4] == (3, 2, 2)


def test_a_parent_may_be_written_after_its_child() -> None:
    assert belongs(forest("1 3:2 2:1/2"))[3] == (2, 2, 2)


def test_a_second_task_with_its_parent_outside_has_a_session_of_its_own() -> None:
    assert belongs(forest("1 2 3:0/3"))[2] == (0, 2, 2)
    assert belongs(forest("5:0/0/0 6:5"))[6] == (5, 0, 0)


def test_vectors_threads_zombies_and_flags() -> None:
    tree = forest("1s 12.1:1/12+13.2+14.3z 15.4:12z256 16:1Tx17 17:1/30 !30.6 18:1//31 !31.7..")
    assert tree.tasks[1].subreaper
    assert tree.tasks[12].pids == (12, 1)
    assert [(thread.pids, thread.state) for thread in tree.threads[12]] == [((13, 2), "running"), ((14, 3), "zombie")]
    assert (tree.tasks[15].state, tree.tasks[15].exit_status) == ("zombie", 256)
    assert (tree.tasks[16].state, tree.tasks[16].exit_signal) == ("stopped", 17)
    assert [(leader.pids, leader.complete) for leader in tree.leaders.values()] == [((30, 6), True), ((31, 7), False)]


def test_a_recorded_namespace_is_a_fact_of_the_forest() -> None:
    tree = forest("@1:0 1@0 2.1:1@1")
    assert tree.tasks[2].namespace == 1
    assert tree.namespaces[1].init == 2


def test_a_place_is_the_offset_of_the_item() -> None:
    assert [event.at for event in events("1   2:1") if isinstance(event, TaskRecorded)] == [0, 4]


@pytest.mark.parametrize("word", ["x", "1:1/1/1/1", "1.", "1:0q", "2:1z+", "!3:1", "1.2.:3", "@1", "-1"])
def test_what_is_not_in_the_notation_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="notation"):
        events(word)


def test_a_process_that_is_written_twice_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="process 2 occurs twice"):
        events("1 2:1 2:1")


def test_contradictions_are_left_to_the_fold() -> None:
    assert len([event for event in events("2:3 3:2") if isinstance(event, TaskRecorded)]) == 2
    with pytest.raises(Contradiction):
        forest("2:3 3:2")


@pytest.mark.parametrize(
    "text",
    [
        "1",
        "1 2:1/2 3:1/3 4:2/3 5:3/2",
        "1s 2:1//3 3:1//2",
        "!30.6 !31.7.. 1s 12.1:1/12+13.2+14.3z 15.4:12z256 16:1Tx17 17:1/30 18:1//31",
        "@1:0 1 2.1:1@1",
        "5:0/0 6:5 7:0/0",
    ],
)
def test_notation_is_a_fixed_point(text: str) -> None:
    assert notation(forest(text)) == text


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Trees whose sessions and groups are arbitrary numbers that the fold accepts."""
    count = draw(st.integers(1, 8))
    words = ["1"]
    for pid in range(2, count + 1):
        parent = draw(st.integers(1, pid - 1))
        session = draw(st.sampled_from(["", f"/{pid}", "/0", "/1"]))
        flags = draw(st.sampled_from(["", "s", "T", "x17", f"+{100 + pid}", "sT"]))
        words.append(f"{pid}:{parent}{session}{flags}")
    return " ".join(words)


@given(texts())
def test_a_forest_that_is_written_and_read_has_the_same_facts(text: str) -> None:
    tree = forest(text)
    again = forest(notation(tree))
    assert image_id(again) == image_id(tree)
    assert notation(again) == notation(tree)
