"""Inference of the pid namespaces that an image does not name.

A linux-cr image stores a number for each level and no identity; others name the namespaces of some tasks, and what encloses
some namespaces. `infer` returns the decisions that give every task, every zombie and every dead leader its namespace, and every
namespace what encloses it, each with its rule and its evidence. What the facts force is in
`planner.forest.pid_namespaces.cells`, with what the image says itself (`planner.forest.pid_namespaces.statements`); what they
leave open is searched in `planner.forest.pid_namespaces.search`, and a decision says how many namespaces would have fitted.
`solutions` goes on to the next consistent answer, for a planner that cannot plan the first. Recorded namespaces keep their ids,
and so does what the image says of them (`planner.forest.pid_namespaces.ids`).

Two laws join those of the cells. A number is used once in a namespace, at every level, by tasks, threads and dead leaders. And
a namespace whose init has ended is empty: not even the number of a dead leader is left in it, because a number that an outer
task's group keeps allocated also keeps the init from finishing (tried on Linux 6.18: it waits in `zap_pid_ns_processes`). A
hint and no law is that the numbers in a namespace rise together with the outer ones; it only says what to try first.
"""

from collections.abc import Generator, Iterable
from typing import Final

from planner.events.records import NamespaceInferred, TaskPlaced
from planner.forest.model import Forest
from planner.forest.pid_namespaces.recorded import is_nested
from planner.identity import OUTSIDE, NamespaceId, ProcessId

Decision = NamespaceInferred | TaskPlaced

MOST_SOLUTIONS: Final = 128
"""How many answers `solutions` gives unless it is told otherwise."""

EFFORT: Final = 3_000_000
"""Steps of propagation that the search for one image may cost in all: a few seconds."""


def infer(forest: Forest) -> list[Decision]:
    """Return the decisions that place every task that is not placed, and nothing when the image or the levels say it all.

    Pure, and the same on every machine: ties go by image order. Raises `Contradiction` when no assignment fits, with the
    smallest set of tasks that cannot be together, and also (code "namespace-undecided") when the bounded search was given up.
    """
    return next(solutions(forest, 1))


def _says_all(forest: Forest) -> bool:
    """Whether it is known where every task is, and of every namespace with a task what encloses it and which is its init."""
    if any(task.namespace < 0 for task in forest.tasks.values()) or any(map(is_nested, forest.leaders.values())):
        return False
    met = {NamespaceId(0)}
    for here in {task.namespace: None for task in forest.tasks.values()}:
        while here not in met:
            met.add(here)
            record = forest.namespaces.get(here)
            if record is None or record.init == OUTSIDE:
                return False
            here = record.parent
    return True


def solutions(forest: Forest, limit: int = MOST_SOLUTIONS) -> Generator[list[Decision], Iterable[ProcessId] | None, None]:
    """Yield up to `limit` different consistent answers, the likeliest first; the first is that of `infer`.

    A caller that refuses an answer may send the processes whose facts it was refused for: where these are is varied first, in up
    to `limit` further answers. Then open parts of the image that do not constrain each other are varied one at a time before
    they are varied together. Raises like `infer`, before the first answer only.
    """
    if _says_all(forest):
        yield []
        return
    # The search is a seventh of the library, and most images name their namespaces or have only one.
    from planner.forest.pid_namespaces.decisions import answers

    yield from answers(forest, limit, EFFORT)
