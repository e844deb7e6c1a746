"""Random histories' ends rebuilt for real: by `crplan run`, and a share of them by the emitted python, c and shell programs.

`CRPLAN_REBUILDS=N` rebuilds N by `crplan run`, `CRPLAN_REBUILDS_EMITTED=N` rebuilds N by each of the programs, and
`CRPLAN_REBUILDS_FROM=SEED` begins elsewhere.
"""

import os

import pytest

from planner.errors import Contradiction, NotProved
from planner.forest.fold import fold
from planner.testing.forests import notation
from tests.helpers.amounts import amount, blocks
from tests.helpers.counts import tally
from tests.helpers.rebuilding import WAYS, rebuild
from tests.helpers.trials import ALL_PROFILES, image_of, planned, random_history

pytestmark = [pytest.mark.root, pytest.mark.slow]

REBUILDS = amount("CRPLAN_REBUILDS", 500, 50)
EMITTED = amount("CRPLAN_REBUILDS_EMITTED", 100, 15)
FIRST = int(os.environ.get("CRPLAN_REBUILDS_FROM", "1"))
STEPS = (40, 150, 300)


def attempt(case: tuple[str, int]) -> str:
    """Rebuild the end of one history in one way; return what was wrong."""
    way, seed = case
    profile = ALL_PROFILES[seed % len(ALL_PROFILES)]
    image = image_of(random_history(f"rebuild {seed}", profile, STEPS[seed // len(ALL_PROFILES) % len(STEPS)]))
    try:
        plan = planned(image).plan
    except (Contradiction, NotProved) as error:
        return f"{way} {seed} {profile} is not planned: {error}\n{notation(fold(image))}"
    found = rebuild(way, plan, image)
    return f"{way} {seed} {profile}: {found}\n{notation(fold(image))}" if found else ""


def judge(way: str, block: range) -> None:
    """Rebuild the ends of histories in one way."""
    failures = [found for seed in block if (found := attempt((way, FIRST + seed)))]
    tally(f"random histories rebuilt by {way}", tried=len(block), rebuilt=len(block) - len(failures))
    assert not failures, f"{len(failures)} of {len(block)}\n" + "\n".join(failures[:5])


@pytest.mark.parametrize("block", blocks(REBUILDS, 0, 25))
def test_what_crplan_runs_is_where_the_history_ended(block: range) -> None:
    judge("run", block)


@pytest.mark.parametrize("block", blocks(EMITTED, 0, 25))
@pytest.mark.parametrize("way", [way for way in WAYS if way != "run"])
def test_what_a_program_rebuilds_is_where_the_history_ended(way: str, block: range) -> None:
    judge(way, block)
