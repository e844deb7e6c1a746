"""Namespaces of other kinds than pid in a plan: which task makes each, which tasks join it, and what is reported as lost."""

import random

import msgspec
import pytest

import planner
from planner.kernel.proof import ProofFailed, prove
from planner.pipeline.resolve import resolve
from planner.plans.document import forest_of
from planner.plans.model import Plan
from planner.steps import Create, CreateThread, Extent, Join, MapIds, Unshare, Verify
from tests.helpers.images import KINDS, Image


def moves(plan: Plan) -> list[tuple[object, ...]]:
    """Return the namespace steps in short: (maker, kinds) and (joining task, kind, target)."""
    return [
        (int(step.actor), *step.kinds) if isinstance(step, Unshare) else (int(step.actor), step.kind, int(step.target))
        for step in plan.steps
        if isinstance(step, Unshare | Join)
    ]


def places(plan: Plan, kind: str) -> dict[int, int]:
    return {
        int(step.target): int(step.namespaces[kind])
        for step in plan.steps
        if isinstance(step, Verify) and kind in step.namespaces
    }


def test_where_all_are_in_the_roots_namespaces_nothing_is_done() -> None:
    plan = Image().task(1).task(2, parent=1).plan()
    assert moves(plan) == []
    assert all(step.namespaces == {} for step in plan.steps if isinstance(step, Verify))


def test_the_first_task_makes_a_namespace_and_the_others_join_it() -> None:
    plan = Image().task(1).task(2, parent=1, net=7).task(3, parent=2, net=7).task(4, parent=2).plan()
    assert moves(plan) == [(2, "net"), (3, "net", 2)]
    made, joined = (step for step in plan.steps if isinstance(step, Unshare | Join))
    assert [(wait.step, wait.rule) for wait in joined.waits] == [(made.number, "namespace-before-joined")]
    assert places(plan, "net") == {1: 0, 2: 2, 3: 2, 4: 0}


def test_they_come_after_the_births_and_before_the_threads() -> None:
    plan = Image().task(1).task(2, parent=1, net=7).task(3, parent=2).thread(9, 2).plan()
    order = [type(step) for step in plan.steps if isinstance(step, Create | Unshare | CreateThread)]
    assert order == [Create, Create, Create, Unshare, CreateThread]


def test_what_the_roots_namespaces_differ_in_is_made_at_once_and_inherited() -> None:
    image = Image().task(1).task(2, parent=1, uts=5).record("net", 0, created="yes").record("uts", 0, created="yes")
    plan = image.record("ipc", 0, created="no").plan()
    assert moves(plan) == [(1, "uts", "net"), (2, "uts")]
    assert isinstance(plan.steps[1], Unshare)
    assert places(plan, "net") == {1: 1, 2: 1}
    assert places(plan, "uts") == {1: 1, 2: 2}


def test_who_was_not_born_below_the_root_joins_what_the_root_has_made() -> None:
    image = Image().task(1).task(2, parent=0, session=0).task(3, parent=2, session=0).record("net", 0, created="yes")
    plan = image.plan()
    assert moves(plan) == [(1, "net"), (2, "net", 1)]
    assert places(plan, "net") == {1: 1, 2: 1, 3: 1}


def test_a_user_namespace_of_the_root_is_made_with_the_pid_namespace_and_owns_it() -> None:
    image = Image().task(1).task(2, parent=1).thread(9, 2).record("user", 0, created="yes", uid_map="0 5 1", gid_map="0 6 1")
    image.record("mnt", 0, created="yes").record("net", 0, created="yes")
    plan = image.plan()
    assert image.lost() == []
    assert moves(plan) == [(1, "mnt", "net")]
    created, mapped = plan.steps[:2]
    assert isinstance(created, Create) and created.new_user and created.new_namespace
    assert isinstance(mapped, MapIds)
    assert (mapped.actor, mapped.target, mapped.uid_map) == (0, 1, (Extent(0, 5, 1),))
    assert places(plan, "user") == {1: 1, 2: 1}
    assert not any(step.new_user for step in plan.steps[2:] if isinstance(step, Create))


def test_with_a_user_namespace_the_root_gets_a_mount_namespace() -> None:
    image = Image().task(1).task(2, parent=1).record("user", 0, created="yes")
    assert image.lost() == [(1, "mnt")]
    assert moves(image.plan()) == [(1, "mnt")]
    assert places(image.plan(), "mnt") == {2: 1}


def test_below_a_reaper_the_root_has_its_user_namespace_from_there() -> None:
    image = Image().task(5, session=5).task(6, parent=5, session=5).record("user", 0, created="yes")
    image.record("mnt", 0, created="yes")
    plan = image.plan()
    assert [step.child for step in plan.steps if isinstance(step, Create) and step.new_user] == [1]
    assert places(plan, "user") == {5: 5, 6: 5}


