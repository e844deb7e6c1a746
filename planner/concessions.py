"""What may be left out of a plan when somebody asks for it, so that an executor that cannot do everything rebuilds the rest.

An executor refuses what it cannot do. Two interpreters cannot live in one memory, and a tree with such a pair must not be out of
reach for that: with the option `sharing=possible` its tasks get memory of their own, and the plan says so.
"""

from typing import Final

import msgspec

from planner.hookspecs import Option, Options
from planner.identity import ProcessId
from planner.plans import AnyStep, Create, Plan

SHARING: Final = Option(
    name="sharing",
    help="recorded: as in the image; possible: without shared memory and signal handlers, which two interpreters cannot have",
    default="recorded",
    choices=("recorded", "possible"),
)
"""The option of executors and back ends whose processes are interpreters."""

HINT: Final = "`--option sharing=possible` gives it its own"
"""What a refusal says of the option."""

IN_ONE_MEMORY: Final = frozenset({"memory", "signal_handlers"})


def conceded(plan: Plan, options: Options) -> Plan:
    """Return the plan as the options want it; equal to `plan` where they leave nothing out.

    Where they do, `uncovered` says of whom, and the plan ends in the same forest but for that.
    """
    if options.get("sharing") != "possible":
        return plan
    helpers = {process.pid for process in plan.processes if process.role == "helper"}
    apart: list[ProcessId] = []
    steps: list[AnyStep] = []
    for step in plan.steps:
        if isinstance(step, Create) and IN_ONE_MEMORY.intersection(step.share):
            apart.append(step.child)
            step = msgspec.structs.replace(step, share=tuple(kind for kind in step.share if kind not in IN_ONE_MEMORY))
        steps.append(step)
    if not apart:
        return plan
    apart = [pid for pid in apart if pid not in helpers]
    shown = ", ".join(map(str, apart[:8])) + (f" and {len(apart) - 8} more" if len(apart) > 8 else "")
    sentence = f"the memory and signal handlers that task{'s' if len(apart) > 1 else ''} {shown} shared with others"
    return msgspec.structs.replace(plan, steps=tuple(steps), uncovered=(*plan.uncovered, sentence))
