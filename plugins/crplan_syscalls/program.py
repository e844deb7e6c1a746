"""Writes the C program: the plan as tables of constants, and around them the runtime that is the same in every program."""

from collections.abc import Iterator, Mapping
from pkgutil import get_data
from typing import Final

from crplan_syscalls.names import NAMESPACES, flags_text, plain_text
from crplan_syscalls.tables import PlaceRow, ProcessRow, StepRow, Tables, tables
from planner import steps
from planner.plans.model import Plan
from planner.plans.wording import step_line

RUNTIME: Final = (
    "kernel.c",
    "board.c",
    "namespaces.c",
    "actor.c",
    "proc.c",
    "events.c",
    "verify.c",
    "guest.c",
    "memory.c",
    "watch.c",
    "stop.c",
    "program.c",
)
"""The parts of the runtime, each after those that it uses."""

PLAIN: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 ._-+=:,;()[]<>@#'/")
"""What may stand in a C string as it is: no quote, no backslash, and no question mark, of which trigraphs are made."""


def emit_program(plan: Plan) -> str:
    """Return the program's text; raises CannotEmit when the plan asks for what raw system calls cannot do."""
    rows = tables(plan)
    sizes = {"PROCESSES": len(rows.processes), "STEPS": len(rows.steps) + 1, "LEVELS": rows.levels, "ROOT": rows.root}
    sizes |= {"KEEPS_PROC": int(rows.keeps_proc), "INSIDE": 0, "WATCHER": 0}
    defines = "".join(f"#define {name} {value}\n" for name, value in sizes.items())
    parts = (_part("plan.h"), *(f"{text}\n" for text in _tables(plan, rows)), *map(_part, RUNTIME), _part("main.c"))
    return "\n".join((f"{_head(plan)}\n", _sentences(plan), defines, *parts))


def executor_program() -> str:
    """Return the text of the program that gets its plan from `crplan run`, the same for every plan."""
    return "\n".join(map(_part, ("plan.h", "loaded.c", *RUNTIME, "serve.c")))


def _part(name: str) -> str:
    return (get_data("crplan_syscalls", f"runtime/{name}") or b"").decode()


def _tables(plan: Plan, rows: Tables) -> list[str]:
    executor, *others = rows.processes
    processes = [f"{_process_line(executor)} /* this program */", *map(_process_line, others)]
    return [
        "/*\n * The plan as the program carries it out; what is not said is 0.\n */",
        _table("struct process processes[PROCESSES]", processes),
        _table("struct step steps[STEPS]", [_step_line(number, step) for number, step in enumerate(rows.steps, 1)]),
        _table("unsigned lists[]", list(_list_lines(plan, rows)) or ["0,"]),
        _table("struct place places[]", [*map(_place_line, rows.places), "{ 0 }, /* the end */"]),
        "/* id maps, one after the other, as they are written */\nstatic const char maps[] =\n"
        + "".join(f'\t"{line}\\n"\n' for line in rows.maps)
        + '\t"";',
        _table("char rules[][RULE_BYTES + 1]", [f'"{rule}",' for rule in rows.rules]),
    ]


def _table(name: str, lines: list[str]) -> str:
    return f"static const {name} = {{\n" + "".join(f"\t{line}\n" for line in lines) + "};"


def _sentences(plan: Plan) -> str:
    table = plan.process_table()
    lines = (f"\t{_string(step_line(step, table).encode('ascii', 'backslashreplace'))},\n" for step in plan.steps)
    return f'/* The plan: CRPLAN_DRY_RUN=1 prints it. */\nstatic const char *const sentences[] = {{\n\t"",\n{"".join(lines)}}};\n'


def _head(plan: Plan) -> str:
    lines = [
        f"Rebuilds {len(plan.processes)} processes in {len(plan.steps)} steps (plan {plan.plan_id}).",
        "",
        "    cc -O2 -o r r.c && ./r",
        "",
        "Makes a new pid namespace, creates every process in it with the numbers of the tables below, checks them against",
        "a proc instance of its own, prints `ready PID` and holds until SIGTERM, SIGINT or the end of that process; then it",
        "ends everything. The processes pause and run nothing. Needs Linux 5.9 or later on x86-64 or aarch64, and root or",
        "user namespaces. CRPLAN_DRY_RUN=1 prints the steps; CRPLAN_TIMEOUT is how many seconds may pass without progress",
        "(30).",
    ]
    lines += [f"Not restored: {plain_text(sentence, 200)}" for sentence in plan.uncovered]
    return "/*\n" + "".join(f" * {line}".rstrip() + "\n" for line in lines) + " */"


def _process_line(process: ProcessRow) -> str:
    numbers = ", ".join(map(str, process.set_tid))
    fields: dict[str, object] = {"kind": process.kind, "first": process.first, "ends": process.ends}
    if process.set_tid:
        fields |= {"levels": len(process.set_tid), "set_tid": f"{{ {numbers} }}"}
    if process.name:
        fields["name"] = _string(process.name)
    return f"{{ {_fields(fields)} }},"


def _string(text: bytes) -> str:
    """Write a C string: what is no plain character in three octal digits, behind which no other digit counts."""
    return '"' + "".join(chr(byte) if chr(byte) in PLAIN else f"\\{byte:03o}" for byte in text) + '"'


def _fields(fields: Mapping[str, object]) -> str:
    return ", ".join(_named(name, value) for name, value in fields.items() if value not in (0, "0"))


def _named(name: str, value: object) -> str:
    return f".{name} = {value}"


def _place_line(place: PlaceRow) -> str:
    fields = {"step": place.step, "kind": list(NAMESPACES).index(place.kind), "holder": place.holder}
    return f"{{ {_fields(fields)} }}, /* {place.kind} */"


def _list_lines(plan: Plan, rows: Tables) -> Iterator[str]:
    for step, row in zip(plan.steps, rows.steps, strict=True):
        if row.listed:
            note = "" if isinstance(step, steps.Verify) else " waits: " + ", ".join(plain_text(w.rule) for w in step.waits)
            yield f"{', '.join(map(str, row.listed))}, /* step {step.number}{note} */"


def _step_line(number: int, step: StepRow) -> str:
    fields: dict[str, object] = {"op": step.op, "actor": step.actor, "subject": step.subject, "a": step.a, "b": step.b}
    if step.op in ("CREATE", "UNSHARE"):
        fields["a"] = flags_text(step.flags)
    elif step.op == "JOIN":
        fields["b"] = flags_text(step.flags)
    fields |= {"c": step.c, "d": step.d, "e": step.e}
    fields |= {"list": step.at, "count": len(step.listed), "next": step.following, "rule": step.rule}
    return f"[{number}] = {{ {_fields(fields)} }},"
