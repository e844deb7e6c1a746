"""crplan-names: a check of crplan that looks for tasks without a name."""

from collections.abc import Iterator

from planner.findings.registry import Answer, Kind, Passed
from planner.hookspecs import Check, CheckRequest, hookimpl

UNNAMED = Kind(
    code="crplan-names-unnamed",
    severity="note",
    sentence="A task has no name.",
    hint="Give the program a name with prctl(PR_SET_NAME), so that it can be found again.",
    documentation="The kernel keeps 15 bytes of a name for each task, and every usual program has one.",
)


@hookimpl
def crplan_checks() -> tuple[Check, ...]:
    """Return the check."""
    return (Check(name="crplan_names", help="tasks without a name", check=_check, kinds=(UNNAMED,)),)


def _check(request: CheckRequest) -> Iterator[Answer]:
    unnamed = [task for task in request.artefact.forest.tasks.values() if not task.name]
    for task in unnamed:
        yield UNNAMED.found(pid=task.pid, property="name", at=task.at)
    if not unnamed:
        yield Passed(code=UNNAMED.code)
