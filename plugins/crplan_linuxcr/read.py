"""The reader: from the bytes of a stream to image events, section by section."""

from collections.abc import Iterator
from typing import BinaryIO, Final

from crplan_linuxcr.choose import check_first_task, choose, defects_of
from crplan_linuxcr.entries import read_entries
from crplan_linuxcr.failure import read_failure
from crplan_linuxcr.framing import FailureFound, Records
from crplan_linuxcr.generations import BEFORE_PIDS
from crplan_linuxcr.header import read_header
from crplan_linuxcr.members import Roll
from crplan_linuxcr.objects import read_objects
from crplan_linuxcr.sections import read_sections
from crplan_linuxcr.tasks import read_tasks
from planner.events.records import AnyEvent, ImageClosed, ImageOpened

FORMAT: Final = "linux-cr"


def read(stream: BinaryIO) -> Iterator[AnyEvent]:
    """Yield the events of a linux-cr stream, from a file or a pipe; raises `BadImage`.

    Nothing is kept but the pid sections; everything else goes by in chunks.
    """
    records = Records(stream, BEFORE_PIDS)
    opened = False
    try:
        header = read_header(records)
        sections = read_sections(records)
        generation = choose(records, header, sections)
        records.names = generation.names()
        task_length = check_first_task(records, generation)
        yield ImageOpened(format=FORMAT, generation=generation.name, facts=header.facts(generation), at=0)
        opened = True
        yield from defects_of(header, generation)
        roll = Roll()
        if sections.shape == "objects":
            yield from read_objects(sections, generation, roll)
        else:
            yield from read_entries(sections, roll)
        yield from read_tasks(records, generation, task_length, roll)
    except FailureFound:
        if not opened:
            yield ImageOpened(format=FORMAT, generation="unknown", at=0)
        yield read_failure(records)
        yield ImageClosed(tasks=0, complete=False, at=records.offset)
