"""Evidence of refusals on small forests: which facts a refusal names, and which forests hold those facts.

A *fact* is what one event of an image says: the row of a task (its numbers and pid namespace, parent, session, group), the state
of a task, or the numbers of a dead leader. Where an event is not among the facts, all that it says may be anything. Three things
are known whatever the facts are, since an image holds every task: whether a number that a fact names is a task's or a dead
leader's, that number 1 is the container's init, and, where the place of a dead group leader is a fact, how many pid namespaces
there are that it may have lived in. So a task that is named and whose row is left out exists, with any parent, session, group
and namespace.

A *pattern* is a set of facts up to renumbering. A refusal is right when no good forest holds the pattern of its evidence, and the
evidence is smallest when one does as soon as any fact is left out. A forest is good when the search reaches it and it is no trap,
or when it is planned, which is proved on the model kernel.
"""

import multiprocessing
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import combinations, permutations, product
from random import Random
from typing import NamedTuple

from planner.errors import Contradiction
from planner.events.records import PidRecorded, TaskRecorded, TaskStateRecorded
from planner.kernel.deadlocks import rings
from planner.pipeline.resolve import resolve
from planner.testing.forests import events
from tests.generators.exhaustive import NOBODY, Shape, Task, candidates, text_of

Fact = tuple[str, int]
"""What kind of event ("task", "state", "dead") and its subject: the index of a task, or the place of a dead leader."""

Facts = frozenset[Fact]

Pattern = tuple[object, ...]

Profile = tuple[tuple[str, bool], ...]
"""For each of some facts its kind, and whether it is about the container's init."""


class Verdict(NamedTuple):
    """What became of a shape: "" where it is planned, else the code of the refusal and the facts that it names."""

    code: str
    facts: Facts = frozenset()


def verdict(shape: Shape) -> Verdict:
    """Plan a shape; a code that begins with "!" says that the planner broke."""
    log = events(text_of(shape))
    image = list(log)
    try:
        resolve(log)
    except Contradiction as error:
        if not error.because:
            return Verdict(f"!{error.code} names no fact")
        if any(seq >= len(image) for seq in error.because):
            return Verdict(f"!{error.code} names a decision")
        return Verdict(error.code, frozenset(_fact(image[seq], len(shape[0])) for seq in error.because))
    except Exception as error:  # whatever the planner does with an image that cannot be
        return Verdict(f"!{type(error).__name__}: {error}")
    return Verdict("")


def _fact(event: object, count: int) -> Fact:
    match event:
        case TaskRecorded(pids=pids):
            return "task", pids[0] - 1
        case TaskStateRecorded(pid=pid):
            return "state", pid - 1
        case PidRecorded(numbers=numbers):
            return "dead", numbers[0] - count - 1
    raise AssertionError(event)


def verdicts(shapes: Iterable[Shape]) -> dict[Shape, Verdict]:
    """Plan shapes in two processes."""
    ordered = sorted(shapes)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return dict(zip(ordered, pool.map(verdict, ordered, chunksize=200), strict=True))


@cache
def all_verdicts(tasks: int, levels: int, *, groups: bool = True) -> dict[Shape, Verdict]:
    """Plan every candidate of a size, once in a test run."""
    return verdicts(candidates(tasks, levels, groups=groups))


def is_trap(shape: Shape, *, surely: bool) -> bool:
    """Tell whether an init waits for itself, or inits for each other (`planner.kernel.deadlocks`).

    That is `surely` so wherever dead leaders lived, else for some places of theirs. A dead leader with two known numbers
    may have lived in any nested pid namespace; one with one known number may have lived at level 0.
    """
    tasks, dead = shape
    if tasks[0].group not in (0, NOBODY):
        return True
    nested = [index for index, task in enumerate(tasks) if index and task.space == index and not task.zombie]
    places = product(*(nested if known >= 4 and nested else [0] for known, _ in dead))
    found = (_has_ring(tasks, nested, spaces) for spaces in places)
    return all(found) if surely else any(found)


def _has_ring(tasks: tuple[Task, ...], nested: list[int], spaces: tuple[int, ...]) -> bool:
    held_up: dict[int, list[int]] = {}
    for init in nested:
        group = tasks[init].group
        space = 0 if group in (NOBODY, *nested) else tasks[group].space if group >= 0 else spaces[-2 - group]
        held_up[init] = [space] if space else []
    return bool(rings(held_up))


