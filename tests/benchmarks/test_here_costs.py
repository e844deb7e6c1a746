"""What `crplan check --here` costs beside `crplan check`, as processor time of the command and all that it starts.

Nothing is asserted on time. Run with `pytest -n 0 -s --part slow tests/benchmarks`.
"""

import os
import statistics
import subprocess
import sys

import pytest

from tests.helpers.places import DATA

pytestmark = pytest.mark.slow

ROUNDS = 5
IMAGES = (DATA / "criu" / "single" / "img", DATA / "criu" / "podman_container" / "checkpoint-gzip.tar")


def cost(*words: object) -> float:
    """Seconds of processor time, the first round left out."""
    times = []
    for _ in range(ROUNDS + 1):
        before = sum(os.times()[2:4])
        subprocess.run(
            [sys.executable, "-m", "planner", "check", *map(str, words)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        times.append(sum(os.times()[2:4]) - before)
    return statistics.median(times[1:])


@pytest.mark.parametrize("image", IMAGES, ids=lambda path: path.parent.name)
def test_the_facts_of_this_machine(image: object) -> None:
    alone, here = cost(image), cost(image, "--here")
    print(f"\n{image}: check {alone:.2f} s, with --here {here:.2f} s, {here - alone:.2f} s for the facts")
