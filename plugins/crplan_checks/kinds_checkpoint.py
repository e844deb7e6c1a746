"""Kinds of finding about a running tree that `crplan checkpoint` is to dump in parts, one for each pid namespace."""

from typing import Final

from crplan_checks.kinds_contents import kind

CROSSING: Final = kind(
    "checkpoint-crossing",
    "error",
    "refused",
    "Tasks of two pid namespaces hold one pipe, open file, piece of memory or socket, and each part would get its own.",
    "Start the inner container with streams and files of its own (setsid COMMAND <FILE >FILE 2>&1), or dump from inside.",
    "criu dumps and restores each part with exit code 0, and the object is split silently.",
)
ENTERED: Final = kind(
    "checkpoint-entered",
    "error",
    "refused",
    "A task is in a pid namespace whose init is not its ancestor there: it was entered (nsenter, exec).",
    "End the task before the checkpoint; criu dump finds tasks through their parents only.",
    "criu/seize.c follows /proc/PID/task/TID/children from the init.",
)
OUTSIDE: Final = kind(
    "checkpoint-leader-outside",
    "error",
    "refused",
    "The leader of a task's session or group is outside of the task's pid namespace.",
    "Start the inner container's command by setsid (`unshare -pf --mount-proc setsid COMMAND`).",
    "`A session leader is outside of its pid namespace`.",
)
NO_INIT: Final = kind(
    "checkpoint-without-init",
    "error",
    "refused",
    "A nested pid namespace has no living init that belongs to the tree.",
    "Let its parent collect the dead init, or dump the tree from a task above it.",
    "`A root task is dead`.",
)
USER: Final = kind(
    "checkpoint-user-namespace",
    "error",
    "refused",
    "A nested pid namespace is owned by a user namespace of the tree, which cannot be restored in parts.",
    "Make the nested container without a user namespace of its own.",
    "Nothing but the init of the whole may have a user namespace of its own.",
)
MOUNTS: Final = kind(
    "checkpoint-shared-mounts",
    "error",
    "refused",
    "Two parts share a mount namespace that is not the host's, and each part would get its own.",
    "Give the nested container a mount namespace of its own (`unshare -m`, which --mount-proc implies).",
    "A mount namespace is dumped and made with the part that holds it.",
)
MOUNTS_SPLIT: Final = kind(
    "checkpoint-mounts-split",
    "warning",
    "",
    "The init of a nested pid namespace shares its mount namespace with its parent alone, and each gets its own.",
    "Nothing has to be done where the parent only waits, as `unshare --fork` does: what it mounts later is not seen inside.",
    "The mounts are dumped and made with both parts.",
)
SHARED_NAMESPACE: Final = kind(
    "checkpoint-shared-namespace",
    "warning",
    "",
    "Two parts share a net, uts or ipc namespace that is not the host's: the inner part is dumped from inside of it.",
    "Give the nested container such a namespace of its own where it is to be restored by `crplan restore`.",
    "The dump runs under nsenter; `crplan restore` does not bring such a part back yet.",
)
THREADS: Final = kind(
    "checkpoint-thread-numbers",
    "warning",
    "",
    "Threads of a nested task may get other numbers in the outer pid namespaces when criu alone restores them.",
    "Nothing has to be done where `crplan restore` restores the checkpoint: it gives the threads their numbers at every level.",
    "CRIU gives a thread its innermost number only; the outer ones are the next free ones.",
)
PENDING: Final = kind(
    "checkpoint-pending-namespace",
    "warning",
    "",
    "A task has a pid namespace for its next children that has no init yet, and a restore loses it.",
    "Wait until the task has created the init, or have it come back to its own pid namespace.",
    "`/proc/PID/ns/pid_for_children` is not part of an image.",
)
ZOMBIE: Final = kind(
    "checkpoint-zombie-number",
    "error",
    "refused",
    "A task has a dead child younger than a nested init that is its child, too, and criu gives it the number of the init.",
    "Let the parent collect the dead child before the checkpoint.",
    "criu/cr-dump.c (fill_zombies_pids) reads the children in a /proc of its own, in which no init can be hidden.",
)
CHECKPOINT: Final = (CROSSING, ENTERED, OUTSIDE, NO_INIT, ZOMBIE, USER, MOUNTS, MOUNTS_SPLIT, SHARED_NAMESPACE, THREADS, PENDING)
