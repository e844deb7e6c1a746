"""Whatever a history leads to is planned, proved, always planned alike, and holds in every order that the plan allows.

`CRPLAN_HISTORIES_PLANNED=N` plays N fixed histories and N / 10 fresh ones; a failure prints the seeds, the smallest part of the
history that fails alike, and the forest that it leads to.
"""

import hashlib
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from random import Random

import pytest

from planner.errors import Contradiction
from planner.kernel.proof import ProofFailed, prove
from planner.kernel.simulation import ModelRefusal
from planner.pipeline.resolve import decide_placed
from planner.plans.fold import fold_plan, lost_properties
from planner.testing.forests import events
from tests.helpers.amounts import amount, blocks
from tests.helpers.counts import tally
from tests.helpers.places import ROOT
from tests.helpers.trials import ALL_PROFILES, code, image_of, planned, random_history, reordered, shrunk, story, trial

NUMBER = amount("CRPLAN_HISTORIES_PLANNED", 10_000, 3000)
FAST = 100
STEPS = (25, 60, 150, 300)
ORDERS = 3
"""Other orders in which each plan is run."""
SHOWN = 3
"""Failures of one kind that are made small and printed."""

Case = tuple[int | str, str, int]
"""Seed, profile, steps."""


def fixed_cases(block: Iterable[int]) -> list[Case]:
    """Return the cases that are the same in every run, in all profiles and lengths."""
    profiles = ALL_PROFILES
    return [(index, profiles[index % len(profiles)], STEPS[index // len(profiles) % len(STEPS)]) for index in block]


def attempt(case: Case) -> str:
    """Return what is wrong with the plan for a random history's end."""
    seed, profile, steps = case
    return trial(image_of(random_history(seed, profile, steps)), Random(str(case)), ORDERS)


def judge(cases: list[Case]) -> None:
    """Try all cases; fail with the smallest stories of each kind of failure."""
    failures = [(case, found) for case in cases if (found := attempt(case))]
    tally("random histories on the model", tried=len(cases), planned_and_proved=len(cases) - len(failures))
    if failures:
        shown: Counter[str] = Counter()
        words = [f"{len(failures)} of {len(cases)} histories fail: {Counter(code(found) for _, found in failures).most_common()}"]
        for case, found in failures:
            shown[code(found)] += 1
            if shown[code(found)] <= SHOWN:
                words.append(f"{case}: {found}\n{small(case)}")
        pytest.fail("\n\n".join(words))


def small(case: Case) -> str:
    """Return the story of the smallest part of a history that fails with the same code."""
    kind = code(attempt(case))

    def fails(image: list) -> bool:  # type: ignore[type-arg]
        found = trial(image, Random(str(case)), 10)
        return bool(found) and code(found) == kind

    return story(shrunk(random_history(*case), fails))


@pytest.mark.parametrize("block", blocks(NUMBER, FAST, 100))
def test_every_fixed_history_is_planned_and_proved_in_any_order(block: range) -> None:
    judge(fixed_cases(block))


@pytest.mark.parametrize("block", blocks(NUMBER // 10, 0, 100))
def test_every_fresh_history_is_planned_and_proved_in_any_order(block: range) -> None:
    base = f"{time.time_ns()}"
    judge([(f"{base} {index}", profile, steps) for index, profile, steps in fixed_cases(block)])


def attempt_without_thrift(case: Case) -> str:
    """Return why a history's end is not planned and proved with all the helpers that its births would take at first."""
    try:
        forest, decisions = decide_placed(image_of(random_history(*case)), thrift=False)
        prove(fold_plan(decisions, forest, ""), forest, lost=lost_properties(decisions))
    except (Contradiction, ModelRefusal, ProofFailed) as error:
        return str(error)
    return ""


@pytest.mark.parametrize("block", blocks(NUMBER // 20, 25, 50))
def test_births_that_are_built_without_thrift_lead_to_a_plan(block: range) -> None:
    """It is what a plan falls back on that came into a trap, and would go untested."""
    failures = [(case, found) for case in fixed_cases(block) if (found := attempt_without_thrift(case))]
    assert not failures, f"{len(failures)} of {len(block)}: {failures[:5]}"


DIGEST = """
from tests.planning.test_random import digest
print(digest(range({block.start}, {block.stop})))
"""


def digest(block: range) -> str:
    """Return a digest of the decisions for some histories, byte by byte."""
    import msgspec

    together = hashlib.sha256()
    for seed, profile, steps in fixed_cases(block):
        try:
            outcome = planned(image_of(random_history(seed, profile, steps)))
        except Exception as error:  # a refusal must be the same in every process too
            together.update(str(error).encode())
        else:
            together.update(msgspec.json.encode(outcome.events))
    return together.hexdigest()


@pytest.mark.parametrize("block", blocks(NUMBER // 20, 25, 50))
def test_the_same_image_gives_the_same_bytes_under_any_hash_seed(block: range) -> None:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'plugins'}"}
    command = [sys.executable, "-c", DIGEST.format(block=block)]
    running = [
        subprocess.Popen(command, env={**environment, "PYTHONHASHSEED": seed}, stdout=subprocess.PIPE) for seed in ("1", "271828")
    ]
    found = [process.communicate(timeout=300)[0] for process in running]
    assert len(found[0]) > 64
    assert found[0] == found[1]


def test_another_order_is_another_order_and_a_wrong_one_is_found() -> None:
    """The trial itself: orders differ, and a plan that lacks a wait fails in some of them."""
    import msgspec

    from tests.helpers.trials import holds

    outcome = planned(events("1 2:1/2 3:1/3 4:2/3 5:3/2"))
    random = Random(1)
    orders = {tuple(step.actor for step in reordered(outcome.plan, random).steps) for _ in range(20)}
    assert len(orders) > 2
    deaf = msgspec.structs.replace(
        outcome.plan, steps=tuple(msgspec.structs.replace(step, waits=()) for step in outcome.plan.steps)
    )
    assert any(holds(reordered(deaf, random), outcome.forest) for _ in range(20))


def test_a_failing_history_is_made_small() -> None:
    """Shrinking leaves what is needed and nothing else."""
    history = random_history(3, "sessions", 150)

    def has_a_zombie(image: list) -> bool:  # type: ignore[type-arg]
        return any(getattr(event, "state", "") == "zombie" for event in image)

    assert has_a_zombie(image_of(history))
    kept = shrunk(history, has_a_zombie)
    assert has_a_zombie(image_of(kept))
    assert [operation[0] for operation in kept] == ["clone", "clone", "exit"]
