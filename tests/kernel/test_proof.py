"""A plan is run on the model kernel, and proved only when it ends in exactly the forest that was recorded."""

from collections.abc import Callable
from random import Random

import msgspec
import pytest

from planner.kernel.proof import ProofFailed, prove
from planner.kernel.simulation import ModelRefusal, simulate
from planner.plans.model import Plan
from planner.testing.drafts import Draft
from planner.testing.forests import forest
from planner.testing.plans import FAILURES, PLANS

MODEL_ERRNO = {"reap_of_the_living": "EAGAIN"}
"""Where the executor runs out of time, the model sees at once that a wait would block."""


def small() -> Draft:
    """An init, and a session leader with one child."""
    draft = Draft("small")
    draft.create(0, 1, new_namespace=True)
    draft.create(1, 2)
    draft.setsid(2)
    draft.create(2, 3)
    return draft


def verified(draft: Draft) -> Plan:
    """The small plan with its verify steps."""
    draft.verify(1, 0, 0, 0)
    draft.verify(2, 1, 2, 2)
    draft.verify(3, 2, 2, 2)
    return draft.plan(1)


SMALL = "1:0/0/0 2:1/2/2 3:2/2/2"


@pytest.mark.parametrize("name", PLANS)
def test_a_good_plan_runs(name: str) -> None:
    simulate(PLANS[name]())


@pytest.mark.parametrize("name", FAILURES)
def test_a_plan_that_must_fail_fails_at_its_step(name: str) -> None:
    make, step, error = FAILURES[name]
    try:
        world = simulate(make())
    except ModelRefusal as refusal:
        assert step in (0, refusal.step)
        assert refusal.errno == MODEL_ERRNO.get(name, error)
    else:
        # Nothing fails on the way; what is left over is seen beside the forest.
        assert {process.pid.first for process in world.kernel.processes()} > set(world.verified)


def test_a_plan_that_ends_in_the_forest_is_proved() -> None:
    prove(verified(small()), forest(SMALL))


def test_a_number_that_nobody_was_led_by_is_not_needed() -> None:
    """An image may hold a pid object for other reasons, such as the owner of a file."""
    prove(verified(small()), forest(SMALL + " !9"))


@pytest.mark.parametrize(
    ("recorded", "pid", "property"),
    [
        ("1:0/0/0 2:1/2/2 3:2/2/2 4:1/0/0", 4, "process"),
        ("1:0/0/0 2:1/2/2", 3, "process"),
        ("1:0/0/0 2:1/2/2 3:1/2/2", 3, "parent"),
        ("1:0/0/0 2:1/2/2 3:2/0/0", 3, "session"),
        ("1:0/0/0 2:1/2/2 3:2/2/3", 3, "group"),
        ("1:0/0/0 2:1/2/2 3:2/2/2z9", 3, "state"),
        ("1:0/0/0 2:1/2/2 3:2/2/2s", 3, "subreaper flag"),
        ("1:0/0/0 2:1/2/2 3:2/2/2+4", 3, "set of threads"),
        ("@5:0 1:0/0/0 2:1/2/2 3.1:2/2/2@5", 3, "vector"),
    ],
)
def test_another_forest_is_not_proved(recorded: str, pid: int, property: str) -> None:
    with pytest.raises(ProofFailed) as failure:
        prove(verified(small()), forest(recorded))
    assert (failure.value.pid, failure.value.property) == (pid, property)


def test_the_status_of_a_zombie_is_compared() -> None:
    draft = small()
    draft.exit(3, 7 << 8)
    draft.verify(1, 0, 0, 0)
    draft.verify(2, 1, 2, 2)
    draft.verify(3, 2, 2, 2, zombie=True, status=7 << 8)
    prove(draft.plan(1), forest("1:0/0/0 2:1/2/2 3:2/2/2z1792"))
    with pytest.raises(ProofFailed, match="exit status"):
        prove(draft.plan(1), forest("1:0/0/0 2:1/2/2 3:2/2/2z9"))


