"""The tree of tasks as lines, with threads, zombies and pid namespaces; a chain of any depth costs no more than a wide tree."""

from collections.abc import Iterator
from typing import Final

from planner.forest.model import Forest, Task
from planner.hookspecs import Artefact
from planner.identity import OUTSIDE, ProcessId
from planner.plans.wording import status_words, vector
from planner.text import Line, Terminal, escaped

DEEPEST_DRAWN: Final = 14
"""Generations that are drawn with branches; below, the generation is written out."""

MOST_THREADS: Final = 8
"""Threads of one process that are listed."""

FACTS_AT: Final = 36
"""Column where sessions and groups stand."""

NARROW_FACTS_AT: Final = 26
"""The same where there are fewer than `WIDE` columns."""

WIDE: Final = 96

_UNICODE: Final = ("├─ ", "└─ ", "│  ", "   ")
_ASCII: Final = ("|- ", "`- ", "|  ", "   ")


def tree_lines(artefact: Artefact, terminal: Terminal) -> Iterator[Line]:
    """Yield a line for each task, parents first, children in image order."""
    forest = artefact.forest
    branch, last_branch, bar, blank = _UNICODE if terminal.unicode else _ASCII
    children = forest.children()
    stray = [pid for pid, task in forest.tasks.items() if task.parent != OUTSIDE and task.parent not in forest.tasks]
    roots = [*children.get(OUTSIDE, []), *stray]
    stack: list[tuple[ProcessId, int, str, str]] = [(pid, 0, "", "") for pid in reversed(roots)]
    seen: set[ProcessId] = set()
    while stack:
        pid, depth, lead, below = stack.pop()
        if pid in seen:
            continue
        seen.add(pid)
        beside = below + (bar if children.get(pid) else blank)
        yield from _task_lines(forest, forest.tasks[pid], lead, beside, terminal.width)
        yield from _thread_lines(forest, pid, beside)
        found = children.get(pid, [])
        for place, child in enumerate(reversed(found)):
            if depth >= DEEPEST_DRAWN:
                child_lead = child_below = f"{blank}[generation {depth + 1}] "
            else:
                child_lead = below + (last_branch if place == 0 else branch)
                child_below = below + (blank if place == 0 else bar)
            stack.append((child, depth + 1, child_lead, child_below))


def _task_lines(forest: Forest, task: Task, lead: str, beside: str, width: int) -> Iterator[Line]:
    """Yield the line of a task, and further lines for what does not fit beside it."""
    facts_at = FACTS_AT if width >= WIDE else NARROW_FACTS_AT
    label = vector(task.pids)
    name = f" {escaped(task.name)}" if task.name else ""
    session, group = f"session {task.session or 'outside'}", f"group {task.group or 'outside'}"
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
    if task.namespace < 0:
        marks.append(("namespace not placed yet", "warning"))
    elif task.pids[-1] == 1 and task.level > 0:
        marks.append(("nested init", "note"))
    elif task.level > 0:
        namespace = forest.namespaces.get(task.namespace)
        init = namespace.init if namespace else OUTSIDE
        marks.append((f"in namespace of {init}" if init else f"in namespace {task.namespace}", "quiet"))
    if task.subreaper:
        marks.append(("subreaper", "note"))
    if task.exit_signal not in {-1, 17} and task.parent != OUTSIDE:
        marks.append((f"exit signal {task.exit_signal}" if task.exit_signal else "no exit signal", "quiet"))
    return marks


def _thread_lines(forest: Forest, pid: ProcessId, lead: str) -> Iterator[Line]:
    threads = forest.threads.get(pid, [])
    for thread in threads[:MOST_THREADS]:
        name = f" {escaped(thread.name)}" if thread.name else ""
        yield [("  ", ""), (lead, "quiet"), ("thread ", "quiet"), (vector(thread.pids), "number"), (name, "")]
    if len(threads) > MOST_THREADS:
        yield [("  ", ""), (f"{lead}and {len(threads) - MOST_THREADS} more threads", "quiet")]


def leader_lines(artefact: Artefact) -> Iterator[Line]:
    """Yield a line for each number that sessions or groups bear and no task does."""
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
        parts = [f"session of {_count(sessions)}"] if sessions else []
        parts += [f"group of {_count(groups)}"] if groups else []
        yield [("  ", ""), (numbers, "number"), (f"  {', '.join(parts)}", "")]


def _count(number: int) -> str:
    return f"{number} task{'' if number == 1 else 's'}"


def helper_lines(artefact: Artefact) -> Iterator[Line]:
    """Yield a line for each process that the plan creates and the image does not hold."""
    for process in artefact.plan.processes:
        if process.role == "helper":
            inside = f"  in the pid namespace of {process.namespace}" if len(process.pids) > 1 else ""
            yield [("  ", ""), (vector(process.pids), "helper"), (inside, "quiet")]
        elif process.role == "reaper":
            yield [("  ", ""), (vector(process.pids), "helper"), ("  init above the image's root; stays", "quiet")]
