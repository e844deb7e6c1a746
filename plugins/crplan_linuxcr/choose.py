"""Choosing the generation: the structure decides, the revision only where structures are alike.

P2 and P3 differ in nothing but the number of ARM's architecture; such a stream is called P3.
"""

from typing import Final

from crplan_linuxcr.framing import Records
from crplan_linuxcr.generations import GENERATIONS, Generation
from crplan_linuxcr.header import Header
from crplan_linuxcr.sections import Sections
from planner.errors import BadImage
from planner.events.records import DefectRecorded

FIRST_KNOWN: Final = 3
REVISION_AT: Final = 24
UNFIXED_TASK: Final = 72
"""Length of a 64-bit kernel's TASK before 32 and 64 bits were made alike, late in A5."""
LONG_TASK: Final = 80


def choose(records: Records, header: Header, sections: Sections) -> Generation:
    """Return the generation; `records` stands before the first TASK."""
    head = records.peek()
    task_length = head[1] if head is not None else 0
    generation = GENERATIONS[_name(header, sections, task_length)]
    if header.revision < FIRST_KNOWN and generation.name == "A3":
        raise BadImage(
            REVISION_AT,
            f"HEADER: revision {header.revision}, expected {FIRST_KNOWN} to 6; streams from before October 2009 are not read",
        )
    return generation


def _name(header: Header, sections: Sections, task_length: int) -> str:
    match sections.shape:
        case "objects":
            return "P" if _tags_follow_offset(sections) else "P3"
        case "wide":
            return "S"
        case "announced":
            return "St"
        case "inline":
            return "B2" if task_length == LONG_TASK else "B"
    if task_length == LONG_TASK:
        return "B2"
    if any(sections.column(5)):
        return "B"
    if header.security_module is None:
        return "A3"
    if task_length == UNFIXED_TASK:
        by_revision = {3: "A4", 4: "A4"}.get(header.revision, "A5")
    else:
        by_revision = {3: "A4", 4: "A4", 5: "A5"}.get(header.revision, "B")
    return "A4b" if by_revision == "A4" and header.architecture == 5 else by_revision


def _tags_follow_offset(sections: Sections) -> bool:
    """Tell whether the first tag is one above the offset field, as in P, or the field itself, as ever after.

    The first entry's number is the first object. Should it not be, the lowest tag is: every object is there because an entry
    names it.
    """
    first = sections.entries[0]
    offset = sections.offset_field
    if first in (offset, offset + 1) and not (first == offset + 1 and _lowest_tag(sections) == offset):
        return first == offset + 1
    return _lowest_tag(sections) == offset + 1


def _lowest_tag(sections: Sections) -> int:
    """Return the lowest tag that any entry has for its pid, thread group, group or session."""
    return min((tag for index in (0, 2, 3, 4) for tag in sections.column(index) if tag > 0), default=0)


def defects_of(header: Header, generation: Generation) -> list[DefectRecorded]:
    """Return what the header says that the structure contradicts."""
    if header.revision == generation.revision:
        return []
    return [
        DefectRecorded(
            code="revision-disagrees",
            detail=f"the header says revision {header.revision}, and the structure is that of generation {generation.name},"
            f" revision {generation.revision}; read by its structure",
            at=REVISION_AT,
        )
    ]


def check_first_task(records: Records, generation: Generation) -> int:
    """Return the length that every TASK of the stream has; 0 where the stream has none. Raises `BadImage`."""
    head = records.peek()
    if head is None or head[0] != generation.task:
        return 0
    if head[1] not in generation.task_lengths:
        expected = " or ".join(map(str, generation.task_lengths))
        raise BadImage(records.offset, f"TASK: length {head[1]}, expected {expected} in generation {generation.name}")
    return head[1]
