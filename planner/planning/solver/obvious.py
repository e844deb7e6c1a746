"""Why a parent cannot create its child itself: the facts that exclude it, found together with the plan.

The question is put to the rules that the search went by: the rows of the image are assumed, the births that were decided before,
and "the parent creates it", where a helper of the parent counts as the parent. What the contradiction was derived from is made
smaller one by one, births before rows. Nothing is decided in that: only what the assumptions imply counts, which costs little. So
a row or a birth may be named that could be left out, and an answer may be missing, but what is named excludes the parent.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Final

from planner.identity import ProcessId
from planner.planning.solver.components import components
from planner.planning.solver.engine import FALSE, TRUE, Engine, Literal
from planner.planning.solver.problem import INIT
from planner.planning.solver.reduction import Groups, Reduced, widened
from planner.planning.solver.refusal import with_members_of_dead_leaders
from planner.planning.solver.rules import Rules
from planner.planning.solver.solution import Birth, Excluded
from planner.planning.solver.vocabulary import Vocabulary

MOST_ASKED: Final = 8
"""For how many processes of an image it is asked, in image order."""

MOST_PROCESSES: Final = 24
"""How many processes may be entangled with such a one."""

MOST_CONFLICTS: Final = 60
"""How many conflicts each question may meet; beyond them it has no answer."""

Cause = tuple[Literal, ...]
"""What is assumed about one process."""


def excluded_parents(groups: Groups, reduced: Reduced, births: dict[ProcessId, Birth]) -> tuple[Excluded, ...]:
    """Return why parents do not create their children, for the processes that others create, in image order.

    `reduced` is the problem as it was searched, in which most of these processes were taken off.

    A process about which this was not found within the bounds has no record.
    """
    others = (pid for pid in groups.problem.processes if births[pid].parent not in (None, births[pid].creator))
    asked = list(islice(others, MOST_ASKED))
    if not asked:
        return ()
    parts = components(groups.problem, widened(groups, reduced, asked))
    found = {one.pid: one for part in parts for one in _of_part(groups, reduced, part, births, set(asked))}
    return tuple(found[pid] for pid in asked if pid in found)


def _of_part(
    groups: Groups, whole: Reduced, part: Reduced, births: dict[ProcessId, Birth], asked: set[ProcessId]
) -> Iterator[Excluded]:
    """Yield what excludes the parents of the processes that are asked about in one part."""
    if asked.isdisjoint(part.core) or len(part.core) > MOST_PROCESSES:
        return
    asked = asked.intersection(part.core) - {INIT}
    problem = groups.problem
    wider = with_members_of_dead_leaders(groups, whole, part, asked)
    if not asked or len(wider.core) > MOST_PROCESSES:
        return
    rules = Rules(problem, wider, questioned=True)
    words = rules.words
    engine = rules.engine()
    rows: dict[Cause, ProcessId] = {(words.row(pid),): pid for pid in words.rows()}
    before: dict[Cause, ProcessId] = {}
    for pid in wider.core:
        parent = births[pid].parent
        if pid in asked and parent in words.creators(pid):
            assert parent is not None
            causes = _causes(engine, words.creator(pid, parent), [*rows, *before])
            facts = tuple(fact for cause in causes if cause in rows for fact in problem.processes[rows[cause]].facts)
            if causes:
                given = tuple(before[cause] for cause in causes if cause in before)
                yield Excluded(pid=pid, parent=parent, facts=facts, given=given)
        before[_decided(words, births[pid])] = pid


def _decided(words: Vocabulary, birth: Birth) -> Cause:
    """Return what a birth says about a process; nothing where its creator is none that the question knows."""
    if birth.pid == INIT or birth.creator not in words.creators(birth.pid):
        return ()
    pid, sibling = birth.pid, words.is_sibling(birth.pid)
    said = (
        words.creator(pid, birth.creator),
        words.born_of(pid, birth.session),
        words.lives_in(pid, birth.namespace),
        sibling if birth.how == "sibling" else -sibling,
    )
    return tuple(literal for literal in said if literal not in (TRUE, FALSE))


def _causes(engine: Engine, creates: Literal, causes: list[Cause]) -> list[Cause]:
    """Return causes that exclude a creator, as few as are found, later ones left out first; none where they do not."""
    needed = _excluding(engine, creates, causes)
    for cause in reversed(needed):
        if cause in needed:
            others = [other for other in needed if other != cause]
            needed = _excluding(engine, creates, others) or needed
    return needed


def _excluding(engine: Engine, creates: Literal, causes: list[Cause]) -> list[Cause]:
    """Return those of some causes from which it was derived that a creator is impossible; none where it is not."""
    assumed = [literal for cause in causes for literal in cause]
    if engine.search([*assumed, creates], MOST_CONFLICTS, decides=False) is not False:
        return []
    core = set(engine.core)
    return [cause for cause in causes if not core.isdisjoint(cause)]
