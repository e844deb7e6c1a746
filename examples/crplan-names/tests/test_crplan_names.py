"""The check keeps crplan's contract."""

import crplan_names

from planner.testing.checks import conforms


def test_conforms() -> None:
    conforms(*crplan_names.crplan_checks())
