"""Findings: one registry of codes, and the record that carries one.

A code is never reused. `error` means that the image cannot be restarted as it is, `warning` that something will differ or may
fail, `note` that the reader should know.
"""

from typing import Literal

import msgspec

from planner.identity import ProcessId

Severity = Literal["error", "warning", "note"]


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of finding: what it means, in one sentence, and what to do."""

    code: str
    severity: Severity
    sentence: str
    hint: str


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A finding about one image: the kind's code, the subject, what was recorded and what the target has, and where it stands.

    `pid` is the level-0 number of the task, 0 for the whole image; `at` is the place in the image.
    """

    code: str
    severity: Severity
    message: str
    pid: ProcessId = ProcessId(0)
    property: str = ""
    recorded: str = ""
    target: str = ""
    at: int | str | None = None
    hint: str = ""


KINDS: dict[str, Kind] = {}


def register(code: str, severity: Severity, sentence: str, hint: str) -> None:
    """Add a kind of finding to the registry; raises ValueError when the code is taken."""
    if code in KINDS:
        raise ValueError(f"finding code {code} is taken")
    KINDS[code] = Kind(code=code, severity=severity, sentence=sentence, hint=hint)


def finding(
    code: str,
    *,
    pid: int = 0,
    property: str = "",
    recorded: str = "",
    target: str = "",
    detail: str = "",
    at: int | str | None = None,
) -> Finding:
    """Make a finding of a registered kind; raises KeyError for an unknown code."""
    kind = KINDS[code]
    return Finding(
        code=code,
        severity=kind.severity,
        message=detail or kind.sentence,
        pid=ProcessId(pid),
        property=property,
        recorded=recorded,
        target=target,
        at=at,
        hint=kind.hint,
    )


# Image facts: what readers note (warning, note) and what the fold refuses (error).

_TAKE_AGAIN = "Take the checkpoint again, or repair the image where `crplan log IMAGE` says that the facts stand."

for _code, _sentence in (
    ("no-task", "The image holds no task."),
    ("task-unknown", "A fact is recorded for a number that no task bears."),
    ("impossible-number", "A vector has a number below 1, or none at all."),
    ("too-deep", "A task has more numbers than the kernel allows levels of pid namespaces."),
    ("duplicate-number", "Two tasks bear one number in one pid namespace."),
    ("two-inits", "A pid namespace has two tasks with number 1."),
    ("init-with-parent", "The init of the image's root namespace has a parent inside it."),
    ("parent-unknown", "A task's parent is no process of the image."),
    ("parent-is-thread", "A task's parent is a thread that leads no thread group."),
    ("parent-cycle", "Tasks are each other's ancestors."),
    ("parent-below-child", "A task's parent lives in a deeper pid namespace than the task."),
    ("thread-group-unknown", "A thread belongs to a thread group that the image does not hold."),
    ("thread-level", "A thread and its thread group are at different levels."),
    ("thread-disagrees", "A thread has another parent, session or group than its thread group."),
    ("session-leader-group", "A session leader is in another group than its own."),
    ("session-leader-elsewhere", "A task bears a session's number and is in another session."),
    ("session-leader-below", "A session's leader lives in a deeper pid namespace than a member."),
    ("group-in-two-sessions", "A process group has members in two sessions."),
    ("leader-is-thread", "A session or group bears the number of a thread."),
    ("zombie-with-child", "A process that has ended has a child."),
    ("zombie-init", "A pid namespace whose init has ended has tasks."),
    ("namespace-level", "A task has more or fewer numbers than its pid namespace has levels."),
    ("checkpoint-failed", "The image says that its checkpoint failed."),
):
    register(_code, "error", _sentence, _TAKE_AGAIN)

register(
    "state-missing",
    "warning",
    "The image has no state and no name of a task.",
    "The task is taken to be running; if it was a zombie, the rebuilt tree differs.",
)
register(
    "tail-missing",
    "warning",
    "The image ends after its tasks without the record that closes it.",
    "All that a plan needs is there; the copy of the image may be cut short.",
)
register(
    "revision-disagrees",
    "note",
    "The header's revision is not that of the image's structure.",
    "The image was read by its structure; compare the preview with what you expect.",
)
register(
    "depth-disagrees",
    "warning",
    "A task's entry and its pid object have different depths.",
    "The pid object, which holds the numbers, was believed.",
)
register(
    "unknown-record",
    "warning",
    "The image has records of a type that the reader does not know.",
    "They were passed over; a plan needs only tasks and their numbers.",
)
register(
    "bytes-after-tail",
    "note",
    "The stream goes on after the record that closes the image.",
    "What follows was not read; split the stream if it holds a second image.",
)

# Pid namespaces that had to be inferred.

for _code, _sentence in (
    ("namespace-init-below", "The init of a pid namespace has its parent or its session's leader inside that namespace."),
    ("namespace-init-deeper", "A task has the number 1 in a pid namespace and lives in a deeper one."),
    ("namespace-without-init", "A task is in a nested pid namespace, and no living task can be that namespace's init."),
    ("namespace-none-fits", "Some tasks fit into no pid namespaces of the image without bearing one number twice."),
    ("namespace-recorded-apart", "A task would have to be in two pid namespaces that the image tells apart."),
    ("namespace-undecided", "The bounded search for the pid namespaces of the tasks came to no end."),
):
    register(_code, "error", _sentence, _TAKE_AGAIN)

register(
    "namespace-ambiguous",
    "note",
    "A task fits into several pid namespaces, and the image does not say which it was in.",
    "Every fitting choice rebuilds the recorded numbers, parents, sessions and groups; `crplan explain` shows what was chosen.",
)
