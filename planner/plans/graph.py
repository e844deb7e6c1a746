"""What a plan's order rests on: which steps must be done before a step may begin.

A plan is a list, and any order is as good that keeps three rules: the steps of one process stand in plan order, a process is
created before its first step, and a step comes after those that its `waits` name. `waits` alone are not enough. Verify steps come
after all other steps but those that stop a task, which come last.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from planner.identity import ProcessId, StepNumber
from planner.plans.model import Plan
from planner.steps import AT_THE_END, AnyStep, Create, CreateThread, Stop, Verify, Wait

if TYPE_CHECKING:
    import networkx as nx

SAME_ACTOR: Final = "same-actor"
CREATED: Final = "created-before-acting"
ALL_DONE: Final = "verify"
STOPPED_LAST: Final = "stopped-last"

IMPLIED: Final = {
    SAME_ACTOR: "The steps of one process are done in the order of the plan.",
    CREATED: "A process is created before its first step.",
}
"""The rules that hold for every plan without a `Wait` that says so, and their sentences."""


def predecessors(plan: Plan, step: AnyStep | int) -> tuple[Wait, ...]:
    """Return the steps that must be done before a step of the plan may begin, by number, each with the rule that says so.

    They are the step before it of the same process ("same-actor"), or for the first step of a process its creation
    ("created-before-acting"), and the steps that it waits for. A verify step comes after every step that is none ("verify"), a
    step that stops a task after all that stop none ("stopped-last"). What must come before those is not repeated.

    Raises `KeyError` for a number that the plan does not have, and `TypeError` for what is no plan, step or number.
    """
    _expect_plan(plan, "predecessors")
    if not isinstance(step, (int, AnyStep)) or isinstance(step, bool):
        raise TypeError(f"planner.predecessors takes a step or its number, and not an object of type {type(step).__name__}")
    number = step if isinstance(step, int) else step.number
    place = next((place for place, each in enumerate(plan.steps) if each.number == number), None)
    if place is None:
        raise KeyError(f"the plan has no step {number}; it has {len(plan.steps)}")
    found = plan.steps[place]
    if isinstance(found, Verify):
        return tuple(Wait(other.number, ALL_DONE) for other in plan.steps if not isinstance(other, AT_THE_END))
    if isinstance(found, Stop):
        return tuple(Wait(other.number, STOPPED_LAST) for other in plan.steps if not isinstance(other, Stop))
    before = {wait.step: wait for wait in found.waits}
    for earlier in reversed(plan.steps[:place]):
        if (rule := _rule_before(earlier, found.actor)) is not None:
            before.setdefault(earlier.number, Wait(earlier.number, rule))
            break
    return tuple(before[other] for other in sorted(before))


def _expect_plan(plan: object, function: str) -> None:
    if not isinstance(plan, Plan):
        kind = type(plan).__name__
        raise TypeError(f"planner.{function} takes a plan, as planner.plan returns it, and not an object of type {kind}")


def _rule_before(earlier: AnyStep, actor: ProcessId) -> str | None:
    """Return why a step comes before the next one of `actor`, None where it need not."""
    if earlier.actor == actor:
        return SAME_ACTOR
    return CREATED if isinstance(earlier, (Create, CreateThread)) and earlier.child == actor else None


def to_networkx(plan: Plan) -> nx.DiGraph[StepNumber]:
    """Return the steps of a plan as a directed graph with an edge from each step to those that must come later.

    Nodes are step numbers with the attributes `op`, `actor` and `rule`; the `rule` of an edge says why it is there. An order of
    the steps is as good as the plan's if it is a topological order of this graph. Verify steps, and after them those that stop a
    task, are one chain behind all others. Raises `TypeError` for what is no plan.
    """
    _expect_plan(plan, "to_networkx")
    import networkx as nx

    graph: nx.DiGraph[StepNumber] = nx.DiGraph()
    for step in plan.steps:
        graph.add_node(step.number, op=type(step).__struct_config__.tag, actor=step.actor, rule=step.rule)
    graph.add_edges_from((before, after, {"rule": rule}) for before, after, rule in _edges(plan))
    final = [step.number for step in plan.steps if isinstance(step, AT_THE_END)]
    if final:
        acting = [step.number for step in plan.steps if not isinstance(step, AT_THE_END)]
        last = [number for number in acting if not graph.out_degree(number)]
        graph.add_edges_from((number, final[0], {"rule": ALL_DONE}) for number in last)
        graph.add_edges_from((*pair, {"rule": SAME_ACTOR}) for pair in pairwise(final))
    return graph


def _edges(plan: Plan) -> Iterator[tuple[StepNumber, StepNumber, str]]:
    """Yield earlier step, later step and rule for all steps but those at the end, in one pass."""
    last: dict[ProcessId, tuple[StepNumber, str]] = {}
    for step in plan.steps:
        if isinstance(step, AT_THE_END):
            continue
        if step.actor in last:
            before, rule = last[step.actor]
            yield before, step.number, rule
        for wait in step.waits:
            yield wait.step, step.number, wait.rule
        last[step.actor] = (step.number, SAME_ACTOR)
        if isinstance(step, (Create, CreateThread)):
            last[step.child] = (step.number, CREATED)
