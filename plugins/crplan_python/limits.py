"""What the Python executor cannot do, known before anything runs."""

from typing import Final

from planner.plans.model import Plan
from planner.plans.relax import HINT
from planner.steps import Create, Exit, Join, Unshare, Verify

SHARED: frozenset[str] = frozenset({"files", "fs", "sysv_undo"})
"""What two interpreters can share; memory and what needs it they cannot."""

KINDS: frozenset[str] = frozenset({"user", "mnt", "uts", "ipc", "net", "cgroup", "time"})
"""Kinds of namespace that a plan may name."""

KEPT_BY_LIBC: Final = frozenset({32, 33})
"""Signals that the C library keeps for itself: an interpreter can neither ignore nor block them."""

SIGSEGV = 11


def refuses(plan: Plan) -> str:
    """Return a sentence that names the first task which cannot be made, or ""."""
    processes = plan.process_table()
    for step in plan.steps:
        if isinstance(step, Create):
            impossible = sorted(set(step.share) - SHARED)
            if impossible:
                what = " and ".join(impossible).replace("_", " ")
                return f"task {step.child} shares {what} with task {step.actor}: two interpreters cannot; {HINT}"
            if step.exit_signal in KEPT_BY_LIBC:
                return f"task {step.child} has the exit signal {step.exit_signal}, which the C library keeps for itself"
            if step.share and not step.actor:
                return f"task {step.child} would share {' and '.join(sorted(step.share))} with the executor itself"
        elif isinstance(step, Unshare | Join | Verify):
            kinds = (step.kind,) if isinstance(step, Join) else step.kinds if isinstance(step, Unshare) else step.namespaces
            unknown = sorted(set(kinds) - KINDS)
            if unknown:
                task = step.target if isinstance(step, Verify) else step.actor
                return f"task {task} is to be in a namespace of an unknown kind"
            if not step.actor and not isinstance(step, Verify):
                return f"task {step.actor}, the executor, would enter a namespace itself"
        elif isinstance(step, Exit) and step.status & 0x7F not in (0, SIGSEGV):
            process = processes.get(step.actor)
            if process and process.pids[-1] == 1:
                return f"task {step.actor} is an init, and an init cannot end itself by signal {step.status & 0x7F}"
    return ""
