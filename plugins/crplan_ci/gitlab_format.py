"""A Code Quality report of GitLab: a list of findings with unique fingerprints.

Source: GitLab's "Code Quality report format". A question that could not be answered is listed too, as
information, and last what was not checked: it is the same before and after a change, so no change shows it as new.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from typing import Final

from crplan_ci.wording import problems, unanswered, whole
from planner.findings.report import ImageReport, Report
from planner.options import Options
from planner.text import Terminal, json_document

_SEVERITIES: Final = {"error": "critical", "warning": "major", "note": "minor"}


def render(report: Report, options: Options, terminal: Terminal) -> bytes:
    """Return the list; findings that do not count are left out, as GitLab compares lists by fingerprint."""
    entries = [
        _entry(name or "-", problem.code, problem.message, "blocker", f"problem {problem.message}")
        for name, problem in problems(report)
    ]
    names: Counter[str] = Counter()
    for image in report.images:
        names[image.image] += 1
        entries += _entries(image, names[image.image])
    return json_document(entries)


def _entries(image: ImageReport, time: int) -> Iterator[dict[str, object]]:
    """Yield the entries of an image; `time` counts the images of one name, which are to have fingerprints of their own."""
    again = f"{time} " if time > 1 else ""
    for found in image.counting():
        yield _entry(image.image, found.code, whole(found), _SEVERITIES[found.severity], f"{again}finding {found.fingerprint}")
    for number, question in enumerate(image.unknown):
        key = f"{again}unknown {question.check} {question.code} {question.pid} {number}"
        yield _entry(image.image, question.code, unanswered(question), "info", key)
    not_checked = "not checked: " + "; ".join(image.not_checked)
    yield _entry(image.image, "not-checked", not_checked, "info", f"{again}not checked")


def _entry(image: str, code: str, description: str, severity: str, key: str) -> dict[str, object]:
    return {
        "description": description,
        "check_name": code,
        "fingerprint": hashlib.sha256(f"{image}\0{key}".encode()).hexdigest(),
        "severity": severity,
        "location": {"path": image, "lines": {"begin": 1}},
    }
