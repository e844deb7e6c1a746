"""Images that say only part of what pid namespaces there are, in any order: ends of random histories with facts hidden.

What is hidden is found again or given another place, and what is recorded is kept. Then facts are changed as well: such an image
is planned or refused, and nothing else may happen. `CRPLAN_PARTIAL=N` tries N histories each way.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

import msgspec
import pytest

from planner.errors import Contradiction, NotProved
from planner.events.records import (
    AnyEvent,
    ImageClosed,
    ImageOpened,
    NamespaceInferred,
    NamespaceRecorded,
    PidRecorded,
    TaskNamespacesRecorded,
    TaskPlaced,
    TaskRecorded,
)
from planner.findings.registry import KINDS
from planner.forest.fold import fold
from planner.identity import NamespaceId, Number, ProcessId
from planner.pipeline.resolve import Resolved, resolve
from planner.testing.forests import events, notation
from tests.helpers.amounts import amount, blocks
from tests.helpers.trials import ALL_PROFILES, image_of, random_history

NUMBER = amount("CRPLAN_PARTIAL", 400, 300)
FAST = 60
STEPS = (25, 60, 150, 300)

replace = msgspec.structs.replace


def resolved(text: str) -> Resolved:
    return resolve(list(events(text)))


def found(text: str) -> str:
    """Write the forest of an image with what inference has found."""
    return notation(resolved(text).forest)


def decided(text: str) -> dict[int, TaskPlaced]:
    return {event.pid: event for event in resolved(text).events if isinstance(event, TaskPlaced)}


def refused(text: str) -> tuple[str, list[str]]:
    """Return the code of a refusal, and what it names: a task or namespace once for each fact about it."""
    log = list(events(text))
    with pytest.raises(Contradiction) as caught:
        resolve(list(log))
    at = [getattr(log[event], "at", -1) for event in caught.value.because]
    return caught.value.code, [text[place:].split()[0] for place in at]


# The root.


@pytest.mark.parametrize("text", ["6:0/0 1:0/0", "16:0/0 15:1 1"])
def test_number_1_is_the_root_wherever_it_stands(text: str) -> None:
    """The others whose parents are outside have entered."""
    assert resolved(text).forest.root == 1
    assert found(text) == text


def test_without_number_1_the_first_task_from_outside_is_the_root_of_a_subtree() -> None:
    assert resolved("5 7:5").forest.root == 5


# Parents of namespaces.


def test_a_recorded_namespace_without_a_parent_lies_in_that_of_the_level_above() -> None:
    assert found("@1:-1 1 14.1:1@1") == "@1:0 1 14.1:1@1"
    assert found("@4:-1 @3:-1 1 2.1:1@4 5.2.1:2@3") == "@4:0 @3:4 1 2.1:1@4 5.2.1:2@3"


def test_a_parent_that_is_found_is_an_event_with_its_evidence() -> None:
    log = resolved("@1:-1 @2:-1 1 2.1:1@1 5.3.1:2@2").events
    (inner,) = (event for event in log if isinstance(event, NamespaceInferred) and event.id == 2)
    assert (inner.parent, inner.init, inner.rule) == (1, 5, "parent")
    assert [getattr(log[event], "pids", None) for event in inner.because] == [(5, 3, 1), (2, 1)]


def test_a_parent_that_is_not_forced_is_searched() -> None:
    """The init was adopted at level 0; the number 3 is taken in one of the namespaces that it may lie in."""
    assert found("@1:0 @2:0 @3:-1 1 2.1:1@1 3.1:1@2 4.3:2@1 5.3.1:1@3") == "@1:0 @2:0 @3:2 1 2.1:1@1 3.1:1@2 4.3:2@1 5.3.1:1@3"


def test_a_namespace_that_only_a_task_names_is_recorded_too() -> None:
    outcome = resolved("1 2.1:1@7 3.2:2")
    assert (outcome.forest.tasks[ProcessId(3)].namespace, outcome.forest.namespaces[NamespaceId(7)].inferred) == (7, False)


def test_a_namespace_of_nobody_stays_as_it_is() -> None:
    assert found("@5:-1 1 2:1") == "@5:-1 1 2:1"


# Tasks.


def test_an_init_is_placed_into_the_namespace_around_a_recorded_one() -> None:
    text = "@1:0 @2:1 1 3.1:1{} 7.5.1:3@2"
    assert found(text.format("")) == text.format("@1")
    assert decided(text.format(""))[3].rule == "recorded"


def test_an_init_is_placed_into_the_namespace_of_a_task_that_says_where_it_is() -> None:
    assert found("@1:0 1 3.1:1 7.5:3@1") == "@1:0 1 3.1:1@1 7.5:3@1"


def test_what_is_recorded_around_a_namespace_places_its_init() -> None:
    """Either init could be that of namespace 1; where its child's namespace lies decides."""
    text = "@1:0 @2:0 @3:2 1 2.1:1 3.1:1 4.5:1@1 9.2.1:1@3 8.2:2"
    assert found(text) == "@1:0 @2:0 @3:2 1 2.1:1@1 3.1:1@2 4.5:1@1 9.2.1:1@3 8.2:2@1"


