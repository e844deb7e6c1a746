"""Plans written by hand, one for each thing that a plan can ask of an executor.

They need neither an image nor the planner: a test of an executor, a back end or the model kernel takes `PLANS` and has every
kind of step in small trees. Each says in its first line what is in it.
"""

from collections.abc import Callable
from typing import Final

from planner.plans.model import Plan
from planner.testing.drafts import Draft, with_init


def single() -> Plan:
    """An init alone."""
    draft = with_init("single")
    draft.verify(1, 0, 1, 1)
    return draft.plan(1)


def parent_and_child() -> Plan:
    """An init and its child, in one session and group."""
    draft = with_init("parent and child")
    draft.create(1, 2)
    draft.verify(1, 0, 1, 1)
    draft.verify(2, 1, 1, 1)
    return draft.plan(1)


def sparse_numbers() -> Plan:
    """Numbers far apart, up to 4194303, born in another order than they count."""
    draft = with_init("sparse numbers")
    draft.create(1, 4194303)
    draft.create(1, 32768)
    draft.create(32768, 300)
    draft.verify(1, 0, 1, 1)
    draft.verify(4194303, 1, 1, 1)
    draft.verify(32768, 1, 1, 1)
    draft.verify(300, 32768, 1, 1)
    return draft.plan(1)


def fork_before_setsid() -> Plan:
    """Session leaders with children of the session that they left, and of the one that they lead."""
    draft = with_init("fork before setsid")
    draft.create(1, 2)
    draft.create(2, 3)
    draft.setsid(2)
    draft.create(2, 4)
    draft.create(4, 5)
    draft.setsid(4)
    draft.create(4, 6)
    draft.verify(1, 0, 1, 1)
    draft.verify(2, 1, 2, 2)
    draft.verify(3, 2, 1, 1)
    draft.verify(4, 2, 4, 4)
    draft.verify(5, 4, 2, 2)
    draft.verify(6, 4, 4, 4)
    return draft.plan(1)


def process_groups() -> Plan:
    """A group led by its member, one joined by a sibling, and one set by the parent for its child."""
    draft = with_init("process groups")
    draft.create(1, 2)
    draft.create(1, 3)
    draft.create(1, 4)
    lead = draft.setpgid(2, 2, 2)
    draft.setpgid(3, 3, 2, after=(lead,))
    put = draft.setpgid(1, 4, 2, after=(lead,))
    draft.create(4, 5, after=(put,))
    draft.setpgid(5, 5, 5)
    draft.verify(1, 0, 1, 1)
    draft.verify(2, 1, 2, 1)
    draft.verify(3, 1, 2, 1)
    draft.verify(4, 1, 2, 1)
    draft.verify(5, 4, 5, 1)
    return draft.plan(1)


def crossed_groups() -> Plan:
    """Two leaders, each in the other's group; a helper holds one group while its leader leaves."""
    draft = with_init("crossed groups")
    draft.create(1, 2)
    draft.create(1, 3)
    draft.create(1, 90, role="helper")
    lead_2 = draft.setpgid(2, 2, 2)
    lead_3 = draft.setpgid(3, 3, 3)
    anchor = draft.setpgid(90, 90, 2, after=(lead_2,))
    left_2 = draft.setpgid(2, 2, 3, after=(anchor, lead_3))
    left_3 = draft.setpgid(3, 3, 2, after=(left_2,))
    ended = draft.exit(90, after=(left_3,))
    draft.reap(1, 90, after=(ended,))
    draft.verify(1, 0, 1, 1)
    draft.verify(2, 1, 3, 1)
    draft.verify(3, 1, 2, 1)
    return draft.plan(1)


