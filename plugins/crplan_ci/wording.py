"""What the formats say in the same words: where a finding belongs, what it compares, and how a check ended."""

from collections import Counter

from planner.errors import CANNOT_RESTART
from planner.findings.problems import Problem
from planner.findings.report import ImageReport, Question, Report, Reported
from planner.plans.wording import vector


def subject(found: Reported) -> str:
    """Return the task that a finding is about, with its whole vector and its name; "" for the whole image."""
    if not found.pid:
        return ""
    numbers = vector(found.pids) if len(found.pids) > 1 else str(found.pid)  # type: ignore[arg-type]  # numbers are numbers
    return f"task {numbers}" + (f" {found.name}" if found.name else "")


def comparison(found: Reported) -> str:
    """Return the property with what was recorded and what the target has; "" where the finding compares nothing."""
    if not (found.property or found.recorded or found.target):
        return ""
    parts = [f"recorded {found.recorded}"] if found.recorded else []
    parts += [f"target {found.target}"] if found.target else []
    return ": ".join(filter(None, (found.property, ", ".join(parts))))


def place(found: Reported) -> str:
    """Return the place in the image: `offset 96`, or `file#entry`."""
    return "" if found.at is None else f"offset {found.at}" if isinstance(found.at, int) else found.at


def whole(found: Reported) -> str:
    """Return everything about a finding in one line, for systems that show one."""
    details = "; ".join(filter(None, (subject(found), comparison(found), place(found))))
    return found.message + (f" ({details})" if details else "") + (f" {found.hint}" if found.hint else "")


def unanswered(question: Question) -> str:
    """Return why a question could not be answered, in one line."""
    return f"unknown: {question.missing}" + (f" (task {question.pid})" if question.pid else "")


def counts(image: ImageReport) -> str:
    """Return how many findings count, by severity, and how many questions are open and passed; first those that fail."""
    number = Counter(found.severity for found in image.counting())
    failing = sum(found.fails for found in image.findings)
    words = [f"{failing} that fail{'s' * (failing == 1)}"] if failing and failing != number["error"] else []
    words += [f"{number[severity]} {severity}{'' if number[severity] == 1 else 's'}" for severity in ("error", "warning", "note")]
    suppressed = len(image.findings) - len(image.counting())
    words += [f"{suppressed} not counted"] if suppressed else []
    words += [f"{len(image.unknown)} unknown"] if image.unknown else []
    return ", ".join(words) + f", {len(image.passed)} passed"


def whole_problem(problem: Problem) -> str:
    """Return an error with its code, in one line."""
    return f"{problem.message} [{problem.code}]"


def ended(report: Report, image: ImageReport | None = None) -> str:
    """Return in one sentence how a check ended, of one image or of the command."""
    code = report.exit_code if image is None else image.exit_code
    if code == CANNOT_RESTART and image is not None and image.error is None and not any(found.fails for found in image.findings):
        return "the check fails by what is not known"
    return {
        0: "no errors" if report.fail_on == "error" else f"no findings of severity {report.fail_on} or above",
        1: "the image could not be checked",
        2: "usage error",
    }.get(code, "the check fails")


def problems(report: Report) -> tuple[tuple[str, Problem], ...]:
    """Return every error that is no finding, with the name of its image."""
    own = (("", report.error),) if report.error is not None else ()
    return own + tuple((image.image, image.error) for image in report.images if image.broken() and image.error is not None)
