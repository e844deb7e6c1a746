"""A Code Quality report of GitLab: a list of findings with unique fingerprints.

Source: GitLab's "Code Quality report format". A question that could not be answered is listed too, as
information, and last what was not checked: it is the same before and after a change, so no change shows it as new.
"""

import hashlib
from typing import Final

from crplan_ci.wording import unanswered, whole
from planner.findings.report import Report
from planner.options import Options
from planner.text import Terminal, json_document

_SEVERITIES: Final = {"error": "critical", "warning": "major", "note": "minor"}


def render(report: Report, options: Options, terminal: Terminal) -> bytes:
    """Return the list; findings that do not count are left out, as GitLab compares lists by fingerprint."""
    entries = [
        _entry(report, found.code, whole(found), _SEVERITIES[found.severity], f"finding {found.fingerprint}")
        for found in report.counting()
    ]
    if report.error is not None and report.error.exit_code != 3:
        entries.append(_entry(report, report.error.code, report.error.message, "blocker", f"problem {report.error.message}"))
    for number, question in enumerate(report.unknown):
        key = f"unknown {question.check} {question.code} {question.pid} {number}"
        entries.append(_entry(report, question.code, unanswered(question), "info", key))
    not_checked = "not checked: " + "; ".join(report.not_checked)
    entries.append(_entry(report, "not-checked", not_checked, "info", "not checked"))
    return json_document(entries)


def _entry(report: Report, code: str, description: str, severity: str, key: str) -> dict[str, object]:
    return {
        "description": description,
        "check_name": code,
        "fingerprint": hashlib.sha256(f"{report.image}\0{key}".encode()).hexdigest(),
        "severity": severity,
        "location": {"path": report.image, "lines": {"begin": 1}},
    }
