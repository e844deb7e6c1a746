"""What changed between two plans: helpers that appeared, other creators, orders that turned.

Processes are compared by the tasks that they are: a helper is the same where it has the same number and the same rule made it,
or where the same creator made one helper by that rule in both plans. Steps are the same when they do the same to the same.
"""

from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from planner import steps
from planner.comparison.forests import Matches
from planner.identity import OUTSIDE, ProcessId, StepNumber
from planner.plans.model import Plan
from planner.plans.wording import Table, actor_words, step_words


class HelperChange(msgspec.Struct, frozen=True, kw_only=True):
    """A helper (or the reaper of a subtree) that only one of the plans needs, or that has another number; 0 is none."""

    kind: Literal["added", "removed", "changed"]
    before: ProcessId
    after: ProcessId
    role: str
    rule: str


class CreatorChange(msgspec.Struct, frozen=True, kw_only=True):
    """A process of both plans that is created by another one, in another way or by another rule: words and rules of both."""

    before: ProcessId
    after: ProcessId
    was: str
    now: str
    was_rule: str
    now_rule: str


class OrderChange(msgspec.Struct, frozen=True, kw_only=True):
    """Two steps of both plans of which `first` came first in the first plan, and comes second in the second one.

    The numbers are those of the second plan. `rule` is the precedence rule that wanted either order, "" for two steps of one
    process.
    """

    first: StepNumber
    second: StepNumber
    first_words: str
    second_words: str
    rule: str


