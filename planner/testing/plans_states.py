"""Plans of what processes are besides: ended, stopped, of several threads, and in shared tables and namespaces of all kinds."""

from planner.plans.model import Plan
from planner.testing.drafts import Draft, with_init


def zombies() -> Plan:
    """Zombies with an exit code, with a signal, by SIGKILL, one that leads a session, and one whose child was adopted."""
    draft = with_init("zombies")
    draft.create(1, 2)
    draft.create(1, 3)
    draft.create(1, 4)
    draft.create(1, 5)
    draft.create(1, 6)
    draft.exit(2, 0)
    draft.exit(3, 7 << 8)
    draft.exit(4, 15)
    draft.setsid(5)
    draft.create(5, 7)
    draft.exit(5, 9)
    draft.exit(6, 34)
    draft.verify(1, 0, 1, 1)
    draft.verify(2, 1, 1, 1, zombie=True)
    draft.verify(3, 1, 1, 1, zombie=True, status=7 << 8)
    draft.verify(4, 1, 1, 1, zombie=True, status=15)
    draft.verify(5, 1, 5, 5, zombie=True, status=9)
    draft.verify(6, 1, 1, 1, zombie=True, status=34)
    draft.verify(7, 1, 5, 5)
    return draft.plan(1)


def zombie_inits() -> Plan:
    """Nested inits that are zombies: by an exit code, and killed from above by SIGKILL."""
    draft = with_init("zombie inits")
    draft.create(1, 10, 1, new_namespace=True)
    draft.exit(10, 3 << 8)
    draft.create(1, 20, 1, new_namespace=True)
    led = draft.setsid(20)
    draft.kill(1, 20, 9, after=(led,))
    draft.verify(1, 0, 1, 1)
    draft.verify(10, 1, 1, 1, zombie=True, status=3 << 8)
    draft.verify(20, 1, 20, 20, zombie=True, status=9)
    return draft.plan(1)


def exit_signals() -> Plan:
    """Children that tell their parents by another signal than SIGCHLD, or by none: zombies, a sibling, an orphan."""
    draft = with_init("exit signals")
    draft.create(1, 2, exit_signal=10)
    draft.create(1, 3, exit_signal=0)
    draft.create(3, 4, exit_signal=12)
    draft.create(3, 6, sibling=True)
    draft.create(1, 5, role="helper", exit_signal=0)
    draft.create(5, 7, exit_signal=12)
    ended = draft.exit(5)
    draft.reap(1, 5, after=(ended,))
    draft.exit(2, 1 << 8)
    draft.exit(4, 2 << 8)
    draft.verify(1, 0, 1, 1)
    draft.verify(2, 1, 1, 1, zombie=True, status=1 << 8, exit_signal=10)
    draft.verify(3, 1, 1, 1, exit_signal=0)
    draft.verify(4, 3, 1, 1, zombie=True, status=2 << 8, exit_signal=12)
    draft.verify(6, 1, 1, 1, exit_signal=0)
    draft.verify(7, 1, 1, 1, exit_signal=17)
    return draft.plan(1)


def stopped() -> Plan:
    """Stopped tasks: an init, which only a stop from outside reaches, a parent with a child, and a nested init."""
    draft = with_init("stopped")
    draft.create(1, 2)
    draft.create(2, 3)
    draft.setsid(2)
    draft.create(2, 4)
    draft.setpgid(4, 4, 4)
    draft.create(1, 10, 1, new_namespace=True)
    draft.create(10, 11, 2)
    draft.create(2, 6)
    draft.exit(6)
    draft.verify(1, 0, 1, 1)
    draft.verify(2, 1, 2, 2)
    draft.verify(3, 2, 1, 1)
    draft.verify(4, 2, 4, 2)
    draft.verify(10, 1, 1, 1)
    draft.verify(11, 10, 1, 1)
    draft.verify(6, 2, 2, 2, zombie=True)
    for task in (1, 2, 4, 10):
        draft.stop(task)
    return draft.plan(1)


def threads() -> Plan:
    """Threads with their numbers, at level 0 and in a nested namespace."""
    draft = with_init("threads")
    draft.create(1, 2)
    draft.thread(2, 100)
    draft.thread(2, 50)
    draft.create(1, 10, 1, new_namespace=True)
    draft.create(10, 11, 2)
    draft.thread(11, 12, 9)
    draft.create(2, 3)
    draft.verify(1, 0, 1, 1)
    draft.verify(2, 1, 1, 1, threads=(100, 50))
    draft.verify(10, 1, 1, 1)
    draft.verify(11, 10, 1, 1, threads=(12,))
    draft.verify(3, 2, 1, 1)
    return draft.plan(1)


