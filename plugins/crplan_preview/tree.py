"""The tree of tasks as lines, with threads, zombies and pid namespaces; a chain of any depth costs no more than a wide tree."""

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Final, NamedTuple

from crplan_preview.drawing import counted
from planner.forest.model import Forest, Task
from planner.hookspecs import Artefact
from planner.identity import OUTSIDE, ProcessId
from planner.plans.wording import status_words, vector
from planner.text import Line, Terminal, escaped

DEEPEST_DRAWN: Final = 14
"""Generations that are drawn with branches; below, the generation is written out."""

MOST_THREADS: Final = 8
"""Threads of one process that are listed."""

FEWEST_ALIKE: Final = 4
"""Siblings in a row that are alike, with all below them, before they become one."""

DIGITS: Final = re.compile(r"[0-9]+")

FACTS_AT: Final = 36
"""Column where sessions and groups stand."""

NARROW_FACTS_AT: Final = 26
"""The same where there are fewer than `WIDE` columns."""

WIDE: Final = 96

_UNICODE: Final = ("├─ ", "└─ ", "│  ", "   ")
_ASCII: Final = ("|- ", "`- ", "|  ", "   ")


class Run(NamedTuple):
    """Siblings that are shown as one."""

    first: ProcessId
    last: ProcessId
    size: int


def tree_lines(artefact: Artefact, terminal: Terminal, *, folded: bool) -> Iterator[Line]:
    """Yield a line for each task, parents first, children in image order; those alike are one where it is folded."""
    forest = artefact.forest
    branch, last_branch, bar, blank = _UNICODE if terminal.unicode else _ASCII
    children = forest.children()
    stray = [pid for pid, task in forest.tasks.items() if task.parent != OUTSIDE and task.parent not in forest.tasks]
    shapes = _shapes(forest, children) if folded else {}
    roots = [*children.get(OUTSIDE, []), *stray]
    stack: list[tuple[Run, int, str, str]] = [(run, 0, "", "") for run in reversed(list(_runs(roots, shapes)))]
    seen: set[ProcessId] = set()
    while stack:
        run, depth, lead, below = stack.pop()
        pid = run.first
        if pid in seen:
            continue
        seen.add(pid)
        beside = below + (bar if children.get(pid) else blank)
        yield from _task_lines(forest, run, lead, beside, terminal.width)
        yield from _thread_lines(forest, pid, beside)
        found = list(_runs(children.get(pid, []), shapes))
        for place, child in enumerate(reversed(found)):
            if depth >= DEEPEST_DRAWN:
                child_lead = child_below = f"{blank}[generation {depth + 1}] "
            else:
                child_lead = below + (last_branch if place == 0 else branch)
                child_below = below + (blank if place == 0 else bar)
            stack.append((child, depth + 1, child_lead, child_below))


def _runs(pids: list[ProcessId], shapes: dict[ProcessId, int]) -> Iterator[Run]:
    """Yield siblings in order, those together that are alike and follow one another."""
    for _, group in groupby(pids, key=lambda pid: shapes.get(pid, -pid)):
        alike = list(group)
        if len(alike) >= FEWEST_ALIKE and alike[0] in shapes:
            yield Run(alike[0], alike[-1], len(alike))
        else:
            yield from (Run(pid, pid, 1) for pid in alike)


def _shapes(forest: Forest, children: dict[ProcessId, list[ProcessId]]) -> dict[ProcessId, int]:
    """Return a number for each task: equal where tasks differ in their pids alone, and so do those below them."""
    known: dict[object, int] = {}
    shapes: dict[ProcessId, int] = {}
    order = list(children.get(OUTSIDE, []))
    for pid in order:
        order += children.get(pid, [])
    for pid in reversed(order):
        below = tuple(shapes[child] for child in children.get(pid, []) if child in shapes)
        shapes[pid] = known.setdefault((_looks(forest, forest.tasks[pid]), below), len(known))
    return shapes


def _looks(forest: Forest, task: Task) -> object:
    """Return what is shown of a task but its pids; sessions and groups of its own or of its parent are the same for all."""
    parent = forest.tasks.get(task.parent)

    def related(number: int, inherited: int) -> object:
        return "own" if number == task.pid else "inherited" if number == inherited else number

    return (
        DIGITS.sub("#", task.name),
        related(task.session, parent.session if parent else -1),
        related(task.group, parent.group if parent else -1),
        (task.zombie, task.exit_status, task.state, task.subreaper, task.exit_signal),
        (task.level, task.pids[-1] == 1, task.namespace == parent.namespace if parent else task.namespace),
        len(forest.threads.get(task.pid, ())),
    )


