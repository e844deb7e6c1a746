"""The plan: processes to create and small steps in order, each with its actor, its rule and what it waits for.

A process is named by its number at level 0; actor 0 is the executor, which stands outside the new pid namespace. Carrying the
steps out one after the other, in plan order, satisfies everything; `planner.plans.graph` says which other orders do.
"""

from functools import cached_property

import msgspec

from planner.display import rendered
from planner.events.digests import plan_digest
from planner.identity import ProcessId
from planner.steps import AnyStep, Process
from planner.text import escaped

FORMAT_VERSION = 2
"""Version of the plan document: 1 counted the names of rules in `plan_id`."""


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan costs: its steps, how many of them wait for another process, and the helpers that it creates and ends again."""

    steps: int
    waiting: int
    helpers: int


class Plan(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A restart plan that the model kernel has proved.

    `root` is the image's root task. `uncovered` are sentences on what no executor restores.
    """

    format_version: int = FORMAT_VERSION
    image_id: str
    root: ProcessId
    processes: tuple[Process, ...]
    steps: tuple[AnyStep, ...]
    uncovered: tuple[str, ...] = ()

    @cached_property
    def plan_id(self) -> str:
        """Digest of the processes and steps: equal plans have equal ids, whatever image they came from and by whatever rules."""
        return plan_digest(self.processes, self.steps)

    def __repr__(self) -> str:
        counts = self.counts()
        image = f" of image {escaped(self.image_id)}" if self.image_id else ""
        return f"<Plan {self.plan_id}{image}: {len(self.processes)} processes, {counts.steps} steps, {counts.helpers} helpers>"

    def _repr_html_(self) -> str | None:
        return rendered(self, "html")

    def _repr_svg_(self) -> str | None:
        return rendered(self, "svg")

    def counts(self) -> Counts:
        """Count what is kept small: helpers first, then steps that wait.

        The init above a subtree's root is a helper that stays.
        """
        return Counts(
            steps=len(self.steps),
            waiting=sum(bool(step.waits) for step in self.steps),
            helpers=sum(process.role in {"helper", "reaper"} for process in self.processes),
        )

    def process_table(self) -> dict[ProcessId, Process]:
        """Return the processes by their level-0 number."""
        return {process.pid: process for process in self.processes}
