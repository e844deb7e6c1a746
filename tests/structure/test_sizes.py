"""How large modules are, and how many stand at the top of `planner/`."""

from pathlib import Path

import pytest

from tests.helpers.places import ROOT

LONGEST = 400
"""Lines of a module."""

MOST_AT_THE_TOP = 16

MODULES = sorted(path for part in ("planner", "plugins") for path in (ROOT / part).rglob("*.py"))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_module_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST


def test_few_modules_stand_at_the_top() -> None:
    assert len(list((ROOT / "planner").glob("*.py"))) <= MOST_AT_THE_TOP
