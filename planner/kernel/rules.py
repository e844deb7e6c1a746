"""The kernel's rules on processes, as one table: what is refused with which errno, and what follows from what.

A rule is data: a name, one sentence, the errno that breaking it gives ("" for a rule that refuses nothing), and how it was
verified. The model kernel raises these names, the planner names them in the sources of its own rules, and findings and
documentation print the sentences. "compared" means that `tests/linux` plays random histories on the model and on the running
kernel and meets this rule; a function name is the kernel's, of Linux 6.18.
"""

import msgspec

from planner.errors import CrplanError


class KernelRule(msgspec.Struct, frozen=True):
    """A rule of the kernel; `errno` is the name of the error that breaking it gives, or ""."""

    name: str
    sentence: str
    errno: str
    verified: str


_RULES = (
    # clone: who may create what.
    KernelRule(
        "sibling-signal",
        "CLONE_PARENT and CLONE_THREAD take no exit signal: the child gets its creator's.",
        "EINVAL",
        "clone(2); clone3_args_valid; compared",
    ),
    KernelRule(
        "exit-signal-range",
        "An exit signal is 0, for none, or the number of a signal, 64 at most.",
        "EINVAL",
        "clone(2); copy_clone_args_from_user; compared",
    ),
    KernelRule(
        "handlers-with-memory",
        "Signal handlers are shared only together with memory: CLONE_SIGHAND takes CLONE_VM.",
        "EINVAL",
        "clone(2); copy_process; compared",
    ),
    KernelRule(
        "sibling-of-init", "The init of a pid namespace creates no sibling.", "EINVAL", "clone(2); copy_process; compared"
    ),
    KernelRule(
        "own-namespace-nests",
        "A new pid namespace is made only by a task whose children would be born in its own.",
        "EINVAL",
        "copy_pid_ns; compared",
    ),
    KernelRule("level-limit", "Pid namespaces nest 32 levels deep and no deeper.", "ENOSPC", "create_pid_namespace; compared"),
    KernelRule(
        "vector-length",
        "set_tid has a pid for every level of the container that the child is visible at: with more, pids outside the"
        " container would be set, with fewer, the kernel would choose the outer ones.",
        "EINVAL",
        "alloc_pid; compared for longer ones, shorter ones are refused by the model alone",
    ),
    KernelRule(
        "number-range", "A pid is at least 1 and below its namespace's pid_max.", "EINVAL", "clone(2); alloc_pid; compared"
    ),
    KernelRule("init-first", "The first task of a pid namespace has pid 1 there.", "EINVAL", "clone(2); alloc_pid; compared"),
    KernelRule(
        "number-taken",
        "A pid is taken as long as a task, a thread, a group or a session has it, at every level it has.",
        "EEXIST",
        "clone(2); alloc_pid; compared",
    ),
    KernelRule(
        "namespace-closed",
        "Nothing is born in a pid namespace whose init has begun to die.",
        "ENOMEM",
        "pid_namespaces(7); alloc_pid; compared",
    ),
    KernelRule(
        "thread-own-namespace",
        "A task whose children would be born in another pid namespace creates no thread.",
        "EINVAL",
        "clone(2); copy_process; compared",
    ),
    # setsid and setpgid.
    KernelRule("setsid-leader", "A session leader makes no second session.", "EPERM", "setsid(2); ksys_setsid; compared"),
    KernelRule(
        "setsid-group",
        "setsid fails while any process, a zombie included, is in the group of the caller's own pid.",
        "EPERM",
        "setsid(2); ksys_setsid; compared",
    ),
    KernelRule("setpgid-negative", "A group's number is not negative.", "EINVAL", "setpgid(2); compared"),
    KernelRule("setpgid-gone", "The target must be a task that the caller's namespace sees.", "ESRCH", "setpgid(2); compared"),
    KernelRule("setpgid-thread", "The target must lead its thread group.", "EINVAL", "SYSCALL setpgid; compared"),
    KernelRule(
        "setpgid-stranger",
        "The target must be the caller or its child, not a grandchild or sibling.",
        "ESRCH",
        "setpgid(2); compared",
    ),
    KernelRule(
        "setpgid-child-session", "A child in another session is not moved.", "EPERM", "setpgid(2); SYSCALL setpgid; compared"
    ),
    KernelRule("setpgid-child-ran", "A child that has called execve is not moved.", "EACCES", "setpgid(2); compared"),
    KernelRule("setpgid-leader", "A session leader's group is its own for ever.", "EPERM", "setpgid(2); compared"),
    KernelRule(
        "setpgid-group",
        "The group must be the target's own number, or have a member (a zombie counts) in the caller's session; its number is"
        " looked up in the caller's pid namespace.",
        "EPERM",
        "setpgid(2); SYSCALL setpgid; compared",
    ),
    # setns.
    KernelRule(
        "enter-thread",
        "A namespace is entered through a process, not through another thread of one.",
        "ENOENT",
        "pidfd_open(2); compared",
    ),
    KernelRule(
        "enter-gone",
        "A pid namespace is entered through a process whose leading thread lives; a dead or dying init gives no entry.",
        "ESRCH",
        "setns(2), pidfd_open(2); validate_nsset; compared",
    ),
    KernelRule(
        "enter-upwards",
        "Only one's own pid namespace and its descendants can be entered.",
        "EINVAL",
        "setns(2); pidns_install; compared",
    ),
    KernelRule(
        "enter-rights",
        "A pid namespace is entered from the user namespace that owns it or one above, through a task of one's own or below.",
        "EPERM",
        "setns(2); pidns_install, validate_nsset; compared",
    ),
    # unshare, and setns for other kinds than pid.
    KernelRule(
        "namespace-threads",
        "A process with several threads enters no user, mnt or time namespace, and the others only with one thread.",
        "EINVAL",
        "unshare(2), setns(2); check_unshare_flags, userns_install; compared for user namespaces",
    ),
    KernelRule(
        "join-fs",
        "Who shares filesystem information joins no user or mnt namespace.",
        "EINVAL",
        "setns(2); userns_install, mntns_install; compared",
    ),
    KernelRule(
        "namespace-sharing",
        "Who makes a user, mnt or ipc namespace stops sharing what clone let it share: fs, or semaphore undo lists.",
        "",
        "unshare(2); ksys_unshare; compared",
    ),
    KernelRule(
        "time-alone",
        "A time namespace is entered only by a task that shares its memory with no other task.",
        "EUSERS",
        "setns(2); timens_install, current_is_single_threaded; compared",
    ),
    KernelRule("namespace-kind", "A namespace is of one of the kinds that the kernel has.", "EINVAL", "namespaces(7)"),
    KernelRule(
        "join-gone",
        "A namespace is joined through a living process that the caller's pid namespace sees.",
        "ESRCH",
        "setns(2); compared",
    ),
    KernelRule(
        "join-rights",
        "A namespace is joined from the user namespace that owns it or one above, through a task of that one or below.",
        "EPERM",
        "setns(2), user_namespaces(7); validate_nsset; compared",
    ),
    KernelRule(
        "join-own-user", "The user namespace that one is in is not joined again.", "EINVAL", "setns(2); userns_install; compared"
    ),
    KernelRule(
        "user-unmapped",
        "Who makes a user namespace has a user and a group in the one that it is in.",
        "EPERM",
        "user_namespaces(7); create_user_ns; tried",
    ),
    KernelRule("map-gone", "Id maps are written through a task that is there.", "ENOENT", "user_namespaces(7); tried"),
    KernelRule(
        "map-from-above",
        "Id maps are written by a task of the user namespace above; from within, a task could map only itself.",
        "EPERM",
        "user_namespaces(7); proc_uid_map_write, new_idmap_permitted; tried",
    ),
    KernelRule("map-once", "An id map is written once.", "EPERM", "user_namespaces(7); map_write; tried"),
    KernelRule(
        "numbers-need-rights",
        "Numbers are chosen by a task whose user namespace owns the pid namespace at every level, or lies above.",
        "EPERM",
        "clone(2), user_namespaces(7); alloc_pid; compared",
    ),
    # wait, kill.
    KernelRule("reap-stranger", "Only one's own child can be waited for.", "ECHILD", "wait(2); compared"),
    KernelRule(
        "reap-living",
        "A wait for a child that has not ended would block.",
        "EAGAIN",
        "wait(2), WNOHANG; compared",
    ),
    KernelRule("kill-gone", "A signal needs a task that the sender's namespace sees.", "ESRCH", "kill(2); compared"),
    KernelRule("kill-signal", "Signals are numbered 0 to 64.", "EINVAL", "kill(2); compared"),
    KernelRule("stopped-acts", "A stopped process makes no system call before it is continued.", "", "signal(7)"),
    # Rules that refuse nothing.
    KernelRule(
        "orphans-hung-up",
        "A group that is orphaned by an end while a member is stopped gets SIGHUP and SIGCONT.",
        "",
        "exit(2); kill_orphaned_pgrp",
    ),
    KernelRule(
        "init-shield",
        "An init ignores every signal from its own namespace or below, and all but SIGKILL from above.",
        "",
        "pid_namespaces(7); sig_task_ignored; compared",
    ),
    KernelRule(
        "birth",
        "A child is born in its creator's session and group and, but for CLONE_PARENT, is its creator's child.",
        "",
        "fork(2), clone(2); compared",
    ),
    KernelRule(
        "adoption-thread", "While another thread of a process lives, its children stay with it.", "", "find_new_reaper; compared"
    ),
    KernelRule(
        "adoption-subreaper",
        "An orphan goes to the nearest subreaper among the dead task's ancestors in the dead task's pid namespace; the search"
        " ends at the first ancestor of another level.",
        "",
        "prctl(2) PR_SET_CHILD_SUBREAPER; find_new_reaper; compared",
    ),
    KernelRule(
        "adoption-init", "Any other orphan goes to the init of the dead task's pid namespace.", "", "find_new_reaper; compared"
    ),
    KernelRule(
        "subreaper-reach",
        "A new subreaper is one for the descendants that it already has, too.",
        "",
        "prctl(2) PR_SET_CHILD_SUBREAPER; propagate_has_child_subreaper; compared",
    ),
    KernelRule(
        "namespace-death",
        "With its init a pid namespace dies: SIGKILL to all in it and below; those whose parent stands outside stay as zombies.",
        "",
        "pid_namespaces(7); zap_pid_ns_processes; compared",
    ),
    KernelRule(
        "init-waits",
        "An init has not ended before every pid in its namespace but its own is free.",
        "",
        "zap_pid_ns_processes; compared",
    ),
    KernelRule(
        "init-ignores",
        "An init that begins to die ignores SIGCHLD, and so do those who share its signal handlers and their copies: they keep no"
        " zombie.",
        "",
        "zap_pid_ns_processes, do_notify_parent; compared",
    ),
    KernelRule(
        "init-trap",
        "An init in a group whose leader's pid lies in the init's own namespace or below can never finish dying. Neither can"
        " inits in a cycle, each in a group with a pid in the namespace of the next, other than that init's own.",
        "",
        "one init, and two in a cycle, seen on Linux 6.18; zap_pid_ns_processes, free_pid; in no test, for only a reboot ends it",
    ),
    KernelRule(
        "zombie-pins",
        "A zombie keeps its pid, parent, session and group until it is waited for.",
        "",
        "wait(2); release_task; compared",
    ),
    KernelRule(
        "leading-thread",
        "A leading thread that ends alone stays as a zombie until the last thread of its process has ended.",
        "",
        "delay_group_leader; compared",
    ),
    # What only a plan can break.
    KernelRule("actor-gone", "Only a living process with a living leading thread takes a step.", "ESRCH", "wait(2)"),
    KernelRule("plan-order", "A step waits for earlier steps only, and its number is its position.", "", "the plan's format"),
    KernelRule(
        "plan-process", "A step names a process of the plan, with the namespace that it is born in.", "", "the plan's format"
    ),
    KernelRule("plan-verify", "What a plan says it verifies is what the model kernel holds.", "", "the plan's format"),
)

KERNEL_RULES: dict[str, KernelRule] = {rule.name: rule for rule in _RULES}
"""The kernel's rules by name, in the order of the table."""


class KernelError(CrplanError):
    """A system call fails: `errno` is the error's name, `rule` the name of the rule that was broken."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        self.errno = KERNEL_RULES[rule].errno
        super().__init__(f"{self.errno}: {KERNEL_RULES[rule].sentence}")
