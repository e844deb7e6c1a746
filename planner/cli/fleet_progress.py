"""How far a scan of many images has come: how many a second, how many with errors, and how long it still takes."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Final

from planner.cli.streams import errors_on_terminal
from planner.fleet.work import Examined, Work

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

EVERY: Final = 0.25
"""Seconds between two changes of the line."""


class FleetProgress:
    """Counts what is done, and shows it on a terminal behind standard error."""

    def __init__(self, note: str = "") -> None:
        self._note = note
        self._begun = time.monotonic()
        self._counts: Counter[str] = Counter()
        self._found = 0
        self._all_found = False
        self._shown = errors_on_terminal()
        self._last = 0.0
        self._bar: Bar | None = None

    def __enter__(self) -> "FleetProgress":
        if self._shown:
            self._bar = _bar()
            self._bar.add_task("scanning", total=None, words=self._note)
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def found(self, works: Iterable[Work]) -> Iterator[Work]:
        """Pass inputs on and count them: when all are found it is known how long the rest takes."""
        for work in works:
            self._found += 1
            yield work
        self._all_found = True

    def add(self, examined: Examined) -> None:
        """Count the rows of one input."""
        self._counts["inputs"] += 1
        for row in examined.images:
            self._counts["images"] += 1
            self._counts[
                "unreadable" if row.error_code and row.exit_code == 1 else "refused" if row.error_code else "planned"
            ] += 1
        now = time.monotonic()
        if self._bar is not None and now - self._last >= EVERY:
            self._last = now
            total = self._found if self._all_found else None
            self._bar.update(self._bar.task_ids[0], completed=self._counts["inputs"], total=total, words=self._words(now))

    def _words(self, now: float) -> str:
        done, passed = self._counts["inputs"], max(now - self._begun, 1e-9)
        words = f"{done} done, {done / passed:.0f} a second, {self._counts['unreadable'] + self._counts['refused']} with errors"
        return f"{words} {self._note}".rstrip()

    def summary(self) -> str:
        """Return the counts in words."""
        counts = self._counts
        images = counts["images"]
        return (
            f"{images} image{'' if images == 1 else 's'} of {counts['inputs']} inputs: {counts['planned']} planned,"
            f" {counts['refused']} cannot be restarted, {counts['unreadable']} cannot be read"
        )


def _bar() -> "Bar":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[words]}"), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)
