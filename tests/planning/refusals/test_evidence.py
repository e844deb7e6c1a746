"""The facts of a refusal: of tasks that are only named the row is a fact where it matters in which pid namespace they live."""

import pytest

from planner.errors import Contradiction
from planner.events.records import PidRecorded, TaskRecorded, TaskStateRecorded
from planner.pipeline.resolve import resolve
from planner.testing.forests import events


def refused(text: str) -> tuple[str, list[str]]:
    """Return the code of a refusal and its facts: a task by its number, a dead leader with "!", a state with "state"."""
    image = events(text)
    with pytest.raises(Contradiction) as refusal:
        resolve(list(image))
    return refusal.value.code, [_named(image[fact]) for fact in refusal.value.because]


def _named(event: object) -> str:
    match event:
        case TaskRecorded(pids=pids):
            return f"{pids[0]}"
        case TaskStateRecorded(pid=pid):
            return f"state {pid}"
        case PidRecorded(numbers=numbers):
            return f"!{numbers[0]}"
    raise AssertionError(event)


@pytest.mark.parametrize(
    ("text", "code", "facts"),
    [
        # Whether 5 is around the namespace of 3 or inside it decides, so where it was led is a fact.
        ("@1:0 !5 1 2.1:1@1 3.2:2@1 6.4:3/5@1", "session-from-above", ["!5", "3", "6"]),
        # Number 1 lives where it does in any image.
        ("@1:0 1 2.1:1/2@1 3.2:2@1 4.3:3/1@1", "session-from-above", ["3", "4"]),
        # Were 5 the init of the others' namespace, it could adopt 4.
        ("@1:0 1 2.1:1@1 5:1 3.2:1/3@1 4.3:5/3@1", "session-from-below", ["3", "4", "5"]),
        # That 2 is an init, and so no leader below 3, is said by its row.
        ("@1:0 1:0/0/0 2.1:1/2/2@1 3.1003:2/3/3@1 4.1004:3/2/2@1 5.1005:3/0/0@1", "two-birth-sessions", ["2", "4", "5"]),
    ],
)
def test_where_a_named_task_lives_is_a_fact_if_it_matters(text: str, code: str, facts: list[str]) -> None:
    found = refused(text)
    assert (found[0], sorted(found[1])) == (code, sorted(facts))


@pytest.mark.parametrize(
    ("text", "code", "facts"),
    [
        ("!5.3.. 1 7:1//5", "leader-without-namespace", ["7", "!5"]),
        ("@1:0 !5.3.. 1 2.1:1@1 4.3:2@1 7:1//5", "leader-without-namespace", ["7", "!5", "4"]),
        ("@1:0 !4.44.. 1:0/0/0 2:1/0/4z 3.1:1/0/4z@1", "init-trap", ["!4", "3"]),
        ("@1:0 @2:0 !4.44.. 1:0/0/0 2.1:0/0/0z@1 3.1:1/0/4z@2", "init-trap", ["!4", "2", "state 2", "3"]),
        ("@1:0 !4.44.. 1:0/0/4 2:1/0/4z 3.1:1/0/4z@1", "init-trap", ["1"]),
    ],
    ids=["no namespace", "its number is taken", "beside its own member", "the other init has ended", "the root is in its group"],
)
def test_what_leaves_no_place_for_a_dead_leader_is_told(text: str, code: str, facts: list[str]) -> None:
    found = refused(text)
    assert (found[0], sorted(found[1])) == (code, sorted(facts))
