"""Stopped tasks on the model: what a stop allows, and what the end of another process does to them."""

import pytest

from planner.kernel.model import Kernel
from planner.kernel.objects import LIVING, ZOMBIE, Process
from planner.kernel.proof import ProofFailed, prove
from planner.kernel.rules import KernelError
from planner.kernel.simulation import ModelRefusal, simulate
from planner.pipeline.resolve import resolve
from planner.plans.document import forest_of
from planner.steps import Stop
from planner.testing.drafts import Draft
from planner.testing.plans import stopped
from tests.helpers.criu_images import criu_image


def job() -> tuple[Kernel, Process, Process, Process]:
    """Return a kernel with a session leader, its child that leads a group, and a member of that group below it."""
    kernel = Kernel()
    init = kernel.clone(kernel.outside, (1,), new_namespace=True)
    shell = kernel.clone(init, (2,))
    kernel.setsid(shell)
    leader = kernel.clone(shell, (3,))
    kernel.setpgid(leader, 0, 0)
    return kernel, shell, leader, kernel.clone(leader, (4,))


def test_an_end_that_orphans_a_group_ends_its_stopped_members() -> None:
    kernel, shell, leader, member = job()
    kernel.stop(4)
    kernel.exit(shell)
    assert leader.state == member.state == ZOMBIE
    assert member.status == 1
    assert not member.stopped


def test_without_a_stopped_member_an_orphaned_group_stays() -> None:
    kernel, shell, leader, member = job()
    kernel.exit(shell)
    assert leader.state == member.state == LIVING


def test_an_end_that_orphans_no_group_leaves_a_stopped_member_alone() -> None:
    kernel, shell, leader, member = job()
    kernel.stop(4)
    kernel.exit(kernel.clone(shell, (5,)))
    assert member.stopped
    kernel.exit(leader)
    # The leader's parent was what kept the group from being orphaned.
    assert member.state == ZOMBIE


def test_an_init_in_an_orphaned_group_outlives_the_hangup() -> None:
    """It has no handler for SIGHUP, and an init is given only what it handles (`sig_task_ignored`)."""
    kernel, shell, leader, member = job()
    init = kernel.clone(leader, (5, 1), new_namespace=True)
    kernel.stop(4)
    kernel.exit(shell)
    assert leader.state == member.state == ZOMBIE
    assert init.state == LIVING


def test_what_is_gone_is_not_stopped() -> None:
    kernel, _, _, _ = job()
    with pytest.raises(KernelError):
        kernel.stop(77)


def test_a_stopped_actor_does_nothing() -> None:
    draft = Draft("acts")
    draft.create(0, 1, new_namespace=True)
    draft.stop(1)
    draft.setsid(1)
    with pytest.raises(ModelRefusal) as refused:
        simulate(draft.plan(1))
    assert refused.value.rule == "stopped-acts"


def test_the_proof_asks_for_the_stop_and_for_no_other() -> None:
    plan = stopped()
    assert {task.pid for task in forest_of(plan).tasks.values() if task.state == "stopped"} == {1, 2, 4, 10}
    prove(plan, forest_of(plan))
    image = resolve(criu_image("1 2:1T 3:2"))
    artefact = image.artefact()
    assert [step.target for step in artefact.plan.steps if isinstance(step, Stop)] == [2]
    running = resolve(criu_image("1 2:1 3:2")).artefact()
    for given, other in ((artefact, running), (running, artefact)):
        with pytest.raises(ProofFailed):
            prove(given.plan, other.forest)
