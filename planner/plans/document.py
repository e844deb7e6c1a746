"""A plan as a document: the JSON form that is published, stored and compared, and read again wherever an image is.

The steps of a plan say what stands at its end, because its verify steps do. So a plan document is an image too: `events_of` turns
it into the facts that its steps end in and the decisions that it consists of.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from planner.errors import BadImage
from planner.events.digests import plan_digest, plan_digest_1
from planner.events.records import (
    AnyEvent,
    FactRecorded,
    FindingRaised,
    ImageClosed,
    ImageOpened,
    NamespaceRecorded,
    PlanProved,
    ProcessPlanned,
    StepPlanned,
    TaskNamespacesRecorded,
    TaskRecorded,
    TaskStateRecorded,
    ThreadRecorded,
)
from planner.findings.problems import Problem
from planner.findings.registry import Finding
from planner.forest.fold import fold
from planner.forest.model import Forest
from planner.identity import OUTSIDE, NamespaceId, ProcessId
from planner.plans.fold import PLAN_FORMAT, UNCOVERED_PROPERTY
from planner.plans.model import FORMAT_VERSION, Counts, Plan
from planner.steps import AnyStep, Create, Process, Stop, Verify

KIND: Final = "crplan-plan"
"""What a plan document says of itself, so that it is recognised by content."""

LONGEST_DOCUMENT: Final = 1 << 30
"""Bytes of a plan document that are read at most."""


class PlanDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A plan in JSON, or the problem that there is instead of one.

    Numbers are level-0 numbers unless they stand in `pids`, which are outermost first. Unknown fields are to be ignored within a
    `format_version`. `proved` is true when the model kernel ended in the image's forest, false for the beginning of a log. What
    `counts` says of the plan's cost follows from the rest.
    """

    kind: str
    format_version: int
    image_id: str = ""
    plan_id: str = ""
    proved: bool = False
    counts: Counts | msgspec.UnsetType = msgspec.UNSET
    root: ProcessId = ProcessId(0)
    processes: tuple[Process, ...] = ()
    steps: tuple[AnyStep, ...] = ()
    findings: tuple[Finding, ...] = ()
    uncovered: tuple[str, ...] = ()
    error: Problem | msgspec.UnsetType = msgspec.UNSET


def recognises(head: bytes) -> bool:
    """Say whether a file that begins with `head` is a plan document."""
    return head.lstrip()[:1] == b"{" and b'"%b"' % KIND.encode() in head[:200]


def document(plan: Plan, findings: tuple[Finding, ...], *, proved: bool = True) -> PlanDocument:
    """Return the document of a plan."""
    return PlanDocument(
        kind=KIND,
        format_version=FORMAT_VERSION,
        image_id=plan.image_id,
        plan_id=plan.plan_id,
        proved=proved,
        counts=plan.counts(),
        root=plan.root,
        processes=plan.processes,
        steps=plan.steps,
        findings=findings,
        uncovered=plan.uncovered,
    )


def decode(data: bytes) -> PlanDocument:
    """Return the document that `data` holds; raises `BadImage` for what is none, and for one of a newer version."""
    try:
        read = msgspec.json.decode(data, type=PlanDocument)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise BadImage(0, f"the plan document cannot be read: {error}") from None
    if read.kind != KIND or read.format_version > FORMAT_VERSION:
        raise BadImage(0, f"is a {read.kind} of format version {read.format_version}; this crplan reads {KIND} {FORMAT_VERSION}")
    if isinstance(read.error, Problem):
        raise BadImage(0, f"the document holds an error instead of a plan: {read.error.message}")
    return read


def events_of(read: PlanDocument) -> Iterator[AnyEvent]:
    """Yield the facts that the document's steps end in, then its decisions."""
    yield ImageOpened(format=PLAN_FORMAT, generation=str(read.format_version), facts={"image_id": read.image_id}, at="plan#head")
    yield from _facts(read.processes, read.steps)
    for sentence in read.uncovered:
        yield FactRecorded(property=UNCOVERED_PROPERTY, value=sentence, at="plan#uncovered")
    tasks = sum(isinstance(step, Verify) for step in read.steps)
    yield ImageClosed(tasks=tasks, complete=True, at=f"plan#step {len(read.steps)}")
    for process in read.processes:
        yield ProcessPlanned(process=process)
    for step in read.steps:
        yield StepPlanned(step=step)
    for found in read.findings:
        yield FindingRaised(
            code=found.code,
            pid=found.pid,
            property=found.property,
            recorded=found.recorded,
            target=found.target,
            detail=found.message,
        )
    if read.proved:
        yield PlanProved(image_id=read.image_id, plan_id=_present_id(read))


