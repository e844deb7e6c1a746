"""The plan as rows of the C program's tables: the back end writes them as text, the executor `c` as bytes.

What the fields mean stands in `runtime/plan.h`. Processes are numbered from 1, in the order of the plan.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from crplan_syscalls.calls import Call, calls, namespace_flag
from crplan_syscalls.names import plain_text
from planner import steps
from planner.errors import CannotEmit
from planner.identity import OUTSIDE, ProcessId
from planner.planning.steps.id_maps import text_of
from planner.plans.model import Plan

RULE_BYTES: Final = 64
NAME_BYTES: Final = 15

KINDS: Final = {"task": "TASK", "thread": "THREAD", "helper": "HELPER", "reaper": "REAPER"}


class ProcessRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A process or thread; `set_tid` is innermost first."""

    kind: str
    first: int = 0
    ends: int = 0
    set_tid: tuple[int, ...] = ()
    name: bytes = b""


class StepRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A step; where its operation takes flags, `flags` stand for `a`, of JOIN for `b`. `listed` is its part of `lists`."""

    op: str
    actor: int
    subject: int
    a: int = 0
    b: int = 0
    c: int = 0
    d: int = 0
    e: int = 0
    flags: frozenset[str] = frozenset()
    at: int = 0
    listed: tuple[int, ...] = ()
    following: int = 0
    rule: int = 0


class PlaceRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a verify step says of one namespace of another kind."""

    step: int
    kind: str
    holder: int


class Tables(msgspec.Struct, frozen=True, kw_only=True):
    """All tables; `processes` begins with the executor, and `steps` with the first step."""

    processes: tuple[ProcessRow, ...]
    steps: tuple[StepRow, ...]
    places: tuple[PlaceRow, ...]
    maps: tuple[str, ...]
    rules: tuple[str, ...]
    levels: int
    root: int
    keeps_proc: bool


def tables(plan: Plan) -> Tables:
    """Return the tables of a plan; raises CannotEmit when it asks for what raw system calls cannot do."""
    rows = {process.pid: row for row, process in enumerate(plan.processes, 1)}
    done = calls(plan)
    rules = {rule: number for number, rule in enumerate(dict.fromkeys(step.rule for step in plan.steps))}
    following = _following(plan)
    maps = _Maps()
    found: list[StepRow] = []
    listed = 0
    for step, what in zip(plan.steps, done, strict=True):
        others = _others(step, rows)
        row = StepRow(
            op=what.op,
            actor=rows.get(step.actor, 0),
            subject=0 if isinstance(step, steps.Enter) else rows.get(what.subject, 0),
            flags=what.flags,
            at=listed if others else 0,
            listed=others,
            following=following[step.number],
            rule=rules[step.rule],
            **_numbers(step, what, rows, maps),
        )
        found.append(row)
        listed += len(others)
    return Tables(
        processes=(ProcessRow(kind="EXECUTOR", first=_first(plan).get(OUTSIDE, 0)), *_process_rows(plan, done)),
        steps=tuple(found),
        places=tuple(_places(plan, rows)),
        maps=tuple(maps.lines),
        rules=tuple(plain_text(rule, RULE_BYTES) for rule in rules or [""]),
        levels=max((len(process.pids) for process in plan.processes), default=1),
        root=rows[plan.root],
        keeps_proc=any(what.flags & {"CLONE_NEWUSER", "CLONE_NEWTIME"} for what in done if what.op == "UNSHARE"),
    )


def _others(step: steps.AnyStep, rows: dict[ProcessId, int]) -> tuple[int, ...]:
    if isinstance(step, steps.Verify):
        return tuple(rows[thread] for thread in step.threads)
    return tuple(int(wait.step) for wait in step.waits)


def _numbers(step: steps.AnyStep, what: Call, rows: dict[ProcessId, int], maps: "_Maps") -> dict[str, int]:
    match step:
        case steps.SetGroup() if not step.actor:
            return {"a": what.a, "b": rows[step.group] if step.group else 0}
        case steps.Verify():
            status = step.status if step.zombie else -1
            return {"a": step.parent, "b": step.group, "c": step.session, "d": status, "e": step.exit_signal}
        case steps.MapIds() if not step.own:
            (users, users_length), (groups, groups_length) = maps.place(step.uid_map), maps.place(step.gid_map)
            return {"a": users, "c": users_length, "d": groups, "e": groups_length}
    return {"a": what.a, "b": what.b}


class _Maps:
    """The texts of all id maps, each once, and where each begins."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._length = 0
        self._places: dict[tuple[steps.Extent, ...], tuple[int, int]] = {}

    def place(self, extents: tuple[steps.Extent, ...]) -> tuple[int, int]:
        """Return where a map's text begins, and its length."""
        if extents not in self._places:
            text = text_of(extents)
            self._places[extents] = (self._length, len(text))
            self._length += len(text)
            self.lines += text.splitlines()
        return self._places[extents]


def _following(plan: Plan) -> dict[int, int]:
    """Return for every step the actor's next one, 0 after its last."""
    following: dict[int, int] = {}
    last: dict[ProcessId, int] = {}
    for step in plan.steps:
        following[step.number] = 0
        if step.actor in last:
            following[last[step.actor]] = step.number
        last[step.actor] = step.number
    return following


def _first(plan: Plan) -> dict[ProcessId, int]:
    first: dict[ProcessId, int] = {}
    for step in plan.steps:
        first.setdefault(step.actor, step.number)
    return first


def _process_rows(plan: Plan, done: list[Call]) -> list[ProcessRow]:
    first, ends = _first(plan), _ends(plan, done)
    return [
        ProcessRow(
            kind=KINDS[process.role],
            first=first.get(process.pid, 0),
            ends=ends.get(process.pid, 0),
            set_tid=tuple(steps.set_tid(process.pids)),
            name=process.name.encode("utf-8", "surrogatepass")[:NAME_BYTES],
        )
        for process in plan.processes
    ]


def _ends(plan: Plan, done: list[Call]) -> dict[ProcessId, int]:
    """Return for every process that does not stay the step that ends it, which may be the end of its namespace's init."""
    within: dict[ProcessId, list[ProcessId]] = {}
    own = {process.pid: process.namespace for process in plan.processes}
    ends: dict[ProcessId, int] = {}
    for step, what in zip(plan.steps, done, strict=True):
        if isinstance(step, steps.Create):
            # A nested init belongs to its own namespace, and ends with the one that its creator lives in, too.
            outer = own.get(step.actor, OUTSIDE) if step.new_namespace else own[step.child]
            within.setdefault(outer, []).append(step.child)
        elif what.op in ("EXIT", "KILL"):
            ends[what.subject] = step.number
            dying = [what.subject] if not (what.op == "EXIT" and what.b) else []
            for init in dying:
                for pid in within.pop(init, ()):
                    if ends.setdefault(pid, step.number) == step.number:
                        dying.append(pid)
    return ends


def _places(plan: Plan, rows: dict[ProcessId, int]) -> Iterator[PlaceRow]:
    for step in plan.steps:
        if isinstance(step, steps.Verify):
            for kind, holder in step.namespaces.items():
                if namespace_flag(kind, step.target) and holder and holder not in rows:
                    raise CannotEmit(f"task {step.target} is to be in a namespace of {holder}, which the plan does not create")
                yield PlaceRow(step=int(step.number), kind=kind, holder=rows.get(holder, 0))
