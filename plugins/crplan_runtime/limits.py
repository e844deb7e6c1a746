"""What an interpreter cannot do, known before anything runs."""

from typing import Final

from planner import steps
from planner.plans.model import Plan
from planner.plans.relax import HINT

SHARED: Final = frozenset({"files", "fs", "sysv_undo"})
"""What two interpreters can share; memory, and what needs it, they cannot."""

KEPT_BY_LIBC: Final = frozenset({32, 33})
"""Signals that the C library keeps for itself: an interpreter can neither ignore nor block them."""

SIGSEGV: Final = 11
NO_END: Final = frozenset({17, 18, 19, 20, 21, 22, 23, 28, 127})
"""Signals that end no process by default (SIGCHLD, SIGCONT, the stops, SIGURG, SIGWINCH), and the mark of a stop."""

KINDS: Final = frozenset({"user", "mnt", "uts", "ipc", "net", "cgroup", "time"})
"""Kinds of namespace, other than pid, that a plan may name."""


def refuses(plan: Plan) -> str:
    """Return a sentence that names the first task which cannot be made, or ""."""
    processes = plan.process_table()
    for step in plan.steps:
        if isinstance(step, steps.Create):
            if step.exit_signal in KEPT_BY_LIBC:
                return f"task {step.child} has the exit signal {step.exit_signal}, which the C library keeps for itself"
            impossible = sorted(set(step.share) - SHARED)
            if impossible:
                what = " and ".join(impossible).replace("_", " ")
                return f"task {step.child} shares {what} with task {step.actor}: two interpreters cannot; {HINT}"
            if step.share and not step.actor:
                return f"task {step.child} would share {' and '.join(sorted(step.share))} with the executor itself"
        elif isinstance(step, steps.Unshare | steps.Join | steps.Verify):
            kinds = (
                (step.kind,)
                if isinstance(step, steps.Join)
                else step.kinds
                if isinstance(step, steps.Unshare)
                else step.namespaces
            )
            if not KINDS.issuperset(kinds):
                task = step.target if isinstance(step, steps.Verify) else step.actor
                return f"task {task} is to be in a namespace of an unknown kind"
            if not step.actor and not isinstance(step, steps.Verify):
                return f"task {step.actor}, the executor, would enter a namespace itself"
        elif isinstance(step, steps.Exit):
            number = step.status & 0x7F
            actor = processes.get(step.actor)
            if not 0 <= step.status <= 0xFFFF or number in NO_END or (number and step.status >> 8):
                return f"task {step.actor} ended with the wait status {step.status}, with which no process ends"
            if number not in (0, SIGSEGV) and actor and actor.pids[-1] == 1:
                return f"task {step.actor} is an init, and an init cannot end itself by signal {number}"
    return ""
