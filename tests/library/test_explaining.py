"""What is printed of a step or a task can be asked for, and an answer says nothing twice: on every image among the examples."""

from collections import Counter
from pathlib import Path

import pytest

import planner
from planner.explanation.lookup import lines
from planner.library.explaining import explanations
from tests.helpers.places import EXAMPLES

IMAGES = sorted(path for path in EXAMPLES.rglob("*") if path.is_file() and path.stem != "contradictory")


@pytest.mark.parametrize("image", IMAGES, ids=lambda path: str(path.name))
def test_every_notation_that_is_printed_is_taken_and_answered_once(image: Path) -> None:
    history, *_ = planner.read_many([image])
    plan = planner.plan(history)
    asked = {f"step:{step.number}" for step in plan.steps} | {str(step.number) for step in plan.steps}
    for process in plan.processes:
        asked |= {f"pid:{process.pid}", str(process.pid), process.name} - {""}
        asked |= {"/".join(map(str, process.pids))} if len(process.pids) > 1 else set()
    for subject in sorted(asked):
        found = explanations(history, plan, subject)
        assert found, subject
        text = [line for line in lines(*found) if line.startswith("      ")]
        said = Counter(line for line in text if not line.endswith(", above") and not line.startswith("      and "))
        assert set(said.values()) <= {1}, (subject, said.most_common(1))
