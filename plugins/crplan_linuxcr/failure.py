"""The ERROR record: the kernel's word that this checkpoint failed, which may stand anywhere after the header.

Two forms are known: the text in the record itself, or an empty record and the text in a STRING after it. It begins with a NUL
in both.
"""

from typing import Final

from crplan_linuxcr.framing import HEADER_SIZE, Records
from crplan_linuxcr.generations import STRING
from crplan_linuxcr.text import text
from planner.events.records import CheckpointFailed

LONGEST_ERROR: Final = 4096


def read_failure(records: Records) -> CheckpointFailed:
    """Return what the ERROR record says, whose header has just been read."""
    at = records.at
    message = records.payload("ERROR", HEADER_SIZE, LONGEST_ERROR)
    if not message:
        head = records.peek()
        if head is not None and head[0] == STRING:
            message = records.expect(STRING, "STRING (the error)", HEADER_SIZE, LONGEST_ERROR)
    return CheckpointFailed(message=text(message[1:] if message[:1] == b"\0" else message) or "no reason given", at=at)
