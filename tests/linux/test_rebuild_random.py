"""Random histories' ends rebuilt for real: by `crplan run`, and a share of them by the emitted python, c and shell programs.

`CRPLAN_REBUILDS=N` rebuilds N by `crplan run`, `CRPLAN_REBUILDS_EMITTED=N` rebuilds N by each of the programs, and
`CRPLAN_REBUILDS_FROM=SEED` begins elsewhere.
"""

import multiprocessing
import os

import pytest

from planner.errors import Contradiction, NotProved
from planner.forest.fold import fold
from planner.testing.forests import notation
from tests.helpers.counts import count
from tests.helpers.rebuilding import WAYS, rebuild
from tests.helpers.trials import ALL_PROFILES, image_of, planned, random_history

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

REBUILDS = int(os.environ.get("CRPLAN_REBUILDS", "500"))
EMITTED = int(os.environ.get("CRPLAN_REBUILDS_EMITTED", "100"))
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


@pytest.mark.parametrize("way", WAYS)
def test_what_stands_is_where_the_history_ended(way: str) -> None:
    number = REBUILDS if way == "run" else EMITTED
    cases = [(way, seed) for seed in range(FIRST, FIRST + number)]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        failures = [found for found in pool.imap(attempt, cases) if found]
    count(f"random histories rebuilt by {way}: {number - len(failures)} of {number}")
    assert not failures, f"{len(failures)} of {number}\n" + "\n".join(failures[:5])
