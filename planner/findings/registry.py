"""Findings: one registry of codes, and the records by which checks answer.

A code is never reused. `error` means that the image cannot be restarted as it is, `warning` that something will differ or may
fail, `note` that the reader should know. A question whose facts are missing is answered by `Unknown`, never by silence: only what
was `Passed` explicitly counts as checked.
"""

from typing import Literal

import msgspec

from planner.findings.kinds import ERRORS, OUTCOMES
from planner.findings.kinds_milder import OTHERS
from planner.findings.verdicts import Consequence
from planner.identity import ProcessId

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""From the most severe to the least."""


class Kind(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A kind of finding: what it means, in one sentence, what to do, and what is behind it.

    `outcome` is what follows for the consumer that was asked about: "refused", "hangs" (it may not end), "wrong" (it says
    success, and the tree differs), or "" where nothing follows.
    """

    code: str
    severity: Severity
    sentence: str
    hint: str
    documentation: str = ""
    outcome: Consequence = ""

    def found(
        self,
        detail: str = "",
        *,
        pid: int = 0,
        property: str = "",
        recorded: str = "",
        target: str = "",
        at: int | str | None = None,
        needs: tuple[str, ...] = (),
        hint: str = "",
    ) -> "Finding":
        """Return a finding of this kind; `detail` replaces the kind's sentence, and `hint` its hint."""
        return Finding(
            code=self.code,
            severity=self.severity,
            message=detail or self.sentence,
            pid=ProcessId(pid),
            property=property,
            recorded=recorded,
            target=target,
            at=at,
            hint=hint or self.hint,
            outcome=self.outcome,
            needs=needs,
        )


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A finding about one image: the kind's code, the subject, what was recorded and what the target has, and where it stands.

    `pid` is the level-0 number of the task, 0 for the whole image; `at` is the place in the image. `outcome` is what follows for
    the consumer that was asked about, as its kind has it. `needs` are options of CRIU with which the finding is none.
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
    outcome: Consequence = ""
    needs: tuple[str, ...] = ()


class Passed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A question that was asked with all the facts it needs, and nothing was found; `code` is that of the kind asked for."""

    code: str
    detail: str = ""


class Unknown(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A question that cannot be answered, because the fact `missing` is; `pid` is the task concerned, 0 for the whole image.

    `needs` are the options of CRIU that the answer depends on, where that is what is missing.
    """

    code: str
    missing: str
    pid: ProcessId = ProcessId(0)
    needs: tuple[str, ...] = ()


Answer = Finding | Passed | Unknown
"""What a check yields."""

KINDS: dict[str, Kind] = {}
"""What an image, a plan or a host can be found to be."""

PROBLEMS: dict[str, Kind] = {
    code: Kind(code=code, severity="error", sentence=sentence, hint="", documentation=documentation)
    for code, sentence, documentation in OUTCOMES
}
"""Why a command can end without having looked at everything; their codes are of the same registry."""


def register(code: str, severity: Severity, sentence: str, hint: str, documentation: str = "") -> None:
    """Add a kind of finding to the registry; raises ValueError when the code is taken."""
    if code in KINDS or code in PROBLEMS:
        raise ValueError(f"finding code {code} is taken")
    KINDS[code] = Kind(code=code, severity=severity, sentence=sentence, hint=hint, documentation=documentation)


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
    return KINDS[code].found(detail, pid=pid, property=property, recorded=recorded, target=target, at=at)


for (_code, _sentence, _documentation), _hint in ERRORS:
    register(_code, "error", _sentence, _hint, _documentation)
for _code, _severity, _sentence, _hint, _documentation in OTHERS:
    register(_code, _severity, _sentence, _hint, _documentation)
