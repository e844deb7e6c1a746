"""The executor keeps crplan's contract."""

import crplan_rehearsal

from planner.testing.executors import conforms


def test_conforms() -> None:
    conforms(*crplan_rehearsal.crplan_executors(), runs=True)
