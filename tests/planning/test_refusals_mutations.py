"""One fact of a reachable forest is changed: what no history leads to any more is refused, for facts that contradict each other.

Small forests are held against the search (`tests.generators.exhaustive`) and their evidence against all forests that can be, as
in `tests.planning.test_refusals_exhaustive`; here are also those that the fold refuses by one look. Of large forests the search
knows nothing. There the evidence is cut out: all that it neither is about nor names, nor stands above that, is left out of the
image, but for the inits of all pid namespaces, since which namespaces there are is known. What is left holds the same
contradiction, so it must be refused, too. And of a forest of any size that a history has led to all facts but the changed one can
be held, so that one must be among the evidence.
"""

from collections import Counter
from collections.abc import Iterator
from functools import cache
from random import Random

import msgspec
import pytest

from planner.errors import Contradiction
from planner.events.records import (
    AnyEvent,
    PidRecorded,
    SharingRecorded,
    TaskNamespacesRecorded,
    TaskRecorded,
    TaskStateRecorded,
    ThreadRecorded,
)
from planner.forest.fold import fold
from planner.forest.model import Forest
from planner.identity import Number, ProcessId
from planner.pipeline.resolve import resolve
from planner.testing.forests import notation
from tests.generators.exhaustive import NOBODY, Shape, Task, canonical, text_of
from tests.generators.histories import PROFILES
from tests.helpers.amounts import amount
from tests.helpers.evidence import verdicts
from tests.helpers.trials import image_of, random_history
from tests.planning.test_refusals_exhaustive import good_forests, judged, small_reached

SMALL_HISTORIES = amount("CRPLAN_MUTATED_SMALL", 3000, 1500)
SHORT_HISTORIES = amount("CRPLAN_MUTATED_SHORT", 600, 300)
LARGE_HISTORIES = amount("CRPLAN_MUTATED_LARGE", 150, 80)
MUTATIONS = 8
"""How many facts of each large forest are changed, one at a time."""


# Small forests.


def shape_of(forest: Forest) -> Shape | None:
    """Return a forest as a shape; None for one that is too large, too deep, or has threads."""
    pids = sorted(forest.tasks)
    deep = any(len(bearer.pids) > 2 for bearer in (*forest.tasks.values(), *forest.leaders.values()))
    if len(pids) > 3 or pids[0] != 1 or deep or forest.threads:
        return None
    label = {0: NOBODY, **{int(pid): index for index, pid in enumerate(pids)}}
    tasks: list[Task] = []
    for pid in pids:
        task = forest.tasks[pid]
        for number in (task.session, task.group):
            label.setdefault(number, len(pids) - 2 - len(label) + 1)
        init = forest.namespaces[task.namespace].init
        tasks.append(Task(label[task.parent], label[task.session], label[task.group], label[init], task.zombie))
    known = [2 * len(forest.leaders[ProcessId(number)].pids) for number, place in label.items() if place < NOBODY]
    return tidied(tuple(tasks), known)


def tidied(tasks: tuple[Task, ...], known: list[int]) -> Shape:
    """Return a shape without the dead leaders that no task names; of the others two numbers are known as far as a member sees."""
    labels = sorted({label for task in tasks for label in (task.session, task.group) if label < NOBODY}, reverse=True)
    new = {label: -2 - place for place, label in enumerate(labels)}
    dead: list[tuple[int, int]] = []
    for label in labels:
        led = any(task.session == label for task in tasks)
        spaces = [task.space for task in tasks if label in (task.session, task.group) and task.space]
        inner = known[-2 - label] // 2 == 2 and bool(spaces)
        dead.append((2 * (1 + inner) + led, spaces[0] if inner else 0))
    moved = tuple(
        task._replace(session=new.get(task.session, task.session), group=new.get(task.group, task.group)) for task in tasks
    )
    return moved, tuple(dead)