def test_namespaces_in_which_nobody_says_to_be_are_given_to_inits_that_say_nothing() -> None:
    text = "@1:0 @2:0 @3:0 @4:2 1 14.1:1 40.5:1 44.24:1@1 45.1:1 55.1:1 60.7.1:45"
    placed = decided(text)
    assert {placed[pid].namespace for pid in (14, 45, 55)} == {1, 2, 3}
    assert placed[60].namespace == 4 or placed[45].namespace != 2
    assert {event.rule for event in placed.values()} >= {"recorded", "recorded-free"}


def test_the_choice_among_inits_says_how_many_would_have_fitted() -> None:
    placed = decided("@1:0 @2:0 1:0/0 7:1 6:1 14:1 15.1:1 21.1:1 33.4:1@2")
    assert placed[15].namespace != placed[21].namespace == 2
    assert placed[21].choices == 2


def test_new_ids_are_the_pids_of_inits() -> None:
    made = resolved("@9:1 1 2.1:1@30 3.2:2 4.1:1 5.2:4").events
    assert [event.id for event in made if isinstance(event, NamespaceInferred)] == [30, 1]
    assert decided("@9:0 1 2.1:1@30 3.2:2 4.1:1@9 6.1:1 5.2:6")[5].namespace == 6


# Contradictions.


def test_a_namespace_that_lies_elsewhere_than_its_init_came_from_is_refused() -> None:
    text = "@1:0 @2:1 1 2.1:1@1 3.1:1 4.5.1:3@2"
    assert refused(text) == ("two-inits", ["4.5.1:3@2", "2.1:1@1", "4.5.1:3@2", "@2:1"])


def test_a_namespace_that_lies_in_one_at_another_level_is_refused() -> None:
    assert refused("@1:0 @2:0 1 2.1:1@1 4.5.1:2@2") == ("namespace-level", ["@2:0", "4.5.1:2@2"])
    assert refused("@2:0 1 2.1:1 4.5.1:2 8.9.7:4@2 9.7:2@2")[0] == "namespace-level"
    assert refused("@1:-1 @2:1 @3:1 1 2.1:1@2 5.1:1 4.5.1:5@3")[0] == "namespace-level"


def test_recorded_namespaces_inside_each_other_are_refused() -> None:
    assert refused("@1:2 @2:3 @3:1 @4:1 1 2:1") == ("namespace-cycle", ["@1:2", "@2:3", "@3:1"])


def test_a_nested_task_is_not_in_the_roots_namespace() -> None:
    assert refused("1 2.1:1@0") == ("namespace-level", ["2.1:1@0", "2.1:1@0"])


def test_a_recorded_namespace_with_tasks_needs_an_init() -> None:
    assert refused("@1:0 1 2.5:1@1")[0] == "namespace-without-init"


def test_two_places_for_one_task_or_namespace_are_refused() -> None:
    twice = [*events("@1:0 @2:0 1 2.1:1@1")]
    twice.insert(1, NamespaceRecorded(kind="pid", id=NamespaceId(2), parent=NamespaceId(1), at=0))
    with pytest.raises(Contradiction, match="pid namespace 2 is recorded as lying in 1 and in 0"):
        fold(twice)
    twice[1] = TaskNamespacesRecorded(pid=ProcessId(2), namespaces={"pid": NamespaceId(2)}, at=0)
    with pytest.raises(Contradiction, match="task 2 is recorded in the pid namespaces 2 and 1"):
        fold(twice)


# Hiding.


