"""The steps by phase, each with its rule beside it; what is done alike for many processes in a row is one line."""

from collections.abc import Iterator, Sequence
from typing import Final

from crplan_preview.drawing import counted, wrapped
from planner import steps
from planner.hookspecs import Artefact
from planner.identity import ProcessId
from planner.plans.rebuild import Rebuild
from planner.plans.wording import Table, step_words, vector, wait_words
from planner.text import Line, escaped

RULE_COLUMNS: Final = 22
"""Columns that a rule's name is given beside its step."""

FEWEST_ALIKE: Final = 4
"""Processes in a row that are made alike before they become one line."""

MOST_LINES: Final = 48
FEWER_LINES: Final = 18
"""Lines of a phase that are shown where folding is on; where there are more, so many."""

LAST: Final = (steps.Exit, steps.Kill, steps.Reap)

Unit = Sequence[steps.AnyStep]
"""A step that creates a process, and those that follow until the next is created."""


def step_sections(artefact: Artefact, width: int, *, folded: bool) -> Iterator[Line]:
    """Yield the steps of a plan in phases: what is made, what ends, what is compared with /proc, and what stops."""
    for title, phase in _phases(artefact.plan.steps):
        if not phase:
            continue
        yield []
        yield [(title, "heading"), (f"   {_span(phase)}", "quiet")]
        page = _Page(artefact, width)
        if not folded or artefact.rebuild is not None:
            for step in phase:
                yield from page.step(step)
        elif isinstance(phase[0], steps.Verify):
            yield from page.checks(phase)
        else:
            yield from _bounded(page, phase)


def _phases(plan: Sequence[steps.AnyStep]) -> tuple[tuple[str, Unit], ...]:
    stops = len(plan)
    while stops and isinstance(plan[stops - 1], steps.Stop):
        stops -= 1
    checks = stops
    while checks and isinstance(plan[checks - 1], steps.Verify):
        checks -= 1
    ends = checks
    while ends and isinstance(plan[ends - 1], LAST):
        ends -= 1
    return (("Create", plan[:ends]), ("End", plan[ends:checks]), ("Verify", plan[checks:stops]), ("Stop", plan[stops:]))


def _span(phase: Unit) -> str:
    first, last = phase[0].number, phase[-1].number
    return f"step {first}" if first == last else f"steps {first} to {last}"


def _bounded(page: "_Page", phase: Unit) -> Iterator[Line]:
    """Yield what fits, and say how much did not."""
    pieces: list[tuple[int, list[Line]]] = []
    total = 0
    for number, lines in _pieces(page, phase):
        pieces.append((number, lines))
        total += len(lines)
        if total > MOST_LINES:
            break
    else:
        yield from (line for _, lines in pieces for line in lines)
        return
    shown = 0
    for number, lines in pieces:
        if shown + len(lines) > FEWER_LINES:
            yield [(f"     and {counted(phase[-1].number - number + 1, 'step')} more; --option fold=no shows all", "quiet")]
            return
        shown += len(lines)
        yield from lines


def _pieces(page: "_Page", phase: Unit) -> Iterator[tuple[int, list[Line]]]:
    """Yield the number and the lines of each step, of steps that are alike together those of the first."""
    for run in _runs(phase):
        if len(run) >= FEWEST_ALIKE:
            yield run[0][0].number, list(page.alike(run))
        else:
            yield from ((step.number, list(page.step(step))) for unit in run for step in unit)


def _runs(phase: Unit) -> Iterator[list[Unit]]:
    """Yield units that are alike and follow one another together."""
    run: list[Unit] = []
    last: object = None
    for unit in _units(phase):
        shape = _shape(unit)
        if run and shape != last:
            yield run
            run = []
        run.append(unit)
        last = shape
    if run:
        yield run


def _units(phase: Unit) -> Iterator[Unit]:
    unit: list[steps.AnyStep] = []
    child = ProcessId(0)
    for step in phase:
        belongs = unit and child and step.actor == child and not isinstance(step, steps.Create)
        if unit and not belongs:
            yield unit
            unit = []
        if not belongs:
            child = step.child if isinstance(step, steps.Create) else ProcessId(0)
        unit.append(step)
    if unit:
        yield unit


def _shape(unit: Unit) -> object:
    """Return what units have in common that are alike: all but the numbers of the process that each is about."""
    first = unit[0]
    child = first.child if isinstance(first, steps.Create) else first.actor
    return tuple(_step_shape(step, child) for step in unit)