def nested_namespaces() -> Plan:
    """Namespaces three deep, with inits that lead sessions, and tasks on every level."""
    draft = with_init("nested namespaces")
    draft.create(1, 10, 1, new_namespace=True)
    draft.setsid(10)
    draft.create(1, 2)
    draft.create(10, 11, 7)
    draft.create(10, 20, 5, 1, new_namespace=True)
    draft.create(20, 21, 6, 2)
    draft.setsid(21)
    draft.create(21, 30, 9, 4, 1, new_namespace=True)
    draft.create(30, 31, 12, 8, 2)
    draft.verify(1, 0, 1, 1)
    draft.verify(10, 1, 10, 10)
    draft.verify(2, 1, 1, 1)
    draft.verify(11, 10, 10, 10)
    draft.verify(20, 10, 10, 10)
    draft.verify(21, 20, 21, 21)
    draft.verify(30, 21, 21, 21)
    draft.verify(31, 30, 21, 21)
    return draft.plan(1)


def entered_from_outside() -> Plan:
    """Tasks whose parent, session and group are outside: the executor enters level 0 and a nested namespace."""
    draft = with_init("entered from outside")
    nested = draft.create(1, 10, 1, new_namespace=True)
    draft.enter(0, 1)
    draft.create(0, 30)
    draft.enter(0, 10, after=(nested,))
    draft.create(0, 31, 2)
    draft.enter(0, 0)
    draft.setsid(31)
    draft.create(30, 32)
    draft.setpgid(32, 32, 32)
    draft.verify(1, 0, 1, 1)
    draft.verify(10, 1, 1, 1)
    draft.verify(30, 0, 0, 0)
    draft.verify(31, 0, 31, 31)
    draft.verify(32, 30, 32, 0)
    return draft.plan(1)


def moved_from_outside() -> Plan:
    """Tasks that their parent outside, the executor, puts into a group: one of its own and a nested init that a sibling made."""
    draft = with_init("moved from outside")
    draft.enter(0, 1)
    draft.create(0, 30)
    draft.create(30, 31)
    nested = draft.create(30, 40, 1, new_namespace=True, sibling=True)
    lead = draft.setpgid(31, 31, 31)
    draft.enter(0, 0)
    draft.setpgid(0, 30, 31, after=(lead,))
    draft.setpgid(0, 40, 31, after=(lead, nested))
    draft.verify(1, 0, 1, 1)
    draft.verify(30, 0, 31, 0)
    draft.verify(31, 30, 31, 0)
    draft.verify(40, 0, 31, 0)
    return draft.plan(1)


def moved_back() -> Plan:
    """Tasks that made a group, in which a child stays, and that the executor puts back into its own group."""
    draft = Draft("moved back")
    draft.create(0, 1, new_namespace=True)
    draft.setpgid(1, 1, 1)
    first = draft.create(1, 2)
    draft.enter(0, 1)
    draft.create(0, 30)
    draft.setpgid(30, 30, 30)
    second = draft.create(30, 31)
    draft.enter(0, 0)
    draft.setpgid(0, 1, 0, after=(first,))
    draft.setpgid(0, 30, 0, after=(second,))
    draft.verify(1, 0, 0, 0)
    draft.verify(2, 1, 1, 0)
    draft.verify(30, 0, 0, 0)
    draft.verify(31, 30, 30, 0)
    return draft.plan(1)


def entered_from_inside() -> Plan:
    """A task that enters a namespace one and two levels below, has children there, and goes back for one of its own."""
    draft = with_init("entered from inside")
    nested = draft.create(1, 10, 1, new_namespace=True)
    deep = draft.create(10, 20, 2, 1, new_namespace=True)
    draft.create(1, 5)
    draft.enter(5, 10, after=(nested,))
    draft.create(5, 11, 3)
    draft.enter(5, 20, after=(deep,))
    draft.create(5, 21, 4, 2)
    draft.enter(5, 1)
    draft.create(5, 6)
    draft.verify(1, 0, 1, 1)
    draft.verify(10, 1, 1, 1)
    draft.verify(20, 10, 1, 1)
    draft.verify(5, 1, 1, 1)
    draft.verify(11, 5, 1, 1)
    draft.verify(21, 5, 1, 1)
    draft.verify(6, 5, 1, 1)
    return draft.plan(1)


