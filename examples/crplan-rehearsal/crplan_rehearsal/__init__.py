"""crplan-rehearsal: an executor of crplan that plays a plan on the model kernel and asks nothing of the real one."""

from collections.abc import Callable

from planner.events.records import AnyEvent, RunEnded, RunStarted, StepDone, StepFailed
from planner.hookspecs import Executor, hookimpl
from planner.plans.model import Plan


@hookimpl
def crplan_executors() -> tuple[Executor, ...]:
    """Return the executor."""
    return (Executor(name="crplan_rehearsal", help="plays the plan on the model kernel", run=_run, refuses=_refuses),)


def _refuses(plan: Plan) -> str:
    """Return why a plan cannot be carried out: the model can do all of them."""
    return ""


def _run(plan: Plan, record: Callable[[AnyEvent], None], timeout: float) -> int:
    """Play the plan and tell of each step; returns the exit code. Nothing stands at its end, so nothing is said to be ready."""
    # Imported here, so that runs which do something else do not pay for it.
    from planner.errors import NotProved
    from planner.kernel.proof import simulate

    record(RunStarted(plan_id=plan.plan_id, executor="crplan_rehearsal"))
    code = 0
    try:
        simulate(plan)
    except NotProved as error:
        record(StepFailed(step=plan.steps[0].number, error="EINVAL", detail=str(error)))
        code = 1
    else:
        for step in plan.steps:
            record(StepDone(step=step.number))
    record(RunEnded(code=code))
    return code
