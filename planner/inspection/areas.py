"""The areas of a task's memory with the pages that are kept of each: both are in the order of addresses."""

from collections.abc import Iterator, Sequence
from typing import Final

from planner.events.contents import Area, PageRun
from planner.inspection.document import MemoryArea, Pages

PAGE: Final = 4096
"""Bytes of a page, as the readers count them."""


def areas_with_pages(areas: Sequence[Area], runs: Sequence[PageRun]) -> Iterator[MemoryArea]:
    """Yield the areas, each with the runs of pages that lie in it; a run over several areas is cut at their ends.

    Pages outside of all areas stand in areas without access, of kind "no area". Of pages that are told twice the first telling
    counts, and of areas that overlap the first gets the pages: so there are no more parts than areas and runs together.
    """
    waiting = list(_apart(runs))[::-1]
    for area in sorted(areas, key=lambda area: (area.start, area.end)):
        while waiting and waiting[-1][0] < area.start:
            start, end, kept = waiting.pop()
            yield _no_area(start, min(end, area.start), kept)
            if end > area.start:
                waiting.append((area.start, end, kept))
        inside = []
        while waiting and waiting[-1][0] < area.end:
            start, end, kept = waiting.pop()
            inside.append(_pages(start, min(end, area.end), kept))
            if end > area.end:
                waiting.append((area.end, end, kept))
        yield MemoryArea(
            start=_address(area.start),
            end=_address(area.end),
            bytes=max(area.end - area.start, 0),
            access=area.access,
            kind=area.kind,
            file=area.file,
            offset=area.offset,
            segment=area.segment,
            dumped=area.dumped,
            pages=tuple(inside),
        )
    for start, end, kept in reversed(waiting):
        yield _no_area(start, end, kept)


def _apart(runs: Sequence[PageRun]) -> Iterator[tuple[int, int, str]]:
    """Yield the runs in the order of addresses as start, end and where they are kept, cut where one overlaps those before."""
    reached = 0
    for run in sorted(runs, key=lambda run: (run.start, -run.pages)):
        start, end = max(run.start, reached), run.start + run.pages * PAGE
        if start < end:
            yield start, end, run.kept
            reached = end


def _no_area(start: int, end: int, kept: str) -> MemoryArea:
    return MemoryArea(
        start=_address(start),
        end=_address(end),
        bytes=end - start,
        access="----",
        kind="no area",
        pages=(_pages(start, end, kept),),
    )


def _pages(start: int, end: int, kept: str) -> Pages:
    return Pages(start=_address(start), count=-(-(end - start) // PAGE), kept=kept)


def _address(number: int) -> str:
    return f"{number:x}"
