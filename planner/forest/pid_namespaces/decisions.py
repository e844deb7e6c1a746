"""What the inference of pid namespaces writes down: an answer of the search as decisions, or the smallest contradiction."""

from collections.abc import Generator, Iterable
from itertools import islice
from typing import Final

from planner.errors import Contradiction
from planner.events.records import NamespaceInferred, TaskPlaced
from planner.forest.model import Forest
from planner.forest.pid_namespaces.assignment import Assignment, assigned
from planner.forest.pid_namespaces.cells import Bearers, Conflict, check_numbers
from planner.forest.pid_namespaces.constraints import Exhausted
from planner.forest.pid_namespaces.ids import Names
from planner.forest.pid_namespaces.recorded import is_nested
from planner.identity import EventNumber, ProcessId

Decision = NamespaceInferred | TaskPlaced


def answers(forest: Forest, limit: int, effort: int) -> Generator[list[Decision], Iterable[ProcessId] | None, None]:
    """Yield the decisions of up to `limit` consistent answers, as `infer.solutions` says; `effort` bounds the propagation."""
    bearers = Bearers(forest)
    try:
        check_numbers(bearers)
        answer = assigned(bearers, bearers.facts(), effort)
        answer.count()
    except Conflict as clash:
        raise _contradiction(bearers, _smallest(bearers, clash)) from None
    except Exhausted:
        raise Contradiction(
            "namespace-undecided",
            "the bounded search for the pid namespaces of the tasks found no assignment, and did not show that there is none",
        ) from None
    doubted = yield _decisions(forest, answer)
    likeliest = answer.taken()
    if doubted is not None:
        answer.doubt(bearers.position[pid] for pid in doubted if pid in bearers.position)
        for _ in islice(answer.near(), limit):
            doubted = yield _decisions(forest, answer)
            answer.doubt(bearers.position[pid] for pid in doubted or () if pid in bearers.position)
    answer.take(likeliest)
    for _ in islice(answer.others(), limit - 1):
        yield _decisions(forest, answer)


MINIMISED: Final = 2_000
"""Images with more nested bearers than this get their contradictions with the evidence as it was met, not the smallest."""


MINIMISING_TESTS: Final = 400
"""How many subsets are looked at for the smallest evidence."""


MINIMISING_EFFORT: Final = 20_000
"""Steps of propagation for each of them."""


_OBVIOUS: Final = frozenset({"session-leader-below", "namespace-init-below", "namespace-init-deeper", "namespace-without-init"})
"""Contradictions of one or two bearers, as they are met."""


_NOBODY: Final = -1


def _contradiction(bearers: Bearers, clash: Conflict) -> Contradiction:
    members = sorted(dict.fromkeys(clash.bearers))
    pid = bearers.number(clash.bearers[-1]) if clash.bearers else 0
    return Contradiction(clash.code, clash.message, (bearers.recorded[member] for member in members), pid)


