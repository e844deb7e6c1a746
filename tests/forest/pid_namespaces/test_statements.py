"""What an image says of namespaces, against every placing there is: small random images, most of which cannot be."""

from collections import Counter
from collections.abc import Iterator
from itertools import product
from random import Random

from planner.errors import Contradiction
from planner.events.records import AnyEvent, NamespaceRecorded, TaskNamespacesRecorded
from planner.forest.fold import fold
from planner.forest.model import Forest
from planner.forest.pid_namespaces.infer import infer
from planner.identity import NamespaceId, ProcessId
from planner.testing.forests import events

NUMBER = 8_000

Space = int
"""A pid namespace by the level-0 number of its init; 1 is the root's."""


def drawn(random: Random) -> str:
    """Draw an image of up to seven tasks on up to three levels."""
    words = ["1"]
    vectors = {1: (1,)}
    for pid in range(2, random.randint(4, 8)):
        parent = random.choice(list(vectors))
        above = len(vectors[parent]) - 1
        depth = min(2, above + random.choice((0, 1, 1, 2)))
        own = 1 if depth == above + 1 and random.random() < 0.7 else random.randint(5, 8)
        vector = (pid, *(random.randint(5, 8) for _ in range(depth - 1)), *((own,) if depth else ()))
        vectors[pid] = vector
        session = f"/{random.choice((pid, *vectors))}" if random.random() < 0.2 else ""
        ended = "z" if random.random() < 0.05 else ""
        said = f"@{random.randint(1, 3)}" if depth and random.random() < 0.5 else ""
        words.append(f"{'.'.join(map(str, vector))}:{parent}{session}{ended}{said}")
    records = [f"@{one}:{random.choice((-1, 0, 0, 1, 2))}" for one in (1, 2, 3) if random.random() < 0.6]
    return " ".join([*records, *words])


def placings(tree: Forest) -> Iterator[tuple[dict[ProcessId, Space], dict[Space, Space]]]:
    """Yield every way to put nested tasks into namespaces of living inits, and namespaces into those of the level above."""
    nested = [task for task in tree.tasks.values() if task.level]
    living: dict[int, list[Space]] = {0: [1], 1: [], 2: [], 3: []}
    for task in nested:
        if task.pids[-1] == 1 and not task.zombie:
            living[task.level].append(task.pid)
    inits = [task for task in nested if task.pids[-1] == 1]
    others = [task for task in nested if task.pids[-1] != 1]
    for around in product(*(living[init.level - 1] for init in inits)):
        for inside in product(*(living[task.level] for task in others)):
            where: dict[ProcessId, Space] = {task.pid: 1 for task in tree.tasks.values() if not task.level}
            where |= {init.pid: init.pid for init in inits} | {task.pid: one for task, one in zip(others, inside, strict=True)}
            yield where, {init.pid: one for init, one in zip(inits, around, strict=True)}


def is_lawful(tree: Forest, where: dict[ProcessId, Space], around: dict[Space, Space]) -> bool:
    """Hold one placing against numbers, parents, sessions and what the image says."""
    return has_lawful_numbers(tree, where, around) and is_as_stated(tree, where, around)


def has_lawful_numbers(tree: Forest, where: dict[ProcessId, Space], around: dict[Space, Space]) -> bool:
    """Tell whether no number is there twice, and parents and sessions are in sight."""

    def line(space: Space) -> list[Space]:
        return [*line(around[space]), space] if space != 1 else [1]

    taken = Counter(pair for task in tree.tasks.values() for pair in zip(line(where[task.pid])[1:], task.pids[1:], strict=True))
    if any(times > 1 for times in taken.values()):
        return False
    for task in tree.tasks.values():
        for above in {task.parent, task.session} & where.keys():
            seen = line(where[task.pid])[:-1] if task.pids[-1] == 1 and above != task.pid else line(where[task.pid])
            if where[above] not in (seen if task.level else [1]):
                return False
    return True


def is_as_stated(tree: Forest, where: dict[ProcessId, Space], around: dict[Space, Space]) -> bool:
    """Tell whether the pid namespaces that the image names are one each, and lie in each other as it says."""
    names: dict[NamespaceId, Space] = {NamespaceId(0): 1}
    said = [(task.namespace, where[task.pid]) for task in tree.tasks.values() if task.namespace >= 0]
    while said:
        name, space = said.pop()
        if names.setdefault(name, space) != space:
            return False
        outer = tree.namespaces[name].parent if name in tree.namespaces else -1
        if name != 0 and outer >= 0:
            if space == 1:
                return False
            if (outer, around[space]) not in names.items():
                said.append((NamespaceId(outer), around[space]))
    return len(set(names.values())) == len(names)


def can_be(tree: Forest) -> bool:
    """Tell whether any placing keeps all laws; an init lives in the namespace whose init it is."""
    if any(1 in task.pids[:-1] for task in tree.tasks.values() if task.level):
        return False
    return any(is_lawful(tree, where, around) for where, around in placings(tree))


def test_small_images_are_placed_exactly_where_a_placing_exists() -> None:
    random = Random("stated")
    met: Counter[str] = Counter()
    for _ in range(NUMBER):
        text = drawn(random)
        log = events(text)
        try:
            tree = fold(log)
        except Contradiction:
            met["contradictory facts"] += 1
            continue
        possible = can_be(tree)
        try:
            decisions = infer(tree)
        except Contradiction as refusal:
            assert not possible, f"{text}: {refusal.code}: {refusal}"
            assert refusal.because, text
            met[refusal.code] += 1
            continue
        assert possible, text
        keeps_what_is_said(text, log, fold([*log, *decisions]))
        met["placed"] += 1
    assert met["placed"] > NUMBER // 12, met
    codes = {"namespace-recorded-apart", "namespace-level", "two-inits", "namespace-init-below", "namespace-without-init"}
    assert codes <= met.keys(), met


def keeps_what_is_said(text: str, log: list[AnyEvent], whole: Forest) -> None:
    """Hold an answer against the statements, and the namespaces of all tasks against each other."""
    for event in log:
        if isinstance(event, TaskNamespacesRecorded):
            assert whole.tasks[event.pid].namespace == event.namespaces["pid"], text
        if isinstance(event, NamespaceRecorded) and event.parent >= 0:
            assert whole.namespaces[event.id].parent == event.parent, text
    for task in whole.tasks.values():
        here = task.namespace
        for level in range(task.level, 0, -1):
            record = whole.namespaces[here]
            assert (record.level, whole.tasks[record.init].namespace) == (level, here), text
            here = record.parent
        assert here == 0, text
