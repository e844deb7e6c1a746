"""Writes the standalone program: the plan as three tables, and the runtime behind them."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from crplan_runtime.limits import refuses
from crplan_runtime.lines import escaped, process_line, step_words
from crplan_runtime.text import FUTURE, GUEST, PARTS, runtime

from planner import steps
from planner.errors import CannotEmit
from planner.plans import wording
from planner.plans.model import Plan
from planner.plans.wording import Table

if TYPE_CHECKING:
    from planner.plans.retarget import Retargeted


def emit(plan: Plan) -> str:
    """Return the program's text; raises CannotEmit when the plan asks for what Python cannot do."""
    reason = refuses(plan)
    if reason:
        raise CannotEmit(reason)
    return _program(plan, PARTS, f"main(Plan({plan.root}, PROCESSES, {_all_steps(plan)}))")


def emit_visit(visit: "Retargeted", pidfd: int) -> str:
    """Return the program that rebuilds in the pid namespace behind an inherited descriptor; raises CannotEmit as `emit` does."""
    plan = visit.plan
    reason = refuses(plan)
    if reason:
        raise CannotEmit(reason)
    call = f"main(Plan({plan.root}, PROCESSES, {_all_steps(plan)}), Visit({pidfd}, {visit.keeper}, {visit.executor}))"
    return _program(plan, (*PARTS, GUEST), call)


def _program(plan: Plan, parts: tuple[str, ...], call: str) -> str:
    table = plan.process_table()
    stops = len(plan.steps)
    while stops and isinstance(plan.steps[stops - 1], steps.Stop):
        stops -= 1
    checks = stops
    while checks and isinstance(plan.steps[checks - 1], steps.Verify) and plan.steps[checks - 1].rule == "verify":
        checks -= 1
    return "".join(
        (
            "#!/usr/bin/env python3\n",
            _head(plan),
            "\n",
            FUTURE,
            "\n# Each step: its number, who does it (0 is this program), what, the same as a sentence, and its rule.\n",
            _table("STEPS", [step_line(step, table) for step in plan.steps[:checks]]),
            "\n# What is compared with /proc: a step each, by the rule `verify`.\n",
            _table("CHECKS", [check_line(step) for step in plan.steps[checks:stops]]),
            *_stops(plan.steps[stops:], table),
            "\n# Each process: its pid at each level, outermost first, its role, and its name.\n",
            _table("PROCESSES", [process_line(process) for process in plan.processes]),
            "\n",
            runtime(parts, call),
        )
    )


def _stops(stops: Sequence[steps.AnyStep], table: Table) -> Iterator[str]:
    """Yield the table of the steps that stop tasks, nothing where there is none."""
    if stops:
        yield "\n# Who is stopped when nothing ends any more.\n"
        yield _table("STOPS", [step_line(step, table) for step in stops])


def _all_steps(plan: Plan) -> str:
    """Return the expression of all tables of steps."""
    return "STEPS + CHECKS" + " + STOPS" * isinstance(plan.steps[-1], steps.Stop)


def step_line(step: steps.AnyStep, table: Table) -> str:
    """Write a step as a line of the table, with its sentence and its rule as a comment."""
    return f"{step.number:5} {step_words(step):46} # {_plain(wording.step_words(step, table))} [{escaped(step.rule)}]"


def check_line(step: steps.AnyStep) -> str:
    """Write a verify step as a line of the table of checks."""
    return f"{step.number:5} {step_words(step)}"


def _head(plan: Plan) -> str:
    lines = [
        f"Rebuilds {len(plan.processes)} processes in {len(plan.steps)} steps (plan {plan.plan_id}).",
        "",
        "It makes a new pid namespace, creates every process in it with the numbers of the tables below, checks",
        "them against /proc, prints `ready PID` and holds until SIGTERM, SIGINT or the end of that process; then",
        "it ends everything. The processes wait and run nothing. Needs Linux 5.8 or later, Python 3.8 or later,",
        "and root or user namespaces. CRPLAN_DRY_RUN=1 prints the steps; CRPLAN_TIMEOUT is the number of seconds",
        "that a step may take (30).",
    ]
    lines += [f"Not restored: {_plain(sentence)}" for sentence in plan.uncovered]
    return "".join(f"# {line}".rstrip() + "\n" for line in lines)


def _table(name: str, lines: list[str]) -> str:
    return f'{name} = """\\\n' + "".join(f"{line.rstrip()}\n" for line in lines) + '"""\n'


def _plain(text: str) -> str:
    return "".join(character if character.isprintable() and character.isascii() else "?" for character in text)
