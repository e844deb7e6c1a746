"""A restart on a linux-cr kernel to its end: what is called after the tree has been made, and what the kernel does by itself.

Source: the linux-cr patch set, v20 and later. `restart(pid, fd, flags, logfd)` is called by every process that restarts,
with pid 0 and the image as `fd`, by a process that only held a number with RESTART_GHOST, and by the coordinator, which
stands outside, with the number of the root. Each restores its own state there and waits for all others. From v20 on (March
2010, generation S and later) the kernel puts a task into its process group in that call, lets zombies exit in it, and takes
ghosts away at its end: so setpgid, and the ends of zombies and helpers, are no calls of user space any more.
"""

from collections.abc import Iterator
from typing import Final

from crplan_syscalls.calls import Call
from planner import steps
from planner.identity import OUTSIDE, ProcessId
from planner.plans.model import Plan

BEFORE_V20: Final = frozenset({"A3", "A4", "A4b", "A5"})
"""Generations of images whose kernels left process groups and zombies to user space."""

IMAGE: Final = 3
"""The descriptor of the image, for example."""


def follows_v20(generation: str) -> bool:
    """Tell whether the kernel of an image's generation does groups and zombies by itself; that of another image does."""
    return generation not in BEFORE_V20


def by_the_kernel(step: steps.AnyStep, generation: str) -> bool:
    """Tell whether a step is no call of user space, because the kernel does it in restart."""
    return follows_v20(generation) and isinstance(step, steps.SetGroup | steps.Exit | steps.Reap | steps.Kill | steps.Stop)


def kernel_notes(plan: Plan, generation: str) -> Iterator[str]:
    """Yield comments on what the kernel does in the place of user space."""
    if not follows_v20(generation):
        yield f"# Generation {generation} is older than v20: groups and zombies are made by user space."
        return
    groups = [f"{step.target} into {step.group}" for step in plan.steps if isinstance(step, steps.SetGroup)]
    zombies = [str(step.target) for step in plan.steps if isinstance(step, steps.Verify) and step.zombie]
    helpers = [str(process.pid) for process in plan.processes if process.role == "helper"]
    reapers = [str(process.pid) for process in plan.processes if process.role == "reaper"]
    if reapers:
        yield f"# The image does not have {', '.join(reapers)}, which stands above its root and calls no restart."
    for words, found in (("puts processes into groups", groups), ("lets zombies exit", zombies), ("takes ghosts away", helpers)):
        if found:
            yield f"# In restart the kernel {words}: {', '.join(found)}."


def last_call(process: steps.Process, ended: frozenset[ProcessId], generation: str) -> list[str]:
    """Return the restart call of a process, none for one that has ended before, or that the image does not have."""
    if process.role == "reaper":
        return []
    if not follows_v20(generation) and process.pid in ended:
        return []
    flags = "RESTART_GHOST" if process.role == "helper" else "0"
    return [f"restart(0, {IMAGE}, {flags}, -1) = {'?' if process.role == 'helper' or process.pid in ended else 0}"]


def coordinator(plan: Plan) -> list[str]:
    """Return the coordinator's call, the last of all: the root's number is the one that it got from eclone."""
    return ["", "# coordinator", f"restart(?, {IMAGE}, 0, -1) = ?"] if plan.root != OUTSIDE else []


def ended(done: list[Call]) -> frozenset[ProcessId]:
    """Return the processes that a plan ends."""
    return frozenset(what.subject for what in done if what.op in {"EXIT", "KILL"} and not (what.op == "EXIT" and what.b))
