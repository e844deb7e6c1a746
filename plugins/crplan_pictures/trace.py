"""The steps on a time line: a track for each process, and arrows for what waits for another process.

The format is Chrome's JSON of trace events, because every viewer opens it: Perfetto, chrome://tracing, Speedscope and the
Firefox Profiler; Perfetto's own TrackEvent is binary, and read by Perfetto alone. A plan has no clock: a step takes one unit of
time, and begins as soon as all that must be done before it is done, so steps that stand above each other can run side by side.
"""

from typing import Any, Final

import msgspec

from planner.findings.problems import Problem
from planner.hookspecs import Artefact
from planner.identity import OUTSIDE, StepNumber
from planner.plans.graph import ALL_DONE, CREATED, SAME_ACTOR, to_networkx
from planner.plans.model import Plan
from planner.plans.wording import step_words, vector
from planner.text import escaped, json_line

UNIT: Final = 1_000
"""Microseconds of one step."""

IMPLIED: Final = frozenset({SAME_ACTOR, CREATED, ALL_DONE})
"""Orders that the tracks show without an arrow."""

Record = dict[str, Any]


def emit(artefact: Artefact) -> bytes:
    """Return the trace as a JSON object; `otherData` names the plan and its longest chain of steps."""
    plan = artefact.plan
    graph = to_networkx(plan)
    begins = _begins(plan, graph)
    longest = _longest(graph, begins)
    events = [*_tracks(artefact), *_slices(plan, begins, frozenset(longest)), *_arrows(graph, plan, begins)]
    about = {
        "source": escaped(artefact.forest.source),
        "plan_id": plan.plan_id,
        "steps": len(plan.steps),
        "longest_chain": longest,
    }
    lines = b",\n".join(map(_line, events))
    return b'{"displayTimeUnit":"ms","otherData":%s,"traceEvents":[\n%s\n]}\n' % (_line(about), lines)


def emit_problem(problem: Problem) -> bytes:
    """Return an empty trace that holds what went wrong."""
    return b'{"otherData":%s,"traceEvents":[]}\n' % _line({"error": problem})


def _line(record: object) -> bytes:
    return json_line(msgspec.json.encode(record))


def _begins(plan: Plan, graph: Any) -> dict[StepNumber, int]:
    """Return when each step can begin, in steps; plan order is an order in which all that comes before is known."""
    begins: dict[StepNumber, int] = {}
    for step in plan.steps:
        begins[step.number] = max((begins[before] + 1 for before in graph.predecessors(step.number)), default=0)
    return begins


def _longest(graph: Any, begins: dict[StepNumber, int]) -> list[StepNumber]:
    """Return the longest chain of steps of which each must wait for the one before it, the first such chain of the plan."""
    chain: list[StepNumber] = []
    step = max(begins, key=lambda number: (begins[number], -number), default=None)
    while step is not None:
        chain.append(step)
        step = min((before for before in graph.predecessors(step) if begins[before] == begins[step] - 1), default=None)
    return chain[::-1]


def _tracks(artefact: Artefact) -> list[Record]:
    plan = artefact.plan
    title = f"crplan plan {plan.plan_id}" + (f" of {escaped(artefact.forest.source)}" if artefact.forest.source else "")
    tracks = [_named("process_name", 0, title), _named("thread_name", 0, "executor")]
    for place, process in enumerate(plan.processes, 1):
        if process.role != "thread":
            tracks.append(_named("thread_name", process.pid, f"{vector(process.pids)} {escaped(process.name)}".strip()))
            tracks.append({"ph": "M", "name": "thread_sort_index", "pid": 1, "tid": process.pid, "args": {"sort_index": place}})
    return tracks


def _named(kind: str, track: int, name: str) -> Record:
    return {"ph": "M", "name": kind, "pid": 1, "tid": track, "args": {"name": name}}


def _slices(plan: Plan, begins: dict[StepNumber, int], longest: frozenset[StepNumber]) -> list[Record]:
    table = plan.process_table()
    return [
        {
            "ph": "X",
            "name": step_words(step, table),
            "cat": "longest chain" if step.number in longest else "step",
            "pid": 1,
            "tid": step.actor if step.actor != OUTSIDE else 0,
            "ts": begins[step.number] * UNIT,
            "dur": UNIT,
            "args": {"step": step.number, "rule": escaped(step.rule)},
        }
        for step in plan.steps
    ]


def _arrows(graph: Any, plan: Plan, begins: dict[StepNumber, int]) -> list[Record]:
    actors = {step.number: step.actor for step in plan.steps}
    arrows: list[Record] = []
    waits = [edge for edge in graph.edges(data="rule") if edge[2] not in IMPLIED]
    for number, (before, after, rule) in enumerate(sorted(waits), 1):
        common = {"name": escaped(rule), "cat": "wait", "id": number, "pid": 1}
        arrows.append({"ph": "s", **common, "tid": actors[before], "ts": (begins[before] + 1) * UNIT - 1})
        arrows.append({"ph": "f", "bp": "e", **common, "tid": actors[after], "ts": begins[after] * UNIT})
    return arrows
