"""The laws by which refusals are told: which facts each is about, and its sentence.

The facts are known to exclude each other, and none can be left out. A law has their shape, or is known by the rules without
which they would not exclude each other; the first that fits gives code and sentence. A law is no proof and decides nothing.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, Final

import msgspec

from planner.errors import Contradiction
from planner.forest.birth_order import Ages
from planner.forest.model import Forest, Task
from planner.identity import OUTSIDE, EventNumber, ProcessId
from planner.planning.solver.births import MOST_CONFLICTS
from planner.planning.solver.problem import Problem, Process
from planner.planning.solver.refusal import exclude
from planner.planning.solver.rules import Lifted

Words = dict[str, Any]
"""What a law's sentence names."""


class Facts:
    """The facts of a refusal: the rows of some tasks, and where these and those that they name can have lived."""

    def __init__(self, forest: Forest, problem: Problem, rows: Mapping[ProcessId, Task]) -> None:
        self.problem = problem
        self.rows = rows
        self.tasks = forest.tasks
        self._forest = forest

    def hold_without(self, rules: Lifted) -> bool:
        """Return whether the rows exclude each other by the rules of one kind alone."""
        return not exclude(self.problem, list(self.rows), MOST_CONFLICTS, rules)

    @cached_property
    def strangers(self) -> list[Task]:
        """The tasks that lead no session, and are in another one than their parent."""
        return [task for task in self.rows.values() if task.session not in (task.pid, self.session(task.parent))]

    @cached_property
    def ages(self) -> Words:
        """What follows from all of the rows by the order of births: sentences, by the code of the law."""
        numbers = {task.recorded for task in self.rows.values()}
        found = Ages(self._forest, self.rows).contradictions()
        return {law.code: law.message for law in found if numbers.issubset(law.because)}

    def session(self, pid: ProcessId) -> ProcessId:
        """Return the session of a task, or of the executor."""
        return self.tasks[pid].session if pid in self.tasks else OUTSIDE

    def is_init(self, pid: ProcessId) -> bool:
        """Return whether a process is the init of a pid namespace."""
        return self.problem.is_init(pid)

    def lives_around(self, outer: ProcessId, inner: ProcessId) -> bool:
        """Return whether one process can have lived in pid namespaces around that of another one alone."""
        namespaces = self.problem.namespaces
        if inner == OUTSIDE:
            return False
        places = self.process(inner).places
        return outer == OUTSIDE or all(namespaces.is_above(one, place) for one in self.process(outer).places for place in places)

    def process(self, pid: ProcessId) -> Process:
        """Return what the image says of a process."""
        return self.problem.processes[pid]

    def hidden(self, pid: ProcessId) -> Iterator[ProcessId]:
        """Yield the groups, not seen by a task, that the task or its children are in."""
        for task in self.rows.values():
            if pid in (task.pid, task.parent) and not self._sees(pid, task.group):
                yield task.group

    def stays_outside(self, pid: ProcessId) -> bool:
        """Return whether a task is in the group outside, into which none but the executor moves a process."""
        return pid in self.rows and self.rows[pid].group == OUTSIDE

    def cannot_be_below(self, pid: ProcessId, parent: ProcessId) -> bool:
        """Return whether a process was never born below another one, since it lives around it or came first there."""
        return self.lives_around(pid, parent) or (self.is_init(pid) and self.process(pid).places == self.process(parent).places)

    def _sees(self, pid: ProcessId, group: ProcessId) -> bool:
        if OUTSIDE in (pid, group):
            return pid == OUTSIDE
        return any(
            self.problem.namespaces.covers(place, led) for place in self.process(pid).places for led in self.process(group).places
        )


class Law(msgspec.Struct, frozen=True):
    """A law by which facts exclude each other."""

    code: str
    fits: Callable[[Facts], Words | None]
    """Returns what the sentence names where facts are of this kind, None where they are not."""
    sentence: str


def told(facts: Facts, known: Iterable[EventNumber]) -> Contradiction | None:
    """Return a refusal by what is known in the words of the first law that the facts are of, None where there is none."""
    for law in LAWS:
        words = law.fits(facts)
        if words is not None:
            about = words.get("task", [*facts.rows][-1])
            return Contradiction(law.code, law.sentence.format(**words), sorted(known), about)
    return None


def _trap(facts: Facts) -> Words | None:
    inits = [pid for pid in facts.rows if facts.is_init(pid)]
    return {"inits": _listed(inits)} if inits and facts.hold_without("waits") else None


def _order(facts: Facts) -> Words | None:
    return {"tasks": _listed(facts.rows)} if facts.hold_without("order") else None


def _two_groups(facts: Facts) -> Words | None:
    if facts.hold_without("groups"):
        for pid in dict.fromkeys(pid for task in facts.rows.values() for pid in (task.parent, task.pid)):
            groups = list(dict.fromkeys(facts.hidden(pid)))
            if len(groups) > 1 and not facts.stays_outside(pid):
                return {"task": pid, "groups": _listed(groups)}
    return None


