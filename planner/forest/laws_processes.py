"""What processes, threads, sessions and groups forbid: numbers, parents, sessions and groups that no kernel holds.

Sources: fork, setsid, setpgid and pid allocation in the kernel; the rules are those of the model kernel.
"""

from typing import Final, NoReturn

from planner.errors import Contradiction
from planner.forest.model import Forest, Task, Thread
from planner.identity import OUTSIDE, EventNumber, NamespaceId, ProcessId

MOST_LEVELS: Final = 32
"""Numbers that a vector can have: the kernel's MAX_PID_NS_LEVEL, which also bounds `set_tid`."""


HIGHEST_NUMBER: Final = 4_194_303
"""The highest number that any pid namespace of a 64-bit kernel gives: PID_MAX_LIMIT less one."""


def undecided(first: Contradiction, what: str) -> Contradiction:
    """Return what a search ends with that met the bound on its effort: what it met `first`, which is no proof."""
    message = f"no plan was found, and not every {what} was tried; the first one ends so: {first.message}"
    return Contradiction("plan-undecided", message, first.because, first.pid)


def check_processes(forest: Forest) -> None:
    """Raise `Contradiction` for the first set of facts about processes that cannot be true together."""
    threads = {ProcessId(thread.pids[0]): thread for group in forest.threads.values() for thread in group}
    _check_numbers(forest)
    _check_roots(forest)
    _check_threads(forest)
    _check_parents(forest, threads)
    _check_cycles(forest)
    _check_outer_sessions(forest)
    _check_sessions_and_groups(forest, threads)
    _check_zombies(forest)


def _check_numbers(forest: Forest) -> None:
    """No number is above what a kernel can give, at any level."""
    for task in forest.tasks.values():
        lowest = min(task.parent, task.session, task.group)
        if lowest < 0:
            message = f"task {task.pid} names pid {lowest} as its parent, session or group, and none is below 0"
            raise Contradiction("impossible-number", message, (task.recorded,), task.pid)
        highest = max(*task.pids, task.session, task.group)
        if highest > HIGHEST_NUMBER:
            _refuse_number(task.pid, highest, task.recorded)
    for group, threads in forest.threads.items():
        for thread in threads:
            if max(thread.pids) > HIGHEST_NUMBER:
                _refuse_number(group, max(thread.pids), thread.recorded)
    for pid, leader in forest.leaders.items():
        if max(leader.pids) > HIGHEST_NUMBER:
            _refuse_number(pid, max(leader.pids), leader.recorded)


def _refuse_number(pid: ProcessId, number: int, recorded: EventNumber) -> NoReturn:
    message = f"task {pid} has or names pid {number}, and no pid namespace gives one above {HIGHEST_NUMBER}"
    raise Contradiction("number-too-high", message, (recorded,), pid)


def _check_roots(forest: Forest) -> None:
    """Some task's parent must be outside, and number 1, the init, can have no parent and no session from inside but its own."""
    if not forest.tasks:
        raise Contradiction("no-task", "the image holds no task")
    init = forest.tasks.get(ProcessId(1))
    if init is not None and init.parent != OUTSIDE:
        raise Contradiction(
            "init-with-parent",
            f"task 1 is the init of the image's root namespace, and its parent {init.parent} is a task inside",
            (init.recorded,),
            1,
        )
    if init is not None and init.session not in (OUTSIDE, init.pid):
        raise Contradiction(
            "root-session",
            f"the root is in session {init.session}, and a session comes from the creator, who stands outside",
            (init.recorded,),
            1,
        )


def _check_threads(forest: Forest) -> None:
    """A thread belongs to a process of the image and lives at its level."""
    for group, threads in forest.threads.items():
        leader = forest.tasks.get(group)
        for thread in threads:
            number = thread.pids[0]
            if leader is None:
                raise Contradiction(
                    "thread-group-unknown",
                    f"thread {number} is of thread group {group}, and no process of the image has that pid",
                    (thread.recorded,),
                    number,
                )
            if len(thread.pids) != len(leader.pids):
                raise Contradiction(
                    "thread-level",
                    f"thread {number} is at level {len(thread.pids) - 1} and its thread group {group} at level {leader.level}",
                    (leader.recorded, thread.recorded),
                    number,
                )


def _check_parents(forest: Forest, threads: dict[ProcessId, Thread]) -> None:
    """A parent is a process of the image or outside, and no parent lives in a deeper namespace than its child."""
    tasks = forest.tasks
    for pid, task in tasks.items():
        if task.parent == OUTSIDE:
            continue
        parent = tasks.get(task.parent)
        if parent is None:
            thread = threads.get(task.parent)
            if thread is not None:
                raise Contradiction(
                    "parent-is-thread",
                    f"the parent of task {pid} is {task.parent}, a thread of {thread.thread_group}: processes have children",
                    (task.recorded, thread.recorded),
                    pid,
                )
            raise Contradiction(
                "parent-unknown",
                f"the parent of task {pid} is {task.parent}, and no process of the image has that pid",
                (task.recorded,),
                pid,
            )
        if len(parent.pids) > len(task.pids):
            raise Contradiction(
                "parent-below-child",
                f"task {pid} is at level {task.level} and its parent {task.parent} deeper, at level {parent.level}",
                (parent.recorded, task.recorded),
                pid,
            )


def _check_cycles(forest: Forest) -> None:
    """Every line of parents must lead outside; each task is walked over once."""
    tasks = forest.tasks
    grounded = {OUTSIDE}
    for pid in tasks:
        line: dict[ProcessId, None] = {}
        while pid not in grounded:
            if pid in line:
                walked = list(line)
                cycle = walked[walked.index(pid) :]
                raise Contradiction(
                    "parent-cycle",
                    f"tasks are each other's parents: {abridged([*cycle, pid])}",
                    (tasks[member].recorded for member in cycle),
                    pid,
                )
            line[pid] = None
            pid = tasks[pid].parent
        grounded.update(line)