def siblings() -> Plan:
    """Children of a sibling (CLONE_PARENT): a task, a nested init, and a nested init born by one who had entered."""
    draft = with_init("siblings")
    draft.create(1, 2)
    draft.setsid(2)
    draft.create(2, 3, sibling=True)
    nested = draft.create(2, 10, 1, new_namespace=True, sibling=True)
    draft.create(10, 11, 2)
    draft.enter(3, 10, after=(nested,))
    draft.create(3, 12, 3, sibling=True)
    draft.create(12, 20, 4, 1, new_namespace=True, sibling=True)
    draft.verify(1, 0, 1, 1)
    draft.verify(2, 1, 2, 2)
    draft.verify(3, 1, 2, 2)
    draft.verify(10, 1, 2, 2)
    draft.verify(11, 10, 2, 2)
    draft.verify(12, 1, 2, 2)
    draft.verify(20, 1, 2, 2)
    return draft.plan(1)


def adopted_by_init() -> Plan:
    """A dead session leader whose children the init adopted, one of them in a group whose leader is dead too."""
    draft = with_init("adopted by init")
    draft.create(1, 40, role="helper")
    draft.setsid(40)
    draft.create(40, 41)
    draft.create(40, 42, role="helper")
    draft.setpgid(42, 42, 42)
    born = draft.create(42, 43)
    ended = draft.exit(42)
    draft.reap(40, 42, after=(ended,))
    gone = draft.exit(40, after=(born,))
    draft.reap(1, 40, after=(gone,))
    draft.verify(1, 0, 1, 1)
    draft.verify(41, 1, 40, 40)
    draft.verify(43, 1, 42, 40)
    return draft.plan(1)


def adopted_by_subreaper() -> Plan:
    """A dead session leader whose child a task adopted that was a subreaper for a moment, and one that stays a subreaper."""
    draft = with_init("adopted by subreaper")
    draft.create(1, 2)
    draft.create(2, 50, role="helper")
    draft.setsid(50)
    draft.create(50, 60, role="helper")
    born = draft.create(60, 51)
    on = draft.subreaper(2, True)
    ended = draft.exit(60, after=(on,))
    draft.reap(50, 60, after=(ended,))
    gone = draft.exit(50, after=(born,))
    draft.reap(2, 50, after=(gone,))
    draft.subreaper(2, False)
    draft.create(1, 3)
    draft.subreaper(3, True)
    draft.verify(1, 0, 1, 1)
    draft.verify(2, 1, 1, 1)
    draft.verify(51, 2, 50, 50)
    draft.verify(3, 1, 1, 1, subreaper=True)
    return draft.plan(1)


def entered_and_adopted() -> Plan:
    """A helper that enters a nested namespace from above, has a child there and dies: the nested init adopts."""
    draft = with_init("entered and adopted")
    nested = draft.create(1, 10, 1, new_namespace=True)
    draft.setsid(10)
    draft.create(1, 70, role="helper")
    draft.enter(70, 10, after=(nested,))
    draft.create(70, 71, 5, role="helper")
    born = draft.create(71, 72, 6)
    ended = draft.exit(71)
    draft.reap(70, 71, after=(ended,))
    gone = draft.exit(70, after=(born,))
    draft.reap(1, 70, after=(gone,))
    draft.verify(1, 0, 1, 1)
    draft.verify(10, 1, 10, 10)
    draft.verify(72, 10, 1, 1)
    return draft.plan(1)


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


def wide(count: int = 50) -> Plan:
    """An init with many children."""
    draft = with_init(f"wide {count}")
    for number in range(2, count + 2):
        draft.create(1, number)
    draft.verify(1, 0, 1, 1)
    for number in range(2, count + 2):
        draft.verify(number, 1, 1, 1)
    return draft.plan(1)


def chain(count: int = 30) -> Plan:
    """A chain in which every task is the child of the last; every fifth leads a session."""
    draft = with_init(f"chain {count}")
    session = {1: 1}
    for number in range(2, count + 2):
        draft.create(number - 1, number)
        session[number] = session[number - 1]
        if number % 5 == 0:
            draft.setsid(number)
            session[number] = number
    draft.verify(1, 0, 1, 1)
    for number in range(2, count + 2):
        draft.verify(number, number - 1, session[number], session[number])
    return draft.plan(1)