def _out_of_sight(facts: Facts) -> Words | None:
    if facts.hold_without("groups"):
        for task in sorted(facts.rows.values(), key=lambda task: not facts.stays_outside(task.pid)):
            for group in facts.hidden(task.pid):
                return {"task": task.pid, "group": group}
    return None


def _from_below(facts: Facts) -> Words | None:
    deeper = [task for task in facts.strangers if task.session != OUTSIDE and facts.lives_around(task.parent, task.session)]
    parents: dict[ProcessId, set[ProcessId]] = {}
    for task in (*deeper, *facts.rows.values()):
        if task.pid in parents or task in deeper:
            parents.setdefault(task.session, set()).add(task.parent)
    for task in deeper:
        if facts.is_init(task.session) or len(parents[task.session]) > 1:
            return {"task": task.pid, "session": task.session, "parent": task.parent or "outside the image"}
    return None


def _from_above(facts: Facts) -> Words | None:
    for task in facts.strangers:
        parent = facts.tasks.get(task.parent)
        plain = parent is not None and not facts.is_init(parent.pid) and parent.session != parent.pid
        if parent is not None and plain and facts.lives_around(task.session, parent.pid):
            return {"task": task.pid, "session": task.session, "parent": parent.pid}
    return None


def _asked(facts: Facts) -> dict[ProcessId, list[ProcessId]]:
    """Return for each parent, that is no init, the sessions that its children are in and it is not."""
    asked: dict[ProcessId, list[ProcessId]] = {}
    for task in facts.strangers:
        if task.parent != OUTSIDE and not facts.is_init(task.parent) and task.session not in asked.get(task.parent, ()):
            asked.setdefault(task.parent, []).append(task.session)
    return asked


def _by_age(code: str) -> Callable[[Facts], Words | None]:
    return lambda facts: {"said": facts.ages[code]} if code in facts.ages else None


def _crossing(facts: Facts) -> Words | None:
    asked = _asked(facts)
    leaders = {session for sessions in asked.values() for session in sessions}
    crossed = len(asked) > 2 and leaders <= asked.keys() and all(len(sessions) > 1 for sessions in asked.values())
    return {"leaders": _listed(asked)} if crossed else None


def _two_sessions(facts: Facts) -> Words | None:
    for parent, sessions in _asked(facts).items():
        above = [session for session in sessions if facts.cannot_be_below(session, parent)]
        if len(above) > 1:
            return {"task": parent, "sessions": _listed(above)}
    return None


def _not_below(facts: Facts) -> Words | None:
    asked = _asked(facts)
    led = {pid: pid not in facts.rows or facts.rows[pid].session == pid for pid in asked}
    forced = [pid for pid, sessions in asked.items() if len(sessions) > 1 or not led[pid]]
    sessions = dict.fromkeys(session for pid in forced or asked for session in asked[pid])
    if not sessions or (not forced and len(sessions) > 1):
        return None
    parents = forced or asked
    return {
        "tasks": f"task{'s' * (len(parents) > 1)} {_listed(parents)}",
        "sessions": f"session{'s' * (len(sessions) > 1)} {_listed(sessions)}",
    }


def _listed(pids: Collection[ProcessId]) -> str:
    """Return numbers in a sentence."""
    numbers = [str(pid) for pid in pids]
    return " and ".join(filter(None, (", ".join(numbers[:-1]), *numbers[-1:])))


LAWS: Final = (
    Law(
        "init-trap",
        _trap,
        "wherever the leaders of their groups lived, {inits} would be inits of pid namespaces that could never finish dying: "
        "they wait for themselves or for each other",
    ),
    Law("order-circle", _order, "what must be there before the births of {tasks} goes in a circle"),
    Law(
        "two-birth-groups",
        _two_groups,
        "task {task} would have to be in the groups {groups}, which have no number in its pid namespace, and no parent above it "
        "can have moved it",
    ),
    Law(
        "group-out-of-sight",
        _out_of_sight,
        "task {task} is in group {group}, or was, which has no number in its pid namespace: it can neither have been born in it "
        "nor moved there by a parent above",
    ),
    Law(
        "session-from-below",
        _from_below,
        "task {task} is in session {session}, whose leader lives deeper than the task's parent ({parent}): only a sibling can "
        "have created it, and the leader does not have that parent",
    ),
    Law(
        "session-from-above",
        _from_above,
        "task {task} is in session {session}, which its parent {parent} never was in; the session's leader lives above the "
        "parent's pid namespace, so no member of it can have been below the parent",
    ),
    *(Law(code, _by_age(code), "{said}") for code in ("two-birth-sessions", "session-not-below", "birth-circle")),
    Law(
        "crossing-sessions",
        _crossing,
        "session leaders {leaders} each have children in sessions of others among them, and whichever was born last can have "
        "been born in one foreign session only",
    ),
    Law(
        "two-birth-sessions",
        _two_sessions,
        "task {task} would have to be born in the sessions {sessions}, whose leaders cannot have been below it: children of both "
        "can be created only before its setsid",
    ),
    Law(
        "session-not-below",
        _not_below,
        "children of {tasks} are in {sessions}: each parent was born in the session of such a child, or that session's leader "
        "was below it once; not all of that can be",
    ),
)
"""The first that fits is told."""