def renumbered(image: Sequence[AnyEvent], random: Random) -> list[AnyEvent]:
    """Give the nested pid namespaces other numbers."""
    recorded = [event.id for event in image if isinstance(event, NamespaceRecorded) and event.kind == "pid" and event.id]
    fresh = dict(zip(recorded, map(NamespaceId, random.sample(range(1, 1000), len(recorded))), strict=True))
    found: list[AnyEvent] = []
    for event in image:
        if isinstance(event, NamespaceRecorded) and event.kind == "pid":
            event = replace(event, id=fresh.get(event.id, event.id), parent=fresh.get(event.parent, event.parent))
        elif isinstance(event, TaskNamespacesRecorded) and "pid" in event.namespaces:
            identity = event.namespaces["pid"]
            event = replace(event, namespaces={**event.namespaces, "pid": fresh.get(identity, identity)})
        found.append(event)
    return found


def hidden(image: Sequence[AnyEvent], random: Random) -> list[AnyEvent]:
    """Leave out some of what an image says of pid namespaces and dead leaders; how much is random for each kind of fact."""
    identities, parents, records, leaders, ends = (random.choice((0.0, 0.3, 0.7, 1.0)) for _ in range(5))
    found: list[AnyEvent] = []
    for event in image:
        if isinstance(event, TaskNamespacesRecorded) and random.random() < identities:
            event = replace(event, namespaces={kind: known for kind, known in event.namespaces.items() if kind != "pid"})
        elif isinstance(event, NamespaceRecorded) and event.kind == "pid":
            if random.random() < records:
                continue
            if random.random() < parents:
                event = replace(event, parent=NamespaceId(-1))
        elif isinstance(event, PidRecorded):
            if random.random() < leaders:
                continue
            if random.random() < ends:
                event = replace(event, numbers=event.numbers[: random.randint(1, len(event.numbers))], complete=False)
        found.append(event)
    return found


def shuffled(image: Sequence[AnyEvent], random: Random) -> list[AnyEvent]:
    """Put the facts between the first and the last event in any order."""
    facts = list(image[1:-1])
    random.shuffle(facts)
    return [image[0], *facts, image[-1]]


def changed(image: Sequence[AnyEvent], random: Random) -> list[AnyEvent]:
    """Change what an image says of pid namespaces, or a task's numbers, in one to three places."""
    found = list(image)
    known = [event.id for event in image if isinstance(event, NamespaceRecorded) and event.kind == "pid"]
    ids = [*map(NamespaceId, (-1, 0, 1001)), *known]
    for _ in range(random.randint(1, 3)):
        place = random.randrange(len(found))
        event = found[place]
        if isinstance(event, NamespaceRecorded) and event.kind == "pid":
            found[place] = replace(event, parent=random.choice(ids))
        elif isinstance(event, TaskNamespacesRecorded):
            found[place] = replace(event, namespaces={**event.namespaces, "pid": random.choice(ids)})
        elif isinstance(event, TaskRecorded) and random.random() < 0.5:
            numbers = random.choice((event.pids[:-1] or event.pids, (*event.pids, Number(1)), (*event.pids, Number(5))))
            found[place] = replace(event, pids=numbers)
        elif isinstance(event, TaskRecorded):
            pid = event.pids[0]
            found.insert(1, TaskNamespacesRecorded(pid=pid, namespaces={"pid": random.choice(ids)}, at="added"))  # type: ignore[arg-type]
        elif not isinstance(event, (ImageOpened, ImageClosed)) and random.random() < 0.2:
            del found[place]
    return found


# Trials.


def misses(image: Sequence[AnyEvent], outcome: Resolved) -> str:
    """Return which recorded fact the outcome does not hold, or what is left unknown; "" when nothing is wrong."""
    tree = outcome.forest
    for event in image:
        if isinstance(event, NamespaceRecorded) and event.kind == "pid" and event.id > 0 <= event.parent:
            if tree.namespaces[event.id].parent != event.parent:
                return f"recorded-parent-lost: {event}"
            continue
        if not isinstance(event, TaskNamespacesRecorded) or event.pid not in tree.tasks:
            continue
        said = event.namespaces.get("pid", -1)
        if said >= 0 and tree.tasks[event.pid].namespace != said:
            return f"recorded-namespace-lost: {event}"
    for task in tree.tasks.values():
        here = task.namespace
        for level in range(task.level, 0, -1):
            record = tree.namespaces[here]
            init = tree.tasks[record.init]
            if record.level != level or init.pids[-1] != 1 or init.namespace != here:
                return f"namespace-of-others: task {task.pid} is in {record}"
            here = record.parent
        if here != 0:
            return f"namespace-outside: task {task.pid}"
    return "" if resolve(list(outcome.events)).plan.plan_id == outcome.plan.plan_id else "replayed-otherwise: the log"