def taken_number() -> Plan:
    """Two tasks that want number 5 of a nested namespace."""
    draft = with_init("taken number")
    draft.create(1, 10, 1, new_namespace=True)
    draft.create(10, 11, 5)
    draft.create(10, 12, 5)
    return draft.plan(1)


def setsid_of_a_leader() -> Plan:
    """A session leader that asks for a session again."""
    draft = with_init("setsid of a leader")
    draft.create(1, 2)
    draft.setsid(2)
    draft.setsid(2)
    draft.verify(1, 0, 1, 1)
    draft.verify(2, 1, 2, 2)
    return draft.plan(1)


def group_without_members() -> Plan:
    """A task that joins a group without a leader."""
    draft = with_init("group without members")
    draft.create(1, 2)
    draft.setpgid(2, 2, 77)
    draft.verify(1, 0, 1, 1)
    return draft.plan(1)


def reap_of_the_living() -> Plan:
    """A parent that waits for a child which never ends: only the timeout helps."""
    draft = with_init("reap of the living")
    draft.create(1, 2)
    draft.reap(1, 2)
    draft.verify(1, 0, 1, 1)
    return draft.plan(1)


def wrong_namespace() -> Plan:
    """Every step works, and a task that should be in another's namespace is in its own."""
    draft = with_init("wrong namespace")
    draft.create(1, 2)
    draft.create(1, 3)
    draft.unshare(2, "uts")
    draft.unshare(3, "uts")
    draft.verify(1, 0, 1, 1, namespaces={"uts": 0})
    draft.verify(2, 1, 1, 1, namespaces={"uts": 2})
    draft.verify(3, 1, 1, 1, namespaces={"uts": 2})
    return draft.plan(1)


def join_from_below() -> Plan:
    """A task that would enter, from a user namespace of its own, a namespace that the outer one owns."""
    draft = with_init("join from below")
    draft.create(1, 2)
    draft.create(1, 3)
    made = draft.unshare(2, "uts")
    draft.unshare(3, "user")
    draft.join(3, "uts", 2, after=(made,))
    draft.verify(1, 0, 1, 1)
    return draft.plan(1)


def wrong_session() -> Plan:
    """Every step works, and the tree is another than the one that was promised."""
    draft = with_init("wrong session")
    draft.create(1, 2)
    draft.verify(1, 0, 1, 1)
    draft.verify(2, 1, 1, 2)
    return draft.plan(1)


def forgotten_helper() -> Plan:
    """A helper that the plan never ends."""
    draft = with_init("forgotten helper")
    draft.create(1, 2, role="helper")
    draft.verify(1, 0, 1, 1)
    return draft.plan(1)


PLANS: Final[dict[str, Callable[[], Plan]]] = {
    function.__name__: function
    for function in (
        single,
        parent_and_child,
        sparse_numbers,
        fork_before_setsid,
        process_groups,
        crossed_groups,
        nested_namespaces,
        entered_from_outside,
        moved_from_outside,
        moved_back,
        entered_from_inside,
        siblings,
        adopted_by_init,
        adopted_by_subreaper,
        entered_and_adopted,
        zombies,
        zombie_inits,
        exit_signals,
        stopped,
        threads,
        zombie_leader,
        zombie_with_threads,
        subtree,
        shared_tables,
        shared_memory,
        other_namespaces,
        user_namespaces,
        mapped_user_namespaces,
        wide,
        chain,
    )
}
"""Plans that every executor either carries out exactly or refuses before its first step."""

FAILURES: Final[dict[str, tuple[Callable[[], Plan], int, str]]] = {
    function.__name__: (function, step, error)
    for function, step, error in (
        (taken_number, 5, "EEXIST"),
        (setsid_of_a_leader, 5, "EPERM"),
        (group_without_members, 4, "EPERM"),
        (reap_of_the_living, 4, "ETIMEDOUT"),
        (wrong_session, 5, ""),
        (wrong_namespace, 9, ""),
        (join_from_below, 7, "EPERM"),
        (forgotten_helper, 0, ""),
    )
}
"""Plans that must fail: the step that does, 0 for any, and the errno's name, empty where the kernel returned none."""
