"""When steps can be done, as early as their order allows, and when a run did them."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from planner.events.records import AnyEvent, RunStarted, StepDone, StepFailed
from planner.identity import StepNumber
from planner.plans.graph import to_networkx
from planner.plans.model import Plan
from planner.steps import Verify

if TYPE_CHECKING:
    import networkx as nx

Spans = dict[StepNumber, tuple[int, int]]
"""When each step began and was done."""


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """The earliest begin of each step, counted in steps, and the longest chain of which each step waits for the one before it."""

    begins: dict[StepNumber, int]
    longest: list[StepNumber]

    @property
    def widest(self) -> int:
        """How many steps at most can be done at the same time."""
        at: dict[int, int] = {}
        for begin in self.begins.values():
            at[begin] = at.get(begin, 0) + 1
        return max(at.values(), default=0)


def timing(plan: Plan, *, checks: bool) -> Timing:
    """Return when steps can begin; `checks` says whether the verify steps are among them, which follow one after another."""
    graph = to_networkx(plan)
    if not checks:
        graph.remove_nodes_from([step.number for step in plan.steps if isinstance(step, Verify)])
    begins: dict[StepNumber, int] = {}
    for step in plan.steps:
        if step.number in graph:
            begins[step.number] = max((begins[before] + 1 for before in graph.predecessors(step.number)), default=0)
    return Timing(begins=begins, longest=_longest(graph, begins))


def _longest(graph: "nx.DiGraph[StepNumber]", begins: dict[StepNumber, int]) -> list[StepNumber]:
    """Return the longest chain, of several the first of the plan."""
    chain: list[StepNumber] = []
    step = max(begins, key=lambda number: (begins[number], -number), default=None)
    while step is not None:
        chain.append(step)
        step = min((before for before in graph.predecessors(step) if begins[before] == begins[step] - 1), default=None)
    return chain[::-1]


def run_spans(events: Iterable[AnyEvent]) -> Spans:
    """Return for each step of the last run its begin and end in nanoseconds after the run began; nothing without a clock.

    A step lasts from the end of the one that was done before it: that is when it was its turn. An executor that does steps side
    by side tells of them in the order of the plan, so the order in time is that of their clocks.
    """
    done: dict[StepNumber, int] = {}
    start = 0
    for event in events:
        if isinstance(event, RunStarted):
            done, start = {}, event.clock
        elif isinstance(event, (StepDone, StepFailed)) and start and event.step:
            done[event.step] = max(start, event.clock)
    spans: Spans = {}
    before = start
    for step, clock in sorted(done.items(), key=lambda item: (item[1], item[0])):
        spans[step] = (before - start, clock - start)
        before = clock
    return spans