def zombie_leader() -> Plan:
    """A thread-group leader that ended alone while its threads live; its child stays its child."""
    draft = with_init("zombie leader")
    draft.create(1, 2)
    draft.create(2, 3)
    draft.thread(2, 4)
    draft.thread(2, 5)
    draft.exit(2, 0, thread_only=True)
    draft.verify(1, 0, 1, 1)
    draft.verify(2, 1, 1, 1, zombie=True, threads=(4, 5))
    draft.verify(3, 2, 1, 1)
    return draft.plan(1)


def zombie_with_threads() -> Plan:
    """A process that ended with its threads: its child is adopted only when the last of them has gone."""
    draft = with_init("zombie with threads")
    draft.create(1, 2)
    draft.create(2, 3)
    draft.thread(2, 4)
    draft.thread(2, 5)
    draft.thread(2, 6)
    ended = draft.exit(2, 5 << 8)
    draft.create(1, 7, after=(ended,))
    draft.verify(1, 0, 1, 1)
    draft.verify(2, 1, 1, 1, zombie=True, status=5 << 8)
    draft.verify(3, 1, 1, 1)
    draft.verify(7, 1, 1, 1)
    return draft.plan(1)


def subtree() -> Plan:
    """A root that is not number 1: a reaper stands in as the leader of session 1 and adopts."""
    draft = Draft("subtree")
    draft.create(0, 1, role="reaper", new_namespace=True)
    draft.setsid(1)
    draft.create(1, 500)
    draft.create(500, 501)
    draft.setsid(501)
    draft.create(501, 502, role="helper")
    born = draft.create(502, 503)
    ended = draft.exit(502)
    draft.reap(501, 502, after=(ended, born))
    draft.verify(1, 0, 1, 1)
    draft.verify(500, 1, 1, 1)
    draft.verify(501, 500, 501, 501)
    draft.verify(503, 1, 501, 501)
    return draft.plan(500)


def shared_tables() -> Plan:
    """Tasks that share open files, the working directory and System V undo lists with their creator."""
    draft = with_init("shared tables")
    draft.create(1, 2, share=("files",))
    draft.create(2, 3, share=("fs", "files"))
    draft.create(3, 4, share=("sysv_undo",))
    draft.create(2, 5, share=("fs", "files", "sysv_undo"))
    draft.verify(1, 0, 1, 1)
    draft.verify(2, 1, 1, 1)
    draft.verify(3, 2, 1, 1)
    draft.verify(4, 3, 1, 1)
    draft.verify(5, 2, 1, 1)
    return draft.plan(1)


def shared_memory() -> Plan:
    """Tasks in one memory, which have numbers, sessions, groups, threads, namespaces and children of their own."""
    draft = with_init("shared memory")
    draft.create(1, 2)
    draft.create(2, 3, share=("memory",))
    draft.setsid(3)
    draft.create(3, 4, share=("memory", "signal_handlers", "files"), exit_signal=0)
    draft.setpgid(4, 4, 4)
    draft.create(3, 9, role="helper", share=("memory",))
    born = draft.create(9, 5, share=("memory",))
    ended = draft.exit(9)
    draft.reap(3, 9, after=(ended, born))
    draft.create(4, 6)
    draft.create(4, 7, share=("memory", "signal_handlers"), sibling=True)
    draft.create(2, 10, 1, new_namespace=True, share=("memory",))
    draft.create(10, 11, 2, share=("memory",))
    draft.unshare(11, "uts", "net")
    draft.thread(4, 8)
    draft.create(7, 12, share=("memory",))
    draft.exit(12, 3 << 8)
    draft.verify(1, 0, 1, 1)
    draft.verify(2, 1, 1, 1)
    draft.verify(3, 2, 3, 3)
    draft.verify(4, 3, 4, 3, threads=(8,), exit_signal=0)
    draft.verify(5, 1, 3, 3)
    draft.verify(6, 4, 4, 3)
    draft.verify(7, 3, 4, 3, exit_signal=0)
    draft.verify(10, 2, 1, 1)
    draft.verify(11, 10, 1, 1, namespaces={"uts": 11, "net": 11, "ipc": 0})
    draft.verify(12, 7, 4, 3, zombie=True, status=3 << 8)
    return draft.plan(1)