def abridged(numbers: list[ProcessId] | list[NamespaceId]) -> str:
    """Write a line of descent, a long one with its middle left out."""
    if len(numbers) <= 12:
        return " below ".join(map(str, numbers))
    return " below ".join([*map(str, numbers[:6]), f"({len(numbers) - 11} more)", *map(str, numbers[-5:])])


def _check_outer_sessions(forest: Forest) -> None:
    """No session from inside has a member in a group from outside, and that of the init no member whose parent is outside."""
    tasks = forest.tasks
    for pid, task in tasks.items():
        if task.session == 1 != pid and task.parent == OUTSIDE and task.session in tasks:
            _refuse_child_of_outside(task)
        if task.group in (OUTSIDE, 1) and task.session not in (OUTSIDE, task.group, pid):
            _refuse_outer_group(task)


def _check_sessions_and_groups(forest: Forest, threads: dict[ProcessId, Thread]) -> None:
    """A group is of one session; the process with a session's number leads it, and its own group with it."""
    tasks = forest.tasks
    of_session: dict[ProcessId, Task] = {}
    for task in tasks.values():
        of_session.setdefault(task.session, task)
    of_group: dict[ProcessId, Task] = {}
    for pid, task in tasks.items():
        _check_session(task, tasks.get(task.session), threads)
        group = task.group
        if group == OUTSIDE:
            continue
        fellow = of_session.get(group) or of_group.setdefault(group, task)
        if fellow.session != task.session:
            raise Contradiction(
                "group-in-two-sessions",
                f"group {group} has task {fellow.pid} in session {fellow.session} and task {pid} in session {task.session}",
                (fellow.recorded, task.recorded),
                pid,
            )
        if group != pid:
            _check_group_leader(task, tasks.get(group), threads)


def _check_session(task: Task, leader: Task | None, threads: dict[ProcessId, Thread]) -> None:
    if task.session == task.pid:
        if task.group != task.pid:
            raise Contradiction(
                "session-leader-group",
                f"task {task.pid} leads session {task.pid} and is in group {task.group}; a session leader stays in its own group",
                (task.recorded,),
                task.pid,
            )
    elif task.session != OUTSIDE:
        if leader is not None:
            _check_session_leader(task, leader)
        elif task.session in threads:
            _refuse_leading_thread(task, "session", threads[task.session])


def _check_group_leader(task: Task, leader: Task | None, threads: dict[ProcessId, Thread]) -> None:
    if leader is not None:
        if leader.session != task.session:
            raise Contradiction(
                "group-in-two-sessions",
                f"task {task.pid} of session {task.session} is in group {leader.pid}, and task {leader.pid} is in session "
                f"{leader.session}",
                (leader.recorded, task.recorded),
                task.pid,
            )
    elif task.group in threads:
        _refuse_leading_thread(task, "group", threads[task.group])


def _refuse_child_of_outside(task: Task) -> NoReturn:
    raise Contradiction(
        "session-from-below",
        f"task {task.pid} is in session 1, and its parent is outside the image: only a sibling inside that session can have "
        f"created it, and number 1, the container's init, creates none",
        (task.recorded,),
        task.pid,
    )


def _refuse_outer_group(task: Task) -> NoReturn:
    leader = "a process outside" if task.group == OUTSIDE else "the container's init"
    raise Contradiction(
        "group-of-outer-session",
        f"task {task.pid} is in group {task.group}, which {leader} made, and in session {task.session}, which was made inside: a "
        f"session passes to those that its members create, so that none outside can have been in it",
        (task.recorded,),
        task.pid,
    )


def _check_session_leader(task: Task, leader: Task) -> None:
    if leader.session != leader.pid:
        raise Contradiction(
            "session-leader-elsewhere",
            f"task {task.pid} is in session {leader.pid}, and task {leader.pid} itself in session {leader.session}",
            (leader.recorded, task.recorded),
            task.pid,
        )
    if len(task.pids) < len(leader.pids):
        raise Contradiction(
            "session-leader-below",
            f"task {task.pid} is at level {task.level} and its session's leader {leader.pid} deeper, at level {leader.level}",
            (leader.recorded, task.recorded),
            task.pid,
        )


def _refuse_leading_thread(task: Task, kind: str, thread: Thread) -> None:
    raise Contradiction(
        "leader-is-thread",
        f"task {task.pid} is in {kind} {thread.pids[0]}, which is a thread of {thread.thread_group}: processes lead",
        (task.recorded, thread.recorded),
        task.pid,
    )


def dead(forest: Forest, task: Task) -> bool:
    """Return whether the whole process has ended: a zombie none of whose other threads lives."""
    return task.state == "zombie" and all(thread.state == "zombie" for thread in forest.threads.get(task.pid, ()))


def ended_by(forest: Forest, task: Task) -> tuple[EventNumber, ...]:
    """Return the facts by which a process is dead: the states of its leading thread and of all others."""
    return task.state_recorded, *(thread.state_recorded for thread in forest.threads.get(task.pid, ()))


def _check_zombies(forest: Forest) -> None:
    """A process that has ended has no children: they were adopted when it died."""
    ended = {pid: task for pid, task in forest.tasks.items() if task.state == "zombie" and dead(forest, task)}
    if not ended:
        return
    for pid, task in forest.tasks.items():
        parent = ended.get(task.parent)
        if parent is not None:
            raise Contradiction(
                "zombie-with-child",
                f"the parent of task {pid} is {task.parent}, a zombie: its children would have been adopted",
                (*ended_by(forest, parent), task.recorded),
                pid,
            )
