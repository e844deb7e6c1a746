"""Explanations of steps and processes, for the library and the command line."""

import re
from collections.abc import Sequence

from planner.errors import UsageError
from planner.events.records import AnyEvent
from planner.explanation.lookup import Explainer, Explanation
from planner.library.inputs import Input, resolved
from planner.plans.model import Plan


def explain(source: Input, subject: int | str) -> tuple[Explanation, ...]:
    """Return why a step is there or who creates a process, and from which facts.

    `subject` is a number, for the step and the process of that number, or "step:N" or "pid:N" for one of them; a process is
    named by its level-0 pid. Raises `UsageError` where the plan has neither, and for an image as `plan` does.
    """
    if not isinstance(subject, (int, str)) or isinstance(subject, bool):
        kind = type(subject).__name__
        raise TypeError(f"planner.explain takes a number, 'step:N' or 'pid:N', and not an object of type {kind}")
    subject_of(str(subject))
    found = resolved(source, "explain")
    return explanations(found.events, found.plan, str(subject))


def explanations(events: Sequence[AnyEvent], plan: Plan, subject: str) -> tuple[Explanation, ...]:
    """Return the explanations of a subject by a log and its plan; raises `UsageError` where there is none."""
    kind, number = subject_of(subject)
    explainer = Explainer(events, plan)
    found = (
        explainer.step(number) if kind != "pid" else None,
        explainer.process(number) if kind != "step" else None,
    )
    result = tuple(explanation for explanation in found if explanation is not None)
    if not result:
        what = {"": "step or process", "step": "step", "pid": "process"}[kind]
        raise UsageError(f"the plan has no {what} {number}; it has {len(plan.steps)} steps")
    return result


def subject_of(text: str) -> tuple[str, int]:
    """Return the kind ("step", "pid" or "" for both) and the number that a subject names; raises `UsageError`."""
    match = re.fullmatch(r"(?:(step|pid):)?([0-9]{1,9})", text)
    if match is None:
        raise UsageError(f"{text!r} is no STEP or PID; give a number, step:N or pid:N")
    return match[1] or "", int(match[2])