def planned(image: list[AnyEvent]) -> str:
    """Return what is wrong with the plan for a reachable image, "" when nothing is."""
    try:
        return misses(image, resolve(list(image)))
    except (Contradiction, NotProved) as error:
        return f"{getattr(error, 'code', 'not-proved')}: {error}"
    except Exception as error:  # whatever it is, the image is to be seen
        return f"{type(error).__name__}: {error}"


def planned_or_refused(image: list[AnyEvent]) -> str:
    """Return what is wrong with the plan for any image, or with its refusal, "" when nothing is."""
    try:
        return misses(image, resolve(list(image)))
    except Contradiction as error:
        known = error.code in KINDS and all(0 <= seq < len(image) for seq in error.because)
        return "" if known else f"refused-badly: {error.code} because {error.because}"
    except NotProved as error:
        # An init that has ended by a signal which inits do not die of is what the change of a vector can come to.
        return "" if "(init-shield)" in str(error) else f"not-proved: {error}"
    except Exception as error:  # whatever it is, the image is to be seen
        return f"{type(error).__name__}: {error}"


def image(case: tuple[int | str, str, int], change: bool) -> list[AnyEvent]:
    """Return the image of a random history with facts hidden, and changed where that is asked for."""
    seed, profile, steps = case
    random = Random(f"partial {seed} {profile}")
    found = hidden(renumbered(image_of(random_history(seed, profile, steps)), random), random)
    if change:
        found = changed(found, random)
    return shuffled(found, random) if random.random() < 0.8 else found


def seen(found: Sequence[AnyEvent]) -> str:
    """Write an image for people: what it says of tasks, leaders and pid namespaces, event by event."""
    kinds = (NamespaceRecorded, TaskNamespacesRecorded, TaskRecorded, PidRecorded)
    return "\n".join(repr(event) for event in found if isinstance(event, kinds))


def attempt_hidden(case: tuple[int | str, str, int]) -> str:
    found = image(case, change=False)
    wrong = planned(found)
    return f"{wrong}\n{_notation(found)}" if wrong else ""


def attempt_changed(case: tuple[int | str, str, int]) -> str:
    found = image(case, change=True)
    wrong = planned_or_refused(found)
    return f"{wrong}\n{seen(found)}" if wrong else ""


def _notation(found: Sequence[AnyEvent]) -> str:
    try:
        return notation(fold(found))
    except Contradiction:
        return seen(found)


Attempt = Callable[[tuple[int | str, str, int]], str]


def judge(attempt: Attempt, base: str, block: range) -> None:
    """Try histories."""
    cases = [
        (f"{base} {index}", ALL_PROFILES[index % len(ALL_PROFILES)], STEPS[index // len(ALL_PROFILES) % len(STEPS)])
        for index in block
    ]
    failures = [(case, found) for case in cases if (found := attempt(case))]
    kinds = Counter(found.partition(":")[0] for _, found in failures)
    words = "\n\n".join(f"{case}: {found}" for case, found in failures[:10])
    assert not failures, f"{len(failures)} of {len(cases)} images fail: {kinds.most_common()}\n\n{words}"


@pytest.mark.parametrize("attempt", [attempt_hidden, attempt_changed], ids=["a part", "changed facts"])
@pytest.mark.parametrize("block", blocks(NUMBER, FAST, 60))
def test_an_image_that_says_a_part_is_planned_and_keeps_what_it_says(attempt: Attempt, block: range) -> None:
    """With changed facts it is planned or refused."""
    judge(attempt, "partial", block)


@pytest.mark.parametrize("attempt", [attempt_hidden, attempt_changed], ids=["a part", "changed facts"])
@pytest.mark.parametrize("block", blocks(NUMBER // 4, 0, 60))
def test_a_fresh_image_that_says_a_part_is_planned_and_keeps_what_it_says(attempt: Attempt, block: range) -> None:
    judge(attempt, f"fresh {time.time_ns()}", block)
