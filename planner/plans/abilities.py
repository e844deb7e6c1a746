"""What a plan asks of an executor beyond processes, sessions and groups, and which of several executors serves it."""

from collections.abc import Callable, Iterable
from typing import Final, Literal, Protocol, TypeVar

from planner.plans.model import Plan
from planner.steps import Create, CreateThread, Join, MapIds, Unshare

Ability = Literal["threads", "files", "memory", "namespaces", "into", "many"]
"""What an executor can do: threads with their numbers; shared tables other than memory; shared memory and signal handlers; other
namespaces than pid with their id maps; a pid namespace that is there already; hundreds of processes in little time."""

MANY: Final = 200
"""Processes from which on a plan is better carried out by an executor that does many in little time."""

IN_ONE_MEMORY: Final = frozenset({"memory", "signal_handlers"})


class Able(Protocol):
    """What is known of an executor, installed here or on another host."""

    @property
    def abilities(self) -> tuple[Ability, ...]:
        """What it can do."""


Candidate = TypeVar("Candidate", bound=Able)


def needed(plan: Plan, into: bool = False) -> frozenset[Ability]:
    """Return what a plan asks for; `into` says that its pid namespace is there already."""
    found: set[Ability] = set()
    for step in plan.steps:
        if isinstance(step, CreateThread):
            found.add("threads")
        elif isinstance(step, Create):
            found.update({"memory"} if IN_ONE_MEMORY.intersection(step.share) else ())
            found.update({"files"} if set(step.share) - IN_ONE_MEMORY else ())
            found.update({"namespaces"} if step.new_user else ())
        elif isinstance(step, Unshare | Join | MapIds):
            found.add("namespaces")
    found.update({"into"} if into else ())
    found.update({"many"} if len(plan.processes) >= MANY else ())
    return frozenset(found)


def serving(asked: frozenset[Ability], candidates: Iterable[Candidate], serves: Callable[[Candidate], bool]) -> Candidate | None:
    """Return the first candidate that can do all of it and that serves, or else the first that is only slow; None for neither.

    `serves` is asked last, because it may cost something.
    """
    found = list(candidates)
    for least in dict.fromkeys((asked, asked - {"many"})):
        for candidate in found:
            if least.issubset(candidate.abilities) and serves(candidate):
                return candidate
    return None
