"""Which executors a machine has, and which of them `crplan run` would take for a plan."""

import msgspec

from planner.findings.verdicts import Invocation
from planner.hookspecs import Artefact, Executor
from planner.host.facts import ExecutorFact, Host
from planner.plans.abilities import needed, serving
from planner.plans.model import Plan
from planner.plugins import Registry


def with_executors(host: Host, registry: Registry, plan: Plan | None = None, into: bool = False) -> Host:
    """Return the facts of this machine with its executors: all, or for a plan those up to the first that serves it.

    Only they are asked what they lack here, since some compile a program to know; all are where none serves the plan.
    """
    asked: dict[str, ExecutorFact] = {}

    def serves(executor: Executor) -> bool:
        if executor.name not in asked:
            asked[executor.name] = ExecutorFact(name=executor.name, abilities=executor.abilities, missing=executor.missing())
        return not asked[executor.name].missing

    if plan is None:
        for executor in registry.executors:
            serves(executor)
    elif serving(needed(plan, into), registry.executors, serves) is None:
        # What each of them lacks is the reason why none does it.
        for executor in registry.executors:
            serves(executor)
    ordered = tuple(asked[executor.name] for executor in registry.executors if executor.name in asked)
    return msgspec.structs.replace(host, executors=ordered)


def executor_of(invocation: Invocation, host: Host | None, artefact: Artefact) -> str:
    """Return the name of the executor that is judged, "" for other consumers and where nothing is known of the host's."""
    if host is None or invocation.consumer not in {"run", "run-into"}:
        return ""
    asked = needed(artefact.plan, invocation.consumer == "run-into")
    found = serving(asked, host.executors, lambda executor: not executor.missing)
    if found is None:
        # None serves: the one is judged that could do it, were it whole.
        found = serving(asked, host.executors, lambda executor: True)
    return found.name if found is not None else ""
