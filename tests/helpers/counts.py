"""What tests have counted, shown at the end of a run: how many were tried, reached, planned and refused; which rules were met.

Counts are results like any other, and nobody sees what a passing test prints; so `tests/conftest.py` shows these lines always.
"""

from collections.abc import Iterable

LINES: list[str] = []
"""What has been counted so far in this run."""


def count(text: str) -> None:
    """Have some lines shown at the end of the run."""
    LINES.extend(line for line in text.splitlines() if line.strip())


def columns(cells: Iterable[str], width: int = 44, number: int = 3) -> str:
    """Return short entries in columns."""
    entries = list(cells)
    rows = [entries[place : place + number] for place in range(0, len(entries), number)]
    return "\n".join("  " + "".join(f"{entry:{width}}" for entry in row).rstrip() for row in rows)
