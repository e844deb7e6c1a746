"""Writes the C program: the plan as tables of constants, and around them the runtime that is the same in every program."""

from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Final

from crplan_syscalls.calls import Call, calls, namespace_flag
from crplan_syscalls.names import NAMESPACES, flags_text, plain_text
from planner import steps
from planner.errors import CannotEmit
from planner.identity import OUTSIDE, ProcessId
from planner.planning.steps.id_maps import text_of
from planner.plans.model import Plan
from planner.plans.wording import step_line

BEFORE: Final = ("plan.h",)
AFTER: Final = (
    "kernel.c",
    "board.c",
    "namespaces.c",
    "actor.c",
    "proc.c",
    "verify.c",
    "memory.c",
    "watch.c",
    "stop.c",
    "program.c",
)
"""The parts of the runtime, each after those that it uses; the tables stand between."""

KINDS: Final = {"task": "TASK", "thread": "THREAD", "helper": "HELPER", "reaper": "REAPER"}

RULE_BYTES: Final = 64
NAME_BYTES: Final = 15
PLAIN: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 ._-+=:,;()[]<>@#'/")
"""What may stand in a C string as it is: no quote, no backslash, and no question mark, of which trigraphs are made."""


def emit_program(plan: Plan) -> str:
    """Return the program's text; raises CannotEmit when the plan asks for what raw system calls cannot do."""
    rows = {process.pid: row for row, process in enumerate(plan.processes, 1)}
    done = calls(plan)
    rules = {rule: number for number, rule in enumerate(dict.fromkeys(step.rule for step in plan.steps))}
    lists: list[str] = []
    lines: list[str] = []
    following = _following(plan)
    maps = _Maps()
    listed = 0
    for step, what in zip(plan.steps, done, strict=True):
        others = (
            [rows[thread] for thread in step.threads] if isinstance(step, steps.Verify) else [wait.step for wait in step.waits]
        )
        lines.append(_step_line(step, what, rows, maps, listed if others else 0, len(others), following[step.number], rules))
        if others:
            listed += len(others)
            note = "" if isinstance(step, steps.Verify) else " waits: " + ", ".join(plain_text(w.rule) for w in step.waits)
            lists.append(f"\t{', '.join(map(str, others))}, /* step {step.number}{note} */")
    levels = max((len(process.pids) for process in plan.processes), default=1)
    keeps_proc = any(what.flags & {"CLONE_NEWUSER", "CLONE_NEWTIME"} for what in done if what.op == "UNSHARE")
    sizes = {"PROCESSES": len(plan.processes) + 1, "STEPS": len(plan.steps) + 1, "LEVELS": levels, "ROOT": rows[plan.root]}
    sizes["KEEPS_PROC"] = int(keeps_proc)
    tables = [
        "/*\n * The plan as the program carries it out; what is not said is 0.\n */",
        "static const struct process processes[PROCESSES] = {\n"
        f"\t{{ {_named('kind', 'EXECUTOR')}, {_named('first', _first(plan, ProcessId(0)))} }}, /* this program */\n"
        + "".join(f"\t{line}\n" for line in _process_lines(plan, rows))
        + "};",
        "static const struct step steps[STEPS] = {\n" + "".join(f"\t{line}\n" for line in lines) + "};",
        "static const unsigned lists[] = {\n" + "".join(f"{line}\n" for line in lists or ["\t0,"]) + "};",
        "static const struct place places[] = {\n"
        + "".join(f"\t{line}\n" for line in _place_lines(plan, rows))
        + "\t{ 0 }, /* the end */\n};",
        "/* id maps, one after the other, as they are written */\nstatic const char maps[] =\n"
        + "".join(f'\t"{line}\\n"\n' for line in maps.lines)
        + '\t"";',
        f"static const char rules[][{RULE_BYTES + 1}] = {{\n"
        + "".join(f'\t"{plain_text(rule, RULE_BYTES)}",\n' for rule in rules or [""])
        + "};",
    ]
    defines = "".join(f"#define {name} {value}\n" for name, value in sizes.items())
    return "\n".join(
        (f"{_head(plan)}\n", _sentences(plan), defines, *_parts(BEFORE), *(f"{text}\n" for text in tables), *_parts(AFTER))
    )


def _sentences(plan: Plan) -> str:
    table = plan.process_table()
    lines = (f"\t{_string(step_line(step, table).encode('ascii', 'backslashreplace'))},\n" for step in plan.steps)
    return f'/* The plan: CRPLAN_DRY_RUN=1 prints it. */\nstatic const char *const sentences[] = {{\n\t"",\n{"".join(lines)}}};\n'


def _parts(names: tuple[str, ...]) -> list[str]:
    return [resources.files("crplan_syscalls").joinpath("runtime", name).read_text("utf-8") for name in names]


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


class _Maps:
    """The texts of all id maps, each once, and where each begins."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._length = 0
        self._places: dict[tuple[steps.Extent, ...], tuple[int, int]] = {}

    def place(self, extents: tuple[steps.Extent, ...]) -> tuple[int, int]:
        """Return where a map's text begins, and its length."""
        if extents not in self._places:
            text = text_of(extents)
            self._places[extents] = (self._length, len(text))
            self._length += len(text)
            self.lines += text.splitlines()
        return self._places[extents]


