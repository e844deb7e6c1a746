"""What the still pictures show: the tasks and helpers of a plan, the pid namespaces around them, and the creators."""

from collections.abc import Iterator
from typing import Final

import msgspec

from planner.forest.model import Task
from planner.hookspecs import Artefact
from planner.identity import OUTSIDE, ProcessId
from planner.plans.model import Plan
from planner.plans.wording import status_words, vector
from planner.steps import Create
from planner.text import escaped

COLOURS: Final = ("#cfe2ff", "#ffe0bd", "#cdeedd", "#f9d3e8", "#e1d8fa", "#f3ebb5", "#c9eeee", "#fbd2cf")
"""Fillings of sessions, light enough for dark letters; a session's number always stands beside its colour."""


class Space(msgspec.Struct, frozen=True, kw_only=True):
    """A pid namespace: the level-0 numbers of its init and of the init of the namespace around it, 0 for outside."""

    init: ProcessId
    around: ProcessId
    level: int
    words: str


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A task or helper; `creator` is its creator where that is not its parent, by `rule`, and else 0."""

    pid: ProcessId
    numbers: str
    name: str
    helper: bool
    zombie: bool
    namespace: ProcessId
    parent: ProcessId
    session: ProcessId
    facts: tuple[str, ...]
    creator: ProcessId = OUTSIDE
    rule: str = ""

    @property
    def head(self) -> str:
        """Numbers and name."""
        return f"{self.numbers} {self.name}".strip()


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """Nodes in plan order and namespaces outermost first; `colours` are those of sessions."""

    title: str
    nodes: dict[ProcessId, Node]
    spaces: tuple[Space, ...]
    colours: dict[ProcessId, str]


def namespaces(plan: Plan) -> Iterator[Space]:
    """Yield the pid namespaces that a plan makes, outer ones before inner ones."""
    table = plan.process_table()
    for step in plan.steps:
        if isinstance(step, Create) and step.new_namespace and step.child in table:
            level = len(table[step.child].pids) - 1
            yield Space(
                init=step.child,
                around=table[step.actor].namespace if step.actor in table else OUTSIDE,
                level=level,
                words="pid namespace of the container" if level == 0 else f"pid namespace of {step.child}",
            )


def scene(artefact: Artefact) -> Scene:
    """Return what is to be drawn of the forest that a plan ends in; helpers stand beside it, below their creators."""
    forest, plan = artefact.forest, artefact.plan
    births = {step.child: step for step in plan.steps if isinstance(step, Create)}
    nodes: dict[ProcessId, Node] = {}
    for process in plan.processes:
        if process.role == "thread":
            continue
        task = forest.tasks.get(process.pid)
        birth = births.get(process.pid)
        actor = birth.actor if birth is not None else OUTSIDE
        parent = task.parent if task is not None else actor
        nodes[process.pid] = Node(
            pid=process.pid,
            numbers=vector(process.pids),
            name=escaped(process.name or (task.name if task is not None else "")),
            helper=process.role != "task",
            zombie=task is not None and task.zombie,
            namespace=process.namespace,
            parent=parent,
            session=task.session if task is not None else OUTSIDE,
            facts=tuple(_facts(artefact, task)) if task is not None else (process.role,),
            creator=actor if actor != parent else OUTSIDE,
            rule=escaped(birth.rule) if birth is not None else "",
        )
    sessions = sorted({node.session for node in nodes.values()} - {OUTSIDE})
    return Scene(
        title=", ".join(filter(None, (escaped(forest.source), f"plan {plan.plan_id}"))),
        nodes=nodes,
        spaces=tuple(namespaces(plan)),
        colours={session: COLOURS[place % len(COLOURS)] for place, session in enumerate(sessions)},
    )


def _facts(artefact: Artefact, task: Task) -> Iterator[str]:
    yield f"session {task.session or 'outside'}, group {task.group or 'outside'}"
    marks = []
    if task.zombie:
        marks.append(f"zombie ({status_words(task.exit_status)})")
    elif task.state == "stopped":
        marks.append("stopped")
    if task.subreaper:
        marks.append("subreaper")
    if threads := artefact.forest.threads.get(task.pid):
        marks.append(f"{len(threads)} more thread{'s' if len(threads) > 1 else ''}")
    if marks:
        yield ", ".join(marks)
