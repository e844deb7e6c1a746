"""Containers that exclude each other: each number with two meanings is named, with its place in both images."""

import pytest

import planner
from planner.errors import Contradiction
from planner.events import log
from planner.findings.problems import problem_of
from planner.pipeline.resolve import resolve
from planner.pods.clashes import CODE, MOST_SHOWN, clashes
from tests.helpers.containers import POD_NAMESPACES, Dump, cri_o, web


def odd(dump: Dump) -> bytes:
    return dump.archive(*cri_o("odd", **POD_NAMESPACES))


def words(*dumps: bytes) -> list[str]:
    return [clash.words for clash in clashes(planner.read(*dumps))]


@pytest.mark.parametrize(
    ("dump", "expected"),
    [
        (Dump().task(12), ["pid 12 is a task in 1:bytes and a task in 2:bytes"]),
        (Dump().task(14), ["pid 14 is a thread of 13 in 1:bytes and a task in 2:bytes"]),
        (Dump().task(40, threads=(7,)), ["pid 7 is a task in 1:bytes and a thread of 40 in 2:bytes"]),
        (
            Dump().task(40).task(41, 40, session=14, group=41),
            ["14 is a session in 2:bytes and a thread of 13 in 1:bytes"],
        ),
        (
            Dump().task(40).task(41, 40, session=12, group=41),
            ["12 is a session in 2:bytes and a task of session 7 in 1:bytes"],
        ),
        (Dump().task(40).task(41, 40, session=40, group=14), ["14 is a group in 2:bytes and a thread of 13 in 1:bytes"]),
        (
            Dump().task(40).task(41, 40, session=40, group=12),
            ["group 12 is of session 40 in 2:bytes and of session 7 in 1:bytes"],
        ),
    ],
)
def test_a_number_with_two_meanings_is_a_clash(dump: Dump, expected: list[str]) -> None:
    assert words(web(), odd(dump)) == expected


def test_a_parent_in_another_image_is_a_clash() -> None:
    image = odd(Dump().task(40, 12))
    assert words(web(), image) == ["the parent of task 40 in 2:bytes is 12, which is a task in 1:bytes"]


def test_a_group_whose_dead_leader_is_of_two_sessions_is_a_clash() -> None:
    one, other = (odd(Dump(run=str(root)).task(root).task(root + 1, root, session=root, group=90)) for root in (40, 50))
    assert words(one, other) == ["group 90 is of session 50 in 2:bytes and of session 40 in 1:bytes"]


def test_a_leader_that_lives_in_the_other_image_is_no_clash() -> None:
    assert words(web(), odd(Dump().task(40).task(41, 40, session=7, group=7))) == []


def test_a_leader_that_is_dead_for_both_is_no_clash() -> None:
    assert words(*(odd(Dump().task(root).task(root + 1, root, session=90, group=90)) for root in (40, 50))) == []


def test_what_is_wrong_within_one_image_is_no_clash() -> None:
    image = Dump().task(40).task(41, 40, session=42, group=41).task(42, 40, session=40)
    assert words(web(), odd(image)) == []
    with pytest.raises(Contradiction) as caught:
        resolve(planner.read(web(), odd(image)))
    assert caught.value.code == "session-leader-elsewhere"


def test_every_clash_comes_with_both_places() -> None:
    history = planner.read(web(), odd(Dump().task(12).task(30, 12, session=12, group=13).task(14, 12, session=12)))
    with pytest.raises(Contradiction) as caught:
        resolve(history)
    assert caught.value.code == CODE
    problem = problem_of(caught.value, history)
    assert problem.exit_code == 3
    assert [fact.at for fact in problem.because] == [
        "1:bytes/pstree.img#1",
        "2:bytes/pstree.img#0",
        "1:bytes/pstree.img#2",
        "2:bytes/pstree.img#2",
        "2:bytes/pstree.img#1",
        "1:bytes/pstree.img#2",
    ]
    assert "clash in 3 places" in problem.message


def test_the_log_of_a_clash_says_the_same_again() -> None:
    history = planner.read(web(), odd(Dump().task(12)))
    with pytest.raises(Contradiction) as first:
        resolve(history)
    with pytest.raises(Contradiction) as again:
        resolve(planner.read(b"".join(log.lines(history))))
    assert (again.value.code, again.value.message) == (first.value.code, first.value.message)


def test_of_many_clashes_the_first_are_named() -> None:
    dumps = [Dump().task(5) for _ in range(2)]
    for dump in dumps:
        for number in range(100, 200):
            dump.task(number, 5, session=5)
    with pytest.raises(Contradiction) as caught:
        resolve(planner.read(*(dump.archive() for dump in dumps)))
    assert caught.value.message.startswith("containers of one pid namespace clash in 101 places: ")
    assert caught.value.message.endswith(f"; and {101 - MOST_SHOWN} more")
    assert len(caught.value.because) == 2 * MOST_SHOWN


def test_numbers_of_two_namespaces_do_not_clash() -> None:
    one, other = (Dump().task(1).task(number, 1, session=1) for number in (5, 5))
    with pytest.raises(Contradiction) as caught:
        resolve(planner.read(one.archive(), other.archive()))
    assert caught.value.code == "pid-namespaces-apart"
