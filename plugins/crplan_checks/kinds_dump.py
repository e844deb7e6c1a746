"""Kinds of finding about a running tree that `criu dump` is to take."""

from typing import Final

from crplan_checks.kinds_contents import kind

DUMP_NESTED: Final = kind(
    "criu-dump-nested-namespace",
    "error",
    "refused",
    "A task below the root has a namespace of its own of a kind that criu dump takes of the root task only.",
    "Run the service without namespaces of its own (systemd: ProtectHostname=, PrivateIPC=), or use `crplan capture`.",
    "`Can't dump nested uts namespace`, and the same for pid, ipc, user, cgroup and time.",
)
DUMP_NO_INIT: Final = kind(
    "criu-dump-without-init",
    "error",
    "refused",
    "The root task is in a pid namespace of its own and is not the init of it.",
    "Dump the init of the namespace, with all that is in it.",
    "`Can't dump a pid namespace without the process init`.",
)
DUMP_SHARED: Final = kind(
    "criu-dump-shared",
    "error",
    "refused",
    "Two processes share memory, file system state or signal handlers, which criu dump does not take.",
    "Nothing makes criu dump such a tree; end the task that was cloned so, or take `crplan capture`.",
    "`Can't make VM id`, `Can't make FS id`, `Can't make IO id`, `Can't make FILES id`.",
)
DUMP_SESSION: Final = kind(
    "criu-dump-session-outside",
    "error",
    "refused",
    "The leader of a task's session is outside of the task's pid namespace.",
    "Start the container's command by setsid, or dump from a task above.",
    "`A session leader is outside of its pid namespace`.",
)
DUMP_SHELL_JOB: Final = kind(
    "criu-dump-shell-job",
    "error",
    "refused",
    "The root task does not lead its session, and criu dump refuses it without --shell-job.",
    "Give --shell-job to criu dump, and to criu restore later.",
    "`The root process is not a session leader. Consider using --shell-job option`.",
)
DUMP_ZOMBIE: Final = kind(
    "criu-dump-zombie",
    "error",
    "refused",
    "A task is dead in a way that criu dump does not take: the root itself, or a leading thread before the others.",
    "Wait until the parent has collected it, or end the process.",
    "`A root task is dead`, `Zombies with threads are not supported`.",
)
DUMP: Final = (DUMP_NESTED, DUMP_NO_INIT, DUMP_SHARED, DUMP_SESSION, DUMP_SHELL_JOB, DUMP_ZOMBIE)