def test_every_task_must_be_verified() -> None:
    draft = small()
    draft.verify(1, 0, 0, 0)
    draft.verify(3, 2, 2, 2)
    with pytest.raises(ProofFailed) as failure:
        prove(draft.plan(1), forest(SMALL))
    assert (failure.value.pid, failure.value.property) == (2, "verify step")


def test_a_wrong_verify_step_is_refused() -> None:
    draft = small()
    draft.verify(2, 1, 2, 0)
    with pytest.raises(ModelRefusal) as refusal:
        simulate(draft.plan(1))
    assert (refusal.value.step, refusal.value.rule) == (5, "plan-verify")


def test_tasks_of_one_namespace_must_end_in_one() -> None:
    draft = Draft("two namespaces")
    draft.create(0, 1, new_namespace=True)
    for init, child, inner in ((2, 4, 7), (3, 5, 8)):
        draft.create(1, init, 1, new_namespace=True)
        draft.enter(1, init)
        draft.create(1, child, inner)
        draft.enter(1, 1)
    for target, parent in ((1, 0), (2, 1), (3, 1), (4, 1), (5, 1)):
        draft.verify(target, parent, 0, 0)
    tree = "@1:0 @2:0 1:0/0/0 2.1:1/0/0@1 3.1:1/0/0@2 4.7:1/0/0@{} 5.8:1/0/0@{}"
    prove(draft.plan(1), forest(tree.format(1, 2)))
    with pytest.raises(ProofFailed, match="pid namespace"):
        prove(draft.plan(1), forest(tree.format(1, 1)))


def test_a_namespace_that_differs_from_the_plans_is_refused() -> None:
    draft = Draft("wrong namespace")
    draft.create(0, 1, new_namespace=True)
    draft.create(1, 2, 1, new_namespace=True)
    plan = draft.plan(1)
    processes = (plan.processes[0], msgspec.structs.replace(plan.processes[1], namespace=plan.processes[0].pid))
    with pytest.raises(ModelRefusal) as refusal:
        simulate(msgspec.structs.replace(plan, processes=processes))
    assert (refusal.value.step, refusal.value.rule) == (2, "plan-process")


def dead_actor(draft: Draft) -> None:
    draft.exit(3)
    draft.create(3, 4)


def second_container(draft: Draft) -> None:
    draft.create(0, 4)


def signal_to_itself(draft: Draft) -> None:
    draft.create(2, 4, 1, new_namespace=True)
    draft.exit(4, 9)


def signal_without_effect(draft: Draft) -> None:
    draft.create(2, 4, 1, new_namespace=True)
    draft.kill(2, 4, 15)


def no_init(draft: Draft) -> None:
    draft.enter(1, 3)


def upwards(draft: Draft) -> None:
    draft.create(2, 4, 1, new_namespace=True)
    draft.enter(4, 1)


@pytest.mark.parametrize(
    ("further", "rule"),
    [
        (dead_actor, "actor-gone"),
        (second_container, "vector-length"),
        (signal_to_itself, "init-shield"),
        (signal_without_effect, "init-shield"),
        (no_init, "plan-process"),
        (upwards, "enter-gone"),
    ],
)
def test_steps_that_cannot_be_are_refused(further: Callable[[Draft], None], rule: str) -> None:
    draft = small()
    further(draft)
    plan = draft.plan(1)
    with pytest.raises(ModelRefusal) as refusal:
        simulate(plan)
    assert (refusal.value.step, refusal.value.rule) == (len(plan.steps), rule)


def test_the_executor_creates_nothing_outside_the_container() -> None:
    draft = Draft("outside")
    draft.create(0, 1, new_namespace=True)
    plan = draft.plan(1)
    nowhere = msgspec.structs.replace(plan.processes[0], pids=())
    with pytest.raises(ModelRefusal) as refusal:
        simulate(
            msgspec.structs.replace(
                plan, processes=(nowhere,), steps=(msgspec.structs.replace(plan.steps[0], new_namespace=False),)
            )
        )
    assert refusal.value.rule == "vector-length"


