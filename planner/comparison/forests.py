"""What changed between two forests: tasks added, removed or moved, or in another session, group, namespace or state.

A task is the same in both when it has the same number at level 0. A task that was given another number is known again where that
is unambiguous: under the same parent one task was removed and one added that have the same name and stand at the same level.
Everything that names such a task is then read with its new number, so that its children have not moved.
"""

from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from planner.forest.model import Forest, Leader, Task
from planner.identity import OUTSIDE, Level, ProcessId
from planner.plans.fold import PLAN_FORMAT
from planner.plans.wording import status_words, vector

ChangeKind = Literal["added", "removed", "changed"]
Property = Literal[
    "number", "parent", "session", "group", "namespace", "state", "name", "threads", "subreaper", "exit signal", "dead leader"
]
"""What may differ: a changed `parent` is a move; `threads` and `dead leader` are vectors, all others what the words say."""


class PropertyChange(msgspec.Struct, frozen=True, kw_only=True):
    """A property with its value before and after, in words; "" is none."""

    property: Property
    before: str
    after: str


class TaskChange(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one task.

    `before` and `after` are its level-0 pids in either forest, 0 where it is not. A task that was added or removed has all
    its facts as changes from or to nothing.
    """

    kind: ChangeKind
    before: ProcessId
    after: ProcessId
    name: str
    changes: tuple[PropertyChange, ...]


Matches = dict[ProcessId, ProcessId]
"""Level-0 numbers of tasks of the first forest, and those of the same tasks in the second."""


def matches(before: Forest, after: Forest) -> Matches:
    """Return which tasks are the same: those of one number, then those known again under another one."""
    same: Matches = {pid: pid for pid in before.tasks if pid in after.tasks}
    lost = _by_parent(before, (pid for pid in before.tasks if pid not in same))
    found = _by_parent(after, (pid for pid in after.tasks if pid not in same))
    parents = [(OUTSIDE, OUTSIDE), *same.items()]
    while parents and lost:
        parent, parent_after = parents.pop()
        candidates = lost.pop(parent, None)
        if candidates is None:
            continue
        for likeness, pids in candidates.items():
            others = found.get(parent_after, {}).get(likeness, [])
            if len(pids) == len(others) == 1 and likeness[0]:
                same[pids[0]] = others[0]
                parents.append((pids[0], others[0]))
    return same


def _by_parent(forest: Forest, pids: Iterable[ProcessId]) -> dict[ProcessId, dict[tuple[str, Level], list[ProcessId]]]:
    """Group tasks by parent, and there by what they are known by."""
    groups: dict[ProcessId, dict[tuple[str, Level], list[ProcessId]]] = {}
    for pid in pids:
        task = forest.tasks[pid]
        groups.setdefault(task.parent, {}).setdefault((task.name, task.level), []).append(pid)
    return groups


def compare(before: Forest, after: Forest, same: Matches | None = None) -> tuple[TaskChange, ...]:
    """Return what became of every task that is not as it was: in the order of the second forest, removed tasks last."""
    return tuple(_Comparison(before, after, matches(before, after) if same is None else same).run())


class _Comparison:
    """Two forests side by side; what the first one says is read with the numbers of the second."""

    def __init__(self, before: Forest, after: Forest, same: Matches) -> None:
        self.before = before
        self.after = after
        self.same = same
        # A plan says of a living task only that it lives, and knows no exit signal of siblings.
        self.coarse = PLAN_FORMAT in (before.format, after.format)

    def run(self) -> Iterator[TaskChange]:
        origins = {new: old for old, new in self.same.items()}
        for pid, task in self.after.tasks.items():
            if pid not in origins:
                changes = tuple(PropertyChange(property=name, before="", after=text) for name, text in _facts(self.after, task))
                yield TaskChange(kind="added", before=OUTSIDE, after=pid, name=task.name, changes=changes)
                continue
            origin = self.before.tasks[origins[pid]]
            if changes := tuple(self._changes(origin, task)):
                yield TaskChange(kind="changed", before=origin.pid, after=pid, name=task.name, changes=changes)
        for pid, task in self.before.tasks.items():
            if pid not in self.same:
                changes = tuple(PropertyChange(property=name, before=text, after="") for name, text in _facts(self.before, task))
                yield TaskChange(kind="removed", before=pid, after=OUTSIDE, name=task.name, changes=changes)
        yield from self._leaders()

    def _changes(self, old: Task, new: Task) -> Iterator[PropertyChange]:
        if old.pids != new.pids:
            yield PropertyChange(property="number", before=vector(old.pids), after=vector(new.pids))
        yield from self._relation("parent", old.parent, new.parent)
        yield from self._relation("session", old.session, new.session)
        yield from self._relation("group", old.group, new.group)
        yield from self._namespace(old, new)
        if (was := self._state(self.before, old)) != (now := self._state(self.after, new)):
            yield PropertyChange(property="state", before=was, after=now)
        if old.name != new.name:
            yield PropertyChange(property="name", before=old.name, after=new.name)
        if (was := _threads(self.before, old)) != (now := _threads(self.after, new)):
            yield PropertyChange(property="threads", before=was, after=now)
        if old.subreaper != new.subreaper:
            yield PropertyChange(property="subreaper", before=_switch(old.subreaper), after=_switch(new.subreaper))
        if old.exit_signal != new.exit_signal and min(old.exit_signal, new.exit_signal) >= 0:
            yield PropertyChange(property="exit signal", before=str(old.exit_signal), after=str(new.exit_signal))

    def _relation(self, name: Literal["parent", "session", "group"], old: ProcessId, new: ProcessId) -> Iterator[PropertyChange]:
        now = self.same.get(old, old)
        if now != new:
            known_as = f" (now {now})" if now != old else ""
            yield PropertyChange(property=name, before=f"{_process_name(old)}{known_as}", after=_process_name(new))

    def _namespace(self, old: Task, new: Task) -> Iterator[PropertyChange]:
        was, now = _init(self.before, old), _init(self.after, new)
        if was is None or now is None:
            return
        if old.level != new.level or self.same.get(was, was) != now:
            yield PropertyChange(property="namespace", before=_namespace_words(was), after=_namespace_words(now))

    def _state(self, forest: Forest, task: Task) -> str:
        if self.coarse and not task.zombie:
            return "running"
        return _state(forest, task)

    def _leaders(self) -> Iterator[TaskChange]:
        """Yield the dead leaders whose numbers below level 0 changed; others show in the sessions and groups that they led."""
        if self.coarse:
            return
        for pid, old in self.before.leaders.items():
            new = self.after.leaders.get(pid)
            if new is not None and not (_may_be(old, new) and _may_be(new, old)):
                was, now = (vector(leader.pids) + ("" if leader.complete else "/?") for leader in (old, new))
                change = PropertyChange(property="dead leader", before=was, after=now)
                yield TaskChange(kind="changed", before=pid, after=pid, name="", changes=(change,))


def _may_be(one: Leader, other: Leader) -> bool:
    """Whether the known numbers of `other` leave room for those of `one`: an image that knows less does not disagree."""
    if len(one.pids) > len(other.pids):
        return not other.complete and one.pids[: len(other.pids)] == other.pids
    return one.pids == other.pids[: len(one.pids)]


def _facts(forest: Forest, task: Task) -> Iterator[tuple[Property, str]]:
    """Yield what is to be said of a task that is in one of the forests only."""
    yield "number", vector(task.pids)
    yield "parent", _process_name(task.parent)
    yield "session", _process_name(task.session)
    yield "group", _process_name(task.group)
    if task.level and (init := _init(forest, task)) is not None:
        yield "namespace", _namespace_words(init)
    if task.state != "running":
        yield "state", _state(forest, task)
    if threads := _threads(forest, task):
        yield "threads", threads
    if task.subreaper:
        yield "subreaper", _switch(True)


def _process_name(pid: ProcessId) -> str:
    return "outside" if pid == OUTSIDE else str(pid)


def _switch(on: bool) -> str:
    return "on" if on else "off"


def _init(forest: Forest, task: Task) -> ProcessId | None:
    """Return the init of a task's namespace, 0 for the root namespace, None where that is unknown."""
    if task.level == 0:
        return OUTSIDE
    namespace = forest.namespaces.get(task.namespace)
    return namespace.init if namespace is not None and namespace.init != OUTSIDE else None


def _namespace_words(init: ProcessId) -> str:
    return "root" if init == OUTSIDE else f"of {init}"


def _state(forest: Forest, task: Task) -> str:
    if not task.zombie:
        return task.state
    threads = ", threads live" if forest.threads.get(task.pid) else ""
    return f"zombie ({status_words(task.exit_status)}{threads})"


def _threads(forest: Forest, task: Task) -> str:
    return " ".join(sorted(vector(thread.pids) for thread in forest.threads.get(task.pid, ())))
