"""Sharing between processes: the right flags on the right creators, or a finding with the reason; and what may be left out."""

import msgspec
import pytest

from planner.events.records import FindingRaised
from planner.kernel.proof import ProofFailed, prove
from planner.kernel.simulation import ModelRefusal, simulate
from planner.pipeline.resolve import resolve
from planner.plans.model import Plan
from planner.plans.relax import conceded
from planner.steps import AnyStep, Create, MapIds
from planner.testing.drafts import with_init
from planner.testing.plans import PLANS
from tests.helpers.images import Image

SEPARATE = {"sharing": "possible"}


def flags(plan: Plan) -> dict[int, tuple[str, ...]]:
    return {step.child: step.share for step in plan.steps if isinstance(step, Create) and step.share}


def lost(image: Image) -> list[tuple[int, str, str]]:
    artefact = resolve(image.events())
    return [
        (event.pid, event.property, event.detail.partition(": ")[2])
        for event in artefact.events
        if isinstance(event, FindingRaised) and event.code == "sharing-lost"
    ]


def family() -> Image:
    """1 above 2 above 3 and 4; 3 above 5."""
    return Image().task(1).task(2, parent=1).task(3, parent=2).task(4, parent=2).task(5, parent=3)


def test_a_creator_shares_its_memory_with_its_child() -> None:
    image = family().shares(1, memory=1).shares(2, memory=2).shares(3, memory=2).shares(4, memory=4).shares(5, memory=2)
    assert flags(image.plan()) == {3: ("memory",), 5: ("memory",)}
    assert lost(image) == []


def test_signal_handlers_are_shared_together_with_memory() -> None:
    image = family().shares(2, memory=2, signal_handlers=7).shares(3, memory=2, signal_handlers=7)
    image.shares(4, memory=2, signal_handlers=8)
    assert flags(image.plan()) == {3: ("memory", "signal_handlers"), 4: ("memory",)}
    assert lost(image) == []


def test_signal_handlers_without_memory_are_told() -> None:
    image = family().shares(2, memory=2, signal_handlers=7).shares(3, memory=3, signal_handlers=7)
    assert flags(image.plan()) == {}
    assert lost(image) == [(3, "signal_handlers", "that takes shared memory, which it does not have with task 2")]


@pytest.mark.parametrize("kind", ["memory", "files", "fs", "sysv_undo"])
def test_a_task_with_another_creator_shares_nothing_and_that_is_reported(kind: str) -> None:
    image = family().shares(2, **{kind: 2}).shares(3, **{kind: 3}).shares(4, **{kind: 3}).shares(5, **{kind: 2})
    assert flags(image.plan()) == {}
    assert lost(image) == [
        (4, kind, "its creators lead up to task 2 first, and that has its own"),
        (5, kind, "its creators lead up to task 3 first, and that has its own"),
    ]


def test_a_task_that_shares_with_one_that_lost_it_is_reported_too() -> None:
    image = Image().task(1).task(2, parent=1).task(3, parent=1).task(4, parent=3)
    for pid, memory in ((1, 1), (2, 7), (3, 7), (4, 7)):
        image.shares(pid, memory=memory)
    assert flags(image.plan()) == {4: ("memory",)}
    assert lost(image) == [
        (3, "memory", "its creators lead up to task 1 first, and that has its own"),
        (4, "memory", "it has what task 3 has, which gets its own"),
    ]


def test_a_helper_between_two_shares_with_both() -> None:
    # 4 is in the session of 3 and a child of 2, so a helper below 3 creates it.
    image = Image().task(1).task(2, parent=1).task(3, parent=2, session=3).task(4, parent=1, session=3)
    image.shares(1, memory=1).shares(2, memory=2).shares(3, memory=3).shares(4, memory=3)
    plan = image.plan()
    helpers = {process.pid for process in plan.processes if process.role == "helper"}
    assert flags(plan) == dict.fromkeys((*helpers, 4), ("memory",))
    assert lost(image) == []


def test_a_zombie_shares_nothing() -> None:
    image = Image().task(1).task(2, parent=1, state="zombie").shares(1, memory=1).shares(2, memory=1)
    assert flags(image.plan()) == {}
    assert lost(image) == []


def test_a_task_that_shares_memory_enters_no_time_namespace() -> None:
    image = Image().task(1).task(2, parent=1, time=5, net=6).task(3, parent=2, time=5, net=6)
    image.shares(2, memory=3).shares(3, memory=3)
    assert image.lost() == [(2, "time"), (3, "time")]


# The model.


def test_the_model_shares_signal_handlers_only_with_memory() -> None:
    draft = with_init("handlers alone")
    draft.create(1, 2, share=("signal_handlers",))
    with pytest.raises(ModelRefusal, match="EINVAL") as refusal:
        simulate(draft.plan(1))
    assert refusal.value.rule == "handlers-with-memory"


@pytest.mark.parametrize("actor", [1, 2])
def test_the_model_gives_no_time_namespace_to_a_shared_memory(actor: int) -> None:
    draft = with_init("time in shared memory")
    draft.create(1, 2, share=("memory",))
    draft.unshare(actor, "time")
    with pytest.raises(ModelRefusal, match="EUSERS") as refusal:
        simulate(draft.plan(1))
    assert refusal.value.rule == "time-alone"


def changed(plan: Plan, child: int, share: tuple[str, ...]) -> Plan:
    def change(step: AnyStep) -> AnyStep:
        return msgspec.structs.replace(step, share=share) if isinstance(step, Create) and step.child == child else step

    return msgspec.structs.replace(plan, steps=tuple(map(change, plan.steps)))


@pytest.mark.parametrize(("child", "share"), [(3, ()), (4, ("memory",)), (2, ("memory",)), (3, ("memory", "files"))])
def test_a_plan_that_shares_too_little_or_too_much_is_not_proved(child: int, share: tuple[str, ...]) -> None:
    image = family()
    for pid, number in ((1, 1), (2, 2), (3, 2), (4, 4)):
        image.shares(pid, memory=number, files=pid)
    artefact = resolve(image.events())
    prove(artefact.plan, artefact.forest)
    with pytest.raises(ProofFailed, match=r"shared (memory|files)"):
        prove(changed(artefact.plan, child, share), artefact.forest)


# What may be left out.


def test_a_plan_without_shared_memory_says_so_and_is_the_same_otherwise() -> None:
    plan = PLANS["shared_memory"]()
    apart = conceded(plan, SEPARATE)
    assert flags(apart) == {4: ("files",)}
    assert apart.uncovered == (
        *plan.uncovered,
        "the memory and signal handlers that tasks 3, 4, 5, 7, 10, 11, 12 shared with others",
    )
    simulate(apart)
    assert conceded(plan, {"sharing": "recorded"}) is plan
    assert conceded(plan, {}) is plan


def test_a_plan_with_own_maps_says_so_and_is_the_same_otherwise() -> None:
    plan = PLANS["mapped_user_namespaces"]()
    own = conceded(plan, {"maps": "own"})
    assert own.uncovered == (*plan.uncovered, "the id maps of the user namespace of tasks 1, 3, 4")
    assert all(step.own and not step.uid_map for step in own.steps if isinstance(step, MapIds))
    simulate(own)
    assert conceded(PLANS["user_namespaces"](), {"maps": "own"}).uncovered == ()


def test_a_plan_that_shares_no_memory_stays_as_it_is() -> None:
    plan = PLANS["shared_tables"]()
    assert conceded(plan, SEPARATE) is plan
