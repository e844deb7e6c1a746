"""How the forest grows: what every step of a plan changes on the model kernel, as small differences.

The states are those of the model itself. Before each step the processes are noted that it may touch, and after it only these are
looked at, so that a plan costs in proportion to its steps and adoptions.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from planner import steps
from planner.identity import ProcessId
from planner.kernel.model import Kernel
from planner.kernel.objects import DYING, LIVING, ZOMBIE, Process
from planner.kernel.simulation import ModelRefusal, walk
from planner.plans.model import Plan

FIELDS: Final = ("state", "parent", "session", "group", "subreaper", "births", "status")
"""What a state holds. Numbers are level-0 numbers; `births` is the init of the namespace entered for children, 0 for its own."""

ABSENT: Final = 0
RUNS: Final = 1
DIES: Final = 2
IS_ZOMBIE: Final = 3
LEADER_ENDED: Final = 4
"""The leading thread has ended, and other threads of the process live."""
GONE: Final = 5
"""Reaped, or ended as a thread."""

State = tuple[int, int, int, int, int, int, int]
NOTHING: Final[State] = (ABSENT, 0, 0, 0, 0, 0, 0)

Delta = list[int]
"""Changes of one step, flat: place of the process in the plan, place of the field, new value; and so on."""


class Growth:
    """The differences of all steps, in plan order; `refused` says why the model went no further."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.deltas: list[Delta] = []
        self.refused: ModelRefusal | None = None
        self._places = {process.pid: place for place, process in enumerate(plan.processes)}
        self._last: list[State] = [NOTHING] * len(plan.processes)
        self._thread_pids = {process.pid for process in plan.processes if process.role == "thread"}
        self._threads: dict[ProcessId, list[ProcessId]] = {}
        for process in plan.processes:
            if process.role == "thread":
                self._threads.setdefault(process.thread_group, []).append(process.pid)
        try:
            walk(plan, self._watch)
        except ModelRefusal as error:
            self.refused = error

    def _watch(self, kernel: Kernel) -> Iterator[steps.AnyStep]:
        dying: set[ProcessId] = set()
        for step in self.plan.steps:
            touched = set(_touched(kernel, step)) | dying
            yield step
            self.deltas.append(self._changes(kernel, touched))
            for pid in touched:
                found = kernel.find(pid)
                if found is not None and found.owner is not None and found.owner.state == DYING:
                    dying.add(pid)
                else:
                    dying.discard(pid)

    def _changes(self, kernel: Kernel, touched: set[ProcessId]) -> Delta:
        delta: Delta = []
        for pid in sorted(touched - self._thread_pids, key=lambda pid: self._places.get(pid, -1)):
            self._note(pid, process_state(kernel, pid), delta)
            for thread in self._threads.get(pid, ()):
                self._note(thread, thread_state(kernel, thread, pid), delta)
        return delta

    def _note(self, pid: ProcessId, state: State, delta: Delta) -> None:
        place = self._places.get(pid)
        if place is None:
            return
        last = self._last[place]
        if state[0] == ABSENT and last[0] != ABSENT:
            state = (GONE, *last[1:])
        if state == last:
            return
        for field, (old, new) in enumerate(zip(last, state, strict=True)):
            if old != new:
                delta += (place, field, new)
        self._last[place] = state


def _touched(kernel: Kernel, step: steps.AnyStep) -> Iterable[ProcessId]:
    """Return the processes that a step may change; the end of a process touches its children, that of an init its namespace."""
    yield step.actor
    match step:
        case steps.Create() | steps.CreateThread() | steps.Reap():
            yield step.child
        case steps.SetGroup():
            yield step.target
        case _:
            pass
    if not isinstance(step, (steps.Exit, steps.Kill)):
        return
    ended = step.target if isinstance(step, steps.Kill) else step.actor
    found = kernel.find(ended)
    if found is None or found.owner is None:
        return
    yield ended
    yield from (child.pid.first for child in found.owner.children or ())
    if kernel.is_init(found.owner):
        yield from (pid.first for pid in found.owner.namespace.numbers.values())


def process_state(kernel: Kernel, number: ProcessId) -> State:
    """Return how a process stands on the model, `NOTHING` where it does not."""
    found = kernel.find(number)
    if found is None or found.owner is None or found.thread:
        return NOTHING
    process = found.owner
    return (
        _state(process),
        process.parent.pid.first,
        process.session.first,
        process.group.first,
        int(process.subreaper),
        0 if process.births is process.namespace else _init(process),
        process.status,
    )


def thread_state(kernel: Kernel, number: ProcessId, thread_group: ProcessId) -> State:
    """Return how a thread stands; its parent is the process that it belongs to."""
    found = kernel.find(number)
    if found is None or found.owner is None or not found.thread:
        return NOTHING
    return (RUNS, thread_group, found.owner.session.first, found.owner.group.first, 0, 0, 0)


def _state(process: Process) -> int:
    if process.state == LIVING:
        return LEADER_ENDED if process.main_ended else RUNS
    return IS_ZOMBIE if process.state == ZOMBIE else DIES


def _init(process: Process) -> int:
    init = process.births.init
    return 0 if init is None else init.pid.first
