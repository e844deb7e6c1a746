"""Images that say little are planned too: histories' ends written as linux-cr streams, which name no pid namespace.

A stream of generation P holds the numbers of dead leaders, S and B do not even have those, so that the namespace search has to
find them a place from which the tree can be reached. `CRPLAN_IMAGES=N` writes N histories in each generation.
"""

import time
from collections import Counter
from collections.abc import Iterator

import pytest

from planner.errors import Contradiction, NotProved
from planner.forest.fold import fold
from planner.forest.model import Forest
from planner.identity import ProcessId
from planner.pipeline.reading import default_registry, source_of, stream_events
from planner.pipeline.resolve import resolve
from planner.testing.forests import events, notation
from tests.helpers.amounts import amount, blocks, first
from tests.helpers.counts import tally
from tests.helpers.linuxcr import Entry, build
from tests.helpers.trials import ALL_PROFILES, image_of, random_history

NUMBER = amount("CRPLAN_IMAGES", 600, 400)
FAST = 20
GENERATIONS = ("P3", "S", "B")
STEPS = (25, 60, 150, 300)
LARGE = 900
"""Steps of a large history."""
MOST, MOST_OF_LARGE = 40, 170
"""How many processes there are at most."""

Case = tuple[int | str, str, int, str]
"""Seed, profile, steps, generation."""


def entries(forest: Forest) -> Iterator[Entry]:
    """Yield what a linux-cr checkpoint would write of a forest, children after their parents."""
    children = forest.children()
    waiting = list(reversed(children[0]))  # type: ignore[index]
    while waiting:
        task = forest.tasks[waiting.pop()]
        common = {"parent": task.parent, "group": task.group, "session": task.session}
        yield Entry(pids=task.pids, zombie=task.zombie, exit_status=task.exit_status, **common)
        for thread in forest.threads.get(task.pid, ()):
            yield Entry(pids=thread.pids, thread_group=task.pid, zombie=thread.state == "zombie", **common)
        waiting += reversed(children.get(task.pid, []))
    for leader in forest.leaders.values():
        yield Entry(pids=leader.pids, dead=True)


def attempt(case: Case) -> str:
    """Return what is wrong with the plan for a history's image, "" when nothing is."""
    seed, profile, steps, generation = case
    forest = fold(image_of(random_history(seed, profile, steps, MOST if steps < LARGE else MOST_OF_LARGE)))
    image = build(entries(forest), generation=generation)
    try:
        found = resolve(list(stream_events(source_of(image), default_registry()))).forest
    except (Contradiction, NotProved) as error:
        return f"{getattr(error, 'code', 'not-proved')}: {error}\n{notation(forest)}"
    same = {pid: task.pids for pid, task in found.tasks.items()} == {pid: task.pids for pid, task in forest.tasks.items()}
    return "" if same else f"read-otherwise: {notation(found)}\n{notation(forest)}"


def judge(base: str, block: range) -> None:
    """Try histories in each generation."""
    try_all(
        [
            (
                f"{base} {index}",
                ALL_PROFILES[index % len(ALL_PROFILES)],
                STEPS[index // len(ALL_PROFILES) % len(STEPS)],
                generation,
            )
            for index in block
            for generation in GENERATIONS
        ]
    )


def try_all(cases: list[Case]) -> None:
    """Try all cases."""
    failures = [(case, found) for case in cases if (found := attempt(case))]
    tally("images that name no namespaces", tried=len(cases), planned_and_proved=len(cases) - len(failures))
    kinds = Counter(found.partition(":")[0] for _, found in failures)
    words = "\n\n".join(f"{case}: {found}" for case, found in failures[:10])
    assert not failures, f"{len(failures)} of {len(cases)} images fail: {kinds.most_common()}\n\n{words}"


@pytest.mark.parametrize("block", blocks(NUMBER, FAST, 80))
def test_an_image_without_namespaces_is_planned(block: range) -> None:
    judge("image", block)


@pytest.mark.parametrize("block", blocks(NUMBER // 4, 0, 80))
def test_a_fresh_image_without_namespaces_is_planned(block: range) -> None:
    judge(f"fresh {time.time_ns()}", block)


@pytest.mark.parametrize("block", blocks(6, 1, 1))
@pytest.mark.parametrize("profile", first(["mixture", "deep", "entry", "scenes"], 1))
def test_a_large_image_on_many_levels_is_planned(profile: str, block: range) -> None:
    try_all([(f"large {seed}", profile, LARGE, generation) for seed in block for generation in GENERATIONS])


def test_a_dead_group_leader_is_born_before_members_that_do_not_see_it() -> None:
    """In this image they are the deepest members, and the leader was to be created by one of them: a circle of births."""
    try_all([("large 4", "deep", LARGE, "P3")])


def test_kin_of_a_dead_leader_are_placed_together() -> None:
    """Two tasks that entered can have come back to their session's group only where they see it: in the same namespace."""
    inits = " ".join(f"{pid}.1:1" for pid in range(2, 22))
    forest = resolve(events(f"1 {inits} 36.58:14/102 37.2:0/102 38.3:0/102 39.408:37//37")).forest
    assert {forest.tasks[ProcessId(pid)].namespace for pid in (36, 37, 38)} == {forest.tasks[ProcessId(14)].namespace}


def test_no_init_is_in_a_group_that_is_led_from_its_own_namespace_where_another_fits() -> None:
    forest = resolve(events("1 2.1:1/1/9 3.1:1 4.1:1/1/9 9.2:1//9")).forest
    assert forest.tasks[ProcessId(9)].namespace == forest.tasks[ProcessId(3)].namespace
