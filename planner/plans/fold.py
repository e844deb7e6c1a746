"""The plan and the findings: the folds of the decision events of a log."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from planner.events.records import (
    AnyEvent,
    BirthDecided,
    FindingRaised,
    NamespaceInferred,
    PlanProved,
    ProcessPlanned,
    StepPlanned,
    TaskPlaced,
)
from planner.findings.registry import KINDS, Finding, finding
from planner.forest.model import Forest
from planner.identity import OUTSIDE, ProcessId
from planner.plans.model import Plan
from planner.steps import AnyStep, Process

DECISIONS: Final = (NamespaceInferred, TaskPlaced, BirthDecided, ProcessPlanned, StepPlanned, FindingRaised, PlanProved)

UNCOVERED_PROPERTY: Final = "uncovered"
"""Property of the facts by which a plan document says what is not covered."""

PLAN_FORMAT: Final = "plan"
"""Format of an image that is a plan document: its facts are those that the plan's steps end in."""

NOT_COVERED: Final = "namespace-not-covered"
"""Code of the finding that a task does not get into a namespace; its property is the kind."""

LOSSES: Final = frozenset({NOT_COVERED, "exit-signal-lost", "sharing-lost"})
"""Codes of the findings that a task does not get what the image records; their property says what."""

NEVER_COVERED: Final = (
    "memory, registers, pending signals, timers and limits of every task",
    "open files, pipes, sockets, terminals and file locks",
    "what is in namespaces other than pid namespaces (mounts, interfaces, names, clocks): they are made empty",
    "credentials, capabilities, security labels, seccomp filters and cgroups",
)
"""What no executor restores, whatever the image."""


def fold_plan(events: Iterable[AnyEvent], forest: Forest, image_id: str) -> Plan:
    """Return the plan that the decisions in `events` add up to; of a log that was cut, the beginning of it."""
    processes: list[Process] = []
    steps: list[AnyStep] = []
    lost: dict[str, list[ProcessId]] = {}
    for event in events:
        if type(event) is StepPlanned:
            steps.append(event.step)
        elif type(event) is ProcessPlanned:
            processes.append(event.process)
        elif type(event) is FindingRaised and event.code == NOT_COVERED:
            lost.setdefault(event.property, []).append(event.pid)
    return Plan(
        image_id=image_id,
        root=forest.root if any(task.parent == OUTSIDE for task in forest.tasks.values()) else OUTSIDE,
        processes=tuple(processes),
        steps=tuple(steps),
        uncovered=uncovered(forest, lost),
    )


def uncovered(forest: Forest, lost: Mapping[str, list[ProcessId]]) -> tuple[str, ...]:
    """Return sentences on what a rebuild of this forest leaves out; `lost` says who misses its namespace of which kind."""
    recorded = tuple(fact.value for _, fact in forest.facts if fact.property == UNCOVERED_PROPERTY)
    if recorded:
        return recorded
    return NEVER_COVERED + tuple(f"the {kind} namespace of {_tasks(lost[kind])}" for kind in sorted(lost))


def lost_properties(events: Iterable[AnyEvent]) -> frozenset[tuple[ProcessId, str]]:
    """Return what tasks have on record and do not get, as findings say: a kind of namespace, "exit_signal", a kind of sharing."""
    return frozenset((event.pid, event.property) for event in events if type(event) is FindingRaised and event.code in LOSSES)


def _tasks(pids: list[ProcessId]) -> str:
    shown = ", ".join(map(str, pids[:8]))
    more = f" and {len(pids) - 8} more" if len(pids) > 8 else ""
    return f"task{'s' if len(pids) > 1 else ''} {shown}{more}"


def fold_findings(events: Sequence[AnyEvent], forest: Forest) -> tuple[Finding, ...]:
    """Return the findings of reader, inference, planner and checks, in the order of the log, with their places in the image."""
    found: list[Finding] = [
        _finding(defect.code, pid=defect.pid, detail=defect.detail, at=defect.at) for _, defect in forest.defects
    ]
    for event in events:
        if type(event) is TaskPlaced and event.choices > 1:
            detail = f"task {event.pid} fits into {event.choices} pid namespaces, and the image does not say which it was in"
            found.append(_finding("namespace-ambiguous", pid=event.pid, property="namespace", detail=detail))
        elif type(event) is FindingRaised:
            found.append(
                _finding(
                    event.code,
                    pid=event.pid,
                    property=event.property,
                    recorded=event.recorded,
                    target=event.target,
                    detail=event.detail,
                    at=_place(events, event.because),
                )
            )
    return tuple(found)


def _place(events: Sequence[AnyEvent], because: Sequence[int]) -> int | str | None:
    """Return the place in the image of the first piece of evidence that has one."""
    for seq in because:
        place: int | str | None = getattr(events[seq], "at", None) if 0 <= seq < len(events) else None
        if place is not None:
            return place
    return None


def _finding(
    code: str,
    *,
    pid: ProcessId,
    detail: str,
    at: int | str | None = None,
    property: str = "",
    recorded: str = "",
    target: str = "",
) -> Finding:
    """Make a finding; a code that this version does not know, from a newer log or a plugin, is a warning."""
    if code in KINDS:
        return finding(code, pid=pid, property=property, recorded=recorded, target=target, detail=detail, at=at)
    return Finding(
        code=code,
        severity="warning",
        message=detail or code,
        pid=pid,
        property=property,
        recorded=recorded,
        target=target,
        at=at,
    )


def recorded_id(forest: Forest) -> str:
    """Return the image id that a plan document states, "" for every other image."""
    return forest.image_facts.get("image_id", "") if forest.format == PLAN_FORMAT else ""
