"""The records of a report of `crplan check`: what was asked of an image, what was found, and what was not checked.

Every text in a report is printable and on one line. Machine formats carry `format_version`; unknown fields are to be ignored
within a version.
"""

import zlib
from collections.abc import Iterable, Sequence
from typing import Final, Literal, overload

import msgspec

from planner.errors import CANNOT_RESTART
from planner.findings.problems import Problem
from planner.findings.registry import SEVERITIES, Kind, Severity
from planner.findings.verdicts import Consequence, ConsumerName, Verdict

KIND: Final = "crplan-check"
FORMAT_VERSION: Final = 2
"""Version of reports; in those of version 1 the one image stands in the report itself. A baseline may be of either."""

Suppression = Literal["", "ignored", "baseline"]


class Reported(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A finding in a report, with its subject and what was decided about it.

    `check` is the check that found it, "" for the reader and the planner. `consumers` are the consumers that it concerns, empty
    for all, and `outcome` is what follows for them; `hosts` are those that it was found on, empty where it depends on none.
    `fingerprint` stays the same while code, subject, property and recorded value do. `suppressed` says why it does not count,
    `fails` that the check fails by it.
    """

    code: str
    severity: Severity
    message: str
    check: str = ""
    consumers: tuple[ConsumerName, ...] = ()
    hosts: tuple[str, ...] = ()
    outcome: Consequence = ""
    needs: tuple[str, ...] = ()
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
    fails: bool = False


class Question(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A question that was answered with nothing found, or could not be: then `missing` is the fact that it lacks."""

    code: str
    check: str
    consumers: tuple[ConsumerName, ...] = ()
    hosts: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    detail: str = ""
    missing: str = ""
    pid: int = 0


class ImageReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was found out about one image, or about several that are planned as one.

    `image` is its name on the command line, `image_id` the digest of its process tree, `content_id` that of all that was
    recorded, "" for a tree alone. `error` is why no plan could be made; it
    is a finding, too, where facts are at fault. `verdicts` has one entry a consumer and host; the first consumer is the one that
    the exit code follows.
    """

    image: str
    image_format: str = ""
    image_id: str = ""
    content_id: str = ""
    plan_id: str = ""
    tasks: int = 0
    exit_code: int = 0
    verdicts: tuple[Verdict, ...] = ()
    findings: tuple[Reported, ...] = ()
    passed: tuple[Question, ...] = ()
    unknown: tuple[Question, ...] = ()
    not_checked: tuple[str, ...] = ()
    error: Problem | None = None

    def __repr__(self) -> str:
        counts = ", ".join(
            f"{sum(found.severity == severity for found in self.counting())} {severity}s" for severity in SEVERITIES
        )
        return f"<Report on {self.image or 'an image'}: exit code {self.exit_code}, {counts}, {len(self.unknown)} unknown>"

    def counting(self) -> tuple[Reported, ...]:
        """Return the findings that are not suppressed."""
        return tuple(found for found in self.findings if not found.suppressed)

    def broken(self) -> bool:
        """Say whether there is an error that is no finding: the image could not be read, or the command was not usable."""
        return self.error is not None and self.error.exit_code != CANNOT_RESTART


class ManyReports(Sequence[ImageReport]):
    """The entries of many images, each packed until it is looked at, so that thousands of them take little memory."""

    def __init__(self, entries: Iterable[ImageReport]) -> None:
        self._packed = [zlib.compress(_pack(entry), 1) for entry in entries]

    def __len__(self) -> int:
        return len(self._packed)

    @overload
    def __getitem__(self, position: int) -> ImageReport: ...
    @overload
    def __getitem__(self, position: slice) -> tuple[ImageReport, ...]: ...
    def __getitem__(self, position: int | slice) -> ImageReport | tuple[ImageReport, ...]:
        if isinstance(position, slice):
            return tuple(map(_unpacked, self._packed[position]))
        return _unpacked(self._packed[position])


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(ImageReport).decode


def _unpacked(packed: bytes) -> ImageReport:
    return _unpack(zlib.decompress(packed))


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What `crplan check` found out: one entry an image, in the order of the command line.

    `hosts` names the machines whose facts were judged, empty for none. `exit_code` is that of the command, the worst of the
    images'. `kinds` documents every code that occurs. `error` is why no image was looked at.
    """

    kind: str = KIND
    format_version: int = FORMAT_VERSION
    hosts: tuple[str, ...] = ()
    fail_on: Severity = "error"
    exit_code: int = 0
    images: Sequence[ImageReport] = ()
    kinds: tuple[Kind, ...] = ()
    error: Problem | None = None

    def __repr__(self) -> str:
        return f"<Report on {len(self.images)} image{'' if len(self.images) == 1 else 's'}: exit code {self.exit_code}>"

    @property
    def findings(self) -> tuple[Reported, ...]:
        """The findings of all images."""
        return tuple(found for image in self.images for found in image.findings)

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """The verdicts on all images."""
        return tuple(verdict for image in self.images for verdict in image.verdicts)

    def counting(self) -> tuple[Reported, ...]:
        """Return the findings of all images that are not suppressed."""
        return tuple(found for image in self.images for found in image.counting())


def rank(severity: Severity) -> int:
    """Return the place of a severity, 0 for the most severe."""
    return SEVERITIES.index(severity)
