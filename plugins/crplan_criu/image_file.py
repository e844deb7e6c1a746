"""An image file that is read for what processes hold: its entries, decoded one after the other, each with its place."""

from collections.abc import Callable, Iterator
from typing import Final, TypeVar

import msgspec

from crplan_criu.images import Order, byte_order, entries, place
from crplan_criu.wire import Budget, Fields, Message, WireError, decode
from planner.errors import BadImage

MOST_KEPT: Final = 4096
LONGEST_KEPT: Final = 1024
"""Parts that are decoded once, and the bytes of each."""

Read = TypeVar("Read")


class PageRuns(msgspec.Struct, frozen=True):
    """The number of the file of pages that a page map is of, and its runs: address, pages, and whether they are in that file."""

    file: int
    runs: list[tuple[int, int, bool]]


MOST_RUNS: Final = 1_000_000
"""Runs of pages that are kept of all tasks together."""


MOST_AREAS: Final = 250_000
"""Areas of memory, and runs of pages, that are recorded of all tasks together: a few bytes of an image tell each."""


class Shared:
    """What the files of a dump have in common while they are read.

    `unknown` counts the fields that no table has, `runs` are the page maps by their task.
    """

    def __init__(self) -> None:
        self.runs: dict[int, PageRuns] = {}
        self.runs_left = MOST_RUNS
        self.records_left = MOST_AREAS
        self.unknown: dict[str, int] = {}
        self.kept: dict[bytes, object] = {}
        """Parts that were decoded, for the many tasks that have the same."""


class ImageFile:
    """One file: its name, the number in it, and its entries. `budget` are the fields that the dump may still have."""

    def __init__(self, name: str, kind: str, number: int, data: bytes, shared: Shared, budget: Budget) -> None:
        self.name, self.kind, self.number = name, kind, number
        self.position = 0
        """Position of the entry at hand."""
        self._data = data
        self._shared, self._budget = shared, budget

    @property
    def at(self) -> str:
        """The place of the entry at hand."""
        return place(self.name, self.position)

    @property
    def order(self) -> Order:
        """The byte order of the machine that wrote the file."""
        return byte_order(self._data)

    def entries(self) -> Iterator[bytes]:
        """Yield the entries, and keep the place of the one that is at hand in `at`; raises BadImage."""
        for position, entry in enumerate(entries(self.name, self.kind, self._data)):
            self.position = position
            yield entry

    def decode(self, message: Message, data: bytes) -> Fields:
        """Decode a message of the entry at hand; raises BadImage."""
        try:
            return decode(message, data, self._shared.unknown, self._budget)
        except WireError as error:
            raise BadImage(self.at, f"is damaged: {error} ({message.name})") from None

    def keep_runs(self, runs: PageRuns) -> None:
        """Keep the page map of the task that the file is named by, as long as there are not too many."""
        self._shared.runs_left -= len(runs.runs)
        if self._shared.runs_left >= 0:
            self._shared.runs[self.number] = runs

    def allowed(self, listed: list[Read]) -> list[Read]:
        """Return the parts of a list that may still be recorded of the dump."""
        kept = listed[: self._shared.records_left]
        self._shared.records_left -= len(kept)
        return kept

    def once(self, data: bytes, read: "Callable[[ImageFile, bytes], Read]") -> Read:
        """Return what `read` makes of a part, which is kept for others like it; raises BadImage. One function reads a part."""
        found = self._shared.kept.get(data)
        if found is None:
            found = read(self, data)
            if len(self._shared.kept) < MOST_KEPT and len(data) <= LONGEST_KEPT:
                self._shared.kept[data] = found
        return found  # type: ignore[return-value]  # the same function made it

    def read(self, message: Message) -> Iterator[Fields]:
        """Yield the entries, decoded; raises BadImage."""
        for entry in self.entries():
            yield self.decode(message, entry)


def text(octets: bytes) -> str:
    """Return bytes of an image as text; what is no UTF-8 is written as escapes."""
    return octets.decode("utf-8", "backslashreplace")
