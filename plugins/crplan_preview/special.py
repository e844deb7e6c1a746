"""What a plan does beside creating each task by its parent, with the rule that asks for it."""

from collections.abc import Iterator
from typing import Final

from crplan_preview.drawing import counted, wrapped
from crplan_preview.tree import leaders_words
from planner import steps
from planner.hookspecs import Artefact
from planner.identity import ProcessId
from planner.plans.rules import RULES
from planner.plans.wording import Table, vector
from planner.text import Line, escaped

MOST_NAMED: Final = 6
"""Processes or steps of a kind that are named."""


def special_lines(artefact: Artefact, width: int) -> Iterator[Line]:
    """Yield a line for each kind of what is special, with its reason; nothing for a plain tree."""
    table = artefact.plan.process_table()
    groups: dict[tuple[str, str], list[str]] = {}
    for step in artefact.plan.steps:
        for kind, rule, who in _of_step(step, table):
            groups.setdefault((kind, rule), []).append(who)
    for (kind, rule), named in sorted(groups.items(), key=lambda item: ORDER.index(item[0][0])):
        yield from _line(kind, named, _reason(rule), width)
    for numbers, words in leaders_words(artefact):
        yield from _line("dead leader", [numbers], f"{words}; its number belongs to no task", width)


ORDER: Final = ("helper", "init above the root", "nested init", "step that waits", "zombie", "stopped task")


def _of_step(step: steps.AnyStep, table: Table) -> Iterator[tuple[str, str, str]]:
    if step.waits:
        yield "step that waits", step.waits[0].rule, str(step.number)
    if isinstance(step, steps.Create):
        process = table[step.child]
        if process.role == "helper":
            yield "helper", step.rule, vector(process.pids)
        elif process.role == "reaper":
            yield "init above the root", step.rule, vector(process.pids)
        elif step.new_namespace and len(process.pids) > 1:
            yield "nested init", step.rule, vector(process.pids)
    elif isinstance(step, steps.Verify) and step.zombie:
        yield "zombie", "zombie-last", _pids(step.target, table)
    elif isinstance(step, steps.Stop):
        yield "stopped task", step.rule, _pids(step.target, table)


def _pids(pid: ProcessId, table: Table) -> str:
    return vector(table[pid].pids) if pid in table else str(pid)


def _reason(rule: str) -> str:
    known = RULES.get(rule)
    return f"{known.sentence.removesuffix('.')} ({escaped(rule)})" if known else escaped(rule)


def _line(kind: str, who: list[str], reason: str, width: int) -> Iterator[Line]:
    named = ", ".join(who[:MOST_NAMED]) + (f" ... {who[-1]}" if len(who) > MOST_NAMED else "")
    count = {"step that waits": "steps that wait", "init above the root": "inits above the root"}.get(kind)
    words = f"{len(who)} {count}" if count and len(who) > 1 else counted(len(who), kind)
    first, *rest = wrapped(f"{words}: {named}. {reason}", width, "    ", "  ")
    yield [(first, "")]
    for line in rest:
        yield [(line, "")]
