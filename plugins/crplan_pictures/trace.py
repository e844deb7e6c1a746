"""The steps on a time line: a track for each process, and arrows for what waits for another process.

The format is Chrome's JSON of trace events, because every viewer opens it: Perfetto, chrome://tracing, Speedscope and the
Firefox Profiler; Perfetto's own TrackEvent is binary, and read by Perfetto alone. A plan has no clock: a step takes one unit of
time, and begins as soon as all that must be done before it is done, so steps that stand above each other can run side by side.
The log of a run has one, and its steps stand where they were done.
"""

from typing import Any, Final

import msgspec

from crplan_pictures.timing import run_spans, timing
from planner.findings.problems import Problem
from planner.hookspecs import Artefact
from planner.identity import OUTSIDE, StepNumber
from planner.plans.graph import ALL_DONE, CREATED, SAME_ACTOR
from planner.plans.model import Plan
from planner.plans.wording import step_words, vector
from planner.text import escaped, json_line

UNIT: Final = 1_000
"""Microseconds of one step."""

IMPLIED: Final = frozenset({SAME_ACTOR, CREATED, ALL_DONE})
"""Orders that the tracks show without an arrow."""

Record = dict[str, Any]

Spans = dict[StepNumber, tuple[float, float]]
"""When each step begins and is done, in microseconds."""


def emit(artefact: Artefact) -> bytes:
    """Return the trace as a JSON object; `otherData` names the plan and its longest chain of steps."""
    plan = artefact.plan
    found = timing(plan, checks=True)
    run = run_spans(artefact.events)
    spans = {number: (begin / 1000, end / 1000) for number, (begin, end) in run.items()} or {
        number: (begin * UNIT, (begin + 1) * UNIT) for number, begin in found.begins.items()
    }
    events = [*_tracks(artefact), *_slices(plan, spans, frozenset(found.longest)), *_arrows(plan, spans)]
    about = {
        "source": escaped(artefact.forest.source),
        "plan_id": plan.plan_id,
        "steps": len(plan.steps),
        "longest_chain": found.longest,
        "clock": "of the run" if run else "none: each step takes one unit",
    }
    lines = b",\n".join(map(_line, events))
    return b'{"displayTimeUnit":"ms","otherData":%s,"traceEvents":[\n%s\n]}\n' % (_line(about), lines)


def emit_problem(problem: Problem) -> bytes:
    """Return an empty trace that holds what went wrong."""
    return b'{"otherData":%s,"traceEvents":[]}\n' % _line({"error": problem})


def _line(record: object) -> bytes:
    return json_line(msgspec.json.encode(record))


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


def _slices(plan: Plan, spans: Spans, longest: frozenset[StepNumber]) -> list[Record]:
    table = plan.process_table()
    return [
        {
            "ph": "X",
            "name": step_words(step, table),
            "cat": "longest chain" if step.number in longest else "step",
            "pid": 1,
            "tid": step.actor if step.actor != OUTSIDE else 0,
            "ts": spans[step.number][0],
            "dur": spans[step.number][1] - spans[step.number][0],
            "args": {"step": step.number, "rule": escaped(step.rule)},
        }
        for step in plan.steps
        if step.number in spans
    ]


def _arrows(plan: Plan, spans: Spans) -> list[Record]:
    actors = {step.number: step.actor for step in plan.steps}
    arrows: list[Record] = []
    waits = {(wait.step, step.number, wait.rule) for step in plan.steps for wait in step.waits if wait.rule not in IMPLIED}
    shown = [wait for wait in sorted(waits) if wait[0] in spans and wait[1] in spans]
    for number, (before, after, rule) in enumerate(shown, 1):
        common = {"name": escaped(rule), "cat": "wait", "id": number, "pid": 1}
        arrows.append({"ph": "s", **common, "tid": actors[before], "ts": max(spans[before][0], spans[before][1] - 1)})
        arrows.append({"ph": "f", "bp": "e", **common, "tid": actors[after], "ts": spans[after][0]})
    return arrows
