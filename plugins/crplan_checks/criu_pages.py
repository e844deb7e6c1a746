"""Whether the pages of memory that the page maps of the tasks name are in the image.

A page map says how many pages of a task are in the files of pages; those of shared memory come to that. Where there are no pages
at all the copy was stripped for inspection, which is said elsewhere. Watched on CRIU 4.2 with a file that was cut: "Can't
read mapping page", or a restore that never ends.
"""

from collections.abc import Iterable, Iterator

from crplan_checks import kinds_contents
from planner.events.contents import ContentsRecorded, MemoryRecorded
from planner.events.records import AnyEvent
from planner.findings.registry import Answer


def answers(events: Iterable[AnyEvent]) -> Iterator[Answer]:
    """Yield a refusal where the files of pages are shorter than the page maps say.

    Nothing is said of an image that was read for its tree alone, or whose sizes are not known.
    """
    there = files = 0
    stored: list[int] = []
    for event in events:
        if isinstance(event, ContentsRecorded):
            there, files = event.sizes.get("pages", 0), event.images.get("pages", 0)
        elif isinstance(event, MemoryRecorded) and event.stored:
            stored.append(event.stored)
    # CRIU writes a file of pages for every page map; where there are fewer, maps may share one.
    wanted = sum(stored) if files >= len(stored) else max(stored)
    if 0 < there < wanted:
        detail = (
            f"the files of pages hold {there} bytes of the {wanted} that the page maps name: they are cut, or some are missing"
        )
        yield kinds_contents.CRIU_FILE_DAMAGED.found(detail, property="pages", recorded=str(wanted), target=str(there))
