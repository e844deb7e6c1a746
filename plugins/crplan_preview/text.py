"""The preview: the tree with its numbers, then the steps, then what is not covered and what was found."""

from collections.abc import Iterator
from typing import Final

import msgspec

from crplan_preview.drawing import STYLES, wrapped
from crplan_preview.tree import helper_lines, leader_lines, tree_lines
from planner.errors import place_words
from planner.findings.registry import Finding
from planner.findings.verdicts import verdict_line
from planner.hookspecs import Artefact
from planner.options import Options
from planner.plans.rebuild import Rebuild
from planner.plans.wording import step_words, wait_words
from planner.pods.evidence import SHARED_PROPERTY
from planner.steps import AnyStep
from planner.text import Line, Terminal, escaped, render

VERDICT_STYLES: Final = {"ok": "done", "refused": "error", "hangs": "error", "wrong": "error", "unknown": "quiet"}
RULE_COLUMNS = 22
"""Columns that a rule's name is given beside its step."""


def emit(artefact: Artefact, options: Options, terminal: Terminal) -> str:
    """Return the preview; its width is that of the terminal, or 100 columns in a file."""
    terminal = msgspec.structs.replace(terminal, unicode=terminal.unicode and not options.get("ascii", False))
    lines = _lines(artefact, terminal, with_steps=bool(options.get("steps", True)))
    return render(lines, STYLES, colour=terminal.colour, unicode=terminal.unicode)


def _lines(artefact: Artefact, terminal: Terminal, *, with_steps: bool) -> Iterator[Line]:
    yield from _head(artefact, terminal.width)
    if artefact.forest.tasks:
        yield []
        yield [("Tasks", "heading"), ("   pids outermost first", "quiet")]
        yield from tree_lines(artefact, terminal)
    leaders = list(leader_lines(artefact))
    if leaders:
        yield []
        yield [("Leaders that have died", "heading")]
        yield from leaders
    helpers = list(helper_lines(artefact))
    if helpers:
        yield []
        yield [("Helpers", "heading"), ("   created and ended again by the plan", "quiet")]
        yield from helpers
    if artefact.plan.steps and with_steps:
        yield []
        yield [("Steps", "heading")]
        yield from _steps(artefact, terminal.width)
    if artefact.rebuild is not None:
        yield []
        yield [("Rebuild", "heading")]
        yield from _rebuild(artefact.rebuild, artefact)
    if artefact.plan.uncovered:
        yield []
        yield [("Not covered", "heading"), ("   no executor restores this", "quiet")]
        for sentence in artefact.plan.uncovered:
            for line in wrapped(escaped(sentence), terminal.width, "    ", "  "):
                yield [(line, "")]
    if artefact.findings:
        yield []
        yield [("Findings", "heading")]
        for found in artefact.findings:
            yield from _finding(found, terminal.width)


def _head(artefact: Artefact, width: int) -> Iterator[Line]:
    forest, plan = artefact.forest, artefact.plan
    source = escaped(forest.source) or "plan"
    threads = sum(map(len, forest.threads.values()))
    zombies = sum(task.zombie for task in forest.tasks.values())
    parts = [_count(len(forest.tasks), "task")]
    parts += [_count(threads, "thread")] if threads else []
    parts += [_count(zombies, "zombie")] if zombies else []
    parts += [_count(len(forest.inhabited_namespaces()), "pid namespace")]
    yield [(source, "heading"), (f": {', '.join(parts)}", "")]
    facts = [f"{key} {value}" for key, value in sorted(forest.image_facts.items()) if value and key != "image_id"]
    if facts:
        for line in wrapped(escaped(", ".join(facts)), width, "  "):
            yield [(line, "quiet")]
    for _, fact in forest.facts:
        if forest.images and fact.property == SHARED_PROPERTY:
            for line in wrapped(escaped(f"{fact.property}: {fact.value}"), width, "  "):
                yield [(line, "quiet")]
    counts = plan.counts()
    if artefact.proved:
        yield [(f"plan {plan.plan_id} of image {escaped(plan.image_id)}", "quiet")]
        yield [
            (f"{_count(counts.steps, 'step')}, {_count(counts.helpers, 'helper')}, {counts.waiting} with waits, ", ""),
            ("proved on the model", "done"),
        ]
    else:
        yield [
            (f"as it stood at event {artefact.cut_at}: {_count(len(plan.steps), 'step')} planned, ", ""),
            ("not proved", "warning"),
        ]
    for verdict in artefact.verdicts:
        for line in wrapped(verdict_line(verdict), width, ""):
            yield [(line, VERDICT_STYLES[verdict.verdict])]


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _steps(artefact: Artefact, width: int) -> Iterator[Line]:
    """Yield each step with its rule beside it, and below it what does not fit."""
    table = artefact.plan.process_table()
    digits = max(3, len(str(len(artefact.plan.steps))))
    rebuild = artefact.rebuild
    indent = " " * (digits + 5)
    rule_at = max(width - RULE_COLUMNS, len(indent) + 30)
    for step in artefact.plan.steps:
        mark, style = _mark(step, rebuild)
        words = step_words(step, table)
        rule = escaped(step.rule)
        waits = wait_words(step)
        head: Line = [(f" {mark}", style), (f"{step.number:>{digits}}", "number"), ("  ", "")]
        used = digits + 4
        if used + len(words) + 1 <= rule_at:
            yield [*head, (words.ljust(rule_at - used), ""), (rule, "quiet")]
        else:
            first, *rest = wrapped(words, width - len(indent), "")
            yield [*head, (first, "")]
            for line in rest:
                yield [(indent + line, "")]
            yield [(indent.ljust(rule_at), ""), (rule, "quiet")]
        if waits:
            for line in wrapped(waits, width, indent):
                yield [(line, "quiet")]


def _mark(step: AnyStep, rebuild: Rebuild | None) -> tuple[str, str]:
    """Return the sign of what a run made of a step: `+` done, `!` failed."""
    if rebuild is None:
        return " ", ""
    if rebuild.failed is not None and rebuild.failed.step == step.number:
        return "!", "error"
    return ("+", "done") if step.number in rebuild.done else (" ", "")


def _rebuild(rebuild: Rebuild, artefact: Artefact) -> Iterator[Line]:
    steps = artefact.plan.steps
    yield [(f"  executor {escaped(rebuild.executor)}: {len(rebuild.done)} of {len(steps)} steps done (marked +)", "")]
    if rebuild.failed is not None:
        failed = rebuild.failed
        detail = f": {escaped(failed.detail)}" if failed.detail else ""
        where = f"step {failed.step}" if failed.step else "the executor itself"
        yield [(f"  {where} failed (marked !): {escaped(failed.error)}{detail}", "error")]
    if rebuild.ready:
        yield [(f"  ready, the root was {rebuild.ready} where it was started", "done")]
    if rebuild.code >= 0:
        yield [(f"  ended with exit code {rebuild.code}", "")]


def _finding(found: Finding, width: int) -> Iterator[Line]:
    where = f" ({place_words(found.at)})" if found.at is not None else ""
    first, *rest = wrapped(f"{found.severity}: {escaped(found.message)}{where} [{escaped(found.code)}]", width, "    ", "  ")
    yield [(first, found.severity)]
    for line in rest:
        yield [(line, found.severity)]
    if found.hint:
        for line in wrapped(escaped(found.hint), width, "    "):
            yield [(line, "quiet")]