def _following(plan: Plan) -> dict[int, int]:
    """Return for every step the actor's next one, 0 after its last."""
    following: dict[int, int] = {}
    last: dict[ProcessId, int] = {}
    for step in plan.steps:
        following[step.number] = 0
        if step.actor in last:
            following[last[step.actor]] = step.number
        last[step.actor] = step.number
    return following


def _first(plan: Plan, pid: ProcessId) -> int:
    return next((step.number for step in plan.steps if step.actor == pid), 0)


def _process_lines(plan: Plan, rows: dict[ProcessId, int]) -> list[str]:
    first: dict[ProcessId, int] = {}
    for step in plan.steps:
        first.setdefault(step.actor, step.number)
    ends = _ends(plan)
    return [_process_line(process, first.get(process.pid, 0), ends.get(process.pid, 0)) for process in plan.processes]


def _ends(plan: Plan) -> dict[ProcessId, int]:
    """Return for every process that does not stay the step that ends it, which may be the end of its namespace's init."""
    within: dict[ProcessId, list[ProcessId]] = {}
    own = {process.pid: process.namespace for process in plan.processes}
    ends: dict[ProcessId, int] = {}
    for step, what in zip(plan.steps, calls(plan), strict=True):
        if isinstance(step, steps.Create):
            # A nested init belongs to its own namespace, and ends with the one that its creator lives in, too.
            outer = own.get(step.actor, OUTSIDE) if step.new_namespace else own[step.child]
            within.setdefault(outer, []).append(step.child)
        elif what.op in ("EXIT", "KILL"):
            ends[what.subject] = step.number
            dying = [what.subject] if not (what.op == "EXIT" and what.b) else []
            for init in dying:
                for pid in within.pop(init, ()):
                    if ends.setdefault(pid, step.number) == step.number:
                        dying.append(pid)
    return ends


def _process_line(process: steps.Process, first: int, ends: int) -> str:
    numbers = ", ".join(map(str, steps.set_tid(process.pids)))
    fields = {
        "kind": KINDS[process.role],
        "first": first,
        "ends": ends,
        "levels": len(process.pids),
        "set_tid": f"{{ {numbers} }}",
    }
    name = process.name.encode("utf-8", "surrogatepass")[:NAME_BYTES]
    if name:
        fields["name"] = _string(name)
    return f"{{ {_fields(fields)} }},"


def _string(text: bytes) -> str:
    """Write a C string: what is no plain character in three octal digits, behind which no other digit counts."""
    return '"' + "".join(chr(byte) if chr(byte) in PLAIN else f"\\{byte:03o}" for byte in text) + '"'


def _fields(fields: Mapping[str, object]) -> str:
    return ", ".join(_named(name, value) for name, value in fields.items() if value not in (0, "0"))


def _named(name: str, value: object) -> str:
    return f".{name} = {value}"


def _place_lines(plan: Plan, rows: dict[ProcessId, int]) -> Iterator[str]:
    for step in plan.steps:
        if isinstance(step, steps.Verify):
            for kind, holder in step.namespaces.items():
                if namespace_flag(kind, step.target) and holder and holder not in rows:
                    raise CannotEmit(f"task {step.target} is to be in a namespace of {holder}, which the plan does not create")
                fields = {"step": step.number, "kind": list(NAMESPACES).index(kind), "holder": rows.get(holder, 0)}
                yield f"{{ {_fields(fields)} }}, /* {kind} */"


def _step_line(
    step: steps.AnyStep,
    what: Call,
    rows: dict[ProcessId, int],
    maps: _Maps,
    at: int,
    count: int,
    following: int,
    rules: dict[str, int],
) -> str:
    a, b, c, d, e = str(what.a), str(what.b), 0, 0, 0
    if what.op in ("CREATE", "UNSHARE"):
        a = flags_text(what.flags)
    elif what.op == "JOIN":
        b = flags_text(what.flags)
    elif isinstance(step, steps.SetGroup) and not step.actor:
        b = str(rows[step.group] if step.group else 0)
    if isinstance(step, steps.Verify):
        a, b, c = str(step.parent), str(step.group), step.session
        d, e = step.status if step.zombie else -1, step.exit_signal
    elif isinstance(step, steps.MapIds) and not step.own:
        (users, c), (groups, e) = maps.place(step.uid_map), maps.place(step.gid_map)
        a, b, d = str(users), "0", groups
    subject = 0 if isinstance(step, steps.Enter) else rows.get(what.subject, 0)
    fields: dict[str, object] = {
        "op": what.op,
        "actor": rows.get(step.actor, 0),
        "subject": subject,
        "a": a,
        "b": b,
        "c": c,
        "d": d,
    }
    fields |= {"e": e, "list": at, "count": count, "next": following, "rule": rules[step.rule]}
    return f"[{step.number}] = {{ {_fields(fields)} }},"