def test_an_init_is_killed_from_above() -> None:
    draft = small()
    draft.create(2, 4, 1, new_namespace=True)
    draft.kill(2, 4, 9)
    draft.verify(4, 2, 2, 2, zombie=True, status=9)
    simulate(draft.plan(1))


def test_steps_have_their_positions_as_numbers_and_wait_backwards() -> None:
    plan = verified(small())
    with pytest.raises(ModelRefusal) as refusal:
        simulate(msgspec.structs.replace(plan, steps=plan.steps[1:]))
    assert refusal.value.rule == "plan-order"
    draft = Draft("waits")
    draft.create(0, 1, new_namespace=True)
    draft.create(1, 2)
    draft.create(1, 3)
    draft.setpgid(2, 2, 2)
    draft.setpgid(3, 3, 2, after=(4,))
    plan = draft.plan(1)
    swapped = (
        *plan.steps[:3],
        msgspec.structs.replace(plan.steps[4], number=plan.steps[3].number),
        msgspec.structs.replace(plan.steps[3], number=plan.steps[4].number),
    )
    with pytest.raises(ModelRefusal) as refusal:
        simulate(msgspec.structs.replace(plan, steps=swapped))
    assert (refusal.value.step, refusal.value.rule) == (4, "plan-order")


@pytest.mark.parametrize("name", PLANS)
def test_any_order_that_the_waits_allow_ends_the_same(name: str) -> None:
    plan = PLANS[name]()
    for seed in range(5):
        simulate(plan, steps=side_by_side(plan, Random(seed)))


def side_by_side(plan: Plan, random: Random) -> list[object]:
    """The steps in an order that actors running side by side might give them."""
    queues: dict[int, list[object]] = {}
    for step in plan.steps:
        queues.setdefault(step.actor if step.number <= len(plan.steps) else 0, []).append(step)
    done: set[int] = set()
    created = {0}
    order: list[object] = []
    while queues:
        ready = [
            actor
            for actor, (step, *_) in queues.items()
            if actor in created
            and all(wait.step in done for wait in step.waits)  # type: ignore[attr-defined]
            and (
                type(step).__name__ != "Verify"
                or all(type(rest).__name__ in ("Verify", "Stop") for queue in queues.values() for rest in queue)
            )
        ]
        actor = random.choice(ready)
        step = queues[actor].pop(0)
        if not queues[actor]:
            del queues[actor]
        if type(step).__name__ == "Create":
            created.add(step.child)  # type: ignore[attr-defined]
        done.add(step.number)  # type: ignore[attr-defined]
        order.append(step)
    return order


def test_a_trapped_init_is_refused() -> None:
    draft = Draft("trap")
    draft.create(0, 1, new_namespace=True)
    draft.create(1, 2, 1, new_namespace=True)
    draft.create(2, 3, 2)
    draft.setpgid(3, 3, 3)
    draft.setpgid(2, 2, 3)
    with pytest.raises(ModelRefusal) as refusal:
        simulate(draft.plan(1))
    assert (refusal.value.step, refusal.value.rule, refusal.value.errno) == (5, "init-trap", "")


def test_a_reaper_stands_for_what_is_outside_a_subtree() -> None:
    draft = Draft("subtree")
    draft.create(0, 1, role="reaper", new_namespace=True)
    draft.setsid(1)
    draft.create(1, 5)
    draft.create(5, 6)
    draft.verify(5, 1, 1, 1)
    draft.verify(6, 5, 1, 1)
    prove(draft.plan(5), forest("5:0/0/0 6:5/0/0"))
    prove(draft.plan(5), forest("5:0/1/1 6:5/1/1"))
    with pytest.raises(ProofFailed):
        prove(draft.plan(5), forest("5:0/0/0 6:0/0/0"))


def test_a_container_may_have_fewer_levels() -> None:
    plan = PLANS["nested_namespaces"]()
    with pytest.raises(ModelRefusal) as refusal:
        simulate(plan, levels=1)
    assert (refusal.value.rule, refusal.value.errno) == ("level-limit", "ENOSPC")
