"""Waits that say nothing new are left out: a process does not wait for a step that it knows to be done.

Three things are known. The steps of one process come in order. A process knows all that its creator knew when it created it. A
process that has waited for a step knows what the actor of that step knew then. So what stays are the steps of a plan that really
wait, and nothing about the orders that the plan allows is different. What is known is looked up a bounded number of hops away, so
that the cost stays linear: now and then a wait stays that could go.
"""

from bisect import bisect_right
from collections.abc import Iterable
from typing import Final

import msgspec

from planner.events.records import StepPlanned
from planner.identity import OUTSIDE, ProcessId, StepNumber
from planner.steps import AnyStep, Create, Wait

MOST_CREATORS: Final = 16
"""How many creators up the line are asked for what they knew."""

MOST_WAITS: Final = 4
"""How many of the latest waits of each of them are followed."""


def without_known(planned: Iterable[StepPlanned]) -> list[StepPlanned]:
    """Return the steps of a plan, numbered from 1 and in order, with those waits alone that say something new."""
    known = _Known()
    kept: list[StepPlanned] = []
    for event in planned:
        step = event.step
        waits = known.new(step)
        if len(waits) < len(step.waits):
            event = msgspec.structs.replace(event, step=msgspec.structs.replace(step, waits=waits))
        known.add(step, waits)
        kept.append(event)
    return kept


class _Known:
    """What each process knows to be done at each of its steps."""

    def __init__(self) -> None:
        self._actors: list[ProcessId] = [OUTSIDE]
        """The actor of each step, by number."""
        self._born: dict[ProcessId, tuple[ProcessId, StepNumber]] = {}
        """The creator of each process, and the step."""
        self._waits: dict[ProcessId, tuple[list[StepNumber], list[StepNumber]]] = {}
        """For each process, at which of its steps it has waited, and for what, in order."""
        self._latest: dict[tuple[ProcessId, ProcessId], tuple[list[StepNumber], list[StepNumber]]] = {}
        """For each process and another one, at which steps it has waited for that one, and for which step of it at the latest."""

    def add(self, step: AnyStep, waits: tuple[Wait, ...]) -> None:
        """Take note of a step and of what it waits for."""
        actor = step.actor
        self._actors.append(actor)
        if isinstance(step, Create):
            self._born[step.child] = (actor, step.number)
        for wait in waits:
            at, steps = self._waits.setdefault(actor, ([], []))
            at.append(step.number)
            steps.append(wait.step)
            at, latest = self._latest.setdefault((actor, self._actors[wait.step]), ([], []))
            at.append(step.number)
            latest.append(max(wait.step, latest[-1]) if latest else wait.step)

    def new(self, step: AnyStep) -> tuple[Wait, ...]:
        """Return the waits of a step for what its actor does not know to be done, the others of the same step included."""
        if not step.waits:
            return ()
        kept: list[Wait] = []
        for wait in sorted(step.waits, key=lambda wait: -wait.step):
            if self._is_known(step.actor, wait.step, step.number):
                continue
            if not any(self._is_known(self._actors[other.step], wait.step, other.step) for other in kept[:MOST_WAITS]):
                kept.append(wait)
        return tuple(kept[::-1])

    def _is_known(self, process: ProcessId, step: StepNumber, at: StepNumber) -> bool:
        """Tell whether a process that has come to its step `at` knows that another step is done.

        Steps are numbered in an order that they can be done in, so that nothing is known of a later one.
        """
        actor = self._actors[step]
        for _ in range(MOST_CREATORS):
            if process == actor:
                return step <= at
            if self._has_waited(process, actor, step, at):
                return True
            when, waited_for = self._waits.get(process, ((), ()))
            place = bisect_right(when, at)
            for other in waited_for[max(0, place - MOST_WAITS) : place]:
                if step <= other and self._has_waited(self._actors[other], actor, step, other):
                    return True
            if process not in self._born:
                return False
            process, at = self._born[process]
            if at < step:
                return False
        return False

    def _has_waited(self, process: ProcessId, actor: ProcessId, step: StepNumber, at: StepNumber) -> bool:
        """Tell whether a process has waited, up to its step `at`, for `step` of `actor` or for a later one."""
        when, latest = self._latest.get((process, actor), ((), ()))
        place = bisect_right(when, at)
        return place > 0 and latest[place - 1] >= step
