"""Who is born below whom, while births are still being decided.

Questions about ancestors come in great number where sessions chain, and walking up each time would make planning quadratic. So
what has been asked about keeps its depth and a jump pointer: a step up that is as long as the two jumps before it, if those are
equal, so that any ancestor is reached in logarithmic time (Myers, "An applicative random-access stack"). Moving somebody who has
been asked about makes all of that void; births are decided from the earliest born on, so it is rare.
"""

from collections.abc import Callable

from planner.identity import OUTSIDE, ProcessId


class Ancestry:
    """The tree of births as it stands; `above` tells whom somebody is born below, 0 at the top."""

    def __init__(self, above: Callable[[ProcessId], ProcessId]) -> None:
        """Start with nothing known."""
        self._above = above
        self._depth: dict[ProcessId, int] = {OUTSIDE: 0}
        self._jump: dict[ProcessId, ProcessId] = {OUTSIDE: OUTSIDE}

    def moved(self, pid: ProcessId) -> None:
        """Take note that `pid` is now born below somebody else."""
        if pid in self._depth:
            self._depth = {OUTSIDE: 0}
            self._jump = {OUTSIDE: OUTSIDE}

    def unknown(self, pid: ProcessId) -> tuple[list[ProcessId], ProcessId]:
        """Return `pid` and those above it of whom nothing is known, and the first known one; raises ValueError for a circle."""
        path: list[ProcessId] = []
        seen: set[ProcessId] = set()
        while pid not in self._depth:
            if pid in seen:
                raise ValueError(f"{pid} is born below itself")
            seen.add(pid)
            path.append(pid)
            pid = self._above(pid)
        return path, pid

    def is_below(self, pid: ProcessId, other: ProcessId) -> bool:
        """Tell whether `pid`, which may move yet, is `other` or born below it; raises ValueError for a circle."""
        path, known = self.unknown(pid)
        if other in path:
            return True
        self._learn(other)
        return self._climb(known, self._depth[other]) == other

    def is_above(self, pid: ProcessId, other: ProcessId) -> bool:
        """Tell whether `pid`, which may move yet, is `other` or somebody that `other` is born below; raises ValueError."""
        self._learn(other)
        return pid in self._depth and self._climb(other, self._depth[pid]) == pid

    def branch(self, pid: ProcessId, other: ProcessId) -> ProcessId:
        """Return who is born of `other` and is `pid` or has it below, where `pid` is born below `other`; raises ValueError."""
        self._learn(pid)
        self._learn(other)
        return self._climb(pid, self._depth[other] + 1)

    def _climb(self, pid: ProcessId, depth: int) -> ProcessId:
        """Return whom `pid` has above it at `depth`, or `pid` itself where it is not deeper."""
        while self._depth[pid] > depth:
            jump = self._jump[pid]
            pid = jump if self._depth[jump] >= depth else self._above(pid)
        return pid

    def _learn(self, pid: ProcessId) -> None:
        """Note depth and jump of `pid` and of all above it."""
        path, _ = self.unknown(pid)
        for here in reversed(path):
            above = self._above(here)
            jump = self._jump[above]
            far = self._jump[jump]
            even = self._depth[above] - self._depth[jump] == self._depth[jump] - self._depth[far]
            self._depth[here] = self._depth[above] + 1
            self._jump[here] = far if even else above
