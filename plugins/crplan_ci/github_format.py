"""Workflow commands of GitHub Actions: one annotation a finding, the most severe first, as many as are shown.

What GitHub reads from a command is percent-decoded, so a percent sign, and in properties also a colon and a comma, are encoded;
lines cannot end inside, since a report's texts have no line ends. Source: GitHub's "Workflow commands", and `command.ts` of its
toolkit.
"""

import re
from collections.abc import Iterator
from typing import Final

from crplan_ci.wording import counts, ended, problems, unanswered, whole
from planner.findings.report import Report, rank
from planner.findings.verdicts import verdict_line
from planner.options import Options
from planner.text import Terminal

_COMMANDS: Final = {"error": "error", "warning": "warning", "note": "notice"}


def render(report: Report, options: Options, terminal: Terminal) -> str:
    """Return the commands and, last, plain lines for the log."""
    return "".join(f"{line}\n" for line in _lines(report, _most(options)))


def _most(options: Options) -> int:
    most = options.get("annotations", 10)
    return max(most, 1) if isinstance(most, int) else 10


def _lines(report: Report, most: int) -> Iterator[str]:
    annotations = list(_annotations(report))
    # The last place is for the count of what has no annotation of its own.
    shown = annotations if len(annotations) <= most else annotations[: most - 1]
    yield from shown
    if len(shown) < len(annotations):
        rest = f"{len(annotations) - len(shown)} more are in the summary of the step"
        yield _command("notice", report.images[0].image if len(report.images) == 1 else "", "crplan check", rest)
    for image in report.images:
        yield _plain(f"crplan check {image.image}: {ended(report, image)}: {counts(image)}")
        for verdict in image.verdicts:
            yield _plain(f"  {verdict_line(verdict)}")
        for sentence in image.not_checked:
            yield _plain(f"  not checked: {sentence}")
    if not report.images:
        yield _plain(f"crplan check: {ended(report)}")


def _annotations(report: Report) -> Iterator[str]:
    """Yield the errors of all images, then what is found in each by severity, then what is open."""
    for name, problem in problems(report):
        yield _command("error", name, f"crplan {problem.code}", problem.message)
    found = [(image.image, each) for image in report.images for each in image.counting()]
    for name, each in sorted(found, key=lambda pair: rank(pair[1].severity)):
        yield _command(_COMMANDS[each.severity], name, f"crplan {each.code}", whole(each))
    for image in report.images:
        for question in image.unknown:
            yield _command("notice", image.image, f"crplan {question.code}", unanswered(question))


def _command(name: str, image: str, title: str, message: str) -> str:
    properties = {"file": image if image != "-" else "", "title": title}
    listed = ",".join(f"{key}={_property(value)}" for key, value in properties.items() if value)
    return f"::{name} {listed}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _plain(text: str) -> str:
    """Return a line for the log, which must hold no mark of a command, old (`##[`) or new (`::`)."""
    return re.sub(r":(?=:)", ": ", text).replace("##[", "# #[")