class PlanChange(msgspec.Struct, frozen=True, kw_only=True):
    """How the second plan differs; `steps_removed` are numbers of the first plan, `steps_added` of the second."""

    before_id: str
    after_id: str
    steps_before: int
    steps_after: int
    helpers: tuple[HelperChange, ...] = ()
    creators: tuple[CreatorChange, ...] = ()
    orders: tuple[OrderChange, ...] = ()
    steps_removed: tuple[StepNumber, ...] = ()
    steps_added: tuple[StepNumber, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether the plans have other steps, or the same ones in another order."""
        return self.before_id != self.after_id


def compare_plans(before: Plan, after: Plan, same: Matches) -> PlanChange:
    """Return what changed from one plan to another, where `same` says which tasks are the same."""
    if before.plan_id == after.plan_id:
        return PlanChange(
            before_id=before.plan_id, after_id=after.plan_id, steps_before=len(before.steps), steps_after=len(after.steps)
        )
    return _PlanComparison(before, after, same).run()


_Key = tuple[object, ...]
"""What a step does to which process, with the processes by their numbers in the second plan; the last item counts repetitions."""

_Origin = tuple[ProcessId, str]
"""Creator and rule by which helpers are known again."""


_DOES: Final[dict[type[steps.AnyStep], tuple[str, ...]]] = {
    steps.Create: ("create", "child"),
    steps.CreateThread: ("create", "child"),
    steps.SetSession: ("setsid", "actor"),
    steps.SetGroup: ("setpgid", "actor", "target", "group"),
    steps.SetSubreaper: ("subreaper", "actor", "on"),
    steps.Enter: ("enter", "actor", "namespace"),
    steps.Exit: ("exit", "actor", "thread_only"),
    steps.Kill: ("kill", "target"),
    steps.Reap: ("reap", "child"),
    steps.Unshare: ("unshare", "actor", "kinds"),
    steps.MapIds: ("map", "actor", "target"),
    steps.Join: ("join", "actor", "kind", "target"),
    steps.Verify: ("verify", "target"),
    steps.Stop: ("stop", "target"),
}
"""What makes two steps of two plans the same: a word, and those fields of the step."""

_NAMED: Final = frozenset({"actor", "child", "target", "group", "namespace"})
"""Fields that hold a process."""


class _Side:
    """One plan, and its processes by identities that both plans share: a task's number in the second plan."""

    def __init__(self, plan: Plan, names: dict[ProcessId, object]) -> None:
        self.plan = plan
        self.table: Table = plan.process_table()
        self.names: dict[ProcessId, object] = {OUTSIDE: OUTSIDE, **names}
        self.births: dict[ProcessId, steps.AnyStep] = {
            step.child: step
            for step in plan.steps
            if isinstance(step, (steps.Create, steps.CreateThread)) and step.child in self.table
        }
        self.keys: dict[StepNumber, _Key] = {}
        self.numbers: dict[_Key, StepNumber] = {}

    def add_names(self, names: dict[ProcessId, object], own: str) -> None:
        """Name the helpers that are in both plans, and all that are only here."""
        self.names.update(names)
        for pid in self.table:
            self.names.setdefault(pid, (own, pid))
        counts: dict[_Key, int] = {}
        for step in self.plan.steps:
            if isinstance(step, steps.Verify):
                continue
            does = self._does(step)
            counts[does] = counts.get(does, 0) + 1
            key = (*does, counts[does])
            self.keys[step.number] = key
            self.numbers[key] = step.number

    def name(self, pid: ProcessId) -> object:
        return self.names.get(pid, ("unknown", pid))

    def _does(self, step: steps.AnyStep) -> _Key:
        word, *fields = _DOES[type(step)]
        values = (getattr(step, field) for field in fields)
        return (word, *(self.name(value) if field in _NAMED else value for field, value in zip(fields, values, strict=True)))

    def origins(self, helpers: list[ProcessId]) -> dict[_Origin, list[ProcessId]]:
        """Group helpers by what they can be known again by."""
        groups: dict[_Origin, list[ProcessId]] = {}
        for pid in helpers:
            birth = self.births.get(pid)
            if birth is not None:
                groups.setdefault((birth.actor, birth.rule), []).append(pid)
        return groups

    def rule_of(self, pid: ProcessId) -> str:
        birth = self.births.get(pid)
        return birth.rule if birth is not None else ""


class _PlanComparison:
    """Two plans side by side."""

    def __init__(self, before: Plan, after: Plan, same: Matches) -> None:
        self.before = _Side(before, dict(same))
        self.after = _Side(after, {pid: pid for pid in same.values()})
        self._match_threads()
        self.pairs = self._match_helpers()
        self.before.add_names(dict(self.pairs), "before")
        self.after.add_names({pid: pid for pid in self.pairs.values()}, "after")

    def _match_threads(self) -> None:
        """A thread is the same when its number and its process are."""
        for pid, process in self.before.table.items():
            other = self.after.table.get(pid)
            if process.role == "thread" and other is not None and other.role == "thread":
                owner = self.before.names.get(process.thread_group)
                if owner is not None and owner == self.after.names.get(other.thread_group):
                    self.before.names[pid] = self.after.names[pid] = pid

    def _match_helpers(self) -> Matches:
        """Return which helpers are the same: by number and rule, then by creator and rule where that is unambiguous."""
        old, new = (
            [pid for pid, p in side.table.items() if p.role in {"helper", "reaper"}] for side in (self.before, self.after)
        )
        wanted = set(new)
        pairs: Matches = {pid: pid for pid in old if pid in wanted and self.before.rule_of(pid) == self.after.rule_of(pid)}
        lost = self.before.origins([pid for pid in old if pid not in pairs])
        taken = set(pairs.values())
        found = self.after.origins([pid for pid in new if pid not in taken])
        for (creator, rule), pids in lost.items():
            creator_after = self.before.names.get(creator, pairs.get(creator))
            others = found.get((ProcessId(creator_after), rule), []) if isinstance(creator_after, int) else []
            if len(pids) == len(others) == 1:
                pairs[pids[0]] = others[0]
        return pairs

    def run(self) -> PlanChange:
        before, after = self.before, self.after
        return PlanChange(
            before_id=before.plan.plan_id,
            after_id=after.plan.plan_id,
            steps_before=len(before.plan.steps),
            steps_after=len(after.plan.steps),
            helpers=tuple(self._helpers()),
            creators=tuple(self._creators()),
            orders=tuple(self._orders()),
            steps_removed=tuple(number for number, key in before.keys.items() if key not in after.numbers),
            steps_added=tuple(number for number, key in after.keys.items() if key not in before.numbers),
        )

    def _helpers(self) -> Iterator[HelperChange]:
        origins = {new: old for old, new in self.pairs.items()}
        for pid, process in self.after.table.items():
            if process.role not in {"helper", "reaper"}:
                continue
            rule = self.after.rule_of(pid)
            if pid not in origins:
                yield HelperChange(kind="added", before=OUTSIDE, after=pid, role=process.role, rule=rule)
            elif self.before.table[origins[pid]].pids != process.pids:
                yield HelperChange(kind="changed", before=origins[pid], after=pid, role=process.role, rule=rule)
        for pid, process in self.before.table.items():
            if process.role in {"helper", "reaper"} and pid not in self.pairs:
                rule = self.before.rule_of(pid)
                yield HelperChange(kind="removed", before=pid, after=OUTSIDE, role=process.role, rule=rule)

    def _creators(self) -> Iterator[CreatorChange]:
        origins = {name: pid for pid, name in self.before.names.items() if pid in self.before.births}
        for pid, birth in self.after.births.items():
            old = origins.get(self.after.name(pid))
            if old is None:
                continue
            was = self.before.births[old]
            if self.before.name(was.actor) == self.after.name(birth.actor) and _manner(was) == _manner(birth):
                continue
            yield CreatorChange(
                before=old,
                after=pid,
                was=_birth_words(was),
                now=_birth_words(birth),
                was_rule=was.rule,
                now_rule=birth.rule,
            )

    def _orders(self) -> Iterator[OrderChange]:
        """Yield the pairs that turned: neighbours among the steps of one process, and steps of which one waits for the other.

        Among the steps of one process every other order has neighbours that turned, so looking at these misses none.
        """
        seen: set[tuple[StepNumber, StepNumber]] = set()
        last: dict[object, StepNumber] = {}
        for step in self.before.plan.steps:
            now = self._now(step.number)
            if now is None:
                continue
            actor = self.before.name(step.actor)
            if actor == self.after.name(self.after.plan.steps[now - 1].actor):
                earlier = last.get(actor)
                if earlier is not None and earlier > now:
                    yield from self._turned(earlier, now, "", seen)
                last[actor] = now
            for wait in step.waits:
                awaited = self._now(wait.step)
                if awaited is not None and awaited > now:
                    yield from self._turned(awaited, now, wait.rule, seen)
        for step in self.after.plan.steps:
            key = self.after.keys.get(step.number)
            was = self.before.numbers.get(key) if key is not None else None
            if was is None:
                continue
            for wait in step.waits:
                key = self.after.keys.get(wait.step)
                awaited_was = self.before.numbers.get(key) if key is not None else None
                if awaited_was is not None and awaited_was > was:
                    yield from self._turned(step.number, wait.step, wait.rule, seen)

    def _now(self, number: StepNumber) -> StepNumber | None:
        """Return the number that a step of the first plan has in the second, None where it is not there."""
        key = self.before.keys.get(number)
        return None if key is None else self.after.numbers.get(key)

    def _turned(
        self, first: StepNumber, second: StepNumber, rule: str, seen: set[tuple[StepNumber, StepNumber]]
    ) -> Iterator[OrderChange]:
        if (first, second) in seen:
            return
        seen.add((first, second))
        words = (step_words(self.after.plan.steps[number - 1], self.after.table) for number in (first, second))
        first_words, second_words = words
        yield OrderChange(first=first, second=second, first_words=first_words, second_words=second_words, rule=rule)


def _manner(step: steps.AnyStep) -> _Key:
    """Return how a process is created, whichever its creator is."""
    if isinstance(step, steps.Create):
        return (step.rule, step.new_namespace, step.sibling, step.share)
    return (step.rule,)


def _birth_words(step: steps.AnyStep) -> str:
    words = [actor_words(step.actor)]
    if isinstance(step, steps.Create):
        words += ["as its sibling"] if step.sibling else []
        words += ["in a new pid namespace"] if step.new_namespace else []
        words += [f"sharing {', '.join(step.share)}"] if step.share else []
    return " ".join(words)
