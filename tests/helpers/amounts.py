"""How much of what could go on for ever is tried: a little in the fast part, more in the slow part, all with CRPLAN_FULL=1.

What is tried is numbered, and the numbers are cut into blocks, each a test of its own. So the parts share no work, two processes
can play different blocks, and every number of the full amount has its block.
"""

import os
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

FULL = os.environ.get("CRPLAN_FULL", "0") not in ("", "0")
"""Whether everything is tried."""


def amount(variable: str, full: int, fewer: int) -> int:
    """Return how many of something are tried: what the environment variable says, `full` with CRPLAN_FULL=1, or `fewer`."""
    return int(os.environ.get(variable, "0")) or (full if FULL else fewer)


def blocks(number: int, fast: int, size: int) -> list[Any]:
    """Return ranges of up to `size` that cover `number`, for `parametrize`; those beyond the first `fast` numbers are slow."""
    return list(_blocks(number, fast, size))


def first(values: Iterable[Any], fast: int) -> list[Any]:
    """Return values for `parametrize`, each a test of its own; those beyond the first `fast` of them are slow."""
    return [pytest.param(value, marks=[] if place < fast else [pytest.mark.slow]) for place, value in enumerate(values)]


def spread(values: Iterable[Any], every: int) -> list[Any]:
    """Return values for `parametrize`, each a test of its own; all but the first and each `every`-th behind it are slow."""
    return [pytest.param(value, marks=[] if place % every == 0 else [pytest.mark.slow]) for place, value in enumerate(values)]


def _blocks(number: int, fast: int, size: int) -> Iterator[Any]:
    begin = 0
    while begin < number:
        end = min(begin + size, number, fast if begin < fast else number)
        marks = [] if begin < fast else [pytest.mark.slow]
        yield pytest.param(range(begin, end), id=f"{begin}-{end - 1}", marks=marks)
        begin = end
