"""Writes a plan as a shell script: a head, the plan as a function of one line a step, and the machinery behind it.

The machinery holds the agent, which makes the calls that a shell cannot make and is told the plan line by line. It is the same in
every script, and can stand in a file of its own. The text is a pure function of the plan.
"""

import hashlib
from collections.abc import Iterator
from functools import cache
from pkgutil import get_data
from typing import Final

from crplan_runtime.limits import refuses
from crplan_runtime.text import FUTURE, PARTS, TOLD, runtime

from crplan_shell.lines import CHECK_COLUMNS, check_words, escaped, in_quotes, sentence, step_words
from planner import steps
from planner.errors import CannotEmit
from planner.plans.model import Plan

EMBEDDED: Final = "embedded"
EXTERNAL: Final = "external"
DIGEST_DIGITS: Final = 16
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


def emit(plan: Plan, agent: str = EMBEDDED) -> str:
    """Return the script; `agent` is embedded or external. Raises CannotEmit for what an interpreter cannot do."""
    reason = refuses(plan)
    if reason:
        raise CannotEmit(reason)
    text = SOURCE if agent == EXTERNAL else machinery()
    return "".join((_head(plan), "\n", _plan(plan), "\n", text, f"\nrebuild {digest()}\n"))


def emit_agent() -> str:
    """Return the file that scripts with an external agent source."""
    title = (
        "# The machinery of crplan's shell scripts: each sources this file, and names the digest of the one that it belongs to.\n"
    )
    return f"# shellcheck shell=sh disable=SC2317,SC2329\n{title}\n{machinery()}"


@cache
def machinery() -> str:
    """Return the part that is the same in every script, byte for byte."""
    text = (get_data("crplan_shell", "prelude.sh") or b"").decode().replace("@AGENT@\n", agent())
    return f"machinery={hashlib.sha256(text.encode()).hexdigest()[:DIGEST_DIGITS]}\n{text}"


def digest() -> str:
    """Return the digest with which the machinery begins."""
    return machinery().partition("\n")[0].partition("=")[2]


@cache
def agent() -> str:
    """Return the program that makes the calls which a shell cannot make: the runtime, told its plan line by line."""
    return f"{FUTURE}\n{runtime((*PARTS, TOLD), 'main_told()')}"


def _head(plan: Plan) -> str:
    lines = [
        f"Rebuilds {len(plan.processes)} processes in {len(plan.steps)} steps (plan {plan.plan_id}).",
        "",
        "It makes a new pid namespace, creates every process in it with its numbers, checks each against /proc,",
        "prints `ready PID` and holds until SIGTERM, SIGINT or the end of that process; then it ends everything.",
        "The processes wait and run nothing. Needs Linux 5.8 or later, python3 (3.8 or later), and root",
        "or user namespaces. CRPLAN_DRY_RUN=1 prints the steps and does nothing, for which a shell is enough;",
        "CRPLAN_TIMEOUT is how many seconds a step may take (30).",
    ]
    lines += [f"Not restored: {escaped(line)}" for line in plan.uncovered]
    return SHEBANG + "".join(f"# {line}".rstrip() + "\n" for line in lines)


def _plan(plan: Plan) -> str:
    lines = list(_step_lines(plan))
    lines.append(f"ready after {len(plan.steps)} root {plan.root}")
    text = "".join(f"    {line}\n" for line in lines)
    return (
        f"# The plan: one step a line, in order. Each says what happens, and then the same to the agent.\nplan() {{\n{text}}}\n"
    )


def _step_lines(plan: Plan) -> Iterator[str]:
    processes = plan.process_table()
    digits = len(str(len(plan.steps)))
    widths = _check_widths(plan)
    said = [(step, in_quotes(sentence(step, processes))) for step in plan.steps]
    column = min(SENTENCE_COLUMN, max((len(words) for step, words in said if not _is_check(step)), default=0))
    headed = False
    for step, words in said:
        if isinstance(step, steps.Verify) and _is_check(step):
            if not headed:
                yield "# Every process is compared with /proc. Outside is 0."
                yield f"#     {'':{digits}} {_row(CHECK_COLUMNS, widths)}"
                headed = True
            yield f"check {step.number:<{digits}} {_row(check_words(step), widths)}"
        else:
            yield f"step {step.number:<{digits}} {words:<{column}} {step_words(step, processes)}"


def _is_check(step: steps.AnyStep) -> bool:
    """Whether a step is a row of the table of checks: those of another rule say it themselves."""
    return isinstance(step, steps.Verify) and step.rule == "verify"


def _check_widths(plan: Plan) -> list[int]:
    rows = [CHECK_COLUMNS, *(check_words(step) for step in plan.steps if isinstance(step, steps.Verify) and _is_check(step))]
    return [min(WORD_COLUMN, max(map(len, column))) for column in zip(*rows, strict=True)]


def _row(words: list[str], widths: list[int]) -> str:
    """Return words in columns."""
    return " ".join(f"{word:<{width}}" for word, width in zip(words, widths, strict=True)).rstrip()
