"""Writes a plan as a shell script: a head, the plan as a function of one line a step, and the machinery behind it.

The machinery holds the agent, which makes the calls that a shell cannot make and knows no plan. It is the same in every script,
and can stand in a file of its own. The text is a pure function of the plan.
"""

from collections.abc import Iterator
from typing import Final

from crplan_shell.limits import needs, refuses
from crplan_shell.lines import CHECK_COLUMNS, check_words, escaped, sentence, step_words
from crplan_shell.text import BOTH, digest, machinery
from planner import steps
from planner.errors import CannotEmit
from planner.plans.model import Plan
from planner.plans.wording import Table

EXTERNAL: Final = "external"
AGENT_FILE: Final = "crplan-agent.sh"

SENTENCE_COLUMN: Final = 52
"""Words for the agent begin after this many columns of sentence at the latest, so that one long step does not push all away."""

WORD_COLUMN: Final = 12
"""The same for the columns of what is checked."""

SHEBANG: Final = "#!/bin/sh\n# shellcheck disable=SC2317,SC2329\n#\n"
"""Some functions are called by traps and by name only, which the checker cannot see."""

SOURCE: Final = f"""\
# The machinery that carries out the plan stands in a file of its own beside this one, or where CRPLAN_AGENT says.
case $0 in
*/*) agent_file=${{0%/*}}/{AGENT_FILE} ;;
*) agent_file=./{AGENT_FILE} ;;
esac
agent_file=${{CRPLAN_AGENT:-$agent_file}}
if ! [ -r "$agent_file" ]; then
    echo "crplan: $agent_file cannot be read: crplan IMAGE --emit agent writes it" >&2
    exit 1
fi
# shellcheck source=/dev/null
. "$agent_file"
"""


def emit(plan: Plan, agent: str = BOTH) -> str:
    """Return the script; `agent` is embedded, python, perl or external. Raises CannotEmit for what a script cannot do."""
    reason = refuses(plan)
    if reason:
        raise CannotEmit(reason)
    if agent == EXTERNAL:
        tail = f"{SOURCE}\nrebuild {digest(machinery())}\n"
    else:
        text = machinery(agent)
        tail = f"{text}\nrebuild {digest(text)}\n"
    return "".join((_head(plan, agent), "\n", _plan(plan), "\n", tail))


def emit_agent() -> str:
    """Return the file that scripts with an external agent source."""
    title = (
        "# The machinery of crplan's shell scripts: each sources this file, and names the digest of the one that it belongs to.\n"
    )
    return f"# shellcheck shell=sh disable=SC2317,SC2329\n{title}\n{machinery()}"


def _head(plan: Plan, agent: str) -> str:
    interpreter = {"python": "python3", "perl": "perl"}.get(agent, "python3 or perl")
    lines = [
        f"Rebuilds {len(plan.processes)} processes in {len(plan.steps)} steps (plan {plan.plan_id}).",
        "",
        "It makes a new pid namespace, creates every process in it with its numbers, checks each against /proc,",
        "prints `ready PID` and holds until SIGTERM, SIGINT or the end of that process; then it ends everything.",
        f"The processes wait and run nothing. Needs Linux 5.9 or later, {interpreter}, and root or user namespaces.",
        "CRPLAN_DRY_RUN=1 prints the steps and does nothing; CRPLAN_TIMEOUT is how many seconds a step may take (30).",
    ]
    lines += [f"Not restored: {escaped(line)}" for line in plan.uncovered]
    return SHEBANG + "".join(f"# {line}".rstrip() + "\n" for line in lines)


def _plan(plan: Plan) -> str:
    lines = [f"need {what} {task}" for what, task in needs(plan)]
    lines += _step_lines(plan)
    lines.append(f"ready after {len(plan.steps)} root {plan.root}")
    text = "".join(f"    {line}\n" for line in lines)
    return (
        f"# The plan: one step a line, in order. Each says what happens, and then the same to the agent.\nplan() {{\n{text}}}\n"
    )


def _step_lines(plan: Plan) -> Iterator[str]:
    processes = plan.process_table()
    digits = len(str(len(plan.steps)))
    said = [(step, _said(step, processes)) for step in plan.steps]
    column = min(SENTENCE_COLUMN, max((len(words) for step, words in said if not _is_check(step)), default=0))
    widths = _check_widths(plan, processes)
    headed = False
    for step, words in said:
        if not _is_check(step):
            line = " ".join(step_words(step, processes))
            yield f"step {step.number:<{digits}} {words:<{column}} {line}"
            continue
        if not headed:
            yield "# Every process is compared with /proc. Outside is 0."
            yield f"# {'':{digits + 4}} {_row(CHECK_COLUMNS, widths)}"
            headed = True
        yield f"check {step.number:<{digits}} {_row(check_words(step, processes), widths)}"


def _is_check(step: steps.AnyStep) -> bool:
    """Whether a step is a row of the table of checks: those of another rule say it themselves."""
    return isinstance(step, steps.Verify) and step.rule == "verify"


def _said(step: steps.AnyStep, processes: Table) -> str:
    return "'" + sentence(step, processes).replace("'", r"'\''") + "'"


def _check_widths(plan: Plan, processes: Table) -> list[int]:
    rows = [CHECK_COLUMNS, *(check_words(step, processes) for step in plan.steps if _is_check(step))]
    return [min(WORD_COLUMN, max(len(row[place]) for row in rows)) for place in range(len(CHECK_COLUMNS) - 1)]


def _row(words: list[str], widths: list[int]) -> str:
    """Return words in columns; those behind the last column follow it."""
    fixed = [f"{word:<{width}}" for word, width in zip(words, widths, strict=False)]
    return " ".join((*fixed, *words[len(widths) :])).rstrip()
