"""A plan as an outline of creations."""

from planner.identity import OUTSIDE, ProcessId
from planner.plans.model import Plan
from planner.plans.wording import vector
from planner.steps import Create, CreateThread

DEEPEST = 20
"""Levels of indentation; a plan may hold chains of any depth."""


def outline(plan: Plan, *, with_rules: bool) -> str:
    """Return one line for each process and thread, in plan order, indented below its creator."""
    table = plan.process_table()
    depths: dict[ProcessId, int] = {OUTSIDE: -1}
    lines = []
    for step in plan.steps:
        if not isinstance(step, Create | CreateThread):
            continue
        depth = depths[step.child] = depths[step.actor] + 1
        process = table[step.child]
        role = "" if process.role == "task" else f" {process.role}"
        rule = f" ({step.rule})" if with_rules else ""
        lines.append(f"{'   ' * min(depth, DEEPEST)}{len(lines) + 1}. {vector(process.pids)}{role}{rule}\n")
    return "".join(lines)
