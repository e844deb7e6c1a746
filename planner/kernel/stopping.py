"""Stopped processes: how they come to be, and what ends them where a group is orphaned.

A group is orphaned when no member has a parent of another group in the same session. When an end makes it so while a member is
stopped, the kernel sends SIGHUP and SIGCONT to the whole group. Source: Linux 6.18, `kill_orphaned_pgrp` in kernel/exit.c.
"""

from collections.abc import Callable, Iterable, Iterator

from planner.kernel.objects import LIVING, Pid, Process
from planner.kernel.rules import KernelError

SIGHUP = 1

Processes = Callable[[], Iterable[Process]]
"""All processes of a container."""


def stop(pid: Pid | None) -> Process:
    """Stop the process that a pid object stands for, from outside of its namespace, and return it; raises `KernelError`."""
    if pid is None or pid.owner is None or pid.owner.state != LIVING:
        raise KernelError("kill-gone")
    pid.owner.stopped = True
    return pid.owner


def hung_up(ended: Process, orphans: Iterable[Process], processes: Processes) -> Iterator[Process]:
    """Yield the processes that SIGHUP reaches when a process has ended and its children, `orphans`, have a new parent already.

    They are continued. The caller ends those that the signal ends.
    """
    for child in orphans:
        yield from _of_group(child, ended, None, processes)
    yield from _of_group(ended, ended.parent, ended, processes)


def _of_group(process: Process, parent: Process, ignored: Process | None, processes: Processes) -> Iterator[Process]:
    group = process.group
    if parent.group is group or parent.session is not process.session:
        return
    members = [each for each in processes() if each.group is group]
    if any(_keeps(each) for each in members if each is not ignored) or not any(each.stopped for each in members):
        return
    for member in members:
        if member.state == LIVING:
            member.stopped = False
            yield member


def _keeps(member: Process) -> bool:
    """Tell whether a member keeps its group from being orphaned."""
    parent = member.parent
    return member.state == LIVING and parent.group is not member.group and parent.session is member.session
