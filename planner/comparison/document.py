"""A comparison as a document, and in words: plain, for a terminal with colours, and as Markdown."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final, Literal

import msgspec

from planner.comparison.contents import NO_DIFFERENCE, ContentChange
from planner.comparison.forests import PropertyChange, TaskChange
from planner.comparison.plans import CreatorChange, HelperChange, OrderChange, PlanChange
from planner.explanation.lookup import rule_words
from planner.findings.problems import Problem
from planner.schemas import published
from planner.text import Line, Span, escaped, json_document, render

KIND: Final = "crplan-diff"
FORMAT_VERSION: Final = 2
"""Version of the JSON document; within it fields are only added."""


class Side(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One of the two that were compared; `problem` says why there is no plan for it."""

    image_id: str
    tasks: int
    plan_id: str = ""
    problem: Problem | msgspec.UnsetType = msgspec.UNSET


class DiffDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A comparison, or the problem that there is instead of one.

    `plan` is missing where one of the sides cannot be planned. Where a side holds several checkpoints, `images` has a comparison
    for each name, and only `differs` says something of them all. Numbers are level-0 numbers, vectors are outermost first.
    Unknown fields are to be ignored within a `format_version`.
    """

    kind: str = KIND
    format_version: int = FORMAT_VERSION
    differs: bool = False
    before: Side | msgspec.UnsetType = msgspec.UNSET
    after: Side | msgspec.UnsetType = msgspec.UNSET
    tasks: tuple[TaskChange, ...] = ()
    plan: PlanChange | msgspec.UnsetType = msgspec.UNSET
    contents: tuple[ContentChange, ...] | msgspec.UnsetType = msgspec.UNSET
    error: Problem | msgspec.UnsetType = msgspec.UNSET
    images: "tuple[Paired, ...] | msgspec.UnsetType" = msgspec.UNSET

    def __repr__(self) -> str:
        return f"<DiffDocument: {headline(self)}>"


class Paired(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The checkpoints of one name on both sides, compared, or the side on which alone there is one of that name."""

    name: str
    comparison: DiffDocument | msgspec.UnsetType = msgspec.UNSET
    only: Literal["before", "after"] | msgspec.UnsetType = msgspec.UNSET


def of_several(images: tuple[Paired, ...]) -> DiffDocument:
    """Return the document of sides that hold several checkpoints each."""
    differs = any(not isinstance(one.comparison, DiffDocument) or _differs(one.comparison) for one in images)
    return DiffDocument(differs=differs, images=images)


def _differs(comparison: DiffDocument) -> bool:
    return comparison.differs or isinstance(comparison.error, Problem)


def document(
    before: Side,
    after: Side,
    tasks: tuple[TaskChange, ...],
    plan: PlanChange | None,
    contents: tuple[ContentChange, ...] = (),
) -> DiffDocument:
    """Return the document of a comparison; `plan` is None where a side has none."""
    held = any(change.what not in NO_DIFFERENCE for change in contents)
    differs = bool(tasks) or held or (plan.differs if plan is not None else _reason(before) != _reason(after))
    plan_change = msgspec.UNSET if plan is None else plan
    return DiffDocument(
        differs=differs, before=before, after=after, tasks=tasks, plan=plan_change, contents=contents or msgspec.UNSET
    )


def _reason(side: Side) -> str:
    return side.problem.code if isinstance(side.problem, Problem) else ""


def encoded(compared: DiffDocument) -> bytes:
    """Return the document as JSON."""
    return json_document(compared)


def schema() -> bytes:
    """Return the published JSON Schema of the document, generated from the records."""
    return published(DiffDocument, f"crplan comparison, format version {FORMAT_VERSION}")


STYLES: Final = {"heading": "bold", "added": "green", "removed": "red", "changed": "yellow", "name": "bold", "quiet": "dim"}
"""Colours repeat what the signs +, - and ~ say."""

SIGNS: Final = {"added": "+", "removed": "-", "changed": "~"}


def text(compared: DiffDocument, *, colour: bool = False, unicode: bool = True) -> str:
    """Return the comparison as human-readable text; colours are ANSI sequences."""
    return render(_lines(compared), STYLES, colour=colour, unicode=unicode)


