"""What each step means to the kernel: one `Call` a step, with numbers as the actor sees them.

Both back ends write the same calls, so the listing cannot promise what the program does not do. Vectors are turned into
`set_tid`, innermost first, by `planner.steps.set_tid` alone.
"""

from collections.abc import Callable
from typing import Any, Final

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

Table = dict[ProcessId, steps.Process]


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


def call(step: steps.AnyStep, table: Table) -> Call:
    """Return the call of a step; raises CannotEmit, naming the task, for what raw system calls cannot do."""
    return CALLS[type(step)](step, table.get(step.actor), table)


def _create(step: steps.Create, actor: steps.Process | None, table: Table) -> Call:
    flags = frozenset(flag for what in step.share for flag in _shared(step, what))
    flags |= {"CLONE_NEWPID"} if step.new_namespace else frozenset()
    flags |= {"CLONE_NEWUSER"} if step.new_user else frozenset()
    flags |= {"CLONE_PARENT"} if step.sibling else frozenset()
    return _clone(step, actor, table, op="CREATE", b=0 if step.sibling else step.exit_signal, flags=flags)


def _create_thread(step: steps.CreateThread, actor: steps.Process | None, table: Table) -> Call:
    return _clone(step, actor, table, op="SPAWN", flags=frozenset(THREAD_FLAGS))


def _clone(
    step: steps.Create | steps.CreateThread,
    actor: steps.Process | None,
    table: Table,
    *,
    op: str,
    b: int = 0,
    flags: frozenset[str],
) -> Call:
    child = table[step.child]
    number = steps.seen_by(steps.actor_level(actor), child.pids)
    return Call(op=op, subject=step.child, b=b, flags=flags, set_tid=steps.set_tid(_bounded(child)), result=number)


def _set_session(step: steps.SetSession, actor: steps.Process | None, _: Table) -> Call:
    return Call(op="SETSID", subject=step.actor, result=actor.pids[-1] if actor else 0)


def _set_group(step: steps.SetGroup, actor: steps.Process | None, table: Table) -> Call:
    target = _seen(step, actor, step.target, table)
    return Call(op="SETPGID", subject=step.target, a=target, b=_seen(step, actor, step.group, table))


def _set_subreaper(step: steps.SetSubreaper, _: steps.Process | None, __: Table) -> Call:
    return Call(op="SUBREAPER", subject=step.actor, a=int(step.on))


def _enter(step: steps.Enter, actor: steps.Process | None, table: Table) -> Call:
    return Call(op="ENTER", subject=step.namespace, a=_namespace(step, actor, table))


def _exit(step: steps.Exit, actor: steps.Process | None, _: Table) -> Call:
    own = actor.pids[-1] if actor else 0
    return Call(op="EXIT", subject=step.actor, a=_possible_status(step, actor), b=int(step.thread_only), result=own)


def _kill(step: steps.Kill, actor: steps.Process | None, table: Table) -> Call:
    number = steps.seen_by(steps.actor_level(actor), table[step.target].pids)
    return Call(op="KILL", subject=step.target, a=number, b=step.signal)


def _reap(step: steps.Reap, actor: steps.Process | None, table: Table) -> Call:
    number = steps.seen_by(steps.actor_level(actor), table[step.child].pids)
    return Call(op="REAP", subject=step.child, a=number, result=number)


def _unshare(step: steps.Unshare, actor: steps.Process | None, _: Table) -> Call:
    flags = frozenset(namespace_flag(kind, step.actor) for kind in step.kinds)
    return Call(op="UNSHARE", subject=_inside(step, actor), flags=flags)


def _map_ids(step: steps.MapIds, _: steps.Process | None, table: Table) -> Call:
    if step.target not in table:
        raise CannotEmit(f"task {step.target} is to get id maps, and the plan does not create it")
    return Call(op="MAP", subject=step.target, b=int(step.own))


def _join(step: steps.Join, actor: steps.Process | None, table: Table) -> Call:
    own = _inside(step, actor)
    seen = steps.seen_by(steps.actor_level(actor), table[step.target].pids) if step.target in table else 0
    if not seen:
        raise CannotEmit(f"task {own} would enter a namespace of {step.target}, which it cannot see")
    return Call(op="JOIN", subject=step.target, a=seen, flags=frozenset((namespace_flag(step.kind, own),)))


def _verify(step: steps.Verify, _: steps.Process | None, __: Table) -> Call:
    return Call(op="VERIFY", subject=step.target)


def _stop(step: steps.Stop, _: steps.Process | None, __: Table) -> Call:
    return Call(op="STOP", subject=step.target)


CALLS: Final[dict[type[steps.AnyStep], Callable[[Any, steps.Process | None, Table], Call]]] = {
    steps.Create: _create,
    steps.CreateThread: _create_thread,
    steps.SetSession: _set_session,
    steps.SetGroup: _set_group,
    steps.SetSubreaper: _set_subreaper,
    steps.Enter: _enter,
    steps.Exit: _exit,
    steps.Kill: _kill,
    steps.Reap: _reap,
    steps.Unshare: _unshare,
    steps.MapIds: _map_ids,
    steps.Join: _join,
    steps.Verify: _verify,
    steps.Stop: _stop,
}


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


def _seen(step: steps.SetGroup, actor: steps.Process | None, pid: ProcessId, table: Table) -> int:
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


def _namespace(step: steps.Enter, actor: steps.Process | None, table: Table) -> int:
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
