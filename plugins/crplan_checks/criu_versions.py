"""Which CRIU the rules were held against, and which of them are in doubt for another one.

All rules were held against restores by CRIU 4.2. Its history says since when CRIU has what a rule speaks of; most of it is in
2.0, the first that writes images of version 2. A rule is in doubt for a CRIU before its first one; and what 4.2 does wrong, or
hangs on, may be mended in a later one.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from planner.findings.registry import Answer, Finding, Unknown

HELD_AGAINST: Final = (4, 2)
SINCE: Final[dict[str, tuple[int, int]]] = {
    "criu-plugin": (4, 1),
    "criu-external-pid-namespace": (3, 15),
    "criu-mount-link": (3, 17),
}
"""First CRIU of the rules that are younger than 2.0, by code."""
MENDABLE: Final = frozenset({"wrong", "hangs"})
"""Outcomes that are faults of CRIU."""


def version(word: str | None) -> tuple[int, int] | None:
    """Return the version that a host's facts give for criu, None where they do not say."""
    found = re.match(r"(\d{1,4})\.(\d{1,4})", word or "")
    return (int(found[1]), int(found[2])) if found else None


def words(held: tuple[int, int]) -> str:
    """Return a version in words."""
    return f"CRIU {held[0]}.{held[1]}"


def doubted(answers: Iterable[Answer], host: tuple[int, int] | None) -> Iterator[Answer]:
    """Yield the answers as they hold for the CRIU of a host; a finding that is in doubt becomes an open question."""
    for answer in answers:
        if isinstance(answer, Finding) and answer.outcome and host is not None and _in_doubt(answer, host):
            missing = f"whether {words(host)} does as {words(HELD_AGAINST)}: {answer.message.removesuffix('.')}"
            yield Unknown(code=answer.code, missing=missing, pid=answer.pid)
        else:
            yield answer


def _in_doubt(found: Finding, host: tuple[int, int]) -> bool:
    newer = host > HELD_AGAINST and found.outcome in MENDABLE
    return newer or host < SINCE.get(found.code, (2, 0))