def pattern(shape: Shape, facts: Iterable[Fact]) -> Pattern:
    """Return some facts of a shape, the same for all that differ by numbering only.

    Numbers, and namespaces other than the container's, are counted as the facts name them; of all orders of the facts the
    first counts.
    """
    rows: dict[int, list[bool]] = {}
    gone: set[int] = set()
    for kind, number in facts:
        if kind == "dead":
            gone.add(number)
        else:
            rows.setdefault(number, [False, False])[kind == "state"] = True
    others = sorted(index for index in rows if index)
    return min(_written(shape, rows, gone, ([0] if 0 in rows else []) + list(order)) for order in permutations(others))


def _written(shape: Shape, rows: dict[int, list[bool]], gone: set[int], order: list[int]) -> Pattern:
    tasks, dead = shape
    names: dict[int, int] = {NOBODY: -1, 0: 0}
    spaces: dict[int, int] = {0: 0}
    written: list[tuple[int, ...]] = []
    for index in order:
        task = tasks[index]
        row, state = rows[index]
        name = names.setdefault(index, len(names) - 1)
        words: tuple[int, ...] = (name,)
        if row:
            for label in (task.parent, task.session, task.group):
                words += (names.setdefault(label, len(names) - 1),)
            words += (spaces.setdefault(task.space, len(spaces)), task.space == index)
        if state:
            words += (10 + task.zombie,)
        written.append(words)
    kinds = tuple(number < 0 for number in names)[2:]
    known = sorted((names.get(-2 - number, 99), dead[number][0]) for number in gone)
    nested = len({task.space for task in tasks}) if any(numbers == 4 for _, numbers in known) else 0
    return tuple(written), kinds, tuple(known), nested


def profile(facts: Iterable[Fact]) -> Profile:
    """Return how many facts of which kinds there are, those about the container's init apart."""
    return tuple(sorted((kind, kind != "dead" and not number) for kind, number in facts))


def held(shapes: Iterable[Shape], profiles: set[Profile]) -> set[Pattern]:
    """Return the patterns of some profiles that the shapes hold."""
    found: set[Pattern] = set()
    for shape in shapes:
        for facts in _choices(shape, profiles):
            found.add(pattern(shape, facts))
    return found


def _choices(shape: Shape, profiles: set[Profile]) -> Iterator[tuple[Fact, ...]]:
    """Yield the sets of facts of a shape that have one of the profiles."""
    tasks, dead = shape
    inner = range(1, len(tasks))
    for wanted in profiles:
        root = [(kind, 0) for kind, init in wanted if init]
        counts = [sum(one == (kind, False) for one in wanted) for kind in ("task", "state", "dead")]
        for chosen in product(
            combinations(inner, counts[0]), combinations(inner, counts[1]), combinations(range(len(dead)), counts[2])
        ):
            yield (
                *root,
                *(("task", index) for index in chosen[0]),
                *(("state", index) for index in chosen[1]),
                *(("dead", index) for index in chosen[2]),
            )


def completions(shape: Shape, facts: Facts, random: Random, count: int) -> Iterator[Shape]:
    """Yield forests of one task more in which the facts hold; whatever the facts leave open is drawn at random.

    A namespace that the facts name, and whose init they do not, may have any task for its init that has no row.
    """
    tasks, dead = shape
    size = len(tasks) + 1
    known = {index for kind, index in facts if kind == "task"}
    ended = {index for kind, index in facts if kind == "state" and tasks[index].zombie}
    free = [index for index in range(1, size) if index not in known]
    belongings = [(NOBODY, NOBODY), *((tasks[index].session, tasks[index].group) for index in known)]
    belongings += [(session, session) for session, _ in belongings]
    for _ in range(count):
        inits = {space: space if space in known or not space else random.choice(free) for space in {task.space for task in tasks}}
        whole: list[Task] = []
        for index in range(size):
            if index in known:
                task = tasks[index]
                whole.append(task._replace(space=inits[task.space], zombie=index in ended))
                continue
            session, group = random.choice([(index, index), *belongings])
            group = random.choice((session, group, index))
            space = index if index in inits.values() else random.choice([0, 0, index, *inits.values()]) if index else 0
            parent = random.choice([NOBODY, *range(size)]) if index else NOBODY
            whole.append(Task(parent if parent != index else 0, session, group, space, index in ended))
        numbers = tuple((entry[0], inits[entry[1]]) for entry in dead)
        yield tuple(whole), numbers


@cache
def is_held_with_one_more(shape: Shape, facts: Facts, count: int) -> bool:
    """Tell whether a forest of one task more that holds the facts was found and planned; the same draws every time."""
    random = Random(f"{shape} {sorted(facts)}")
    wanted = pattern(shape, facts)
    return any(
        pattern(whole, facts) == wanted and not verdict(whole).code
        for whole in completions(shape, facts, random, count)
        if _is_whole(whole)
    )


def _is_whole(shape: Shape) -> bool:
    tasks, _ = shape
    return all(tasks[task.space].space == task.space for task in tasks)
