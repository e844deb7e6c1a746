"""SARIF 2.1.0: a rule for every kind that was asked or found, a result for every finding, stable fingerprints.

Source: OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0". A question that could not be answered is a
result of the kind "open"; one that was answered with nothing found is of the kind "pass". Places in the image are byte offsets
where the image is a stream, and logical locations where it is a directory of files.
"""

from typing import Final
from urllib.parse import quote

import msgspec

from crplan_ci.wording import comparison, ended, place, subject, unanswered
from planner import __version__
from planner.findings.manual import HOME
from planner.findings.report import ImageReport, Question, Report, Reported
from planner.options import Options
from planner.text import Terminal, json_document

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"


def render(report: Report, options: Options, terminal: Terminal) -> bytes:
    """Return a log with one run, whatever the number of images."""
    document = {"$schema": SCHEMA, "version": "2.1.0", "runs": [_run(report)]}
    return json_document(document)


def _run(report: Report) -> dict[str, object]:
    index = {kind.code: number for number, kind in enumerate(report.kinds)}
    results: list[dict[str, object]] = []
    for number, image in enumerate(report.images):
        at = _artefact(image, number)
        results += [_result(at, found, index) for found in image.findings]
        results += [_question(at, question, "open", unanswered(question), index) for question in image.unknown]
        results += [_question(at, question, "pass", question.detail or "nothing was found", index) for question in image.passed]
    return {
        "tool": {
            "driver": {
                "name": "crplan",
                "version": __version__,
                "semanticVersion": __version__,
                "informationUri": HOME,
                "rules": [_rule(kind.code, kind.sentence, kind.documentation, kind.hint, kind.severity) for kind in report.kinds],
            }
        },
        "artifacts": [_described(image, number) for number, image in enumerate(report.images)],
        "invocations": [_invocation(report)],
        "columnKind": "unicodeCodePoints",
        "results": results,
    }


def _artefact(image: ImageReport, number: int) -> dict[str, object]:
    return {"uri": _uri(image.image), "index": number}


def _described(image: ImageReport, number: int) -> dict[str, object]:
    """Return an image with its verdicts, and with what was not checked of it."""
    return {
        "location": {"uri": _uri(image.image)},
        "properties": {
            "position": number,
            "imageId": image.image_id,
            "planId": image.plan_id,
            "verdicts": [msgspec.to_builtins(verdict) for verdict in image.verdicts],
            "notChecked": list(image.not_checked),
        },
    }


def _invocation(report: Report) -> dict[str, object]:
    errors = [report.error, *(image.error for image in report.images)]
    notifications = [
        {"level": "error", "message": {"text": error.message}, "descriptor": {"id": error.code}}
        for error in errors
        if error is not None
    ]
    return {
        "executionSuccessful": report.exit_code not in (1, 2),
        "exitCode": report.exit_code,
        "exitCodeDescription": ended(report),
        "toolExecutionNotifications": notifications,
    }


def _rule(code: str, sentence: str, documentation: str, hint: str, level: str) -> dict[str, object]:
    rule: dict[str, object] = {
        "id": code,
        "name": "".join(word.capitalize() for word in code.split("-")),
        "helpUri": HOME,
        "shortDescription": {"text": sentence or code},
        "fullDescription": {"text": documentation or sentence or code},
        "defaultConfiguration": {"level": level},
    }
    if hint:
        rule["help"] = {"text": hint}
    return rule


def _result(at: dict[str, object], found: Reported, index: dict[str, int]) -> dict[str, object]:
    result: dict[str, object] = {
        "ruleId": found.code,
        "ruleIndex": index[found.code],
        "level": found.severity,
        "message": {"text": " ".join(filter(None, (found.message, comparison(found)))) or found.code},
        "locations": [_location(at, found)],
        "partialFingerprints": {"crplan/v1": found.fingerprint},
    }
    if found.suppressed:
        words = {"ignored": "ignored by --ignore", "baseline": "known from the baseline"}[found.suppressed]
        result["suppressions"] = [{"kind": "external", "justification": words}]
    return result


def _question(at: dict[str, object], question: Question, kind: str, text: str, index: dict[str, int]) -> dict[str, object]:
    result: dict[str, object] = {
        "ruleId": question.code,
        "kind": kind,
        "level": "none",
        "message": {"text": text},
        "locations": [{"physicalLocation": {"artifactLocation": at}}],
    }
    if question.code in index:
        result["ruleIndex"] = index[question.code]
    return result


def _location(at: dict[str, object], found: Reported) -> dict[str, object]:
    physical: dict[str, object] = {"artifactLocation": at}
    if isinstance(found.at, int) and found.at >= 0:
        physical["region"] = {"byteOffset": found.at, "byteLength": 0}
    location: dict[str, object] = {"physicalLocation": physical}
    names = [name for name in (subject(found), "" if isinstance(found.at, int) else place(found)) if name]
    if names:
        location["logicalLocations"] = [{"name": name, "fullyQualifiedName": name} for name in names]
    return location


def _uri(image: str) -> str:
    return quote(image, safe="/-._~") if image != "-" else "stdin"
