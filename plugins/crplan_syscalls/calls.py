"""What each step means to the kernel: one `Call` a step, with numbers as the actor sees them.

Both back ends write the same calls, so the listing cannot promise what the program does not do. Vectors are turned into
`set_tid`, innermost first, by `planner.steps.set_tid` alone.
"""

from typing import Final

import msgspec

from crplan_syscalls.names import NAMESPACES, SHARED, THREAD_FLAGS
from planner import steps
from planner.errors import CannotEmit
from planner.identity import OUTSIDE, Number, ProcessId
from planner.plans.model import Plan

SIGSEGV: Final = 11
CORE_DUMPED: Final = 0x80
SIGNAL_BITS: Final = 0x7F
DUMPS_CORE: Final = frozenset({3, 4, 5, 6, 7, 8, 11, 24, 25, 31})
"""Signals whose default action may write a core file (signal(7))."""
NEVER_ENDS: Final = frozenset({17, 18, 19, 20, 21, 22, 23, 28}) | frozenset(range(65, 128))
"""Signals whose default action ends nothing, and numbers that are no signal."""

MAX_LEVELS: Final = 32


class Call(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A step as the kernel will see it.

    `op` is the name in the C program's tables. `a` and `b` are its arguments there, `flags` names clone3 flags, `set_tid` is
    innermost first. `subject` is the process that it is about, 0 for none; `result` the number that the kernel returns to the
    actor (for EXIT the actor's own number), 0 where only the running system knows it.
    """

    op: str
    subject: ProcessId = ProcessId(0)
    a: int = 0
    b: int = 0
    flags: frozenset[str] = frozenset()
    set_tid: tuple[int, ...] = ()
    result: int = 0


def call(step: steps.AnyStep, table: dict[ProcessId, steps.Process]) -> Call:
    """Return the call of a step; raises CannotEmit, naming the task, for what raw system calls cannot do."""
    actor = table.get(step.actor)
    level = steps.actor_level(actor)
    match step:
        case steps.Create():
            child = table[step.child]
            flags = frozenset(flag for what in step.share for flag in _shared(step, what))
            flags |= {"CLONE_NEWPID"} if step.new_namespace else frozenset()
            flags |= {"CLONE_NEWUSER"} if step.new_user else frozenset()
            flags |= {"CLONE_PARENT"} if step.sibling else frozenset()
            return Call(
                op="CREATE",
                subject=step.child,
                b=0 if step.sibling else step.exit_signal,
                flags=flags,
                set_tid=steps.set_tid(_bounded(child)),
                result=steps.seen_by(level, child.pids),
            )
        case steps.CreateThread():
            child = table[step.child]
            return Call(
                op="SPAWN",
                subject=step.child,
                flags=frozenset(THREAD_FLAGS),
                set_tid=steps.set_tid(_bounded(child)),
                result=steps.seen_by(level, child.pids),
            )
        case steps.SetSession():
            return Call(op="SETSID", subject=step.actor, result=actor.pids[-1] if actor else 0)
        case steps.SetGroup():
            target = _seen(step, actor, step.target, table)
            return Call(op="SETPGID", subject=step.target, a=target, b=_seen(step, actor, step.group, table))
        case steps.SetSubreaper():
            return Call(op="SUBREAPER", subject=step.actor, a=int(step.on))
        case steps.Enter():
            return Call(op="ENTER", subject=step.namespace, a=_namespace(step, actor, table))
        case steps.Exit():
            own = actor.pids[-1] if actor else 0
            return Call(op="EXIT", subject=step.actor, a=_possible_status(step, actor), b=int(step.thread_only), result=own)
        case steps.Kill():
            return Call(op="KILL", subject=step.target, a=steps.seen_by(level, table[step.target].pids), b=step.signal)
        case steps.Reap():
            number = steps.seen_by(level, table[step.child].pids)
            return Call(op="REAP", subject=step.child, a=number, result=number)
        case steps.Unshare():
            flags = frozenset(namespace_flag(kind, step.actor) for kind in step.kinds)
            return Call(op="UNSHARE", subject=_inside(step, actor), flags=flags)
        case steps.MapIds():
            if step.target not in table:
                raise CannotEmit(f"task {step.target} is to get id maps, and the plan does not create it")
            return Call(op="MAP", subject=step.target, b=int(step.own))
        case steps.Join():
            own = _inside(step, actor)
            seen = steps.seen_by(level, table[step.target].pids) if step.target in table else 0
            if not seen:
                raise CannotEmit(f"task {own} would enter a namespace of {step.target}, which it cannot see")
            return Call(op="JOIN", subject=step.target, a=seen, flags=frozenset((namespace_flag(step.kind, own),)))
        case steps.Verify():
            return Call(op="VERIFY", subject=step.target)
        case steps.Stop():
            return Call(op="STOP", subject=step.target)


def calls(plan: Plan) -> list[Call]:
    """Return the calls of all steps, in plan order; raises CannotEmit."""
    table = plan.process_table()
    return [call(step, table) for step in plan.steps]


def namespace_flag(kind: str, task: ProcessId) -> str:
    """Return the flag of a kind of namespace; raises CannotEmit, naming the task, for an unknown one."""
    if kind not in NAMESPACES:
        raise CannotEmit(f"task {task} is to be in a namespace of an unknown kind")
    return NAMESPACES[kind]


def _inside(step: steps.Unshare | steps.Join, actor: steps.Process | None) -> ProcessId:
    if actor is None:
        raise CannotEmit(f"task {step.actor}, the executor, would enter a namespace itself")
    return step.actor


def _bounded(process: steps.Process) -> tuple[Number, ...]:
    if len(process.pids) > MAX_LEVELS:
        raise CannotEmit(f"task {process.pid} has {len(process.pids)} levels; the kernel allows {MAX_LEVELS}")
    return process.pids


def _shared(step: steps.Create, what: str) -> tuple[str, ...]:
    if what not in SHARED:
        raise CannotEmit(f"task {step.child} would share {what!r}, which no clone3 flag does")
    if step.actor == OUTSIDE:
        raise CannotEmit(f"task {step.child} would share {what} with the executor itself")
    return SHARED[what]


def _seen(step: steps.SetGroup, actor: steps.Process | None, pid: ProcessId, table: dict[ProcessId, steps.Process]) -> int:
    """Return the number of a process in the actor's namespace: setpgid takes 0 for the caller, so 0 must never be passed.

    The executor, which knows only outer numbers, looks up those that stand for the level-0 numbers given here; 0 is its group.
    """
    process = table.get(pid)
    if actor is None and pid == OUTSIDE:
        return 0
    if actor is None:
        if process is None:
            raise CannotEmit(f"the executor would put task {step.target} into group {step.group}, for which it has no number")
        return int(pid)
    number = steps.seen_by(steps.actor_level(actor), process.pids) if process else (int(pid) if len(actor.pids) == 1 else 0)
    if not number:
        raise CannotEmit(f"task {step.target} would be put into group {step.group}, which task {step.actor} cannot see")
    return number


def _namespace(step: steps.Enter, actor: steps.Process | None, table: dict[ProcessId, steps.Process]) -> int:
    """Return the number of the namespace's init as the actor sees it, or its own for the way back; 0 is the executor's way back.

    The executor finds an init by its level-0 number in the container's proc instance.
    """
    if actor is None:
        return int(step.namespace)
    if step.namespace == actor.namespace:
        return actor.pids[-1]
    number = steps.seen_by(steps.actor_level(actor), table[step.namespace].pids) if step.namespace in table else 0
    if not number:
        raise CannotEmit(f"task {step.actor} would enter the namespace of {step.namespace}, which it cannot see")
    return number


def _possible_status(step: steps.Exit, actor: steps.Process | None) -> int:
    signal = step.status & SIGNAL_BITS
    if actor is None:
        raise CannotEmit("task 0, the executor, cannot be a zombie")
    if step.thread_only and signal:
        raise CannotEmit(f"task {step.actor} would end alone by signal {signal}: a signal ends the whole thread group")
    if signal and actor.pids[-1] == 1 and signal != SIGSEGV:
        raise CannotEmit(f"task {step.actor} is an init, and an init cannot end itself by signal {signal}")
    if signal in NEVER_ENDS or (step.status & CORE_DUMPED and signal not in DUMPS_CORE):
        raise CannotEmit(f"task {step.actor} has the wait status {step.status:#x}, which no process ends with")
    return step.status
