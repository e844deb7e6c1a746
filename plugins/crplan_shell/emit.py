"""Writes a plan as a shell script: a head, a prelude that is the same in every script, and one line a step.

The prelude holds the agent, which makes the calls that a shell cannot make and knows no plan: everything about this plan stands
in the lines after it. The text is a pure function of the plan.
"""

from collections.abc import Iterator
from typing import Final

from crplan_shell.limits import needs, refuses
from crplan_shell.lines import escaped, quoted, step_comment, step_words
from crplan_shell.text import prelude
from planner.errors import CannotEmit
from planner.plans.model import Plan

COMMENT_COLUMN: Final = 72
"""Comments begin here at the latest, so that one long step does not push all of them away."""


def emit(plan: Plan) -> str:
    """Return the script; raises CannotEmit when the plan asks for what a script cannot do."""
    reason = refuses(plan)
    if reason:
        raise CannotEmit(reason)
    return "".join((_head(plan), "\n", prelude(), "\n", _steps(plan)))


def _head(plan: Plan) -> str:
    lines = [
        f"Rebuilds {len(plan.processes)} processes in {len(plan.steps)} steps (plan {plan.plan_id}).",
        "",
        "It makes a new pid namespace, creates every process in it with its numbers, checks each against /proc,",
        "prints `ready PID` and holds until SIGTERM, SIGINT or the end of that process; then it ends everything.",
        "The processes wait and run nothing. Needs Linux 5.9 or later, python3 or perl, and root or user namespaces.",
        "CRPLAN_DRY_RUN=1 prints the steps and does nothing; CRPLAN_TIMEOUT is how many seconds a step may take (30).",
        "The steps stand at the end of this file, one a line, in order. Each depends on those before it.",
    ]
    lines += [f"Not restored: {escaped(sentence)}" for sentence in plan.uncovered]
    # Some functions are called by traps and by name only, which the checker cannot see.
    return "#!/bin/sh\n# shellcheck disable=SC2317,SC2329\n#\n" + "".join(f"# {line}".rstrip() + "\n" for line in lines)


def _steps(plan: Plan) -> str:
    lines = list(_step_lines(plan))
    column = min(COMMENT_COLUMN, max((len(words) for words, _ in lines), default=0))
    text = "".join(f"need {what} {task}\n" for what, task in needs(plan))
    text += "".join(f"{words:<{column}}  # {comment}\n" for words, comment in lines)
    return f"{text}ready after {len(lines)} root {plan.root}\n"


def _step_lines(plan: Plan) -> Iterator[tuple[str, str]]:
    from planner.plans.rules import RULES

    processes = plan.process_table()
    sentences = {name: rule.sentence for name, rule in RULES.items()}
    for step in plan.steps:
        number, *words = step_words(step, processes)
        line = " ".join(quoted(word) for word in words)
        yield f"step {number:<{len(str(len(plan.steps)))}} {line}", step_comment(step, processes, sentences)
