"""What keeps `crplan checkpoint` from dumping a running tree in parts, by the capture of it: asked before anything is frozen.

Source: trials with CRIU 4.2 on Linux 6.18; `criu/namespaces.c`, `criu/seize.c` and `criu/cr-dump.c` for each part.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from crplan_checks import kinds_checkpoint as kinds
from crplan_checks import kinds_dump
from crplan_checks.criu_dump import FORMAT, created, sessions, shares, within, zombies
from planner.checkpoint.parts import Part, number_in, parts_of
from planner.events.records import FactRecorded
from planner.findings.registry import Answer, Passed
from planner.findings.verdicts import Invocation
from planner.forest.model import Forest, Task
from planner.identity import ProcessId

CROSSES: Final = "crosses pid namespaces"
"""Property of the facts by which a capture says what tasks of several pid namespaces hold together."""
ENTERABLE: Final = ("net", "uts", "ipc")
"""Kinds of namespace that the dump of an inner part may be run in."""


def check(forest: Forest, invocation: Invocation) -> Iterator[Answer]:
    """Yield what is refused or lost, and for every question that found nothing that it passed; nothing for what is no capture."""
    if forest.format != FORMAT:
        return
    asked = {kind.code for kind in (*kinds.CHECKPOINT, *kinds_dump.DUMP)}
    for answer in _answers(forest, invocation):
        asked.discard(answer.code)
        yield answer
    yield from (Passed(code=code) for code in sorted(asked))


def _answers(forest: Forest, invocation: Invocation) -> Iterator[Answer]:
    parts = parts_of(forest)
    for part in parts:
        yield from _inside(forest, part)
        yield from within(forest, part.root, part.tasks)
    yield from shares(forest)
    yield from sessions(forest, invocation)
    yield from zombies(forest)
    for part in parts[1:]:
        yield from _border(forest, parts, part)
        yield from _dead_beside(forest, part)
    yield from _threads(forest, parts)
    for _, fact in forest.facts:
        yield from _of_fact(fact)


def _inside(forest: Forest, part: Part) -> Iterator[Answer]:
    """Yield what is wrong with the tasks of one part, as its own `criu dump` sees them."""
    for pid in part.tasks:
        task = forest.tasks[pid]
        for word, leader in (("session", task.session), ("group", task.group)):
            if not _seen(forest, part, leader):
                detail = f"task {pid} is in {word} {leader or 'outside'}, whose leader is outside of the task's pid namespace"
                yield kinds.OUTSIDE.found(detail, pid=pid, property=word, recorded=str(leader))
        if pid != part.root and task.parent not in part.tasks:
            detail = f"task {pid} is in the pid namespace of {part.root} and a child of {task.parent}, which is not"
            yield kinds.ENTERED.found(detail, pid=pid, property="parent", recorded=str(task.parent))


def _seen(forest: Forest, part: Part, leader: ProcessId) -> bool:
    """Whether a leader has a number in a part's namespace; that of a subtree's own root need not be part of the tree."""
    if leader in forest.tasks:
        return number_in(part, forest.tasks[leader].pids) != 0
    known = forest.leaders.get(leader)
    return part.level == 0 or (known is not None and number_in(part, known.pids) != 0)


def _border(forest: Forest, parts: Sequence[Part], part: Part) -> Iterator[Answer]:
    """Yield what is wrong with a nested part as a whole: its init, and the namespaces that it shares."""
    root = forest.tasks[part.root]
    if root.pids[-1] != 1 or root.zombie:
        words = "is dead" if root.pids[-1] == 1 else "is none of the tree"
        detail = f"the init of the pid namespace of task {part.root} {words}"
        yield kinds.NO_INIT.found(detail, pid=part.root, property="init", recorded=root.state)
        return
    mine = forest.other_namespaces.get(part.root, {})
    others = forest.other_namespaces.get(part.parent, {})
    top = forest.other_namespaces.get(parts[0].root, {})
    enclosing = next(other for other in parts if other.name == part.enclosing)
    around = forest.other_namespaces.get(enclosing.root, {})
    if "user" in mine and mine["user"] != top.get("user", mine["user"]):
        yield kinds.USER.found(pid=part.root, property="user namespace", recorded=str(mine["user"]))
    for kind in ("mnt", *ENTERABLE):
        if kind not in mine or not created(forest, kind, mine[kind]) or others.get(kind) != mine[kind]:
            continue
        found = kinds.SHARED_NAMESPACE
        if kind == "mnt":
            found = kinds.MOUNTS if mine[kind] == around.get(kind) else kinds.MOUNTS_SPLIT
        detail = f"the pid namespace of task {part.root} shares its {kind} namespace with its parent {part.parent}"
        yield found.found(detail, pid=part.root, property=f"{kind} namespace", recorded=str(mine[kind]))


def _dead_beside(forest: Forest, part: Part) -> Iterator[Answer]:
    """Yield the dead siblings of a nested init that follow it among the children of their parent, by the order of numbers."""
    for task in forest.tasks.values():
        if task.zombie and task.parent == part.parent and task.namespace != part.namespace and task.pid > part.root:
            detail = f"task {task.pid} is dead and a child of {part.parent}, as the init {part.root} of a nested pid namespace is"
            yield kinds.ZOMBIE.found(detail, pid=task.pid, property="state", recorded=task.state)


def _threads(forest: Forest, parts: tuple[Part, ...]) -> Iterator[Answer]:
    """Yield the nested tasks whose threads may come back with other outer numbers: several, or numbers with gaps."""
    for part in parts[1:]:
        threaded = [forest.tasks[pid] for pid in part.tasks if forest.threads.get(pid)]
        for task in threaded:
            if len(threaded) == 1 and _consecutive(forest, task):
                continue
            count = len(forest.threads[task.pid])
            detail = f"the {count} threads of task {task.pid} have outer numbers that criu alone would not restore"
            yield kinds.THREADS.found(detail, pid=task.pid, property="threads", recorded=str(count))


def _consecutive(forest: Forest, task: Task) -> bool:
    outer = [thread.pids[0] for thread in forest.threads[task.pid]]
    return outer == list(range(outer[0], outer[0] + len(outer)))


def _of_fact(fact: FactRecorded) -> Iterator[Answer]:
    if fact.property == CROSSES:
        yield kinds.CROSSING.found(f"{fact.value}; each part would get its own", property=fact.property, at=fact.at)
    elif fact.property == "pid_for_children":
        detail = f"the next children of task {fact.pid} would be in pid namespace {fact.value}, which a restore loses"
        yield kinds.PENDING.found(detail, pid=fact.pid, property=fact.property, recorded=fact.value, at=fact.at)