def test_who_was_not_born_below_the_root_does_not_get_into_its_user_namespace() -> None:
    image = Image().task(1).task(2, parent=0, session=0, net=4).record("user", 0, created="yes").record("mnt", 0, created="yes")
    assert image.lost() == [(2, "user"), (2, "mnt"), (2, "net")]


def maps(plan: Plan) -> list[tuple[int, int, list[tuple[int, int, int]]]]:
    return [
        (step.actor, step.target, [(line.inside, line.outside, line.count) for line in step.uid_map])
        for step in plan.steps
        if isinstance(step, MapIds)
    ]


def test_id_maps_are_written_from_the_user_namespace_above() -> None:
    image = Image().task(1).task(2, parent=1, user=5).task(3, parent=1, user=6)
    image.record("user", 5, parent=0, uid_map="0 1000 50, 100 7 1", gid_map="0 0 9")
    image.record("user", 6, parent=5, uid_map="4 1010 5, 9 7 1", gid_map="0 3 1")
    plan = image.plan()
    assert maps(plan) == [(0, 2, [(0, 1000, 50), (100, 7, 1)]), (2, 3, [(4, 10, 5), (9, 100, 1)])]
    first = next(step.number for step in plan.steps if isinstance(step, MapIds))
    second = [step for step in plan.steps if isinstance(step, Unshare)][1]
    assert (first, "maps-before-below") in [(wait.step, wait.rule) for wait in second.waits]


def test_where_no_maps_are_recorded_root_is_the_tasks_own_user() -> None:
    image = Image().task(1).task(2, parent=1, user=5).record("user", 5, parent=0)
    (step,) = [step for step in image.plan().steps if isinstance(step, MapIds)]
    assert (step.actor, step.target, step.own, step.uid_map) == (0, 2, True, ())


def test_maps_that_were_never_written_are_not_and_nothing_is_made_below() -> None:
    image = Image().task(1).task(2, parent=1, user=5).task(3, parent=1, user=6)
    image.record("user", 5, parent=0, uid_map="", gid_map="").record("user", 6, parent=5)
    assert maps(image.plan()) == []
    assert image.lost() == [(3, "user")]


@pytest.mark.parametrize("outer", ["0 1000 50", None, "0 1 x"])
def test_a_map_that_cannot_be_written_is_told(outer: str | None) -> None:
    image = Image().task(1).task(2, parent=1, user=5).task(3, parent=1, user=6)
    image.record("user", 5, parent=0, **({} if outer is None else {"uid_map": outer, "gid_map": "0 0 1"}))
    image.record("user", 6, parent=5, uid_map="0 2000 1", gid_map="0 0 1")
    found = [finding for finding in resolve(image.events()).findings if finding.code == "id-map-lost"]
    assert (found[-1].pid, found[-1].property) == (3, "uid_map")
    assert maps(image.plan())[-1] == (2, 3, [])


def test_a_user_namespace_comes_before_what_it_owns_and_after_what_it_does_not() -> None:
    image = Image().task(1).task(2, parent=1, uts=4).task(3, parent=1, user=5, uts=4, net=6).task(4, parent=1, user=5, net=6)
    image.record("net", 6, owner=5).record("uts", 4, owner=0)
    assert moves(image.plan()) == [(2, "uts"), (3, "uts", 2), (3, "user"), (3, "net"), (4, "user", 3), (4, "net", 3)]


def test_an_owner_that_is_not_recorded_is_that_of_the_maker_of_the_namespace() -> None:
    image = Image().task(1).task(2, parent=1, user=5, net=6).task(3, parent=1, net=6).task(4, parent=1, user=8, net=6)
    assert moves(image.plan()) == [(2, "user"), (2, "net"), (3, "net", 2), (4, "net", 2), (4, "user")]


def test_user_namespaces_nest() -> None:
    image = Image().task(1).task(2, parent=1, user=5).task(3, parent=1, user=6).task(4, parent=1, user=7)
    image.record("user", 5, parent=0).record("user", 6, parent=5).record("user", 7, parent=6)
    assert moves(image.plan()) == [
        (2, "user"),
        (3, "user", 2),
        (3, "user"),
        (4, "user", 2),
        (4, "user", 3),
        (4, "user"),
    ]


def test_the_task_that_most_others_see_makes_the_namespace() -> None:
    image = Image().task(1).task(2, parent=1, net=7).task(3, 1, parent=1, net=7).task(4, 2, parent=3, net=7)
    image.record("pid", 10, parent=0)
    assert moves(image.plan()) == [(3, "net"), (4, "net", 3), (2, "net", 3)]


def test_who_sees_nobody_in_the_namespace_is_told() -> None:
    image = Image().task(1).task(2, 1, parent=1, net=7).task(3, 1, parent=1, net=7, pid=20)
    image.record("pid", 10, parent=0).record("pid", 20, parent=0)
    assert image.lost() == [(3, "net")]
    plan = image.plan()
    assert moves(plan) == [(2, "net")]
    assert places(plan, "net") == {1: 0, 2: 2}
    assert "the net namespace of task 3" in plan.uncovered


