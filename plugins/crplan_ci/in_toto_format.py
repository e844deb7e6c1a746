"""The report as an in-toto Statement, version 1, for tools that sign and verify attestations (cosign, policy engines).

Subjects are the images by the digests of their process tree and of all that was recorded of them. The
digests are named for what they are, since no file has them. The predicate is the report as `json` has it.
Source: in-toto attestation framework, spec/v1/statement.md.
"""

from typing import Any, Final

import msgspec

from planner.findings.report import FORMAT_VERSION, ImageReport, Report
from planner.options import Options
from planner.text import Terminal, json_document

STATEMENT: Final = "https://in-toto.io/Statement/v1"
PREDICATE: Final = f"urn:crplan:check:v{FORMAT_VERSION}"


def render(report: Report, options: Options, terminal: Terminal) -> bytes:
    """Return the statement; a report on no image has no subject."""
    subjects = [_subject(image) for image in report.images if image.image_id]
    whole = msgspec.structs.replace(report, images=tuple(report.images))
    statement = {"_type": STATEMENT, "subject": subjects, "predicateType": PREDICATE, "predicate": msgspec.to_builtins(whole)}
    return json_document(statement)


def _subject(image: ImageReport) -> dict[str, Any]:
    digest = {"crplanImageId": image.image_id}
    return {"name": image.image, "digest": digest | ({"crplanContentId": image.content_id} if image.content_id else {})}
