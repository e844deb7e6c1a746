"""The order to a worker and its result: records that every executor can send between processes."""

from typing import Final

import msgspec

from planner.fleet.rows import FindingRow, ImageRow, VerdictRow

SECONDS: Final = 300.0
MEMORY: Final = 4 << 30
"""Limits an image, where none is given: seconds, and bytes of memory that a worker may have."""


class Work(msgspec.Struct, frozen=True):
    """An input: its path or URL, and what a listing said of it.

    `problem` says why it cannot even be opened. `members` are the objects of an image layout that lies in object storage, by
    their names in the layout, each with its size.
    """

    uri: str
    etag: str = ""
    size: int | None = None
    modified: str = ""
    problem: str = ""
    members: tuple[tuple[str, str, int], ...] = ()


class Request(msgspec.Struct, frozen=True):
    """What is wanted of every input.

    `hosts` are the host files by the names of the hosts. `logs` is where event logs are kept: "" for nowhere, `BESIDE`, or a
    directory.
    """

    hosts: tuple[tuple[str, bytes], ...] = ()
    seconds: float = SECONDS
    logs: str = ""
    third_party: bool = True
    criu_options: str | None = None


BESIDE: Final = "beside"
"""Logs stand beside the images."""


class Examined(msgspec.Struct, frozen=True):
    """All rows of one input."""

    input: str
    images: tuple[ImageRow, ...]
    verdicts: tuple[VerdictRow, ...] = ()
    findings: tuple[FindingRow, ...] = ()
