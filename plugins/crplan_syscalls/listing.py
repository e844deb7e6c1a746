"""Writes the calls of a plan as strace would show them, one line a call, grouped by actor in plan order.

The notation is strace's (version 6): `name(arguments) = result`, flags joined by `|` in strace's order, structures with their
members' names. A line equals what `strace -ff --decode-pids=pidns` shows of the C program, apart from descriptor numbers; so

* numbers are those of the namespace that the actor is in, `set_tid` is innermost first as the kernel takes it;
* `?` stands for a result that strace cannot see either (an exit) or that only the running system knows (the executor's own
  children have numbers there that no plan holds);
* entering a namespace is two lines, the descriptor of its init and `setns`: inside by `pidfd_open`, for the executor, which has
  no number for that init, by `openat` in a proc instance of the new namespace (descriptor 4 here);
* joining a namespace of another kind is two lines too, and so is a time namespace after its `unshare`: only the children of
  its maker would be in it (descriptor 3 is the task's proc instance); that id maps are written is a comment;
* a blank line and a comment that begins with `#` stand before the calls of every actor. An actor without calls has no group:
  it only pauses. Threads are among those.

What an executor does beside the plan (waiting for other actors, reading /proc) is not listed. With `eclone` the creating call is
the one of linux-cr's kernels, `eclone(flags, args, args_size, pids)`: the exit signal is in the low byte of the flags, and `pids`
is outermost first, for the youngest namespaces of the caller (those of the child, without the 1 of a new one). Every process then
calls restart, and the coordinator last.
"""

from typing import Final

from crplan_syscalls.calls import Call, calls
from crplan_syscalls.names import flags_text, plain_text, signal_text
from crplan_syscalls.restart import by_the_kernel, coordinator, ended, kernel_notes, last_call
from planner.identity import OUTSIDE, ProcessId
from planner.plans.model import Plan
from planner.steps import AnyStep, Enter, Verify

CLONE_ARGS_SIZE: Final = 88
"""sizeof(struct clone_args) with `cgroup`, its last member."""

SIGKILL: Final = 9

ABIS: Final = ("clone3", "eclone")

ARGUMENT_BYTES: Final = 48
"""The size of eclone's `struct clone_args`, as of v20: five words of 64 bits, nr_pids and a reserved one of 32."""


def emit_listing(plan: Plan, abi: str = "clone3", generation: str = "") -> str:
    """Return the listing; raises CannotEmit as the C program does, ValueError for an unknown abi.

    `generation` is that of a linux-cr image, "" for any other: with eclone the listing follows it (`crplan_syscalls.restart`).
    """
    if abi not in ABIS:
        raise ValueError(f"abi {abi!r} is none of {', '.join(ABIS)}")
    table = plan.process_table()
    lines = [
        f"# The calls of {len(plan.processes)} processes by actor, in strace's notation (plan {plan.plan_id}, {abi}).",
        "# Pids are as the actor sees them; ? is a result that is not known before; descriptor numbers are examples.",
    ]
    groups = _groups(plan, abi, generation)
    if abi == "eclone":
        lines += kernel_notes(plan, generation)
    for actor, group in groups.items():
        if actor == OUTSIDE:
            lines += ["", "# executor"]
        else:
            process = table[actor]
            name = f" {plain_text(process.name)}" if process.name else ""
            lines += ["", f"# {process.role} {actor} {list(process.pids)}{name}"]
        lines += group
    lines += coordinator(plan) if abi == "eclone" else []
    return "\n".join(lines) + "\n"


def _groups(plan: Plan, abi: str, generation: str) -> dict[ProcessId, list[str]]:
    """Return the lines of each actor, in the order in which they act."""
    done = calls(plan)
    groups: dict[ProcessId, list[str]] = {}
    for step, what in zip(plan.steps, done, strict=True):
        if not isinstance(step, Verify) and not (abi == "eclone" and by_the_kernel(step, generation)):
            groups.setdefault(step.actor, []).extend(call_lines(step, what, abi))
    if abi == "eclone":
        gone = ended(done)
        for process in plan.processes:
            groups.setdefault(process.pid, []).extend(last_call(process, gone, generation))
    return groups


