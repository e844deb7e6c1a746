"""What tests have counted, shown at the end of a run: how many were tried, reached, planned and refused; which rules were met.

Counts are results like any other, and pytest hides what a passing test prints; so `tests/conftest.py` shows them always.
"""

from collections import Counter
from collections.abc import Iterable

LINES: list[str] = []
"""What has been counted so far in this run."""

SUMS: dict[str, Counter[str]] = {}
"""What has been counted in parts: what is tried, and how often each thing came of it."""


def count(text: str) -> None:
    """Have some lines shown at the end of the run."""
    LINES.extend(line for line in text.splitlines() if line.strip())


def tally(subject: str, **numbers: int) -> None:
    """Have the sum of such numbers over all tests shown at the end of the run, in one line for a subject."""
    SUMS.setdefault(subject, Counter()).update(numbers)


def lines() -> list[str]:
    """Return all that has been counted, in the order in which it came, sums last."""
    sums = [
        f"{subject}: " + ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in numbers.items())
        for subject, numbers in SUMS.items()
    ]
    return LINES + sums


def columns(cells: Iterable[str], width: int = 44, number: int = 3) -> str:
    """Return short entries in columns."""
    entries = list(cells)
    rows = [entries[place : place + number] for place in range(0, len(entries), number)]
    return "\n".join("  " + "".join(f"{entry:{width}}" for entry in row).rstrip() for row in rows)
