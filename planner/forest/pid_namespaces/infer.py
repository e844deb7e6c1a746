"""Whose namespace: inference of pid namespaces that an image does not name.

A linux-cr image stores a number for each level and no identity; others name the namespaces of some tasks, and what encloses
some namespaces. `infer` returns the decisions that give every task, every zombie and every dead leader its namespace, and every
namespace what encloses it, each with its rule and its evidence. What the facts force is in
`planner.forest.pid_namespaces.cells`, with what the image says itself (`planner.forest.pid_namespaces.statements`); what they
leave open is searched in `planner.forest.pid_namespaces.search`, and a decision says how many namespaces would have fitted.
`solutions` goes on to the next consistent answer, for a planner that cannot plan the first. Recorded namespaces keep their ids,
and so does what the image says of them (`planner.forest.pid_namespaces.ids`).

Two laws join those of the cells. A number is borne once in a namespace, at every level, by tasks, threads and dead leaders. And
a namespace whose init has ended is empty: not even the number of a dead leader is left in it, because a number that an outer
task's group keeps allocated also keeps the init from finishing (tried on Linux 6.18: it waits in `zap_pid_ns_processes`). A
hint and no law is that the numbers in a namespace rise together with the outer ones; it only says what to try first.
"""

from collections.abc import Generator, Iterable
from itertools import islice
from typing import TYPE_CHECKING, Final

from planner.errors import Contradiction
from planner.events.records import NamespaceInferred, TaskPlaced
from planner.identity import OUTSIDE, NamespaceId, ProcessId, Sequence

if TYPE_CHECKING:
    from planner.forest.model import Forest, Leader
    from planner.forest.pid_namespaces.assignment import Answer
    from planner.forest.pid_namespaces.cells import Bearers, Clash
    from planner.forest.pid_namespaces.ids import Names

Decision = NamespaceInferred | TaskPlaced

RULES: Final = {
    "number-1": "A task with the number 1 is the init of its own pid namespace.",
    "level-1": "A namespace at level 1 lies in the root namespace.",
    "parent": "A child at its parent's level is in its parent's pid namespace, and a child one level below is in one inside it.",
    "session": "A member of a session at its leader's level is in the leader's pid namespace, and a deeper one is below it.",
    "only-one": "There is one pid namespace at that level below those of the parent and of the session's leader.",
    "only-one-fits": "In every other pid namespace at that level a number would be borne twice.",
    "several-fit": "Several pid namespaces fit; the numbers of this one rise together with the outer ones.",
    "recorded": "The image says of a task in this pid namespace, or of a pid namespace below it, which one it is.",
    "recorded-free": "The image names a pid namespace there, and no task says that it is in it.",
}
"""Why a task or namespace is where it is: the rules that the decisions name."""

MOST_SOLUTIONS: Final = 128
"""How many answers `solutions` gives unless it is told otherwise."""

EFFORT: Final = 3_000_000
"""Steps of propagation that the search for one image may cost in all: a few seconds."""

MINIMISED: Final = 2_000
"""Images with more nested bearers than this get their contradictions with the evidence as it was met, not the smallest."""

MINIMISING_TESTS: Final = 400
"""How many subsets are looked at for the smallest evidence."""

MINIMISING_EFFORT: Final = 20_000
"""Steps of propagation for each of them."""

_OBVIOUS: Final = frozenset({"session-leader-below", "namespace-init-below", "namespace-init-deeper", "namespace-without-init"})
"""Contradictions of one or two bearers, as they are met."""

_NOBODY: Final = -1


def infer(forest: "Forest") -> list[Decision]:
    """Return the decisions that place everybody who is not placed, and nothing when the image or the levels say it all.

    Pure, and the same on every machine: ties go by image order. Raises `Contradiction` when no assignment fits, with the
    smallest set of tasks that cannot be together, and also (code "namespace-undecided") when the bounded search was given up.
    """
    return next(solutions(forest, 1))


def solutions(forest: "Forest", limit: int = MOST_SOLUTIONS) -> Generator[list[Decision], Iterable[ProcessId] | None, None]:
    """Yield up to `limit` different consistent answers, the likeliest first; the first is that of `infer`.

    Whoever refuses an answer may send the processes whose facts it was refused for: where these are is varied first, in up to
    `limit` further answers. Then open parts of the image that do not constrain each other are varied one at a time before they
    are varied together. Raises like `infer`, before the first answer only.
    """
    if _says_all(forest):
        yield []
        return
    from planner.forest.pid_namespaces.assignment import Answer
    from planner.forest.pid_namespaces.cells import Bearers, Clash, check_numbers
    from planner.forest.pid_namespaces.constraints import Exhausted

    bearers = Bearers(forest)
    try:
        check_numbers(bearers)
        answer = Answer(bearers, bearers.facts(), EFFORT)
        answer.find()
        answer.count()
    except Clash as clash:
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


def _says_all(forest: "Forest") -> bool:
    """Whether it is known where everybody is, and of every namespace that somebody is in what encloses it and who is its init."""
    if any(task.namespace < 0 for task in forest.tasks.values()) or any(map(_is_nested, forest.leaders.values())):
        return False
    met = {NamespaceId(0)}
    for here in {task.namespace: None for task in forest.tasks.values()}:
        while here not in met:
            met.add(here)
            record = forest.namespaces.get(here)
            if record is None or record.init == OUTSIDE:
                return False
            here = record.parent
    return True


def _is_nested(leader: "Leader") -> bool:
    """Whether a dead leader is known to have lived in a nested namespace, and at which level."""
    return len(leader.pids) > 1 and (leader.complete or leader.pids[-1] == 1)


def _contradiction(bearers: "Bearers", clash: "Clash") -> Contradiction:
    members = sorted(dict.fromkeys(clash.bearers))
    pid = bearers.number(clash.bearers[-1]) if clash.bearers else 0
    return Contradiction(clash.code, clash.message, (bearers.recorded[member] for member in members), pid)


def _smallest(bearers: "Bearers", clash: "Clash") -> "Clash":
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
        # Those whom the contradiction names are the likeliest to be in it, so they are the last to be left out.
        ordered = [*named, *(fact for fact in bearers.facts() if bearers.is_evidence(fact) and fact not in inside)]
    if len(ordered) > MINIMISED:
        return clash
    tests = min(MINIMISING_TESTS, MINIMISING_TESTS * 100 // len(ordered))

    def clashes(members: list[int]) -> "Clash | None":
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


def _clash_of(bearers: "Bearers", members: list[int]) -> "Clash | None":
    """Return the contradiction between some bearers alone, None where there is none or none was found with little effort."""
    from planner.forest.pid_namespaces.assignment import Answer
    from planner.forest.pid_namespaces.cells import Clash
    from planner.forest.pid_namespaces.constraints import Exhausted

    try:
        Answer(bearers, members, MINIMISING_EFFORT).find()
    except Clash as clash:
        return clash
    except Exhausted:
        return None
    return None


def _decisions(forest: "Forest", answer: "Answer") -> list[Decision]:
    """Write an answer as events: namespaces from the outermost level down, then tasks, then dead leaders, in image order."""
    from planner.forest.pid_namespaces.ids import Names

    cells, bearers = answer.cells, answer.bearers
    names = Names(answer, max(forest.namespaces, default=0))
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
        if _is_nested(leader)
    )
    return decisions


def _placed(answer: "Answer", member: int, names: "Names") -> TaskPlaced:
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


def _why(answer: "Answer", member: int, cell: int, level: int) -> tuple[str, tuple[Sequence, ...], int]:
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
