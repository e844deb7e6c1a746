"""SARIF 2.1.0: a rule for every kind that was asked or found, a result for every finding, stable fingerprints.

Source: OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0". A question that could not be answered is a
result of the kind "open"; one that was answered with nothing found is of the kind "pass". Places in the image are byte offsets
where the image is a stream, and logical locations where it is a directory of files.
"""

from typing import Final
from urllib.parse import quote

from crplan_ci.wording import comparison, place, subject, unanswered, verdict
from planner import __version__
from planner.findings.report import Question, Report, Reported
from planner.options import Options
from planner.text import Terminal, json_document

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"


def render(report: Report, options: Options, terminal: Terminal) -> bytes:
    """Return a log with one run."""
    document = {"$schema": SCHEMA, "version": "2.1.0", "runs": [_run(report)]}
    return json_document(document)


def _run(report: Report) -> dict[str, object]:
    index = {kind.code: number for number, kind in enumerate(report.kinds)}
    results = [_result(report, found, index) for found in report.findings]
    results += [_question(report, question, "open", unanswered(question), index) for question in report.unknown]
    results += [_question(report, question, "pass", question.detail or "nothing was found", index) for question in report.passed]
    return {
        "tool": {
            "driver": {
                "name": "crplan",
                "version": __version__,
                "semanticVersion": __version__,
                "rules": [_rule(kind.code, kind.sentence, kind.documentation, kind.hint, kind.severity) for kind in report.kinds],
            }
        },
        "artifacts": [{"location": {"uri": _uri(report.image)}}],
        "invocations": [_invocation(report)],
        "columnKind": "unicodeCodePoints",
        "results": results,
        "properties": {
            "imageId": report.image_id,
            "planId": report.plan_id,
            "notChecked": list(report.not_checked),
            "forecasts": [{"of": each.of, "outcome": each.outcome, "because": list(each.because)} for each in report.forecasts],
        },
    }


def _invocation(report: Report) -> dict[str, object]:
    notifications: list[dict[str, object]] = []
    if report.error is not None:
        descriptor = {"id": report.error.code}
        notifications.append({"level": "error", "message": {"text": report.error.message}, "descriptor": descriptor})
    return {
        "executionSuccessful": report.exit_code not in (1, 2),
        "exitCode": report.exit_code,
        "exitCodeDescription": verdict(report),
        "toolExecutionNotifications": notifications,
    }


def _rule(code: str, sentence: str, documentation: str, hint: str, level: str) -> dict[str, object]:
    rule: dict[str, object] = {
        "id": code,
        "shortDescription": {"text": sentence or code},
        "fullDescription": {"text": documentation or sentence or code},
        "defaultConfiguration": {"level": level},
    }
    if hint:
        rule["help"] = {"text": hint}
    return rule


def _result(report: Report, found: Reported, index: dict[str, int]) -> dict[str, object]:
    result: dict[str, object] = {
        "ruleId": found.code,
        "ruleIndex": index[found.code],
        "level": found.severity,
        "message": {"text": " ".join(filter(None, (found.message, comparison(found)))) or found.code},
        "locations": [_location(report, found)],
        "partialFingerprints": {"crplan/v1": found.fingerprint},
    }
    if found.suppressed:
        words = {"ignored": "ignored by --ignore", "baseline": "known from the baseline"}[found.suppressed]
        result["suppressions"] = [{"kind": "external", "justification": words}]
    return result


def _question(report: Report, question: Question, kind: str, text: str, index: dict[str, int]) -> dict[str, object]:
    result: dict[str, object] = {
        "ruleId": question.code,
        "kind": kind,
        "level": "none",
        "message": {"text": text},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": _uri(report.image), "index": 0}}}],
    }
    if question.code in index:
        result["ruleIndex"] = index[question.code]
    return result


def _location(report: Report, found: Reported) -> dict[str, object]:
    physical: dict[str, object] = {"artifactLocation": {"uri": _uri(report.image), "index": 0}}
    if isinstance(found.at, int) and found.at >= 0:
        physical["region"] = {"byteOffset": found.at, "byteLength": 0}
    location: dict[str, object] = {"physicalLocation": physical}
    names = [name for name in (subject(found), "" if isinstance(found.at, int) else place(found)) if name]
    if names:
        location["logicalLocations"] = [{"name": name, "fullyQualifiedName": name} for name in names]
    return location


def _uri(image: str) -> str:
    return quote(image, safe="/-._~") if image != "-" else "stdin"
