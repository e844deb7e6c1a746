"""Every sample image that is not made to be refused stands again exactly, by `crplan run` and by the emitted programs.

Generations and byte orders of one sample give the same plan; each plan is rebuilt once in each way, by `crplan run` from every
image.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

import planner
from planner.errors import BadImage, Contradiction
from planner.plans.model import Plan
from tests.helpers.executors import expected
from tests.helpers.places import DATA
from tests.helpers.rebuilding import WAYS, rebuild

pytestmark = pytest.mark.root

IMAGES = sorted((DATA / "linux-cr").glob("*.ckpt"))
REFUSED = {"gen_P3_error.ckpt"}
"""Made to be refused: the image says that its checkpoint failed."""


def restartable() -> Iterator[tuple[Path, Plan]]:
    for image in IMAGES:
        if image.name not in REFUSED:
            yield image, planner.plan(planner.read(image))


def groups() -> dict[str, list[Path]]:
    """Return the images by the plan that they give."""
    found: dict[str, list[Path]] = {}
    for image, plan in restartable():
        found.setdefault(plan.plan_id, []).append(image)
    return found


def test_only_those_made_to_be_refused_are() -> None:
    refused = set()
    for image in IMAGES:
        try:
            planner.plan(planner.read(image))
        except (BadImage, Contradiction):
            refused.add(image.name)
    assert refused == REFUSED


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_every_plan_of_the_samples_stands(way: str) -> None:
    failures = []
    for images in groups().values():
        plan = planner.plan(planner.read(images[0]))
        assert expected(plan)
        for image in images if way == "run" and len(expected(plan)) < 100 else images[:1]:
            found = rebuild(way, plan, image)
            if found:
                failures.append(f"{image.name}: {found}")
    assert not failures, "\n".join(failures)
