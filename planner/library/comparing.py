"""Comparison of two images, logs or plans, for the library and the command line."""

from __future__ import annotations

import msgspec

from planner.comparison.contents import compare_contents, compare_headers
from planner.comparison.document import DiffDocument, Side, document
from planner.comparison.forests import compare, matches
from planner.comparison.plans import compare_plans
from planner.contents.fold import fold_contents
from planner.contents.model import Contents
from planner.errors import Contradiction, NotProved
from planner.events.records import AnyEvent
from planner.findings.problems import Problem, problem_of
from planner.forest.digest import image_id
from planner.forest.fold import fold
from planner.forest.model import Forest
from planner.library.inputs import Input, log_of, naming
from planner.pipeline.resolve import resolve
from planner.plans.model import Plan


def diff(before: Input, after: Input, *, replan: bool = False) -> DiffDocument:
    """Return what changed from one image, log or plan to another, and what that changes in the plan.

    An image that cannot be planned is compared by its tasks. Raises `BadImage` and `Contradiction` for an image whose facts do
    not make a forest, and `PluginFailed`.
    """
    sides = []
    for given in (before, after):
        log = log_of(given, "diff", detail="all")
        with naming(log.image, log):
            sides.append(side_of(log, replan=replan))
    return compared(*sides)


class ComparedSide(msgspec.Struct, frozen=True, kw_only=True):
    """One side of a comparison: its forest, and its plan or the problem that keeps it from being planned."""

    forest: Forest
    contents: Contents = msgspec.field(default_factory=Contents)
    plan: Plan | None = None
    problem: Problem | None = None

    def record(self) -> Side:
        """Return the side as it stands in the document."""
        return Side(
            image_id=self.plan.image_id if self.plan else image_id(self.forest),
            tasks=len(self.forest.tasks),
            plan_id=self.plan.plan_id if self.plan else "",
            problem=self.problem or msgspec.UNSET,
        )


def side_of(history: list[AnyEvent], *, replan: bool = False) -> ComparedSide:
    """Return one side of a comparison from its log; raises what reading and folding raise."""
    try:
        outcome = resolve(history, replan=replan)
    except (Contradiction, NotProved) as error:
        # Facts that contradict each other raise here again; what merely cannot be planned is compared.
        return ComparedSide(forest=fold(history), contents=fold_contents(history), problem=problem_of(error, history))
    return ComparedSide(forest=outcome.forest, contents=fold_contents(history), plan=outcome.plan)


def compared(before: ComparedSide, after: ComparedSide) -> DiffDocument:
    """Return the comparison of two sides."""
    same = matches(before.forest, after.forest)
    plan = compare_plans(before.plan, after.plan, same) if before.plan and after.plan else None
    held = compare_contents(before.contents, after.contents, same)
    if before.contents.recorded and after.contents.recorded:
        held += compare_headers(before.forest.image_facts, after.forest.image_facts)
    return document(before.record(), after.record(), compare(before.forest, after.forest, same), plan, held)
