"""The reader keeps crplan's contract."""

import crplan_lines

from planner.testing.readers import conforms

IMAGE = crplan_lines.MAGIC + b"1 0 1 1 init\n2 1 2 2 shell\n3 2 2 3 job\n"


def test_conforms() -> None:
    conforms(*crplan_lines.crplan_readers(), images=[IMAGE])
