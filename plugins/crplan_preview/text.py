"""The preview: the verdict, the tree, what is special, then the steps by phase, what is not covered and what was found."""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

import msgspec

from crplan_preview.drawing import STYLES, counted, wrapped
from crplan_preview.special import special_lines
from crplan_preview.steps import step_sections
from crplan_preview.tree import tree_lines
from planner.errors import place_words
from planner.findings.registry import Finding
from planner.findings.verdicts import verdict_line
from planner.hookspecs import Artefact
from planner.options import Options
from planner.plans.rebuild import Rebuild
from planner.pods.evidence import SHARED_PROPERTY
from planner.text import Line, Terminal, escaped, render

VERDICT_STYLES: Final = {"ok": "done", "refused": "error", "hangs": "error", "wrong": "error", "unknown": "quiet"}

MOST_TREE_LINES: Final = 48
FEWER_TREE_LINES: Final = 28
"""Lines of the tree that are shown where folding is on; where there are more, so many: two screens hold the whole preview."""

LONG_ID: Final = re.compile(r"\b[0-9a-f]{32,}\b")
ID_DIGITS: Final = 12


def emit(artefact: Artefact, options: Options, terminal: Terminal) -> str:
    """Return the preview; its width is that of the terminal, or 100 columns in a file."""
    terminal = msgspec.structs.replace(terminal, unicode=terminal.unicode and not options.get("ascii", False))
    lines = _lines(artefact, terminal, with_steps=bool(options.get("steps", True)), folded=bool(options.get("fold", True)))
    return render(lines, STYLES, colour=terminal.colour, unicode=terminal.unicode)


def _lines(artefact: Artefact, terminal: Terminal, *, with_steps: bool, folded: bool) -> Iterator[Line]:
    yield from _head(artefact, terminal.width)
    if artefact.forest.tasks:
        yield []
        yield [("Tasks", "heading"), ("   pids outermost first", "quiet")]
        lines = tree_lines(artefact, terminal, folded=folded)
        yield from _bounded(lines) if folded else lines
    special = list(special_lines(artefact, terminal.width))
    if special:
        yield []
        yield [("Special", "heading"), ("   what this tree asks for, and the rule behind it", "quiet")]
        yield from special
    if with_steps:
        yield from step_sections(artefact, terminal.width, folded=folded)
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


def _bounded(lines: Iterable[Line]) -> Iterator[Line]:
    """Yield the first lines, and say how many there are besides."""
    found = list(lines)
    left = len(found) - FEWER_TREE_LINES if len(found) > MOST_TREE_LINES else 0
    yield from found[: len(found) - left]
    if left:
        yield [(f"  and {counted(left, 'line')} more; --option fold=no shows all", "quiet")]


def _head(artefact: Artefact, width: int) -> Iterator[Line]:
    forest, plan = artefact.forest, artefact.plan
    yield from _verdicts(artefact, width)
    threads = sum(map(len, forest.threads.values()))
    zombies = sum(task.zombie for task in forest.tasks.values())
    parts = [counted(len(forest.tasks), "task")]
    parts += [counted(threads, "thread")] if threads else []
    parts += [counted(zombies, "zombie")] if zombies else []
    parts += [counted(len(forest.inhabited_namespaces()), "pid namespace")]
    yield [(escaped(forest.source) or "plan", "heading"), (f": {', '.join(parts)}", "")]
    facts = [_fact(key, value) for key, value in sorted(forest.image_facts.items()) if value and key != "image_id"]
    if facts:
        for line in wrapped(escaped(", ".join(facts)), width, "  "):
            yield [(line, "quiet")]
    for _, fact in forest.facts:
        if forest.images and fact.property == SHARED_PROPERTY:
            for line in wrapped(escaped(LONG_ID.sub(_short, f"{fact.property}: {fact.value}")), width, "  "):
                yield [(line, "quiet")]
    if artefact.proved:
        yield [(f"plan {plan.plan_id} of image {escaped(plan.image_id)}", "quiet")]


def _verdicts(artefact: Artefact, width: int) -> Iterator[Line]:
    """Yield what comes of each consumer, and what the plan costs, before anything else."""
    plan = artefact.plan
    for verdict in artefact.verdicts:
        for line in wrapped(verdict_line(verdict), width, ""):
            yield [(line, VERDICT_STYLES[verdict.verdict])]
    if not artefact.proved:
        words = f": as it stood at event {artefact.cut_at}, {counted(len(plan.steps), 'step')} planned"
        yield [("not proved", "warning"), (words, "")]
        return
    counts = plan.counts()
    parts = [counted(counts.steps, "step"), counted(counts.helpers, "helper")]
    parts[1] += ", with the init above the image's root" if any(process.role == "reaper" for process in plan.processes) else ""
    parts += [f"{counted(counts.waiting, 'step')} that wait{'s' * (counts.waiting == 1)}"] if counts.waiting else []
    first, *rest = wrapped(f"proved on the model: {', '.join(parts)}", width, "  ", "")
    yield [(first, "done")]
    yield from ([(line, "done")] for line in rest)


def _fact(key: str, value: str) -> str:
    """Return a fact of an image as it is read: a time as a date, a long id by its beginning."""
    if key == "time" and value.isdecimal() and len(value) < 12:
        return f"taken {datetime.fromtimestamp(int(value), UTC):%Y-%m-%d %H:%M} UTC"
    return f"{key} {LONG_ID.sub(_short, value)}"


def _short(found: re.Match[str]) -> str:
    return found[0][:ID_DIGITS]


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
