"""What may be left out of a plan on request, so that an executor that cannot do everything rebuilds the rest.

An executor refuses what it cannot do. Two interpreters cannot live in one memory, and a tree with such a pair must not be out of
reach for that: with the option `sharing=possible` its tasks get memory of their own, and the plan says so. Without root the id
maps of most images may not be written: with `maps=own` user namespaces map the ids of the rebuilding process.
"""

from typing import Final

import msgspec

from planner.identity import ProcessId
from planner.options import Option, Options
from planner.plans.model import Plan
from planner.steps import AnyStep, Create, MapIds

SHARING: Final = Option(
    name="sharing",
    help="recorded: as in the image; possible: without shared memory and signal handlers, which two interpreters cannot have",
    default="recorded",
    choices=("recorded", "possible"),
)
"""The option of executors and back ends whose processes are interpreters."""

MAPS: Final = Option(
    name="maps",
    help="recorded: id maps of user namespaces as in the image, which takes root; own: those of the rebuilding user",
    default="recorded",
    choices=("recorded", "own"),
)
"""The option of all programs that make user namespaces."""

HINT: Final = "`--option sharing=possible` gives it its own"
"""What a refusal says of the option."""

IN_ONE_MEMORY: Final = frozenset({"memory", "signal_handlers"})


def conceded(plan: Plan, options: Options) -> Plan:
    """Return the plan as the options want it; equal to `plan` where they leave nothing out.

    Where they do, `uncovered` says of which tasks, and the plan ends in the same forest but for that.
    """
    if options.get("sharing") == "possible":
        plan = _with_separate_memory(plan)
    if options.get("maps") == "own":
        plan = _with_own_maps(plan)
    return plan


def _with_separate_memory(plan: Plan) -> Plan:
    helpers = {process.pid for process in plan.processes if process.role == "helper"}
    apart: list[ProcessId] = []
    steps: list[AnyStep] = []
    for step in plan.steps:
        if isinstance(step, Create) and IN_ONE_MEMORY.intersection(step.share):
            apart.append(step.child)
            step = msgspec.structs.replace(step, share=tuple(kind for kind in step.share if kind not in IN_ONE_MEMORY))
        steps.append(step)
    tasks = [pid for pid in apart if pid not in helpers]
    return _changed(plan, steps, f"the memory and signal handlers that {_tasks(tasks)} shared with others") if apart else plan


def _with_own_maps(plan: Plan) -> Plan:
    mapped: list[ProcessId] = []
    steps: list[AnyStep] = []
    for step in plan.steps:
        if isinstance(step, MapIds) and not step.own:
            mapped.append(step.target)
            step = msgspec.structs.replace(step, own=True, uid_map=(), gid_map=())
        steps.append(step)
    return _changed(plan, steps, f"the id maps of the user namespace of {_tasks(mapped)}") if mapped else plan


def _changed(plan: Plan, steps: list[AnyStep], sentence: str) -> Plan:
    return msgspec.structs.replace(plan, steps=tuple(steps), uncovered=(*plan.uncovered, sentence))


def _tasks(pids: list[ProcessId]) -> str:
    more = f" and {len(pids) - 8} more" if len(pids) > 8 else ""
    return f"task{'s' if len(pids) > 1 else ''} {', '.join(map(str, pids[:8]))}{more}"
