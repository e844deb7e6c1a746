"""crplan-tsv: writes the report of `crplan check` as tab-separated lines."""

from planner.findings.report import Report
from planner.hookspecs import ReportFormat, hookimpl
from planner.options import Options
from planner.text import Terminal


@hookimpl
def crplan_reports() -> tuple[ReportFormat, ...]:
    """Return the format."""
    return (ReportFormat(name="crplan_tsv", help="a finding a line, tab-separated", render=_render, machine=True),)


def _render(report: Report, options: Options, terminal: Terminal) -> str:
    """Return image, severity, code, pid and message; the texts of a report are on one line, and hold no tab."""
    rows = [
        (image.image, found.severity, found.code, str(found.pid), found.message)
        for image in report.images
        for found in image.findings
    ]
    errors = [(image.image, image.error) for image in report.images] + [("", report.error)]
    rows += [(image, "error", error.code, str(error.pid), error.message) for image, error in errors if error is not None]
    return "".join("\t".join(row) + "\n" for row in rows)
