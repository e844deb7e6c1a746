"""The vocabulary of steps: the processes that a plan creates, and what each of them does.

A process is named by its number at level 0; actor 0 is the executor, which stands outside the new pid namespace. Steps of one
actor happen in plan order, and the creation of an actor comes before its first step. A step that needs something else done by
another process first names that step in `waits`; so `waits` alone do not order a plan, and `planner.predecessors` returns all
that comes before a step. Events, plans, the model kernel and executors all speak of these records.
"""

from typing import Literal

import msgspec

from planner.identity import Level, Number, Pids, ProcessId, StepNumber, level_of, number_at

Role = Literal["task", "thread", "helper", "reaper"]
"""`helper`: created and ended again by the plan. `reaper`: the init that stays as parent of a subtree image's root."""


class Process(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A process or thread that the plan creates.

    `namespace` is the level-0 number of the init of its pid namespace (its own number for an init); 0 stands for the executor's.
    """

    pid: ProcessId
    pids: Pids
    role: Role
    namespace: ProcessId
    name: str = ""
    thread_group: ProcessId = ProcessId(0)
    """For a thread, the process that it belongs to; 0 for a process."""


class Wait(msgspec.Struct, frozen=True, gc=False):
    """A step that must be done first, and the precedence rule that says so."""

    step: StepNumber
    rule: str


class Step(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag_field="op"):
    """One step: `actor` does it, `rule` put it there."""

    number: StepNumber
    actor: ProcessId
    rule: str
    waits: tuple[Wait, ...] = ()


class Create(Step, tag="create", frozen=True, kw_only=True):
    """The actor calls clone3 with the whole vector of `child` in `set_tid`.

    `new_namespace` is CLONE_NEWPID: the child is the init of a new namespace one level below the actor's own.
    `new_user` is CLONE_NEWUSER: the child is in a new user namespace, which owns its pid namespace; a `MapIds` follows.
    `sibling` is CLONE_PARENT: the child's parent is the actor's parent, and exit_signal must be 0.
    `share` names what the child shares with the actor: "files", "fs", "memory", "signal_handlers", "sysv_undo".
    Where the child is to be born in another namespace than the actor's, an `Enter` of the actor stands before.
    `exit_signal` is what the parent will get (17 is SIGCHLD, 0 is no signal).
    """

    child: ProcessId
    new_namespace: bool = False
    new_user: bool = False
    sibling: bool = False
    share: tuple[str, ...] = ()
    exit_signal: int = 17


class CreateThread(Step, tag="thread", frozen=True, kw_only=True):
    """The actor, a process, calls clone3 with CLONE_THREAD and the whole vector of `child`."""

    child: ProcessId


class SetSession(Step, tag="setsid", frozen=True, kw_only=True):
    """The actor calls setsid."""


class SetGroup(Step, tag="setpgid", frozen=True, kw_only=True):
    """The actor calls setpgid(target, group); the target is itself or its child, numbers are looked up in its namespace.

    Group 0 is the executor's own, into which the executor alone puts a child.
    """

    target: ProcessId
    group: ProcessId


class SetSubreaper(Step, tag="subreaper", frozen=True, kw_only=True):
    """The actor turns PR_SET_CHILD_SUBREAPER on or off for itself."""

    on: bool


class Enter(Step, tag="enter", frozen=True, kw_only=True):
    """The actor enters a descendant pid namespace for its next children: setns(fd, CLONE_NEWPID).

    `namespace` is the level-0 number of that namespace's init; the actor's own `Process.namespace` means: back to its own.
    """

    namespace: ProcessId


class Exit(Step, tag="exit", frozen=True, kw_only=True):
    """The actor ends with `status` in wait(2)'s format: helpers with 0, zombies with what the image recorded.

    `thread_only` ends the leading thread alone: it stays as a zombie leader while other threads of its group live.
    """

    status: int = 0
    thread_only: bool = False


class Kill(Step, tag="kill", frozen=True, kw_only=True):
    """The actor sends `signal` to `target`, an init that is to be a zombie and cannot kill itself (pid_namespaces(7))."""

    target: ProcessId
    signal: int


class Reap(Step, tag="reap", frozen=True, kw_only=True):
    """The actor waits for its child `child`, by pid: it must never take another."""

    child: ProcessId


class Unshare(Step, tag="unshare", frozen=True, kw_only=True):
    """The actor makes namespaces of its own, one of each of `kinds`: unshare(2), for "time" followed by entering it.

    Kinds: "user" (always alone), "mnt", "uts", "ipc", "net", "cgroup", "time". All of them begin empty, a user namespace
    without id maps. Where the user namespace that the actor is in does not map the actor's ids, it takes the first that it maps.
    """

    kinds: tuple[str, ...]


class Extent(msgspec.Struct, frozen=True, gc=False):
    """A line of an id map: `count` ids from `inside` on are those from `outside` on in the user namespace above."""

    inside: int
    outside: int
    count: int


class MapIds(Step, tag="map", frozen=True, kw_only=True):
    """The actor writes the id maps of the user namespace that `target` is in, and reads them back.

    The actor is in the user namespace above (0, the executor, too), and finds the target in the container's own proc instance,
    by its level-0 number, wherever it lives itself. An empty map is not written. `own` says that the image has
    no maps: root of the namespace is then who the target is, and it is no failure where that cannot be said.
    """

    target: ProcessId
    own: bool = False
    uid_map: tuple[Extent, ...] = ()
    gid_map: tuple[Extent, ...] = ()


class Join(Step, tag="join", frozen=True, kw_only=True):
    """The actor enters `target`'s namespace of `kind`: setns(pidfd of the target, CLONE_NEW<kind>)."""

    kind: str
    target: ProcessId


class Verify(Step, tag="verify", frozen=True, kw_only=True):
    """The executor compares `target` with /proc. Verify steps wait for every step that is neither one of them nor a stop.

    `parent`, `group` and `session` are level-0 numbers, 0 for outside. `threads` are the level-0 numbers of the other threads.
    A `zombie` with threads is a leader that ended alone. `exit_signal` is -1 where the image does not say. `namespaces` says
    for kinds other than "pid" whose namespace the target is in: that of the named task, which has made it, and 0 for the
    executor's.
    """

    target: ProcessId
    parent: ProcessId
    group: ProcessId
    session: ProcessId
    zombie: bool = False
    status: int = 0
    threads: tuple[ProcessId, ...] = ()
    subreaper: bool = False
    exit_signal: int = -1
    namespaces: dict[str, ProcessId] = {}


class Stop(Step, tag="stop", frozen=True, kw_only=True):
    """The executor stops `target` by SIGSTOP, and sees in /proc that it is stopped.

    Stop steps stand last and wait for every other step, those that verify included: a stopped process answers no question, and
    one that ends can make a group an orphaned one, whose stopped members the kernel hangs up and continues.
    """

    target: ProcessId


AnyStep = (
    Create
    | CreateThread
    | SetSession
    | SetGroup
    | SetSubreaper
    | Enter
    | Exit
    | Kill
    | Reap
    | Unshare
    | MapIds
    | Join
    | Verify
    | Stop
)

AT_THE_END = (Verify, Stop)
"""Steps of the executor behind all others: nothing changes any more but that tasks stop."""


def set_tid(pids: Pids) -> Pids:
    """Turn a vector, outermost first, into clone3's `set_tid`, innermost first: the one place where order is reversed.

    Source: clone(2), and KERNEL rule "vector-order": an outermost-first vector with free numbers succeeds with swapped numbers.
    """
    return pids[::-1]


def seen_by(actor_level: Level, pids: Pids) -> Number:
    """Return the number by which a process at `actor_level` knows the task `pids`, whose namespace it is in or above."""
    return number_at(pids, actor_level)


def actor_level(process: Process | None) -> Level:
    """Return the level that an actor stands at; the executor (None) stands at -1, above the new namespace."""
    return Level(-1) if process is None else level_of(process.pids)