def mutations(shape: Shape) -> Iterator[Shape]:
    """Yield all shapes that differ in one fact: parent, session, group, namespace, state, or what is known of a dead leader."""
    tasks, dead = shape
    size = len(tasks)
    known = [entry[0] for entry in dead]
    labels = range(-2 - len(dead), size)
    for index, task in enumerate(tasks):
        others = [task._replace(session=label) for label in labels] + [task._replace(group=label) for label in labels]
        others.append(task._replace(zombie=not task.zombie))
        if index:
            others += [task._replace(parent=parent) for parent in range(-1, size) if parent != index]
            if all(other.space != index for other in tasks if other is not task):
                others += [task._replace(space=space) for space in (index, *(other.space for other in tasks))]
        for other in others:
            changed = (*tasks[:index], other, *tasks[index + 1 :])
            if other != task and all(changed[one.space].space == one.space for one in changed):
                yield tidied(changed, [*known, 2])
    for place, numbers in enumerate(known):
        yield tidied(tasks, [*known[:place], 6 - numbers // 2 * 2, *known[place + 1 :]])


@cache
def small_mutants() -> set[Shape]:
    """Return what differs in one fact from the ends of small random histories."""
    ends = set()
    profiles = list(PROFILES)
    for seed in range(SMALL_HISTORIES):
        forest = fold(image_of(random_history(seed, profiles[seed % len(profiles)], 4 + seed % 12, 16)))
        shape = shape_of(forest)
        if shape is not None:
            ends.add(shape)
    assert len(ends) > 50
    mutants = {mutant for shape in sorted(ends) for mutant in mutations(shape)}
    return {(moved, tuple((entry[0], entry[1]) for entry in gone)) for moved, gone in (canonical(*one) for one in mutants)}


@pytest.mark.xdist_group("exhaustive")
@pytest.mark.slow
def test_small_forests_with_one_fact_changed() -> None:
    """What the search reaches is planned; whatever else is planned was proved; and evidence is as it must be."""
    said = verdicts(small_mutants())
    found = small_reached()
    counts: Counter[str] = Counter()
    for shape, (code, _) in sorted(said.items()):
        if shape in found:
            assert not code, f"{text_of(shape)} is reached, and refused: {code}"
        kind = "reached" if shape in found else "not reached within the bound"
        counts[f"{kind}, {'refused' if code else 'planned'}"] += 1
    print(f"\n{len(said)} forests: {dict(counts)}")
    refused = {shape: verdict for shape, verdict in said.items() if verdict.code}
    assert len(refused) > len(said) / 4
    assert not judged("one fact changed", refused, good_forests())


# Large forests.


def changed(image: list[AnyEvent], random: Random) -> list[AnyEvent]:
    """Return an image with one fact changed, drawn at random."""
    rows = [seq for seq, event in enumerate(image) if isinstance(event, (TaskRecorded, TaskStateRecorded, PidRecorded))]
    spaces = [seq for seq, event in enumerate(image) if isinstance(event, TaskNamespacesRecorded)]
    numbers = [0, 999, *(event.pids[0] for event in image if isinstance(event, TaskRecorded))]
    seq = random.choice(rows + spaces[: len(rows) // 8])
    event = image[seq]
    other: AnyEvent
    match event:
        case TaskRecorded():
            field = random.choice(("parent", "session", "group"))
            other = msgspec.structs.replace(event, **{field: ProcessId(random.choice(numbers))})
        case TaskStateRecorded():
            other = msgspec.structs.replace(event, state="running" if event.state == "zombie" else "zombie")
        case PidRecorded():
            shorter = event.numbers[: random.randint(1, len(event.numbers))]
            other = msgspec.structs.replace(event, numbers=random.choice((shorter, (*event.numbers, Number(77)))))
        case TaskNamespacesRecorded():
            there = image[random.choice(spaces)]
            assert isinstance(there, TaskNamespacesRecorded)
            other = msgspec.structs.replace(event, namespaces=there.namespaces)
    return [*image[:seq], other, *image[seq + 1 :]]


def cut_out(image: list[AnyEvent], because: tuple[int, ...]) -> list[AnyEvent]:
    """Return the image of those tasks alone that some facts are about or name, those above them, and the inits."""
    rows = {int(event.pids[0]): event for event in image if isinstance(event, TaskRecorded)}
    threads = {int(event.pids[0]): int(event.thread_group) for event in image if isinstance(event, ThreadRecorded)}
    named = {pid for pid, row in rows.items() if row.pids[-1] == 1}
    for seq in because:
        event = image[seq]
        match event:
            case TaskRecorded(pids=pids, parent=parent, session=session, group=group):
                named |= {int(pids[0]), int(parent), int(session), int(group)}
            case TaskStateRecorded(pid=pid) | TaskNamespacesRecorded(pid=pid):
                named.add(int(pid))
            case ThreadRecorded(pids=pids, thread_group=owner):
                named |= {int(pids[0]), int(owner)}
            case PidRecorded(numbers=numbers):
                named.add(int(numbers[0]))
    kept: set[int] = set()
    for pid in named:
        here = threads.get(pid, pid)
        while here in rows and here not in kept:
            kept.add(here)
            here = int(rows[here].parent)
    dead = {int(number) for pid in kept for number in (rows[pid].session, rows[pid].group)} | named
    return [event for event in image if _stays(event, kept, dead, threads)]


def _stays(event: AnyEvent, kept: set[int], dead: set[int], threads: dict[int, int]) -> bool:
    match event:
        case TaskRecorded(pids=pids):
            return int(pids[0]) in kept
        case TaskStateRecorded(pid=pid) | TaskNamespacesRecorded(pid=pid):
            return threads.get(int(pid), int(pid)) in kept
        case ThreadRecorded(thread_group=owner):
            return int(owner) in kept
        case PidRecorded(numbers=numbers):
            return int(numbers[0]) in dead
        case SharingRecorded():
            return False
    return True


def answer(image: list[AnyEvent]) -> tuple[str, tuple[int, ...]]:
    """Return the code of the refusal and its evidence; "" where the image is planned and proved."""
    try:
        resolve(list(image))
    except Contradiction as error:
        return error.code, error.because
    return "", ()


def names_the_change(image: list[AnyEvent], mutant: list[AnyEvent], because: tuple[int, ...]) -> bool:
    """Tell whether evidence holds the fact in which a mutant differs from an image; a task's namespace belongs to its row."""
    for seq, (event, other) in enumerate(zip(image, mutant, strict=True)):
        if event != other and seq not in because:
            if not isinstance(other, TaskNamespacesRecorded):
                return False
            rows = [mutant[place] for place in because]
            return any(isinstance(row, TaskRecorded) and row.pids[0] == other.pid for row in rows)
    return True


@pytest.mark.slow
def test_the_changed_fact_is_among_the_evidence() -> None:
    """Small forests on many levels, so that most of their facts have to do with each other."""
    counts: Counter[str] = Counter()
    profiles = list(PROFILES)
    wrong: list[str] = []
    for seed in range(SHORT_HISTORIES):
        random = Random(f"short {seed}")
        image = image_of(random_history(f"short {seed}", profiles[seed % len(profiles)], random.randint(10, 60), 16))
        assert not answer(image)[0], seed
        for _ in range(MUTATIONS):
            mutant = changed(image, random)
            code, because = answer(mutant)
            counts[code or "planned"] += 1
            if code and not names_the_change(image, mutant, because):
                wrong.append(f"{seed} {code} {[mutant[seq] for seq in because]}: {notation(fold(image))}")
    print(f"\n{counts.total()} forests: {counts.most_common()}")
    assert len(counts) > 15
    assert not wrong, f"{len(wrong)} do not name what was changed:\n" + "\n".join(wrong[:5])


@pytest.mark.slow
def test_large_forests_with_one_fact_changed() -> None:
    """Each is planned and proved, or refused for facts of the image that stay refused when they are cut out of it."""
    counts: Counter[str] = Counter()
    sizes: Counter[int] = Counter()
    profiles = list(PROFILES)
    wrong: list[str] = []
    for seed in range(LARGE_HISTORIES):
        random = Random(f"mutation {seed}")
        image = image_of(random_history(seed, profiles[seed % len(profiles)], 120, 30))
        for _ in range(MUTATIONS):
            mutant = changed(image, random)
            code, because = answer(mutant)
            counts[code or "planned"] += 1
            if not code:
                continue
            assert because, f"{seed}: {code} names no fact"
            assert all(0 <= seq < len(mutant) for seq in because), f"{seed}: {code} names what is no fact of the image"
            sizes[len(because)] += 1
            assert names_the_change(image, mutant, because), f"{seed}: {code} {[mutant[seq] for seq in because]}"
            rest = cut_out(mutant, because)
            if not answer(rest)[0]:
                wrong.append(f"{seed} {code} {[mutant[seq] for seq in because]}\n  is planned: {rest}")
    print(f"\n{counts.total()} forests: {counts.most_common()}\nsizes of evidence: {sorted(sizes.items())}")
    assert counts["planned"] > counts.total() / 10
    assert len(counts) > 8
    assert not wrong, f"{len(wrong)} are planned when the evidence is cut out:\n" + "\n".join(wrong[:5])
