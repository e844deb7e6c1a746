"""Redundant waits are left out: a process does not wait for a step that it knows to be done.

Three rules say what a process knows. The steps of one process come in order. A process knows all that its creator knew when it
created it. A process that has waited for a step knows what the actor of that step knew then. So what stays are the steps of a
plan that really wait, and nothing about the orders that the plan allows is different. What is known is looked up a bounded number
of hops away, so that the cost stays linear: now and then a wait stays that could go.
"""

from bisect import bisect_right
from collections.abc import Iterable
from typing import Final

from planner.identity import OUTSIDE, ProcessId, StepNumber
from planner.steps import AnyStep, Create

MOST_CREATORS: Final = 16
"""How many creators up the line are asked for what they knew."""

MOST_WAITS: Final = 4
"""How many of the latest waits of each of them are followed."""


class Known:
    """What each process knows to be done at each of its steps."""

    def __init__(self) -> None:
        """Begin before the first step of a plan."""
        self.actors: list[ProcessId] = [OUTSIDE]
        """The actor of each step, by number."""
        self._born: dict[ProcessId, tuple[ProcessId, StepNumber]] = {}
        """The creator of each process, and the step."""
        self._waits: dict[ProcessId, tuple[list[int], list[int]]] = {}
        """For each process, at which of its steps it has waited, and for what, in order."""
        self._latest: dict[tuple[ProcessId, ProcessId], tuple[list[int], list[int]]] = {}
        """For each process and another one, at which steps it has waited for that one, and for which step of it at the latest."""

    def add(self, step: AnyStep) -> None:
        """Take note of the next step."""
        self.actors.append(step.actor)
        if type(step) is Create:
            self._born[step.child] = (step.actor, step.number)

    def new(self, actor: ProcessId, others: Iterable[int]) -> list[int]:
        """Return the steps that the next one, by `actor`, has to wait for so that `others` are done; take note of them."""
        at = len(self.actors)
        kept: list[int] = []
        for other in sorted(others, reverse=True):
            if self._is_known(actor, other, at):
                continue
            if not any(self._is_known(self.actors[later], other, later) for later in kept[:MOST_WAITS]):
                kept.append(other)
        kept.reverse()
        for other in kept:
            when, steps = self._waits.setdefault(actor, ([], []))
            when.append(at)
            steps.append(other)
            when, latest = self._latest.setdefault((actor, self.actors[other]), ([], []))
            when.append(at)
            latest.append(max(other, latest[-1]) if latest else other)
        return kept

    def _is_known(self, process: ProcessId, step: int, at: int) -> bool:
        """Tell whether a process that has come to its step `at` knows that another step is done.

        Steps are numbered in an order that they can be done in, so that nothing is known of a later one.
        """
        actor = self.actors[step]
        for _ in range(MOST_CREATORS):
            if process == actor:
                return step <= at
            if process in self._waits and self._has_heard(process, actor, step, at):
                return True
            born = self._born.get(process)
            if born is None or born[1] < step:
                return False
            process, at = born
        return False

    def _has_heard(self, process: ProcessId, actor: ProcessId, step: int, at: int) -> bool:
        """Tell whether a process has waited for `step` of `actor`, or of late for a process that had waited for it."""
        if self._has_waited(process, actor, step, at):
            return True
        when, waited_for = self._waits[process]
        place = bisect_right(when, at)
        for other in waited_for[max(0, place - MOST_WAITS) : place]:
            if step <= other and self._has_waited(self.actors[other], actor, step, other):
                return True
        return False

    def _has_waited(self, process: ProcessId, actor: ProcessId, step: int, at: int) -> bool:
        """Tell whether a process has waited, up to its step `at`, for `step` of `actor` or for a later one."""
        waits = self._latest.get((process, actor))
        if waits is None:
            return False
        when, latest = waits
        place = bisect_right(when, at)
        return place > 0 and latest[place - 1] >= step