def _lines(compared: DiffDocument) -> Iterator[Line]:
    if isinstance(compared.images, tuple):
        for number, one in enumerate(compared.images):
            if number:
                yield []
            yield from _paired_lines(one)
        return
    yield [(headline(compared), "heading")]
    if compared.tasks:
        yield []
        yield [("Tasks", "heading"), ("   pids outermost first", "quiet")]
        for change in compared.tasks:
            yield from _task_lines(change)
    if compared.contents:
        yield []
        yield [("Held by the processes", "heading")]
        for held in compared.contents:
            yield _content_line(held)
    plan_lines = list(_plan_lines(compared))
    if plan_lines:
        yield []
        yield [("Plan", "heading")]
        yield from plan_lines


def _paired_lines(one: Paired) -> Iterator[Line]:
    """Yield the comparison of one name below that name."""
    if not isinstance(one.comparison, DiffDocument):
        sign = "removed" if one.only == "before" else "added"
        yield [(f"{SIGNS[sign]} ", sign), (escaped(one.name), "name"), (f": {sign}", "")]
        return
    first, *rest = _lines(one.comparison)
    yield [(f"{escaped(one.name)}: ", "name"), *first]
    yield from rest


def headline(compared: DiffDocument) -> str:
    """Return how much differs, in one line."""
    if isinstance(compared.error, Problem):
        return f"cannot be compared: {escaped(compared.error.message)}"
    if isinstance(compared.images, tuple):
        different = sum(not isinstance(one.comparison, DiffDocument) or _differs(one.comparison) for one in compared.images)
        return f"{different} of {len(compared.images)} checkpoints differ"
    if not compared.differs:
        return "no difference"
    counts = {kind: sum(change.kind == kind for change in compared.tasks) for kind in SIGNS}
    parts = [f"{count} {kind}" for kind, count in counts.items() if count]
    tasks = f"tasks: {', '.join(parts)}" if parts else "the same tasks"
    if compared.contents:
        held = Counter(change.what for change in compared.contents)
        tasks += "; held: " + ", ".join(f"{count} {what} changes" for what, count in held.items())
    plan = compared.plan
    if not isinstance(plan, PlanChange):
        return f"{tasks}; only {'one' if _planned(compared) else 'none'} of the two can be planned"
    return f"{tasks}; {'another plan' if plan.differs else 'the same plan'}"


def _planned(compared: DiffDocument) -> bool:
    return any(isinstance(side, Side) and side.plan_id for side in (compared.before, compared.after))


def _content_line(change: ContentChange) -> Line:
    """Return a line for something that is held by one side alone, or in another way."""
    task = f" of task {change.pid}" if change.pid else ""
    values = " -> ".join(escaped(value) or "none" for value in (change.before, change.after))
    words = values if change.kind == "changed" else escaped(change.before or change.after)
    return [
        (f"  {SIGNS[change.kind]} ", change.kind),
        (f"{change.what} {escaped(change.name)}{task}", ""),
        (f"  {words}", "quiet"),
    ]


def _task_lines(change: TaskChange) -> Iterator[Line]:
    """Yield a line for a task that was added or removed, and one for each change of another."""
    sign: Span = (f"  {SIGNS[change.kind]} ", change.kind)
    facts = {fact.property: fact for fact in change.changes}
    if change.kind == "changed":
        label = str(change.after)
    else:
        number = facts["number"]
        label = number.after or number.before
    name = f" {escaped(change.name)}" if change.name else ""
    head: Line = [sign, (label, change.kind), (name, "name"), (" " * max(2, 26 - len(label + name)), "")]
    if change.kind != "changed":
        said = [_fact_words(fact) for fact in change.changes if fact.property != "number"]
        yield [*head, (", ".join(said), "")]
        return
    for place, fact in enumerate(change.changes):
        lead: Line = head if place == 0 else [(" " * max(30, 6 + len(label + name)), "")]
        yield [*lead, (change_words(fact), "")]


def _fact_words(fact: PropertyChange) -> str:
    value = fact.after or fact.before
    return value if fact.property in {"state"} else f"{fact.property} {escaped(value)}"


def change_words(fact: PropertyChange) -> str:
    """Return one change in words: `moved: parent 3 -> 7`."""
    moved = "moved: " if fact.property == "parent" else ""
    return f"{moved}{fact.property} {escaped(fact.before) or 'none'} -> {escaped(fact.after) or 'none'}"


