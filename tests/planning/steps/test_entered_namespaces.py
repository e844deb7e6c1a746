"""Namespaces that are there from the start: what the executor creates enters its own, and those below are born there."""

import random

import pytest

from planner.pipeline.resolve import resolve
from planner.plans.model import Plan
from planner.steps import Create, Join, Unshare
from tests.helpers.images import KINDS, Image


def moves(plan: Plan) -> list[tuple[object, ...]]:
    """Births and namespace steps in short, in plan order: (creator, child), (maker, kinds), (joining task, kind, target)."""
    told: list[tuple[object, ...]] = []
    for step in plan.steps:
        if isinstance(step, Create):
            told.append((int(step.actor), int(step.child)))
        elif isinstance(step, Unshare):
            told.append((int(step.actor), *step.kinds))
        elif isinstance(step, Join):
            told.append((int(step.actor), step.kind, int(step.target)))
    return told


def guests() -> Image:
    """An init, and a task beside it with a child, whose net namespace is their own."""
    return Image().task(1).task(2, session=2, net=5).task(3, parent=2, session=2, net=5)


def test_who_is_below_is_born_into_it() -> None:
    assert moves(guests().plan()) == [(0, 1), (0, 2), (2, "net"), (2, 3)]


def test_a_second_guest_joins_what_the_first_has_made() -> None:
    image = guests().task(6, session=6, net=5, uts=7).task(7, parent=6, session=6, net=5, uts=7)
    expected = [(0, 1), (0, 2), (2, "net"), (2, 3), (0, 6), (6, "uts"), (6, "net", 2), (6, 7)]
    assert moves(image.plan()) == expected


def test_what_the_root_has_made_is_joined_at_once() -> None:
    image = Image().task(1).task(2, session=2).task(3, parent=2, session=2).record("ipc", 0, created="yes")
    assert moves(image.plan()) == [(0, 1), (1, "ipc"), (0, 2), (2, "ipc", 1), (2, 3)]


def test_who_is_below_and_elsewhere_moves_on() -> None:
    image = guests().task(4, parent=2, session=2, net=8)
    assert moves(image.plan()) == [(0, 1), (0, 2), (2, "net"), (2, 3), (2, 4), (4, "net")]


def test_it_is_left_to_the_end_where_a_process_below_is_in_the_executors_namespace() -> None:
    image = guests().task(4, parent=2, session=2, net=0)
    assert moves(image.plan()) == [(0, 1), (0, 2), (2, 3), (2, 4), (2, "net"), (3, "net", 2)]


def test_only_the_kind_that_a_process_below_shares_with_the_executor_is_left_to_the_end() -> None:
    image = Image().task(1).task(2, session=2, net=5, uts=6).task(3, parent=2, session=2, net=0, uts=6)
    assert moves(image.plan()) == [(0, 1), (0, 2), (2, "uts"), (2, 3), (2, "net")]


def test_it_is_left_to_the_end_where_there_are_user_namespaces() -> None:
    image = guests().task(9, parent=1, user=4)
    assert moves(image.plan()) == [(0, 1), (0, 2), (2, 3), (1, 9), (2, "net"), (3, "net", 2), (9, "user")]


def test_who_shares_its_directory_is_in_the_mount_namespace_of_its_creator() -> None:
    """Entering one would end the sharing; being born into it does not."""
    image = Image().task(1).task(2, session=2, mnt=5).task(3, parent=2, session=2, mnt=5).shares(2, fs=1).shares(3, fs=1)
    outcome = resolve(image.events())
    assert moves(outcome.plan) == [(0, 1), (0, 2), (2, "mnt"), (2, 3)]
    assert outcome.findings == ()


@pytest.mark.parametrize("seed", range(200))
def test_random_guests_are_planned_and_proved(seed: int) -> None:
    """No namespace is lost here: no tasks share objects, there are no user namespaces, and all tasks see each other."""
    chance = random.Random(seed)
    kinds = [kind for kind in KINDS if kind != "user"]
    roots = [pid for pid in range(2, 9) if chance.random() < 0.4] or [2]
    home = {root: {kind: chance.choice([0, root, 100]) for kind in kinds} for root in roots}
    image = Image().task(1)
    top = {1: 1}
    for pid in range(2, 9):
        parent = 0 if pid in roots else chance.choice(sorted(top))
        top[pid] = pid if pid in roots else top[parent]
        spaces = dict(home.get(top[pid], {}))
        if chance.random() < 0.3:
            spaces[chance.choice(kinds)] = chance.choice([0, 100, 101])
        image.task(pid, parent=parent, session=pid if pid in roots or chance.random() < 0.2 else top[pid], **spaces)
    for kind in kinds:
        if chance.random() < 0.5:
            image.record(kind, 0, created="yes")
    assert resolve(image.events()).findings == ()
