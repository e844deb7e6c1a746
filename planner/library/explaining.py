"""Explanations of steps and processes, for the library and the command line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from planner.errors import UsageError
from planner.events.records import AnyEvent
from planner.explanation.lookup import Explainer, Explanation
from planner.library.inputs import Input, resolved
from planner.plans.model import Plan
from planner.plans.wording import vector
from planner.text import escaped

MOST_NAMED: Final = 8
"""Processes of one name that are explained at once."""


def explain(source: Input, subject: int | str) -> tuple[Explanation, ...]:
    """Return why a step is there or who creates a process, and from which facts.

    `subject` is a number, for the step and the process of that number; "step:N" or "pid:N" for one of them, a process by its
    level-0 pid; its pids as they are printed, "21/2"; or the name of tasks. Raises `UsageError` where the plan has none, and for
    an image as `plan` does.
    """
    if not isinstance(subject, (int, str)) or isinstance(subject, bool):
        kind = type(subject).__name__
        raise TypeError(f"planner.explain takes a number, 'step:N', 'pid:N', pids or a name, and not an object of type {kind}")
    subject_of(str(subject))
    found = resolved(source, "explain")
    return explanations(found.events, found.plan, str(subject))


class Subject(NamedTuple):
    """What an explanation is asked for: `kind` is "step", "pid", "" for both, "pids" or "name"."""

    kind: str
    number: int
    text: str


def explanations(events: Sequence[AnyEvent], plan: Plan, subject: str) -> tuple[Explanation, ...]:
    """Return the explanations of a subject by a log and its plan; raises `UsageError` where there is none."""
    kind, number, text = subject_of(subject)
    explainer = Explainer(events, plan)
    if kind in {"pids", "name"}:
        pids = [process.pid for process in plan.processes if text == (vector(process.pids) if kind == "pids" else process.name)]
        if len(pids) > MOST_NAMED:
            listed = ", ".join(map(str, pids[:MOST_NAMED]))
            raise UsageError(f"{len(pids)} processes are called {escaped(text)}: {listed} ...; give one as pid:N")
        found = [explainer.process(pid) for pid in pids]
    else:
        found = [
            explainer.step(number) if kind != "pid" else None,
            explainer.process(number) if kind != "step" else None,
        ]
    result = tuple(explanation for explanation in found if explanation is not None)
    if not result:
        what = {"": "step or process", "step": "step", "pids": "process with the pids", "name": "process of the name"}.get(
            kind, "process"
        )
        raise UsageError(f"the plan has no {what} {escaped(text)}; it has {len(plan.steps)} steps")
    return result


def subject_of(text: str) -> Subject:
    """Return what a text names: a step, a process by its pid, its pids or its name; raises `UsageError` for an empty one."""
    match = re.fullmatch(r"(?:(step|pid):)?([0-9]{1,9})", text)
    if match is not None:
        return Subject(match[1] or "", int(match[2]), match[2])
    match = re.fullmatch(r"(?:pid:)?([0-9]{1,9}(?:/[0-9]{1,9})+)", text)
    if match is not None:
        return Subject("pids", 0, match[1])
    if not text or re.match(r"(?:step|pid):", text):
        raise UsageError(f"{text!r} is no STEP or PID; give a number, step:N, pid:N, pids such as 21/2, or a name")
    return Subject("name", 0, text.removeprefix("name:"))
