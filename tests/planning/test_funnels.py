"""What is left of a crowd is planned, proved, and holds in every order that the plan allows, in whatever words it is told.

`tests.generators.funnels` makes the forests; they come from another hand than those of `tests.planning.test_random`.
`CRPLAN_FUNNELS=N` plays N fixed funnels and N / 6 fresh ones; half as many are told in other words. Of forty, one has some
hundred survivors, and one is a garden. A failure prints the case, the smallest story that fails alike, and the forest that it
leads to.
"""

import time
from collections import Counter
from collections.abc import Callable
from random import Random

import pytest

from planner.events.records import AnyEvent
from planner.forest.fold import fold
from planner.testing.forests import notation
from tests.generators.funnels import PROFILES, TELLINGS, Funnel, Garden, Stage, shape, shrunk, strangeness, tasks_in, traps
from tests.helpers.amounts import amount, blocks
from tests.helpers.trials import code, planned, trial

NUMBER = amount("CRPLAN_FUNNELS", 2500, 1500)
FAST = 100
LARGE = 120
"""Survivors of a large funnel."""
GARDEN = "garden"
"""Stands for a profile where a case is a garden of so many tasks."""
SHOWN = 3
"""Failures of one kind that are made small and printed."""

Case = tuple[int | str, str, int, str]
"""Seed, profile, survivors (0 for a handful), telling ("" for all that is known)."""


def cases(base: str, block: range) -> list[Case]:
    """Return cases that tell all that is known, and half as many that tell less or otherwise."""
    profiles, tellings = tuple(PROFILES), tuple(TELLINGS)
    found: list[Case] = []
    for index in block:
        profile = profiles[index % len(profiles)]
        survivors = LARGE if index % 40 == 39 else 0
        if index % 40 == 19:
            profile, survivors = GARDEN, (20, 50, 120)[index // 40 % 3]
        found.append((f"{base} {index}", profile, survivors, ""))
        if index % 2:
            found.append((f"{base} {index}", profile, survivors, tellings[index // 2 % len(tellings)]))
    return found


def played(case: Case) -> Stage:
    """Return the end of a case's history."""
    seed, profile, survivors, _ = case
    return Garden(seed, survivors).stage if profile == GARDEN else Funnel(seed, profile, survivors).stage


def told(image: list[AnyEvent], case: Case) -> list[AnyEvent]:
    """Return the image as the case tells it."""
    seed, _, _, telling = case
    return TELLINGS[telling](image, Random(f"{telling} {seed}")) if telling else image


def attempt(case: Case) -> tuple[str, int]:
    """Return what is wrong with the plan for a funnel's end, and the forest's shape; 0 where there is none to be planned."""
    stage = played(case)
    image = stage.image()
    if not image:
        return "", 0
    return trial(told(image, case), Random(str(case)), 1), shape(stage.kernel)


def judge(tried: list[Case]) -> None:
    """Try all cases; fail with the smallest stories of each kind of failure."""
    results = [attempt(case) for case in tried]
    shapes = {found for _, found in results}
    assert len(shapes) > len(tried) / 4, "the funnels are much alike"
    failures = [(case, found) for case, (found, _) in zip(tried, results, strict=True) if found]
    if failures:
        shown: Counter[str] = Counter()
        words = [f"{len(failures)} of {len(tried)} funnels fail: {Counter(code(found) for _, found in failures).most_common()}"]
        for case, found in failures:
            shown[code(found)] += 1
            if shown[code(found)] <= SHOWN:
                words.append(f"{case}: {found}\n{small(case, code(found))}")
        pytest.fail("\n\n".join(words))


def small(case: Case, kind: str, seconds: float = 60) -> str:
    """Return the smallest story found in that time that fails with the same code, and the forest that it leads to."""
    until = time.monotonic() + seconds

    def fails(image: list[AnyEvent]) -> bool:
        return time.monotonic() < until and code(trial(told(image, case), Random(str(case)), 4)) == kind

    story = shrunk(played(case).story, fails)
    return "\n".join([notation(fold(told(Stage(story).image(), case))), *map(repr, story)])


@pytest.mark.parametrize("block", blocks(NUMBER, FAST, 200))
def test_every_funnel_is_planned_and_proved_in_any_order(block: range) -> None:
    judge(cases("funnel", block))


@pytest.mark.parametrize("block", blocks(NUMBER // 6, 0, 200))
def test_every_fresh_funnel_is_planned_and_proved_in_any_order(block: range) -> None:
    judge(cases(f"fresh {time.time_ns()}", block))


@pytest.mark.parametrize("telling", TELLINGS)
def test_the_same_words_give_the_same_plan(telling: str) -> None:
    for index in range(20):
        case: Case = (f"again {index}", "mixture", 0, telling)
        if image := played(case).image():
            assert planned(told(image, case)).events == planned(told(image, case)).events


def test_a_story_leads_where_its_funnel_led() -> None:
    for profile in PROFILES:
        stage = Funnel("story", profile).stage
        assert Stage(stage.story).image() == stage.image()
        assert Funnel("story", profile).stage.story == stage.story


def test_funnels_leave_what_is_strange() -> None:
    """Among the survivors is what the profiles are for: crossed sessions, dead leaders, groups out of sight, entries, zombies."""
    met: Counter[str] = Counter()
    for profile in PROFILES:
        for seed in range(12):
            kernel = Funnel(seed, profile).stage.kernel
            for process in kernel.processes():
                met["strange"] += strangeness(process) > 3
                met["another's session"] += process.session not in (process.pid, process.parent.session)
                met["dead session leader"] += process.session.owner is None
                met["dead group leader"] += process.group.owner is None
                met["group out of sight"] += not process.group.number_in(process.namespace)
                met["entered"] += process.namespace is not process.parent.namespace and not kernel.is_init(process)
                met["zombie"] += process.state == "zombie"
                met["leader that left"] += process.pid.members > 0 and process.group is not process.pid
                met["init with a parent far up"] += process.namespace.level > process.parent.namespace.level + 1
    assert len(met) == 9
    assert min(met.values()) >= 10, met


def test_a_failing_story_is_made_small() -> None:
    """Shrinking leaves what is needed and nothing else, and a part of a story is a story."""

    def has(what: Callable[[AnyEvent], bool]) -> Callable[[list[AnyEvent]], bool]:
        return lambda image: any(map(what, image))

    zombie = has(lambda event: getattr(event, "state", "") == "zombie")
    story = next(stage.story for stage in (Funnel(seed, "zombies").stage for seed in range(50)) if zombie(stage.image()))
    kept = shrunk(story, zombie)
    assert len(story) > 60
    assert zombie(Stage(kept).image())
    assert len(kept) <= 4
    assert kept[-1][0] == "exit"


def test_inits_that_wait_for_each_other_are_not_told_of() -> None:
    story = [
        ("clone", 0, 1, (1,), True, False),
        *(("clone", 1, seat, (seat, 1), True, False) for seat in (2, 3)),
        *(step for seat in (2, 3) for step in (("enter", 1, seat), ("clone", 1, seat + 2, (seat + 2, 2), False, False))),
        *(("group", 1, seat, seat) for seat in (4, 5)),
        ("group", 1, 2, 5),
    ]
    assert tasks_in(Stage(story).image()) == 5
    ring = Stage([*story, ("group", 1, 3, 4)])
    assert len(ring.story) == len(story) + 1
    assert traps(ring.kernel)
    assert not ring.image()
