"""The smallest contradiction in the evidence of a refusal: laws about few facts, and what of a refusal they leave."""

from collections.abc import Iterable

import pytest

from planner.errors import Contradiction
from planner.events.records import TaskRecorded, TaskStateRecorded
from planner.forest.birth_order import Ages
from planner.forest.minimise import MOST_ROWS, narrowed
from planner.identity import ProcessId
from planner.pipeline.resolve import resolve
from planner.testing.forests import events, forest


def refusal(text: str) -> tuple[str, list[int]]:
    """Return the code of a refusal and the tasks whose rows it names, those whose states it names below zero."""
    log = events(text)
    image = list(log)
    with pytest.raises(Contradiction) as caught:
        resolve(log)
    named: list[int] = []
    for seq in caught.value.because:
        event = image[seq]
        if isinstance(event, TaskRecorded):
            named.append(event.pids[0])
        elif isinstance(event, TaskStateRecorded):
            named.append(-event.pid)
    return caught.value.code, sorted(named)


def ages(text: str, pids: Iterable[int]) -> tuple[str, int] | None:
    """Return what contradicts itself by age: the code of the first smallest contradiction, and how many facts that takes."""
    found = [(error.code, len(error.because)) for error in Ages(forest(text), map(ProcessId, pids)).contradictions()]
    return min(found, key=lambda each: each[1], default=None)


@pytest.mark.parametrize(
    ("text", "code", "named"),
    [
        # A session's leader below its own member, whatever else is wrong with it.
        ("!5 1:0/0/0 2:1/3/3 3:2/3/3 4:3/5/5z", "birth-circle", [2, 3]),
        ("1:0/0/0 2:1/4/4 3:1/4/4 4:3/4/4", "birth-circle", [3, 4]),
        # A child in the session of a process above its parent, and the parent never was in it: the leader's row is not needed.
        ("1:0/0/0 2:3/0/0 3:0/3/3 4:2/3/3z", "session-not-below", [2, 4]),
        # No process is above number 1, so that nothing needs to be known of the tasks between.
        ("!5 !6 1:0/1/1 2:1/5/5 3:2/6/6 4:3/1/1z", "session-not-below", [3, 4]),
        ("!5 1:0/1/1 2:3/5/5 3:1/3/3 4:2/1/1z", "session-not-below", [2, 4]),
        # 6 is a child of 5, which was below 3, a member of session 6.
        ("1:0/1/1 2:3/5/5 3:4/6/6 4:1/4/4 5:1/5/5 6:5/6/6", "session-not-below", [2, 3, 6]),
        # Two children in the two oldest sessions: whatever their parent is.
        ("1:0/1/1 2:1/2/2 3:2/0/0z 4:2/1/1z", "two-birth-sessions", [3, 4]),
        # The parent of an init in the init's own namespace: whether the init has ended does not matter.
        ("@1:0 1:0/0/0 2.42:1/0/0@1 3.1:2/0/0z@1", "namespace-init-below", [2, 3]),
        # An init in a group that it sees, since no process can have moved it there: the leader's row is not needed.
        ("@1:0 @2:0 !4 !5.45.. 1:0/0/0 2.1:0/4/5@1 3.1:0/4/2z@2", "init-trap", [2, 3]),
        # All of a process has ended, its other threads too.
        ("1 5:1z+7z+8z 6:5", "zombie-with-child", [-8, -7, -5, 6]),
        ("@1:0 1 5.1:1/5z+7.2z@1 6.3:1/1@1", "zombie-init", [-7, -5, 5, 6]),
        # A task that has left the group outside for a child: a task that is born there can be moved out of it, and not back.
        ("@1:0 1:0/0/1 5.1:1/0/0@1 41.37:1/0/0@1 38.57:41//1@1", "group-out-of-sight", [38, 41]),
        # An init has ended: as the state says, and without it this would be a trap.
        ("!2.. 1:0/0/2z", "leader-without-namespace", [-1, 1]),
    ],
)
def test_a_smaller_contradiction_is_told(text: str, code: str, named: list[int]) -> None:
    assert refusal(text) == (code, named)


def test_what_is_asked_of_a_parent_goes_on_upwards() -> None:
    """5 is in session 1, so that its parent, a leader, was born in it, and its parent in turn; but 2 never was in session 1."""
    assert ages("!9 1:0/1 2:1/9 3:2/3 4:3/4 5:4/1", (2, 3, 4, 5)) == ("session-not-below", 4)
    assert ages("!9 1:0/1 2:1/9 3:2/3 4:3/4 5:4/1 6:4/0", (4, 5, 6)) == ("two-birth-sessions", 2)
    assert not ages("1:0/1 2:1/1 3:2/3 4:3/4 5:4/1", (2, 3, 4, 5))


def test_a_choice_is_left_open() -> None:
    """A leader with a child of another session may have created it before setsid, or the other leader was below it."""
    assert not ages("1 2:1/2 3:1/3 4:2/3 5:3/2", (2, 3, 4, 5))
    assert not ages("1 2:1/2 3:1/3 4:1/4 12:2/3 13:3/4 14:4/2", (2, 3, 4, 12, 13, 14))


def test_inits_adopt_what_was_never_below_them() -> None:
    """Number 1 has a child of a session that it was never in; so has a nested init. Only a parent that is no init is refused."""
    assert not ages("!9 1:0/1 2:1/9", (1, 2))
    assert not ages("1:0/1 2.1:1/2 3.2:2/1", (2, 3))
    assert not ages("1:0/1 2.1:1/2 3.2:2/1 4.3:2/0", (2, 3, 4))
    assert ages("1:0/1 2.1:1/1 5.5:2/1 6.6:5/0", (5, 6)) == ("session-not-below", 2)


def test_a_refusal_stays_where_nothing_smaller_is_found() -> None:
    whole = forest("1 2:1/2 3:1/3 4:2/3 5:3/2")
    error = Contradiction("any", "any", [task.recorded for task in whole.tasks.values()])
    assert narrowed(whole, error) is error
    few = Contradiction("any", "any", error.because[1:2])
    assert narrowed(whole, few) is few


def test_of_large_evidence_the_lines_above_leaders_are_looked_at() -> None:
    chain = " ".join(f"{pid}:{pid - 1}/900" for pid in range(2, 2 + MOST_ROWS))
    whole = forest(f"1 {chain} 900:{1 + MOST_ROWS}/900")
    error = Contradiction("any", "any", [task.recorded for task in whole.tasks.values()])
    assert narrowed(whole, error).code == "birth-circle"
    assert len(narrowed(whole, error).because) == 2
    far = forest(f"1 2:1/900 {' '.join(f'{pid}:{pid - 1}/1' for pid in range(3, 2 + MOST_ROWS))} 900:{1 + MOST_ROWS}/900")
    error = Contradiction("any", "any", [task.recorded for task in far.tasks.values()])
    assert narrowed(far, error) is error