def _present_id(read: PlanDocument) -> str:
    """Return the id of the document's plan as this version has it: a document of format 1 states the digest of format 1."""
    if read.format_version == 1 and read.plan_id == plan_digest_1(read.processes, read.steps):
        return plan_digest(read.processes, read.steps)
    return read.plan_id


def forest_of(plan: Plan) -> Forest:
    """Return the forest that a plan ends in, by its verify steps."""
    return fold(_facts(plan.processes, plan.steps))


def _facts(processes: tuple[Process, ...], steps: tuple[AnyStep, ...]) -> Iterator[AnyEvent]:
    """Yield what the verify steps say as facts of an image."""
    table = {process.pid: process for process in processes}
    verified = {_namespace(table[step.target]) for step in steps if isinstance(step, Verify) and step.target in table}
    for step in steps:
        if isinstance(step, Create) and step.new_namespace and NamespaceId(step.child) in verified:
            around = _namespace(table[step.actor]) if step.actor in table else NamespaceId(0)
            yield NamespaceRecorded(kind="pid", id=NamespaceId(step.child), parent=around, at=f"plan#step {step.number}")
    made = _made_by_root(table, steps)
    for kind in sorted(made):
        yield NamespaceRecorded(kind=kind, id=NamespaceId(0), facts={"created": "yes"}, at="plan#namespaces of the root")
    stopped = {step.target for step in steps if isinstance(step, Stop)}
    for step in steps:
        if not isinstance(step, Verify):
            continue
        process = table.get(step.target)
        place = f"plan#step {step.number}"
        if process is None:
            raise BadImage(place, f"verifies {step.target}, which is no process of the plan")
        if process.role == "reaper":
            continue
        reaper = step.parent in table and table[step.parent].role == "reaper"
        parent = OUTSIDE if reaper else step.parent
        yield TaskRecorded(pids=process.pids, parent=parent, group=step.group, session=step.session, at=place)
        yield TaskStateRecorded(
            pid=step.target,
            state="zombie" if step.zombie else "stopped" if step.target in stopped else "running",
            exit_status=step.status,
            exit_signal=step.exit_signal,
            name=process.name,
            subreaper=step.subreaper,
            at=place,
        )
        kinds = {kind: _other_namespace(kind, holder, made) for kind, holder in step.namespaces.items()}
        yield TaskNamespacesRecorded(pid=step.target, namespaces={"pid": _namespace(process), **kinds}, at=place)
        for number in step.threads:
            thread = table.get(number)
            if thread is None:
                raise BadImage(place, f"names thread {number}, which the plan does not create")
            yield ThreadRecorded(pids=thread.pids, thread_group=step.target, at=place)


def _namespace(process: Process) -> NamespaceId:
    """Return an identity for the process's pid namespace: 0 for the root namespace, else its init's level-0 number."""
    return NamespaceId(0 if len(process.pids) == 1 else process.namespace)


def _made_by_root(table: dict[ProcessId, Process], steps: tuple[AnyStep, ...]) -> dict[str, ProcessId]:
    """Return the kinds other than pid of which the root task has a namespace of its own making, with the root's number.

    The root is the first task that a verify step tells of which has no other one as its parent; a reaper is none.
    """
    told = [step for step in steps if isinstance(step, Verify) and step.target in table and table[step.target].role != "reaper"]
    targets = {step.target for step in told}
    for step in told:
        if step.parent not in targets:
            return {kind: holder for kind, holder in step.namespaces.items() if holder == step.target}
    return {}


def _other_namespace(kind: str, holder: ProcessId, made: dict[str, ProcessId]) -> NamespaceId:
    """Return an identity for a namespace of another kind than pid: 0 is the root's, -1 unknown."""
    if made.get(kind) == holder:
        return NamespaceId(0)
    return NamespaceId(-1 if not holder and kind in made else holder)