def test_a_process_with_threads_gets_into_no_user_namespace_but_into_the_others() -> None:
    image = Image().task(1).task(2, parent=1, user=5, net=6).thread(9, 2)
    assert image.lost() == [(2, "user")]
    assert moves(image.plan()) == [(2, "net")]


@pytest.mark.parametrize(("what", "kind", "kept"), [("fs", "mnt", "net"), ("sysv_undo", "ipc", "mnt")])
def test_what_would_end_sharing_is_told(what: str, kind: str, kept: str) -> None:
    image = Image().task(1).task(2, parent=1, **{kind: 5, kept: 6}).task(3, parent=2, **{kind: 5, kept: 6})
    image.shares(2, **{what: 3}).shares(3, **{what: 3})
    assert image.lost() == [(2, kind), (3, kind)]
    assert moves(image.plan()) == [(2, kept), (3, kept, 2)]


def test_zombies_have_none() -> None:
    plan = Image().task(1).task(2, parent=1, net=7).task(3, parent=2, state="zombie").plan()
    assert moves(plan) == [(2, "net")]
    assert places(plan, "net") == {1: 0, 2: 2}


def test_two_who_wait_for_each_other_are_told() -> None:
    """Each has a namespace of the other's user namespace, which it could have got only from a third."""
    image = Image().task(1).task(2, parent=1, user=5, net=6, ipc=7).task(3, parent=1, user=8, net=6, ipc=7)
    image.record("net", 6, owner=5).record("ipc", 7, owner=8)
    assert image.lost() == [(2, "ipc")]


@pytest.mark.parametrize("parents", [{5: 5}, {5: 6, 6: 5}, {number: number + 1 for number in range(5, 45)}])
def test_user_namespaces_without_end_are_told(parents: dict[int, int]) -> None:
    image = Image().task(1).task(2, parent=1, user=5)
    for number, parent in parents.items():
        image.record("user", number, parent=parent)
    assert image.lost() == [(2, "user")]


def test_a_plan_without_the_steps_does_not_prove() -> None:
    outcome = resolve(Image().task(1).task(2, parent=1, net=7).events())
    kept = tuple(
        msgspec.structs.replace(step, namespaces={}) if isinstance(step, Verify) else step
        for step in outcome.plan.steps
        if not isinstance(step, Unshare)
    )
    kept = tuple(msgspec.structs.replace(step, number=number) for number, step in enumerate(kept, 1))
    with pytest.raises(ProofFailed, match="net namespace"):
        prove(msgspec.structs.replace(outcome.plan, steps=kept), outcome.forest)


def test_a_plan_document_tells_who_is_together() -> None:
    image = Image().task(1).task(2, parent=1, net=7).task(3, parent=1, net=7).record("uts", 0, created="yes")
    plan = image.plan()
    forest = forest_of(plan)
    prove(plan, forest)
    assert {int(pid): (int(kinds["net"]), int(kinds["uts"])) for pid, kinds in forest.other_namespaces.items()} == {
        1: (0, 0),
        2: (2, 0),
        3: (2, 0),
    }
    assert planner.simulate(plan).other_namespaces == forest.other_namespaces


@pytest.mark.parametrize("seed", range(150))
def test_random_memberships_are_planned_proved_and_lost_only_with_a_finding(seed: int) -> None:
    chance = random.Random(seed)
    image = Image().task(1)
    count = chance.randrange(2, 12)
    outer = [1]
    for pid in range(2, count + 2):
        nested = chance.random() < 0.2
        pids = (pid, 1) if nested else (pid,)
        kinds = {kind: chance.choice([0, 0, 101, 102]) for kind in KINDS if chance.random() < 0.6}
        image.task(*pids, parent=chance.choice(outer), **kinds, **({"pid": 200 + pid} if nested else {}))
        if nested:
            image.record("pid", 200 + pid, parent=0)
            continue
        outer.append(pid)
        if chance.random() < 0.2:
            image.thread(50 + pid, pid)
    for kind in KINDS:
        if chance.random() < 0.3:
            image.record(kind, 0, created="yes")
        image.record(kind, 101, parent=0 if kind == "user" else -1, owner=chance.choice([-1, 0, 101, 102]))
    image.record("user", 102, parent=chance.choice([-1, 0, 101]))
    outcome = resolve(image.events())
    wanted: dict[str, dict[int, set[int]]] = {}
    lost = set(image.lost())
    for pid, spaces in outcome.forest.other_namespaces.items():
        for kind, number in spaces.items():
            if (pid, kind) not in lost:
                wanted.setdefault(kind, {}).setdefault(number, set()).add(int(pid))
    for kind, groups in wanted.items():
        stated: dict[int, set[int]] = {}
        for pid, holder in places(outcome.plan, kind).items():
            stated.setdefault(holder, set()).add(pid)
        if stated:
            assert sorted(map(sorted, stated.values())) == sorted(map(sorted, groups.values()))
        else:
            assert set(groups) == {0}
