"""Exit signals: rebuilt as recorded, by the creator, through a sibling, or told where no clone can give them."""

import msgspec
import pytest

from planner.events.records import FindingRaised
from planner.kernel.proof import ProofFailed, prove
from planner.kernel.simulation import ModelRefusal, simulate
from planner.pipeline.resolve import resolve
from planner.plans.model import Plan
from planner.steps import Create, Verify
from planner.testing.forests import events
from tests.helpers.stories import happens


def rebuilt(text: str) -> tuple[Plan, list[FindingRaised]]:
    artefact = resolve(events(text))
    return artefact.plan, [event for event in artefact.events if isinstance(event, FindingRaised)]


def asked(plan: Plan) -> dict[int, int]:
    return {step.child: step.exit_signal for step in plan.steps if isinstance(step, Create) and not step.sibling}


def verified(plan: Plan) -> dict[int, int]:
    return {step.target: step.exit_signal for step in plan.steps if isinstance(step, Verify)}


def test_a_recorded_0_is_no_signal_and_stays_so() -> None:
    plan, findings = rebuilt("1 2:1x0 3:2x10 4:2x17")
    assert (asked(plan)[2], asked(plan)[3], asked(plan)[4]) == (0, 10, 17)
    assert verified(plan) == {1: -1, 2: 0, 3: 10, 4: 17}
    assert findings == []


def test_where_the_image_says_nothing_the_signal_is_sigchld_and_nobody_looks() -> None:
    plan, findings = rebuilt("1 2:1")
    assert asked(plan)[2] == 17
    assert verified(plan)[2] == -1
    assert findings == []


def test_a_sibling_needs_its_creators_signal() -> None:
    # 5 leads a session and lives below no member of it but its own parent: 6 is in its session, and a child of that parent.
    plan, findings = rebuilt("!1 30:0 5:30/5x10 6:30/5x10")
    assert happens(plan, "5 creates 6 as a sibling")
    assert verified(plan)[6] == 10
    assert findings == []


def test_a_task_with_sigchld_is_adopted_and_not_made_a_sibling() -> None:
    plan, findings = rebuilt("!1 30:0 5:30/5x10 6:30/5x17")
    assert not happens(plan, "5 creates 6 as a sibling")
    assert verified(plan) == {30: -1, 5: 10, 6: 17}
    assert findings == []


def test_a_helper_is_born_with_the_signal_that_its_siblings_need() -> None:
    plan, findings = rebuilt("!5 1 6:1/5x12 7:1/5x12")
    (helper,) = {step.actor for step in plan.steps if isinstance(step, Create) and step.sibling}
    assert asked(plan)[helper] == 12
    assert verified(plan) == {1: -1, 6: 12, 7: 12}
    assert findings == []


def test_siblings_of_one_creator_with_two_signals_are_told() -> None:
    plan, findings = rebuilt("!5 1 6:1/5x12 7:1/5x0")
    (lost,) = findings
    assert (lost.code, lost.pid, lost.property, lost.recorded, lost.target) == ("exit-signal-lost", 7, "exit_signal", "0", "12")
    assert "sibling" in lost.detail
    assert verified(plan)[7] == 12


def test_an_adopted_task_has_sigchld() -> None:
    plan, (lost,) = rebuilt("@1:0 !5 1 2.1:1@1 6.4:2/5x10@1")
    assert (lost.pid, lost.target) == (6, "17")
    assert "adopts" in lost.detail
    assert verified(plan)[6] == 17


@pytest.mark.parametrize(
    ("tree", "pid", "why"),
    [("1 2:1x65", 2, "signals end at 64"), ("1x9", 1, "outlive"), ("1 2:1zx19", 2, "stopped its parent")],
)
def test_a_signal_that_no_rebuild_can_use_is_sigchld_and_told(tree: str, pid: int, why: str) -> None:
    plan, (lost,) = rebuilt(tree)
    assert (lost.pid, lost.target) == (pid, "17")
    assert why in lost.detail
    assert asked(plan)[pid] == 17


def test_a_plan_that_ends_in_other_signals_is_not_proved() -> None:
    artefact = resolve(events("1 2:1x10"))
    plan, forest = artefact.plan, artefact.forest

    def changed(step: object) -> object:
        return msgspec.structs.replace(step, exit_signal=12) if isinstance(step, Create) and step.child == 2 else step

    wrong = msgspec.structs.replace(plan, steps=tuple(map(changed, plan.steps)))
    with pytest.raises(ModelRefusal, match="exit signal 12"):
        simulate(wrong)
    silent = tuple(msgspec.structs.replace(step, exit_signal=-1) if isinstance(step, Verify) else step for step in wrong.steps)
    with pytest.raises(ProofFailed, match="exit signal is 12"):
        prove(msgspec.structs.replace(wrong, steps=silent), forest)