def _smallest(bearers: Bearers, clash: Conflict) -> Conflict:
    """Return a contradiction between as few facts as possible, none of which can be left out; the inits are taken as given.

    Junker's QuickXplain; where that would cost too much, the contradiction stays as it was met.
    """
    if clash.code in _OBVIOUS:
        return clash
    inside = set(clash.bearers)
    named = sorted(filter(bearers.is_evidence, inside))
    if len(named) <= MINIMISED and _clash_of(bearers, named):
        ordered = named
    else:
        # The processes that the contradiction names are the likeliest to be in it, so they are the last to be left out.
        ordered = [*named, *(fact for fact in bearers.facts() if bearers.is_evidence(fact) and fact not in inside)]
    if len(ordered) > MINIMISED:
        return clash
    tests = min(MINIMISING_TESTS, MINIMISING_TESTS * 100 // len(ordered))

    def clashes(members: list[int]) -> Conflict | None:
        nonlocal tests
        tests -= 1
        return None if tests < 0 else _clash_of(bearers, members)

    def needed(background: list[int], grown: bool, among: list[int]) -> list[int]:
        if grown and clashes(background):
            return []
        if len(among) <= 1:
            return among
        first, second = among[: len(among) // 2], among[len(among) // 2 :]
        of_second = needed(background + first, bool(first), second)
        of_first = needed(background + of_second, bool(of_second), first)
        return of_first + of_second

    smallest = sorted(needed([], False, ordered))
    again = _clash_of(bearers, smallest)
    if tests < 0 or again is None:
        return clash
    again.bearers[:] = smallest
    return again


def _clash_of(bearers: Bearers, members: list[int]) -> Conflict | None:
    """Return the contradiction between some bearers alone, None where there is none or none was found with little effort."""
    try:
        assigned(bearers, members, MINIMISING_EFFORT)
    except Conflict as clash:
        return clash
    except Exhausted:
        return None
    return None


def _decisions(forest: Forest, answer: Assignment) -> list[Decision]:
    """Write an answer as events: namespaces from the outermost level down, then tasks, then dead leaders, in image order."""
    cells, bearers = answer.cells, answer.bearers
    names = Names(answer, forest.namespaces)
    decisions: list[Decision] = []
    for init, cell in sorted(names.inits(), key=lambda item: (cells.level[item[1]], item[0])):
        record = forest.namespaces.get(names.ids[cell])
        if record is not None and record.parent >= 0:
            continue
        rule, because, _ = _why(answer, init, cells.over(cell), cells.level[cell] - 1)
        decisions.append(
            NamespaceInferred(
                id=names.ids[cell],
                parent=names.ids[answer.namespace(cells.over(cell))],
                init=ProcessId(bearers.vectors[init][0] if init < bearers.dead_from else 0),
                rule=rule,
                because=because,
            )
        )
    for member, task in enumerate(forest.tasks.values()):
        if task.namespace < 0:
            decisions.append(_placed(answer, member, names))
    decisions.extend(
        _placed(answer, bearers.dead_from + number, names)
        for number, leader in enumerate(forest.leaders.values())
        if is_nested(leader)
    )
    return decisions


def _placed(answer: Assignment, member: int, names: Names) -> TaskPlaced:
    cells, bearers = answer.cells, answer.bearers
    cell = cells.own(member)
    vector = bearers.vectors[member]
    pid = ProcessId(vector[0])
    if vector[-1] == 1:
        rule, because, choices = names.named.get(cell, ("number-1", (), 1))
        return TaskPlaced(
            pid=pid,
            namespace=names.ids[cell],
            rule=rule,
            choices=max(choices, answer.fitting(cells.over(cell))),
            because=(bearers.recorded[member], *because),
        )
    rule, because, choices = _why(answer, member, cell, len(vector) - 1)
    return TaskPlaced(pid=pid, namespace=names.ids[answer.namespace(cell)], rule=rule, choices=choices, because=because)


def _why(answer: Assignment, member: int, cell: int, level: int) -> tuple[str, tuple[EventNumber, ...], int]:
    """Return by which rule, and because of which facts, `member` is in `cell` at `level` or below it; and how many cells fit."""
    bearers, recorded = answer.bearers, answer.bearers.recorded
    choices = answer.fitting(cell)
    evidence = recorded[member]
    if level == 0:
        return "level-1", (evidence,), choices
    for link, rule in ((bearers.parent, "parent"), (bearers.session, "session")):
        other = link[member]
        if other not in (_NOBODY, member) and len(bearers.vectors[other]) == level + 1:
            return rule, (evidence, recorded[other]), choices
    init, named = answer.cells.init[answer.namespace(cell)], answer.cells.named_by[cell]
    if member < bearers.dead_from and named != _NOBODY and not answer.was_open(cell) and len(answer.namespaces[level]) > 1:
        return "recorded", (evidence, recorded[named]), choices
    rule = "several-fit" if choices > 1 else "only-one-fits" if answer.was_open(cell) else "only-one"
    return rule, (evidence, recorded[init]), choices
