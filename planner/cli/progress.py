"""How far a command over many images has come, on the terminal behind standard error."""

import gc
import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Final, TypeVar

from planner.cli.streams import errors_on_terminal

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

PATIENCE: Final = 0.5
"""Seconds after which something is shown."""


class Progress:
    """A line that says how many of the images are done; nothing where no terminal shows it, or where all is done at once."""

    def __init__(self, words: str, total: int) -> None:
        self._words = words
        self._total = total
        self._done = 0
        self._start = time.monotonic()
        self._shown = total > 1 and errors_on_terminal()
        self._bar: Bar | None = None

    def __enter__(self) -> "Progress":
        return self

    def advance(self) -> None:
        """Count one more image as done."""
        self._done += 1
        if not self._shown or (self._bar is None and time.monotonic() - self._start < PATIENCE):
            return
        if self._bar is None:
            self._bar = _bar()
            self._bar.start()
            self._bar.add_task(self._words, total=self._total)
        self._bar.update(self._bar.task_ids[0], completed=self._done)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()


Item = TypeVar("Item")

COLLECTED: Final = 64
"""Items after which memory in reference cycles is freed: a command on one image has no need of it, so it is switched off."""


def each(words: str, items: Sequence[Item]) -> Iterator[Item]:
    """Yield the items of a long job, and say how many of them are done."""
    with Progress(words, len(items)) as progress:
        for number, item in enumerate(items, start=1):
            if number % COLLECTED == 1 and len(items) > COLLECTED:
                gc.collect()
                # What lasts is not looked at again.
                gc.freeze()
            yield item
            progress.advance()
    gc.unfreeze()


def _bar() -> "Bar":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(separator=" of "), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)
