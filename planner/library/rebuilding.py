"""Rebuilding for real, for the library and the command line."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from functools import partial

import msgspec

from planner.errors import EXPECTED, CannotEmit, PluginFailed, UsageError
from planner.events.records import AnyEvent, RunEvent
from planner.hookspecs import Executor
from planner.host.pid_limits import limit_of
from planner.host.pids_in_use import occupied
from planner.identity import ProcessId
from planner.library.inputs import Input, naming, resolved
from planner.options import Options, as_given, chosen, filled
from planner.pipeline.reading import default_registry
from planner.plans.abilities import needed, serving
from planner.plans.model import Plan
from planner.plans.rebuild import Rebuild, fold_run
from planner.plans.retarget import into as retargeted
from planner.plugins import Registry
from planner.ranges import parse_ranges

DEFAULT_TIMEOUT = 30.0
"""Seconds without progress after which a step has failed."""

Record = Callable[[AnyEvent], None]
"""Takes an event of a run as it happens."""


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A plan as an executor is to carry it out; `start` blocks until the tree has ended, and returns the exit code."""

    plan: Plan
    start: Callable[[Record, float], int]


def run(
    source: Input,
    *,
    executor: str | None = None,
    options: Mapping[str, str | int | bool] | None = None,
    into: int | None = None,
    timeout: float = DEFAULT_TIMEOUT,
    record: Record | None = None,
) -> Rebuild:
    """Rebuild a tree for real, hold it until it ends, and return how far the rebuild came; its `code` is 0 where all went well.

    `executor` is a name; by default it is the first that serves the plan. `into` is a process of the caller's pid namespace,
    whose pid namespace is entered. `timeout` is in seconds without progress. `record` gets the events of the run as they
    happen; at `RunReady` every task stands and was checked. Raises `CannotEmit` for what the executor refuses before its first
    step, `UsageError`, `PluginFailed`, and for an image as `plan` does.
    """
    registry = default_registry()
    named = executor_named(executor, registry)
    filled(named.options, as_given(options or {}), f"executor {named.name}")
    outcome = resolved(source, "run")
    events: list[AnyEvent] = []

    def keep(event: AnyEvent) -> None:
        events.append(event)
        if record is not None:
            record(event)

    with naming(f"plan {outcome.plan.plan_id}"):
        errors = [found for found in outcome.findings if found.severity == "error"]
        if errors:
            raise CannotEmit(f"the image cannot be restarted as it is: {errors[0].message}")
        chosen_one = named if executor else executor_for(outcome.plan, as_given(options or {}), into, registry)
        filled_in = filled(chosen_one.options, as_given(options or {}), f"executor {chosen_one.name}")
        prepared = prepare(chosen_one, outcome.plan, filled_in, into)
        code = carry_out(chosen_one, prepared, keep, timeout, registry)
    rebuild = fold_run(events) or Rebuild(executor=chosen_one.name, plan_id=prepared.plan.plan_id)
    return msgspec.structs.replace(rebuild, code=code)


def executor_named(name: str | None, registry: Registry) -> Executor:
    """Return the executor of that name, or the first one; raises `UsageError` where there is none."""
    if not registry.executors:
        raise UsageError("no executor is installed")
    return chosen(registry.executors, name, "executor") if name else registry.executors[0]


def executor_for(plan: Plan, given: Mapping[str, str], into: int | None, registry: Registry) -> Executor:
    """Return the first executor that can do what the plan needs and lacks nothing here, the first of all where none can.

    `given` are options as the user gave them: an executor that does not have them is not taken.
    """

    def serves(executor: Executor) -> bool:
        try:
            options = filled(executor.options, given, f"executor {executor.name}")
        except UsageError:
            return False
        return not executor.refuses(executor.concedes(plan, options)) and not executor.missing()

    first = registry.executors[0]
    asked = needed(first.concedes(plan, filled(first.options, given, f"executor {first.name}")), into is not None)
    return serving(asked, registry.executors, serves) or first


def prepare(executor: Executor, plan: Plan, options: Options, into: int | None) -> Prepared:
    """Return the plan as the executor will carry it out; raises `CannotEmit` for what it refuses, and `UsageError`."""
    plan = executor.concedes(plan, options)
    if reason := executor.refuses(plan):
        raise CannotEmit(f"executor {executor.name} cannot do this: {reason}")
    return _inside(executor, plan, into) if into is not None else Prepared(plan=plan, start=partial(executor.run, plan))


def carry_out(executor: Executor, prepared: Prepared, record: Record, timeout: float, registry: Registry) -> int:
    """Carry a plan out and return the exit code; raises `PluginFailed` where the executor raises what it must not.

    An event that has no clock of its executor gets that of the moment at which it was heard.
    """
    try:
        return prepared.start(lambda event: record(clocked(event)), timeout)
    except (OSError, *EXPECTED):
        raise
    except Exception as error:  # whatever a plugin raises, the user is told which plugin
        plugin = registry.provider("executor", executor.name)
        raise PluginFailed(f"executor {executor.name} of plugin {plugin} failed: {type(error).__name__}: {error}") from error


def clocked(event: AnyEvent) -> AnyEvent:
    """Return an event of a run with the clock of now, where it has none."""
    if isinstance(event, RunEvent) and not event.clock:
        return msgspec.structs.replace(event, clock=time.monotonic_ns())
    return event


def _inside(executor: Executor, plan: Plan, pid: int) -> Prepared:
    """Turn the plan towards the pid namespace of a process; raises `UsageError` and `CannotEmit`."""
    if executor.run_into is None:
        raise CannotEmit(f"executor {executor.name} always makes a pid namespace of its own")
    spaces = occupied()
    space = next((found for found in spaces if pid in parse_ranges(found.members)), None)
    if space is None:
        raise UsageError(f"there is no process {pid}, or nothing says in which pid namespace it is")
    limit = limit_of(spaces, space.id, pid, {process.pid for process in plan.processes})
    if limit is None:
        raise CannotEmit(f"the pid namespace of process {pid} cannot be entered: that takes CAP_SYS_ADMIN over it")
    session, group = (os.getsid(0), os.getpgid(0)) if space.id == 0 else (0, 0)
    visit = retargeted(
        plan, pid=pid, taken=parse_ranges(space.taken), limit=limit, session=ProcessId(session), group=ProcessId(group)
    )
    return Prepared(plan=visit.plan, start=partial(executor.run_into, visit))
