"""Plans told in short sentences, so that a test of the planner reads like what happens.

`told(plan)` is one sentence a step, such as "1 creates 2", "0 creates 1 as an init", "5 creates 6 as a sibling", "2 setsid",
"3 joins 2", "1 puts 9 into 3", "1 enters 9", "2 adopts", "2 adopts no more", "5 ends", "1 reaps 5", "1 kills 9". Verify steps
are left out.
"""

from random import Random

from planner.kernel.proof import prove
from planner.pipeline.resolve import resolve
from planner.plans.model import Plan
from planner.steps import AnyStep, Create, CreateThread, Enter, Exit, Kill, Reap, SetGroup, SetSession, SetSubreaper, Verify
from planner.testing.forests import events
from tests.helpers.trials import reordered


def plan(text: str) -> Plan:
    """Plan and prove a forest in the notation; whatever comes out also holds in other orders that it allows."""
    outcome = resolve(events(text))
    for seed in range(5):
        prove(reordered(outcome.plan, Random(seed)), outcome.forest)
    return outcome.plan


def sentence(step: AnyStep) -> str:
    """Say what a step does."""
    actor = step.actor
    match step:
        case Create(child=child, new_namespace=new, sibling=sibling):
            return f"{actor} creates {child}" + (" as an init" if new else "") + (" as a sibling" if sibling else "")
        case CreateThread(child=child):
            return f"{actor} makes thread {child}"
        case SetSession():
            return f"{actor} setsid"
        case SetGroup(target=target, group=group):
            return f"{actor} joins {group}" if target == actor else f"{actor} puts {target} into {group}"
        case SetSubreaper(on=on):
            return f"{actor} adopts" if on else f"{actor} adopts no more"
        case Enter(namespace=namespace):
            return f"{actor} enters {namespace}"
        case Exit(status=status):
            return f"{actor} ends" + (f" with {status}" if status else "")
        case Kill(target=target):
            return f"{actor} kills {target}"
        case Reap(child=child):
            return f"{actor} reaps {child}"
        case _:
            return f"{actor} verifies {step.target}"


def told(plan: Plan) -> list[str]:
    """Say what every step does, verify steps apart."""
    return [sentence(step) for step in plan.steps if not isinstance(step, Verify)]


def happens(plan: Plan, *sentences: str) -> bool:
    """Tell whether these steps are in the plan in this order; others may stand between them."""
    steps = iter(told(plan))
    return all(wanted in steps for wanted in sentences)


def rule_of(plan: Plan, wanted: str) -> str:
    """Return the rule of the step that is told so."""
    return next(step.rule for step in plan.steps if sentence(step) == wanted)


def waits_of(plan: Plan, wanted: str) -> dict[str, str]:
    """Return what the step that is told so waits for, and by which rule."""
    step = next(step for step in plan.steps if sentence(step) == wanted)
    return {sentence(plan.steps[wait.step - 1]): wait.rule for wait in step.waits}


def helpers(plan: Plan) -> list[int]:
    """Return the level-0 numbers of all helpers."""
    return [process.pid for process in plan.processes if process.role == "helper"]


def rules(plan: Plan) -> set[str]:
    """Return the rules of all steps and waits."""
    return {step.rule for step in plan.steps} | {wait.rule for step in plan.steps for wait in step.waits}