def _step_shape(step: steps.AnyStep, child: ProcessId) -> object:
    own = "own" if step.actor == child else step.actor
    common = (type(step).__name__, step.rule, bool(step.waits), own)
    match step:
        case steps.Create():
            return (*common, step.new_namespace, step.new_user, step.sibling, tuple(step.share), step.exit_signal)
        case steps.SetGroup():
            return (*common, step.target == child, "own" if step.group == step.target else step.group)
        case steps.SetSession():
            return common
        case steps.SetSubreaper():
            return (*common, step.on)
        case steps.CreateThread():
            return common
        case steps.Exit():
            return (*common, step.status, step.thread_only)
        case steps.Kill():
            return (*common, step.signal)
        case steps.Stop():
            return common
        case steps.Reap():
            return common
        case _:
            return (*common, step.number)


class _Page:
    """Writes steps as lines of a width."""

    def __init__(self, artefact: Artefact, width: int) -> None:
        self._table: Table = artefact.plan.process_table()
        self._rebuild = artefact.rebuild
        self._width = width
        self._digits = max(3, len(str(len(artefact.plan.steps))))
        self._indent = " " * (self._digits + 5)
        self._rule_at = max(width - RULE_COLUMNS, len(self._indent) + 30)

    def step(self, step: steps.AnyStep) -> Iterator[Line]:
        """Yield a step with its rule beside it, and below it what does not fit."""
        mark, style = _mark(step, self._rebuild)
        head: Line = [(f" {mark}", style), (f"{step.number:>{self._digits}}", "number"), ("  ", "")]
        yield from self._line(head, step_words(step, self._table), escaped(step.rule))
        if waits := wait_words(step):
            for line in wrapped(waits, self._width, self._indent):
                yield [(line, "quiet")]

    def alike(self, run: list[Unit]) -> Iterator[Line]:
        """Yield one line for processes that are made alike."""
        first, *further = run[0]
        head: Line = [("  ", ""), (f"{first.number:>{self._digits}}", "number"), ("  ", "")]
        if isinstance(first, steps.Create):
            children = [unit[0].child for unit in run if isinstance(unit[0], steps.Create)]
            words = step_words(first, self._table).replace(
                f"creates {self._vector(first.child)}", f"creates {len(run)} processes", 1
            )
            words = f"{words}: {self._listed(children)}"
            rest = [step_words(step, self._table).removeprefix(f"{first.child} ") for step in further]
            words += f"; each {', '.join(rest)}" if rest else ""
        else:
            actors = [unit[0].actor for unit in run]
            same = all(actor == actors[0] for actor in actors)
            words = f"{step_words(first, self._table)}, and {len(run) - 1} more alike"
            words += "" if same else f": {self._listed(actors)}"
        words += f" (to step {run[-1][-1].number})"
        yield from self._line(head, words, escaped(first.rule))

    def checks(self, phase: Unit) -> Iterator[Line]:
        """Yield one line for all checks."""
        words = f"tasks compared with /proc, {len(phase)} in all: pids, parent, session, group, threads, state"
        head: Line = [("  ", ""), (f"{phase[0].number:>{self._digits}}", "number"), ("  ", "")]
        yield from self._line(head, words, escaped(phase[0].rule))

    def _line(self, head: Line, words: str, rule: str) -> Iterator[Line]:
        used = self._digits + 4
        if used + len(words) + 1 <= self._rule_at:
            yield [*head, (words.ljust(self._rule_at - used), ""), (rule, "quiet")]
            return
        first, *rest = wrapped(words, self._rule_at - len(self._indent), "")
        yield [*head, (first.ljust(self._rule_at - used), ""), (rule, "quiet")]
        for line in rest:
            yield [(self._indent + line, "")]

    def _vector(self, pid: ProcessId) -> str:
        process = self._table.get(pid)
        return vector(process.pids) if process else str(pid)

    def _listed(self, pids: Sequence[ProcessId]) -> str:
        names = {self._table[pid].name for pid in pids if pid in self._table}
        name = f"{escaped(names.pop())} " if len(names) == 1 and "" not in names else ""
        return f"{name}{self._vector(pids[0])} ... {self._vector(pids[-1])}"


def _mark(step: steps.AnyStep, rebuild: Rebuild | None) -> tuple[str, str]:
    """Return the sign of what a run made of a step: `+` done, `!` failed."""
    if rebuild is None:
        return " ", ""
    if rebuild.failed is not None and rebuild.failed.step == step.number:
        return "!", "error"
    return ("+", "done") if step.number in rebuild.done else (" ", "")
