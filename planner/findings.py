"""Findings: one registry of codes, and the record that carries one.

A code is never reused. `error` means that the image cannot be restarted as it is, `warning` that something will differ or may
fail, `note` that the reader should know.
"""

from typing import Literal

import msgspec

from planner.identity import ProcessId

Severity = Literal["error", "warning", "note"]


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of finding: what it means, in one sentence, and what to do."""

    code: str
    severity: Severity
    sentence: str
    hint: str


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A finding about one image: the kind's code, the subject, what was recorded and what the target has, and where it stands.

    `pid` is the level-0 number of the task, 0 for the whole image; `at` is the place in the image.
    """

    code: str
    severity: Severity
    message: str
    pid: ProcessId = ProcessId(0)
    property: str = ""
    recorded: str = ""
    target: str = ""
    at: int | str | None = None
    hint: str = ""


KINDS: dict[str, Kind] = {}


def register(code: str, severity: Severity, sentence: str, hint: str) -> None:
    """Add a kind of finding to the registry; raises ValueError when the code is taken."""
    if code in KINDS:
        raise ValueError(f"finding code {code} is taken")
    KINDS[code] = Kind(code=code, severity=severity, sentence=sentence, hint=hint)


def finding(
    code: str,
    *,
    pid: int = 0,
    property: str = "",
    recorded: str = "",
    target: str = "",
    detail: str = "",
    at: int | str | None = None,
) -> Finding:
    """Make a finding of a registered kind; raises KeyError for an unknown code."""
    kind = KINDS[code]
    return Finding(
        code=code,
        severity=kind.severity,
        message=detail or kind.sentence,
        pid=ProcessId(pid),
        property=property,
        recorded=recorded,
        target=target,
        at=at,
        hint=kind.hint,
    )
