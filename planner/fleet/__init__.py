"""A scan of many checkpoints, local or remote, by one process or many: the result is one row for each.

`scan` is the library's function; `crplan fleet` writes what it yields as tables. The records of the rows are in
`planner.fleet.rows`, and everything that is heavy is imported where it is used.
"""

from planner.fleet.rows import FindingRow, HostRow, ImageRow, VerdictRow
from planner.fleet.scanning import scan

__all__ = ["FindingRow", "HostRow", "ImageRow", "VerdictRow", "scan"]