def _plan_lines(compared: DiffDocument) -> Iterator[Line]:
    for side, word in ((compared.before, "before"), (compared.after, "after")):
        if isinstance(side, Side) and isinstance(side.problem, Problem):
            yield [
                ("  ! ", "removed"),
                (f"{word}: cannot be planned: {escaped(side.problem.message)} [{escaped(side.problem.code)}]", ""),
            ]
    plan = compared.plan
    if not isinstance(plan, PlanChange) or not plan.differs:
        return
    for helper in plan.helpers:
        yield [(f"  {SIGNS[helper.kind]} ", helper.kind), (helper_words(helper), ""), (_because(helper.rule), "quiet")]
    for creator in plan.creators:
        yield [("  ~ ", "changed"), (creator_words(creator), "")]
        if creator.was_rule != creator.now_rule:
            yield [("      ", ""), (_because(creator.now_rule).lstrip(" :"), "quiet")]
    for order in plan.orders:
        yield [("  ~ ", "changed"), (order_words(order), ""), (_because(order.rule), "quiet")]
    yield [(f"    {steps_words(plan)}", "")]


def helper_words(helper: HelperChange) -> str:
    """Return what became of a helper."""
    if helper.kind == "added":
        return f"{helper.role} {helper.after} appeared"
    if helper.kind == "removed":
        return f"{helper.role} {helper.before} is no longer needed"
    return f"{helper.role} {helper.before} is now {helper.after}, or has other pids"


def creator_words(creator: CreatorChange) -> str:
    """Return who creates a process now, and who did before."""
    now, was = (
        f"{words} ({escaped(rule)})" for words, rule in ((creator.now, creator.now_rule), (creator.was, creator.was_rule))
    )
    return f"{creator.after} is created by {now}, before by {was}"


def order_words(order: OrderChange) -> str:
    """Return which steps turned."""
    return f'"{order.second_words}" (step {order.second}) now comes before "{order.first_words}" (step {order.first})'


def steps_words(plan: PlanChange) -> str:
    """Return how the number of steps changed."""
    if not (plan.helpers or plan.creators or plan.orders or plan.steps_added or plan.steps_removed):
        return f"the same {plan.steps_after} steps, with other facts to verify or in an order that no step depends on"
    added, removed = len(plan.steps_added), len(plan.steps_removed)
    return f"{plan.steps_before} -> {plan.steps_after} steps; {added} added, {removed} removed, verify steps not counted"


def _because(rule: str) -> str:
    sentence = rule_words(rule)[0] if rule else ""
    return f": {sentence}" if sentence else f" ({escaped(rule)})" if rule else ""


def markdown(compared: DiffDocument) -> str:
    """Return the comparison as Markdown: two tables that no name of a task can break."""
    if isinstance(compared.images, tuple):
        return "\n".join(_markdown_of(one) for one in compared.images)
    lines = [f"### crplan: {_plain(headline(compared))}", ""]
    if compared.tasks:
        lines += ["| | task | name | what changed |", "| --- | --- | --- | --- |"]
        lines += [_task_row(change) for change in compared.tasks]
        lines.append("")
    if compared.contents:
        lines += ["**Held by the processes**", ""]
        lines += [f"- {_plain(''.join(words for words, _ in _content_line(change)).strip())}" for change in compared.contents]
        lines.append("")
    entries = list(_plan_entries(compared))
    if entries:
        lines += ["**Plan**", "", *(f"- {entry}" for entry in entries), ""]
    return "\n".join(lines)


def _markdown_of(one: Paired) -> str:
    if isinstance(one.comparison, DiffDocument):
        return markdown(one.comparison).replace("### crplan:", f"### crplan: {_plain(escaped(one.name))}:", 1)
    return f"### crplan: {_plain(escaped(one.name))}: {'removed' if one.only == 'before' else 'added'}\n"


def _task_row(change: TaskChange) -> str:
    label = str(change.after or change.before)
    if change.kind == "changed":
        said = "; ".join(change_words(fact) for fact in change.changes)
    else:
        said = ", ".join(_fact_words(fact) for fact in change.changes)
    return f"| {change.kind} | {label} | {_code(escaped(change.name))} | {_plain(said)} |"


def _plan_entries(compared: DiffDocument) -> Iterator[str]:
    for line in _plan_lines(compared):
        if words := "".join(part for part, _ in line).strip():
            yield _plain(words)


def _code(words: str) -> str:
    """Return words that mention no user and format nothing."""
    return f"<code>{_plain(words)}</code>" if words else ""


_HARMLESS: Final = frozenset(" .,;:()/'?")


def _plain(words: str) -> str:
    """Return words with entities for whatever could mean something to Markdown or HTML."""
    return "".join(_entities(words))


def _entities(words: Iterable[str]) -> Iterator[str]:
    for character in words:
        harmless = character in _HARMLESS or (character.isalnum() and character.isascii())
        yield character if harmless else f"&#{ord(character)};"
