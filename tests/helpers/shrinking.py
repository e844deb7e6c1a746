"""What is not needed for a failure is left out of a history: the one shrinker of the generators.

A history is a list of steps of which any part is a history too, so steps can be left out of it in blocks. Hypothesis shrinks
what it draws itself; these histories are drawn by a seed, so that a failing one has a name.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

Step = TypeVar("Step")


def shrunk(
    steps: Sequence[Step],
    still: Callable[[list[Step]], list[Step]],
    endings: Callable[[list[Step]], Iterable[list[Step]]] = lambda _: (),
) -> list[Step]:
    """Return as few of the steps, the first apart, as still fail.

    `still` plays some steps and returns those that had an effect where the end fails, and an empty list where it does not.
    `endings` yields steps that would leave less to see when they are added; each that still fails is kept.
    """
    kept = list(steps)
    smaller = True
    while smaller:
        before = kept
        kept = _left_out(kept, still)
        longer = next(filter(None, (still(kept + ending) for ending in endings(kept))), None)
        smaller = longer is not None or kept != before
        kept = longer or kept
    return kept


def _left_out(kept: list[Step], still: Callable[[list[Step]], list[Step]]) -> list[Step]:
    size = len(kept) // 2
    while size:
        start = 1
        while start < len(kept):
            fewer = still(kept[:start] + kept[start + size :])
            if fewer and len(fewer) < len(kept):
                kept = fewer
            else:
                start += size
        size //= 2
    return kept
