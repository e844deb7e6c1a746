"""A plan for a pid namespace that is there already: its processes keep their pids, and the rest is as planned.

A plan makes a new pid namespace, in which every number is free. `into` turns it towards a namespace of the host: level 0 of the
image becomes that namespace, and deeper levels stay new. What the image does not number gets numbers that are free there: the
reaper that stands in for the parent of a subtree's root, and helpers that lead nothing of the image. The reaper is no init then;
a subreaper serves, because adoption looks for one among the ancestors at the level of the dying process. What the image numbers
is not negotiable: a pid that is taken makes the step that creates its task fail with EEXIST, pid 1 always.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from planner.errors import CannotEmit
from planner.identity import OUTSIDE, Number, ProcessId
from planner.plans.model import Plan
from planner.ranges import RangeSet
from planner.steps import AnyStep, Create, Process, Verify

FIELDS: Final = ("actor", "child", "target", "group", "namespace", "parent", "session")
"""The fields of steps that name a process by its number at level 0."""


class Retargeted(msgspec.Struct, frozen=True, kw_only=True):
    """A plan for the pid namespace of process `into`, a number in the caller's namespace.

    `plan_id` is that of the plan as it was proved. `keeper`, `executor` and `watcher` are free numbers of the namespace, for the
    two processes that carry the plan out from within and a thread of theirs.
    """

    plan: Plan
    plan_id: str
    into: int
    keeper: Number
    executor: Number
    watcher: Number


def into(plan: Plan, *, pid: int, taken: RangeSet, limit: int, session: ProcessId, group: ProcessId) -> Retargeted:
    """Turn a plan towards an existing namespace; raises `CannotEmit` where a task needs an executor outside of it.

    `taken` are the numbers of the namespace in use and `limit` is its pid_max. `session` and `group` are the executor's own as
    the namespace sees them, 0 where it does not: what the image has from outside comes from there.
    """
    reason, _ = refuses(plan)
    if reason:
        raise CannotEmit(reason)
    first, *steps = plan.steps
    free = _free(plan, taken, limit)
    renamed = {pid: ProcessId(next(free)) for pid in _unnumbered(plan)}
    moved = [_moved(step, renamed) for step in steps]
    return Retargeted(
        plan=msgspec.structs.replace(
            plan,
            processes=tuple(_renumbered(process, renamed) for process in plan.processes),
            steps=(
                msgspec.structs.replace(_moved(first, renamed), new_namespace=False),
                *(_from_outside(step, session, group) if isinstance(step, Verify) else step for step in moved),
            ),
        ),
        plan_id=plan.plan_id,
        into=pid,
        keeper=next(free),
        executor=next(free),
        watcher=next(free),
    )


def refuses(plan: Plan) -> tuple[str, Create | None]:
    """Say why a plan cannot go into an existing namespace, with the step that stands against it; "" where it can."""
    for step in plan.steps:
        if isinstance(step, Create) and step.new_user:
            words = f"task {step.child} has a user namespace that owns its pid namespace, and this one has its owner"
            return words, step
    for step in plan.steps[1:]:
        if isinstance(step, Create) and step.actor == OUTSIDE:
            words = f"task {step.child} entered from outside of the pid namespace, and a rebuild into one comes from inside"
            return words, step
    return "", None


def _unnumbered(plan: Plan) -> list[ProcessId]:
    """Return the processes whose number at level 0 nothing in the image asks for."""
    verified = [step for step in plan.steps if isinstance(step, Verify)]
    led = {number for step in verified for number in (step.session, step.group)}
    return [process.pid for process in plan.processes if process.role in ("helper", "reaper") and process.pid not in led]


def _free(plan: Plan, taken: RangeSet, limit: int) -> Iterator[Number]:
    """Yield pids that are free and that the plan does not ask for, from the highest down: the kernel gives low ones first."""
    asked = {process.pid for process in plan.processes}
    for number in range(limit - 1, 1, -1):
        if number not in taken and number not in asked:
            yield Number(number)
    raise CannotEmit("the pid namespace has no pid left for a helper")


def _renumbered(process: Process, renamed: Mapping[ProcessId, ProcessId]) -> Process:
    pid = renamed.get(process.pid, process.pid)
    namespace = renamed.get(process.namespace, process.namespace)
    return msgspec.structs.replace(process, pid=pid, pids=(Number(pid), *process.pids[1:]), namespace=namespace)


def _moved(step: AnyStep, renamed: Mapping[ProcessId, ProcessId]) -> AnyStep:
    changes: dict[str, object] = {}
    for field in FIELDS:
        number = getattr(step, field, OUTSIDE)
        if number in renamed:
            changes[field] = renamed[number]
    return msgspec.structs.replace(step, **changes) if changes else step


def _from_outside(step: Verify, session: ProcessId, group: ProcessId) -> Verify:
    return msgspec.structs.replace(step, session=step.session or session, group=step.group or group)
