"""Command lines and environment of the tasks of a dump: CRIU does not record them, and they lie in pages of memory.

The page maps say where in which file, and they may stand behind the pages in an archive. So the pages are looked at in a second
pass, of which only the bytes of these two areas are taken. Source: CRIU 4.2 `criu/pagemap.c`, `images/pagemap.proto`.
"""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from crplan_criu.holdings import Holdings
from crplan_criu.image_file import PageRuns, text
from crplan_criu.images import place
from crplan_criu.streams import Stream
from planner.contents.secrets import masked, secret_variables
from planner.events.contents import CommandRecorded, MemoryRecorded

MOST_BYTES: Final = 1 << 16
"""Bytes that are read of each of the two areas."""
MOST_BYTES_OF_ALL: Final = 64 << 20
MOST_WORDS: Final = 4096
"""Arguments and variables that are recorded of a task."""
PAGE: Final = 4096
HIGHEST: Final = (1 << 63) - 1
"""Largest place in a file."""


class Span(msgspec.Struct, frozen=True, order=True):
    """Bytes of a file of pages."""

    file: str
    offset: int
    size: int


class Spans:
    """What is wanted of the files of pages of one dump, in the directory of an archive, and what was found."""

    def __init__(self, wanted: list[Span], directory: str = "") -> None:
        self.directory = directory
        self.found: dict[Span, bytes] = {}
        self.of_file: dict[str, list[Span]] = {}
        for span in sorted(set(wanted)):
            self.of_file.setdefault(span.file, []).append(span)

    def take(self, directory: str, name: str, stream: Stream) -> None:
        """Take what is wanted of a member of an archive that comes next in a stream."""
        if directory != self.directory:
            return
        at = 0
        for span in self.of_file.get(name, ()):
            if span.offset < at or not stream.skip(span.offset - at):
                continue
            self.found[span] = stream.read(span.size)
            at = span.offset + span.size


Fetch = Callable[[Spans], None]
"""Fills in what is found of files of pages; raises BadImage."""


def spans(runs: PageRuns, start: int, end: int) -> list[Span] | None:
    """Return where the bytes of an area are; None where the dump does not hold them all, as of pages of an earlier dump."""
    found: list[Span] = []
    file, position = f"pages-{runs.file}.img", 0
    end = min(end, start + MOST_BYTES)
    reached = start
    for address, count, stored in runs.runs:
        size = count * PAGE
        if stored and address <= reached < address + size and reached < end:
            last = min(end, address + size)
            if position + last - address > HIGHEST:
                return None
            found.append(Span(file, position + reached - address, last - reached))
            reached = last
        position += size if stored else 0
    return found if start < end <= reached else None


def events(holdings: Holdings, fetch: Fetch, directory: str, *, values: bool) -> Iterator[CommandRecorded]:
    """Yield the command lines, and the names of variables; their values too where these are asked for. Raises BadImage."""
    times: dict[int, int] = {}
    for runs in holdings.runs.values():
        times[runs.file] = times.get(runs.file, 0) + 1
    where: dict[MemoryRecorded, tuple[list[Span], list[Span]]] = {}
    total = 0
    for memory in holdings.memory():
        runs_of_task = holdings.runs.get(memory.pid)
        # Page maps that share a file do not say where in it each begins.
        if runs_of_task is None or times[runs_of_task.file] > 1:
            continue
        parts = [spans(runs_of_task, *area) or [] for area in (memory.arguments, memory.environment)]
        total += sum(span.size for part in parts for span in part)
        if total > MOST_BYTES_OF_ALL:
            break
        if any(parts):
            where[memory] = (parts[0], parts[1])
    wanted = Spans([span for parts in where.values() for part in parts for span in part], directory)
    if where:
        fetch(wanted)
    for memory, (arguments, environment) in where.items():
        found = _recorded(memory, wanted.found, arguments, environment, values)
        if found is not None:
            yield found


def _recorded(
    memory: MemoryRecorded, found: dict[Span, bytes], arguments: list[Span], environment: list[Span], values: bool
) -> CommandRecorded | None:
    given, variables = _words(found, arguments), _words(found, environment)
    if given is None and variables is None:
        return None
    shown, secrets = masked(given or ())
    pairs = [word.partition("=") for word in variables or () if "=" in word]
    names = tuple(name for name, _, _ in pairs)
    return CommandRecorded(
        pid=memory.pid,
        arguments=shown,
        variables=None if variables is None else names,
        values={name: value for name, _, value in pairs} if values else {},
        secrets=tuple(dict.fromkeys((*secrets, *secret_variables(names)))),
        at=place(f"mm-{memory.pid}.img"),
    )


def _words(found: dict[Span, bytes], wanted: list[Span]) -> list[str] | None:
    """Return the words of an area; None where it was not found whole."""
    data = b"".join(found.get(span, b"") for span in wanted)
    if not wanted or len(data) < sum(span.size for span in wanted):
        return None
    # A task that wrote its title over its arguments leaves zeros behind it.
    words = data.rstrip(b"\0").split(b"\0") if data.strip(b"\0") else []
    if words and len(data) == MOST_BYTES and data[-1]:
        words[-1] += b"..."
    return [text(word) for word in words[:MOST_WORDS]]