def call_lines(step: AnyStep, what: Call, abi: str = "clone3") -> list[str]:
    """Return the lines of one step; a VERIFY has none."""
    match what.op:
        case "CREATE" | "SPAWN":
            write = _clone3 if abi == "clone3" else _eclone
            return [f"{write(what)} = {what.result or '?'}"]
        case "SETSID":
            return [f"setsid() = {what.result or '?'}"]
        case "SETPGID":
            return [f"setpgid({what.a}, {what.b or 'getpgrp()'}) = 0"]
        case "SUBREAPER":
            return [f"prctl(PR_SET_CHILD_SUBREAPER, {what.a}) = 0"]
        case "ENTER":
            return _enter(step, what)
        case "UNSHARE":
            return _unshare(what)
        case "MAP":
            return [f"# no call of its own: the id maps of {what.subject}'s user namespace are written and read back"]
        case "JOIN":
            return [f"pidfd_open({what.a}, 0) = 4", f"setns(4, {flags_text(what.flags)}) = 0"]
        case "EXIT":
            return [_exit(step, what)]
        case "KILL" | "STOP":
            return _signalled(what)
        case "REAP":
            return [f"wait4({what.a or '?'}, NULL, __WALL, NULL) = {what.result or '?'}"]
        case _:
            return []


def _signalled(what: Call) -> list[str]:
    """Return the lines of a signal: an actor kills by number, the executor stops a task by its directory in /proc."""
    if what.op == "KILL":
        return [f"kill({what.a or '?'}, {signal_text(what.b)}) = 0"]
    path = f'openat(4, "{what.subject}", O_RDONLY|O_DIRECTORY|O_CLOEXEC) = 5'
    return [path, "pidfd_send_signal(5, SIGSTOP, NULL, 0) = 0"]


def _clone3(what: Call) -> str:
    members = (
        f"flags={flags_text(what.flags)}",
        f"exit_signal={signal_text(what.b) if what.b else 0}",
        "stack=NULL",
        "stack_size=0",
        f"set_tid={list(what.set_tid)}",
        f"set_tid_size={len(what.set_tid)}",
    )
    return f"clone3({{{', '.join(members)}}}, {CLONE_ARGS_SIZE})"


def _eclone(what: Call) -> str:
    numbers = list(what.set_tid[::-1])
    if "CLONE_NEWPID" in what.flags:
        numbers.pop()
    flags = [text for text in (flags_text(what.flags) if what.flags else "", signal_text(what.b) if what.b else "") if text]
    arguments = f"{{clone_flags_high=0, child_stack=NULL, nr_pids={len(numbers)}}}, {ARGUMENT_BYTES}, {numbers}"
    return f"eclone({'|'.join(flags) or '0'}, {arguments})"


def _enter(step: AnyStep, what: Call) -> list[str]:
    if step.actor == OUTSIDE and isinstance(step, Enter) and step.namespace != OUTSIDE:
        return [f'openat(4, "{what.a}/ns/pid", O_RDONLY|O_CLOEXEC) = 5', "setns(5, CLONE_NEWPID) = 0"]
    number = what.a or "?"
    return [f"pidfd_open({number}, 0) = 3", "setns(3, CLONE_NEWPID) = 0"]


def _unshare(what: Call) -> list[str]:
    lines = [f"unshare({flags_text(what.flags)}) = 0"]
    if "CLONE_NEWTIME" in what.flags:
        lines += ['openat(3, "self/ns/time_for_children", O_RDONLY|O_CLOEXEC) = 4', "setns(4, CLONE_NEWTIME) = 0"]
    return lines


def _exit(step: AnyStep, what: Call) -> str:
    if what.b:
        return f"exit({what.a >> 8}) = ?"
    signal = what.a & 0x7F
    if not signal:
        return f"exit_group({what.a >> 8}) = ?"
    own = what.result
    if own == 1:
        return f"# no call: the init ends by a fault of its own, {signal_text(signal)}"
    return f"kill({own}, {signal_text(signal)}) = {'?' if signal == SIGKILL else 0}"
