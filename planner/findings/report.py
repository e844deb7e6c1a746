"""The records of a report of `crplan check`: what was asked of an image, what was found, and what was not checked.

Every text in a report is printable and on one line. Machine formats carry `format_version`; unknown fields are to be ignored
within a version.
"""

from typing import Literal

import msgspec

from planner.findings.problems import Problem
from planner.findings.registry import SEVERITIES, Kind, Severity

Outcome = Literal["ok", "refused", "wrong", "unknown"]


class Forecast(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What will come of giving the image to the program `of`: as recorded, refused, done wrongly, or not to be told.

    `because` are the codes of the findings or of the unanswered questions that decide it.
    """

    of: str
    outcome: Outcome
    because: tuple[str, ...] = ()


KIND = "crplan-check"


FORMAT_VERSION = 1


HostSource = Literal["none", "here", "file"]


Suppression = Literal["", "ignored", "baseline"]


class Reported(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A finding in a report, with its subject and what was decided about it.

    `check` is the check that found it, "" for the reader and the planner. `fingerprint` stays the same while code, subject,
    property and recorded value do. `suppressed` says why it does not count.
    """

    code: str
    severity: Severity
    message: str
    check: str = ""
    pid: int = 0
    pids: tuple[int, ...] = ()
    name: str = ""
    property: str = ""
    recorded: str = ""
    target: str = ""
    at: int | str | None = None
    hint: str = ""
    fingerprint: str
    suppressed: Suppression = ""


class Question(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A question that was answered with nothing found, or could not be: then `missing` is the fact that it lacks."""

    code: str
    check: str
    detail: str = ""
    missing: str = ""
    pid: int = 0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What `crplan check` found out; `failed` says that the exit code is not 0, `exit_code` which one it is.

    `image` is the image as it was named on the command line. `kinds` documents every code that occurs. `error` is why no plan
    could be made; it is a finding, too, where facts are at fault.
    """

    kind: str = KIND
    format_version: int = FORMAT_VERSION
    image: str
    image_format: str = ""
    image_id: str = ""
    plan_id: str = ""
    tasks: int = 0
    host: HostSource = "none"
    fail_on: Severity = "error"
    exit_code: int = 0
    findings: tuple[Reported, ...] = ()
    passed: tuple[Question, ...] = ()
    unknown: tuple[Question, ...] = ()
    forecasts: tuple[Forecast, ...] = ()
    not_checked: tuple[str, ...] = ()
    kinds: tuple[Kind, ...] = ()
    error: Problem | None = None

    def __repr__(self) -> str:
        counts = ", ".join(
            f"{sum(found.severity == severity for found in self.counting())} {severity}s" for severity in SEVERITIES
        )
        return f"<Report on {self.image or 'an image'}: exit code {self.exit_code}, {counts}, {len(self.unknown)} unknown>"

    def counting(self) -> tuple[Reported, ...]:
        """Return the findings that are not suppressed."""
        return tuple(found for found in self.findings if not found.suppressed)

    def fails(self, found: Reported) -> bool:
        """Say whether a finding makes the check fail."""
        return not found.suppressed and _rank(found.severity) <= _rank(self.fail_on)


def _rank(severity: Severity) -> int:
    return SEVERITIES.index(severity)