def other_namespaces() -> Plan:
    """Namespaces of every kind but user: the root's own, inherited; made by a task and joined, also across pid namespaces."""
    draft = with_init("other namespaces")
    draft.unshare(1, "mnt", "uts", "ipc")
    draft.create(1, 2)
    draft.create(1, 3)
    draft.create(1, 10, 1, new_namespace=True)
    draft.create(10, 11, 2)
    made = draft.unshare(2, "net", "cgroup", "time")
    nested = draft.unshare(11, "uts")
    draft.join(3, "net", 2, after=(made,))
    draft.join(3, "time", 2, after=(made,))
    draft.join(3, "uts", 11, after=(nested,))
    draft.join(10, "uts", 11, after=(nested,))
    draft.create(3, 4)
    draft.thread(3, 5)
    own = {"mnt": 1, "uts": 1, "ipc": 1}
    outer = {"net": 0, "cgroup": 0, "time": 0}
    draft.verify(1, 0, 1, 1, namespaces={**own, **outer})
    draft.verify(2, 1, 1, 1, namespaces={**own, "net": 2, "cgroup": 2, "time": 2})
    draft.verify(3, 1, 1, 1, threads=(5,), namespaces={**own, "uts": 11, "net": 2, "cgroup": 0, "time": 2})
    draft.verify(4, 3, 1, 1, namespaces={"uts": 11, "net": 2, "time": 2})
    draft.verify(10, 1, 1, 1, namespaces={**own, **outer, "uts": 11})
    draft.verify(11, 10, 1, 1, namespaces={**own, **outer, "uts": 11})
    return draft.plan(1)


def user_namespaces() -> Plan:
    """User namespaces, one below the other, with what they own; joined from outside, and a zombie made from within."""
    draft = with_init("user namespaces")
    for task in (2, 3, 4, 5):
        draft.create(1, task)
    draft.create(2, 6)
    draft.unshare(2, "uts")
    made = draft.unshare(2, "user")
    mapped = draft.map_ids(0, 2, after=(made,))
    owned = draft.unshare(2, "mnt", "net", "ipc")
    draft.join(3, "net", 2, after=(owned,))
    draft.join(3, "user", 2, after=(made,))
    draft.join(3, "mnt", 2, after=(owned,))
    draft.join(4, "user", 2, after=(made,))
    below = draft.unshare(4, "user", after=(mapped,))
    draft.map_ids(2, 4, after=(below,))
    inner = draft.unshare(4, "uts")
    draft.join(5, "uts", 4, after=(inner,))
    draft.join(5, "user", 2, after=(made,))
    draft.join(5, "user", 4, after=(below,))
    draft.exit(6, 3 << 8)
    draft.verify(1, 0, 1, 1, namespaces={"user": 0, "net": 0, "mnt": 0, "ipc": 0, "uts": 0})
    draft.verify(2, 1, 1, 1, namespaces={"user": 2, "net": 2, "mnt": 2, "ipc": 2, "uts": 2})
    draft.verify(3, 1, 1, 1, namespaces={"user": 2, "net": 2, "mnt": 2, "ipc": 0, "uts": 0})
    draft.verify(4, 1, 1, 1, namespaces={"user": 4, "net": 0, "mnt": 0, "ipc": 0, "uts": 4})
    draft.verify(5, 1, 1, 1, namespaces={"user": 4, "net": 0, "mnt": 0, "ipc": 0, "uts": 4})
    draft.verify(6, 2, 1, 1, zombie=True, status=3 << 8)
    return draft.plan(1)


def mapped_user_namespaces() -> Plan:
    """A user namespace of the container's own, which owns its pid namespace, and others below; all with id maps on record."""
    draft = Draft("mapped user namespaces")
    draft.create(0, 1, new_namespace=True, new_user=True)
    mapped = draft.map_ids(0, 1, uid=((0, 100000, 65536), (70000, 5000, 10)), gid=((0, 200000, 1000),), after=(1,))
    draft.unshare(1, "mnt", "uts")
    draft.setsid(1)
    for task in (2, 3, 4):
        draft.create(1, task)
    draft.create(1, 10, 1, new_namespace=True)
    draft.create(10, 11, 2)
    made = draft.unshare(3, "user", after=(mapped,))
    inner = draft.map_ids(
        1, 3, uid=((0, 1000, 10), (20, 70000, 5)), gid=tuple((2 * i, 5 * i, 1) for i in range(9)), after=(made,)
    )
    owned = draft.unshare(3, "net")
    draft.join(4, "user", 3, after=(made,))
    draft.join(4, "net", 3, after=(owned,))
    below = draft.unshare(4, "user", after=(inner,))
    draft.map_ids(3, 4, uid=((5, 7, 3),), gid=((0, 0, 1),), after=(below,))
    draft.thread(2, 5)
    own = {"mnt": 1, "uts": 1}
    draft.verify(1, 0, 1, 1, namespaces={**own, "user": 1, "net": 0})
    draft.verify(2, 1, 1, 1, threads=(5,), namespaces={**own, "user": 1, "net": 0})
    draft.verify(3, 1, 1, 1, namespaces={**own, "user": 3, "net": 3})
    draft.verify(4, 1, 1, 1, namespaces={**own, "user": 4, "net": 3})
    draft.verify(10, 1, 1, 1, namespaces={**own, "user": 1, "net": 0})
    draft.verify(11, 10, 1, 1, namespaces={**own, "user": 1, "net": 0})
    return draft.plan(1)