def _task_lines(forest: Forest, run: Run, lead: str, beside: str, width: int) -> Iterator[Line]:
    """Yield the line of a task or of those alike, and further lines for what does not fit beside it."""
    task = forest.tasks[run.first]
    facts_at = FACTS_AT if width >= WIDE else NARROW_FACTS_AT
    label = vector(task.pids)
    name = f" {escaped(task.name)}" if task.name else ""
    session, group = f"session {task.session or 'outside'}", f"group {task.group or 'outside'}"
    if run.size > 1:
        label += f" ... {vector(forest.tasks[run.last].pids)}"
        names = {task.name, forest.tasks[run.last].name}
        name = f" {escaped(task.name if len(names) == 1 else DIGITS.sub('#', task.name)) or 'tasks'} x {run.size}"
        session = "session own" if task.session == task.pid else session
        group = "group own" if task.group == task.pid else group
    line: Line = [("  ", ""), (lead, "quiet"), (label, "number"), (name, "name")]
    line += [(" " * max(1, facts_at - len(lead + label + name)), ""), (f"{session:15} ", "session"), (f"{group:13}", "group")]
    used = sum(len(text) for text, _ in line)
    marks_at = facts_at + 31
    separator = " "
    for mark, style in _marks(forest, task):
        if used + len(separator) + len(mark) > width and used > marks_at:
            yield line
            line = [("  ", ""), (beside, "quiet"), (" " * max(1, marks_at - len(beside)), "")]
            used = max(marks_at, len(beside) + 1) + 2
            separator = " "
        line += [(separator, ""), (mark, style)]
        used += len(separator) + len(mark)
        separator = ", "
    yield line


def _marks(forest: Forest, task: Task) -> Line:
    marks: Line = []
    if task.session == task.pid:
        marks.append(("session leader", "session"))
    elif task.group == task.pid:
        marks.append(("group leader", "group"))
    if task.parent == OUTSIDE and task.pid != 1:
        marks.append(("parent outside", "quiet"))
    elif task.parent != OUTSIDE and task.parent not in forest.tasks:
        marks.append((f"parent {task.parent} not read yet", "warning"))
    if task.zombie:
        marks.append((f"zombie ({status_words(task.exit_status)})", "zombie"))
        if forest.threads.get(task.pid):
            marks.append(("threads live", "note"))
    elif task.state == "stopped":
        marks.append(("stopped", "warning"))
    marks += _namespace_marks(forest, task)
    if task.subreaper:
        marks.append(("subreaper", "note"))
    if task.exit_signal not in {-1, 17} and task.parent != OUTSIDE:
        marks.append((f"exit signal {task.exit_signal}" if task.exit_signal else "no exit signal", "quiet"))
    return marks


def _namespace_marks(forest: Forest, task: Task) -> Line:
    if task.namespace < 0:
        return [("namespace not placed yet", "warning")]
    if task.level == 0:
        return []
    if task.pids[-1] == 1:
        return [("nested init", "note")]
    namespace = forest.namespaces.get(task.namespace)
    init = namespace.init if namespace else OUTSIDE
    return [(f"in namespace of {init}" if init else f"in namespace {task.namespace}", "quiet")]


def _thread_lines(forest: Forest, pid: ProcessId, lead: str) -> Iterator[Line]:
    threads = forest.threads.get(pid, [])
    for thread in threads[:MOST_THREADS]:
        name = f" {escaped(thread.name)}" if thread.name else ""
        yield [("  ", ""), (lead, "quiet"), ("thread ", "quiet"), (vector(thread.pids), "number"), (name, "")]
    if len(threads) > MOST_THREADS:
        yield [("  ", ""), (f"{lead}and {len(threads) - MOST_THREADS} more threads", "quiet")]


def leaders_words(artefact: Artefact) -> Iterator[tuple[str, str]]:
    """Yield the numbers of each leader that no task is, and of how many tasks a session and a group are named after it."""
    forest = artefact.forest
    members: dict[ProcessId, list[int]] = {}
    for task in forest.tasks.values():
        members.setdefault(task.session, [0, 0])[0] += 1
        members.setdefault(task.group, [0, 0])[1] += 1
    threads = {ProcessId(thread.pids[0]) for group in forest.threads.values() for thread in group}
    known = dict.fromkeys([*forest.leaders, *(pid for pid in members if pid not in forest.tasks and pid not in threads)])
    for pid in known:
        if pid == OUTSIDE:
            continue
        leader = forest.leaders.get(pid)
        numbers = vector(leader.pids) + ("" if leader.complete else "/?") if leader else str(pid)
        sessions, groups = members.get(pid, (0, 0))
        parts = [f"session of {counted(sessions, 'task')}"] if sessions else []
        parts += [f"group of {counted(groups, 'task')}"] if groups else []
        yield numbers, ", ".join(parts)
