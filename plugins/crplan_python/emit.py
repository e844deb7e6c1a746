"""Writes the standalone program: the plan as three tables, and the runtime behind them."""

import re
from collections.abc import Iterator, Sequence
from pkgutil import get_data
from typing import TYPE_CHECKING, Final

from crplan_python.limits import refuses
from planner import steps
from planner.errors import CannotEmit
from planner.plans.model import Plan
from planner.plans.wording import Table, step_words

if TYPE_CHECKING:
    from planner.plans.retarget import Retargeted

PARTS: Final = (
    "tables",
    "kernel",
    "signals",
    "streams",
    "board",
    "proc",
    "namespaces",
    "actor",
    "privileges",
    "executor",
    "program",
)
"""The parts of the runtime, each after those that it imports."""

GUEST: Final = "guest"
"""The part that a rebuild in an existing pid namespace needs besides."""

FUTURE: Final = "from __future__ import annotations\n"

HOLD_BACK: Final = """\
import _signal

# Signals that ask for the end wait from here on: in an import, an interpreter may swallow what a signal raises.
_signal.pthread_sigmask(_signal.SIG_BLOCK, (_signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP, _signal.SIGQUIT))

"""
"""The program's first statements that do anything, in front of its imports."""

PLAIN_IMPORT: Final = re.compile(r"^(?:import \w+|from collections\.abc import \w+)\n", re.MULTILINE)
PART_IMPORT: Final = re.compile(r"^from crplan_python\.runtime\.\w+ import (?:\([^)]*\)|[^(\n]*)\n", re.MULTILINE)


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
    imports, runtime = _runtime(parts)
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
            "\n# Each process: its pid at each level, outermost first, its role, the init of its namespace, and its name.\n",
            _table("PROCESSES", [process_line(process) for process in plan.processes]),
            "\n",
            HOLD_BACK,
            imports,
            runtime,
            '\n\nif __name__ == "__main__":\n',
            f"    sys.exit({call})\n",
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


def process_line(process: steps.Process) -> str:
    """Write a process as a line of the table."""
    return f"{_numbers(process.pids)} {process.role} {process.namespace} ={_escaped(process.name)}"


def step_line(step: steps.AnyStep, table: Table) -> str:
    """Write a step as a line of the table, with its sentence and its rule as a comment."""
    return f"{step.number:5} {step.actor:7} {_words(step):44} # {_plain(step_words(step, table))} [{_escaped(step.rule)}]"


def check_line(step: steps.AnyStep) -> str:
    """Write a verify step as a line of the table of checks."""
    return f"{step.number:5} {step.actor:7} {_words(step)}"


def _words(step: steps.AnyStep) -> str:
    """Return the words of a step: its kind and its arguments."""
    match step:
        case steps.Create():
            words = _create_words(step)
        case steps.Verify():
            words = _verify_words(step)
        case steps.MapIds():
            words = [f"map {step.target}"] + ["own"] * step.own
            words += [f"{name}={_extents(map_)}" for name, map_ in (("uid", step.uid_map), ("gid", step.gid_map)) if map_]
        case steps.SetSubreaper():
            words = [f"subreaper {'on' if step.on else 'off'}"]
        case steps.Exit():
            words = [f"exit {step.status}"] + ["thread_only"] * step.thread_only
        case steps.Unshare():
            words = ["unshare", *step.kinds]
        case _:
            word, fields = PLAIN_WORDS[type(step)]
            words = [word, *(str(getattr(step, field)) for field in fields)]
    return " ".join(words)


PLAIN_WORDS: Final[dict[type[steps.AnyStep], tuple[str, tuple[str, ...]]]] = {
    steps.CreateThread: ("thread", ("child",)),
    steps.SetSession: ("setsid", ()),
    steps.SetGroup: ("setpgid", ("target", "group")),
    steps.Enter: ("enter", ("namespace",)),
    steps.Kill: ("kill", ("target", "signal")),
    steps.Reap: ("reap", ("child",)),
    steps.Stop: ("stop", ("target",)),
    steps.Join: ("join", ("target", "kind")),
}
"""The steps of which every argument is written: the word, and the arguments in their order."""


def _create_words(step: steps.Create) -> list[str]:
    words = [f"create {step.child} signal={0 if step.sibling else step.exit_signal}"]
    words += ["new_namespace"] * step.new_namespace + ["new_user"] * step.new_user + ["sibling"] * step.sibling
    return words + sorted(step.share)


def _verify_words(step: steps.Verify) -> list[str]:
    words = [f"verify {step.target} parent={step.parent} group={step.group} session={step.session}"]
    words += [f"zombie status={step.status}"] * step.zombie
    words += [f"threads={_numbers(step.threads)}"] * bool(step.threads)
    words += ["subreaper"] * step.subreaper
    words += [f"exit_signal={step.exit_signal}"] * (step.exit_signal >= 0)
    return words + [f"{kind}={holder}" for kind, holder in step.namespaces.items()]


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


def _runtime(parts: tuple[str, ...]) -> tuple[str, str]:
    """Return the imports of the parts, and the parts without them."""
    imports: set[str] = set()
    texts: list[str] = []
    for part in parts:
        text = (get_data("crplan_python.runtime", f"{part}.py") or b"").decode()
        text = PART_IMPORT.sub("", text.replace(FUTURE, ""))
        imports.update(PLAIN_IMPORT.findall(text))
        docstring, _, body = PLAIN_IMPORT.sub("", text).lstrip('"').partition('"""\n')
        title = "".join(f"# {line}".rstrip() + "\n" for line in docstring.splitlines())
        texts.append(f"\n\n{title}\n\n{body.strip()}\n")
    return "".join(sorted(imports)), "".join(texts)


def _numbers(numbers: tuple[int, ...]) -> str:
    return ",".join(str(number) for number in numbers)


def _extents(extents: tuple[steps.Extent, ...]) -> str:
    return ",".join(f"{extent.inside}:{extent.outside}:{extent.count}" for extent in extents)


def _escaped(text: str) -> str:
    """Write a text so that it is one word of letters, digits and harmless marks; other bytes as %XX."""
    return "".join(
        chr(byte) if (chr(byte).isalnum() and byte < 128) or byte in b"-_.:/+@" else f"%{byte:02X}"
        for byte in text.encode("utf-8", "backslashreplace")
    )


def _plain(text: str) -> str:
    return "".join(character if character.isprintable() and character.isascii() else "?" for character in text)
