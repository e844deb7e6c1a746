"""The format keeps crplan's contract."""

import crplan_tsv

from planner.testing.reports import conforms


def test_conforms() -> None:
    conforms(*crplan_tsv.crplan_reports())
