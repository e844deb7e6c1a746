"""The kinds of finding of these checks; `outcome` says what follows for the program that a check speaks of."""

from typing import Final

from crplan_checks.kinds_contents import CONTENTS
from crplan_checks.kinds_contents import kind as _kind
from crplan_checks.kinds_restore import CRIU_LIMIT, CRIU_PARENT_DEATH, CRIU_VERSION, ENGINE_NOT_INSTALLED, ENGINE_RUNTIME

_RUN = "`crplan run` rebuilds this tree; CRIU cannot."
FORBIDDEN: Final = "The kernel has it, and it is forbidden here: run as root, outside of a container or sandbox that forbids it."
"""Hint where a feature was tried and EPERM or EACCES came back, which no other kernel would change."""


def hint_of(detail: str) -> str:
    """Return the hint for a feature that was tried in vain, "" for that of its kind."""
    return FORBIDDEN if any(word in detail for word in ("EPERM", "EACCES", "not permitted", "denied")) else ""


# What CRIU does with an image, whatever the host. Sources: CRIU 4.2, pstree.c and cr-restore.c, and restores that were watched.

CRIU_VIRTUOZZO: Final = _kind(
    "criu-virtuozzo",
    "error",
    "refused",
    "The image has fields of Virtuozzo's CRIU, and upstream's cannot read it.",
    "Restore it with Virtuozzo's criu, or with `crplan run`.",
    "Upstream requires pid, pgid and sid of every entry of pstree.img; Virtuozzo writes vectors instead.",
)
CRIU_NAMESPACE_OF_CHILD: Final = _kind(
    "criu-namespace-of-child",
    "error",
    "refused",
    "A task has another namespace than its parent, of a kind that criu restore gives to the root task only.",
    "Dump from a root task that has its own namespace of that kind, as a container has.",
    "`Can't restore sub-task in NS`: mount and network namespaces can differ below a root that has its own; all other kinds are "
    "the root's.",
)
CRIU_NO_SESSION_LEADER: Final = _kind(
    "criu-session-leader-elsewhere",
    "error",
    "refused",
    "A task is in a session whose leader is none of its ancestors, and the root has not adopted it.",
    _RUN,
    "`Can't find a session leader`: CRIU plans foreign sessions for children of the root task alone; others must find the leader "
    "above themselves. An orphan that a subreaper in the middle of the tree adopted does not.",
)
CRIU_TWO_BIRTH_SESSIONS: Final = _kind(
    "criu-two-birth-sessions",
    "error",
    "refused",
    "Descendants of a task need it to have been born in two sessions.",
    _RUN,
    "`Can't figure out which sid the process was born with`: CRIU gives every task at most one session before its setsid.",
)
CRIU_GROUP_LEADER_MOVED: Final = _kind(
    "criu-group-leader-moved",
    "error",
    "hangs",
    "The leader of a group has moved to another group, and a member has stayed.",
    _RUN,
    "`Can't restore pgid ... Operation not permitted`, or a restore that hangs: a member waits for the leader to make the group, "
    "and the leader, being itself a member elsewhere, never does.",
)
CRIU_NAMESPACE_OF_ROOT: Final = _kind(
    "criu-namespace-of-root",
    "error",
    "refused",
    "Pid 1 and a pid namespace of its own go together for the root task, and here they do not.",
    "Compare ids-*.img with the inventory; the files may be of different dumps.",
    "`This process tree can only be restored in a new pid namespace`, `First PID in a PID namespace needs to be 1`.",
)
CRIU_ROOT_DEAD: Final = _kind(
    "criu-root-dead",
    "error",
    "refused",
    "The root task is a zombie.",
    "Take the checkpoint of its parent.",
    "CRIU refuses such a tree when it is dumped.",
)
CRIU_ADOPTED_BY_ROOT: Final = _kind(
    "criu-adopted-by-root",
    "error",
    "wrong",
    "The root task, no init, has a child in a foreign session; a restore gives that child to another parent.",
    _RUN,
    "CRIU creates such a child below a helper in that session; when the helper ends the root is no subreaper yet, so the child "
    "goes to the next reaper outside of the tree. criu restore reports success.",
)
CRIU_EXIT_STATUS: Final = _kind(
    "criu-exit-status",
    "error",
    "wrong",
    "A zombie has an exit code above 127, and a restore gives it another.",
    _RUN,
    "CRIU exits with the low seven bits of the code. criu restore reports success.",
)
CRIU_PID_FOR_CHILDREN: Final = _kind(
    "criu-pid-for-children",
    "error",
    "wrong",
    "A task's next children are to live in another pid namespace than the task; a restore forgets that.",
    "Nothing restores it; a task that relies on it must unshare or enter again.",
    "CRIU does not record unshare(CLONE_NEWPID) and setns without a child; criu restore reports success.",
)
CRIU_SHELL_JOB: Final = _kind(
    "criu-shell-job",
    "warning",
    "",
    "The root task's session is led from outside of the image, by a shell as a rule.",
    "Give --shell-job to criu restore, in a shell that leads a session on a terminal.",
    "With --shell-job CRIU puts its own session and group in the place of those; the recorded pids are lost.",
)
CRIU_TERMINAL: Final = _kind(
    "criu-terminal-session",
    "warning",
    "",
    "A terminal belongs to a session that no task of the image leads.",
    "Give --shell-job to criu restore, from a shell on a terminal: the restored tasks get that one in its place.",
    "tty-info.img names the session and the foreground group of each terminal.",
)
CRIU_EXIT_SIGNAL: Final = _kind(
    "criu-exit-signal",
    "error",
    "wrong",
    "A task has another exit signal than SIGCHLD, and a restore gives it SIGCHLD.",
    "Nothing in a CRIU image records the exit signal; if the task's parent waits with __WCLONE or for another signal, it must "
    "not be restored by CRIU.",
    "CRIU clones every task with SIGCHLD. Tasks that fork(3) made, or that called exec since, have an address that the kernel "
    "clears when they end; one without was cloned in another way, and its exit signal is unknown.",
)
CRIU_SUBREAPER: Final = _kind(
    "criu-subreaper",
    "error",
    "wrong",
    "Whether a task is a subreaper is not recorded, and a restore makes none.",
    "Dump with CRIU 3.13 or later.",
    "The flag child_subreaper is recorded since CRIU 3.13.",
)
CRIU_ZOMBIE_CORE: Final = _kind(
    "criu-zombie-core",
    "error",
    "wrong",
    "A zombie has dumped core, and a restored one may not have.",
    "Compare the exit status after the restore.",
    "CRIU sends the zombie its signal again; whether the kernel notes a core depends on limits and core_pattern of the host.",
)
CRIU_ZOMBIE_HANG: Final = _kind(
    "criu-zombie-hang",
    "error",
    "hangs",
    "A zombie below the root is in a session that is neither the root's nor its own, and a restore may hang on it.",
    _RUN,
    "CRIU creates such a zombie below a helper. A root that is no init never gets it as a child; below an init whose "
    "session leader is a zombie itself it is a race. The restorer then waits for a stage that nothing ends (pie/restorer.c).",
)
CRIU_IMAGE_REFUSED: Final = _kind(
    "criu-image-refused",
    "error",
    "refused",
    "The image is not one that CRIU accepts, whatever its tasks are.",
    "Compare the files with the dump that they came from; they may be of different dumps, or of a CRIU before 2.0.",
    "`Too old image, no longer supported`, `Corrupted root cgset`, `No kIDs provided`, `Image corruption on kIDs data`, "
    "`Core march mismatch`, `Parent missed on non-root task`.",
)
CRIU_SHARING: Final = _kind(
    "criu-sharing-lost",
    "error",
    "wrong",
    "A task shares an object with another, and a restore gives it one of its own.",
    _RUN,
    "CRIU restores descriptor tables that a task shares with its parent, and no other sharing between processes; criu dump "
    "refuses such tasks (`Can't make VM id`, `FS id`, `IO id`, `FILES id`).",
)
CRIU: Final = (
    CRIU_VIRTUOZZO,
    CRIU_NAMESPACE_OF_CHILD,
    CRIU_NO_SESSION_LEADER,
    CRIU_TWO_BIRTH_SESSIONS,
    CRIU_GROUP_LEADER_MOVED,
    CRIU_NAMESPACE_OF_ROOT,
    CRIU_ROOT_DEAD,
    CRIU_ADOPTED_BY_ROOT,
    CRIU_EXIT_STATUS,
    CRIU_PID_FOR_CHILDREN,
    CRIU_SHELL_JOB,
    CRIU_TERMINAL,
    CRIU_EXIT_SIGNAL,
    CRIU_SUBREAPER,
    CRIU_ZOMBIE_CORE,
    CRIU_IMAGE_REFUSED,
    CRIU_ZOMBIE_HANG,
    CRIU_SHARING,
    CRIU_PARENT_DEATH,
    *CONTENTS,
)

# What a host lacks.

CAPABILITY_MISSING: Final = _kind(
    "capability-missing",
    "error",
    "refused",
    "Creating tasks with given pids needs a capability that is missing, and user namespaces do not replace it.",
    "Run as root, or with CAP_SYS_ADMIN and CAP_CHECKPOINT_RESTORE, or allow user namespaces.",
    "clone3 with set_tid needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN in the user namespace that owns the pid namespace; making "
    "a pid namespace needs CAP_SYS_ADMIN or a new user namespace.",
)
FEATURE_MISSING: Final = _kind(
    "feature-missing",
    "error",
    "refused",
    "The kernel cannot do something that this plan needs.",
    "Use a newer kernel, or one that is configured with it; `crplan host` shows what was tried.",
    "Features are tried, not derived from the kernel's version.",
)
LIMIT_TOO_LOW: Final = _kind(
    "limit-too-low",
    "error",
    "refused",
    "A limit of the host allows fewer tasks or levels than the plan needs.",
    "Raise the limit, or end other tasks.",
    "RLIMIT_NPROC, pids.max of the cgroups, kernel.threads-max, user.max_pid_namespaces, free pids of the host's pid "
    "namespace, and the kernel's 32 levels of pid namespaces.",
)
NUMBER_ABOVE_NEW: Final = _kind(
    "number-above-limit-of-new-namespace",
    "error",
    "refused",
    "A task's pid is above the limit that a new pid namespace has on the host.",
    "Raise kernel.pid_max, on kernels before 6.14 for the whole machine.",
    "Since Linux 6.14 pid_max belongs to a pid namespace, and a new one begins with the highest; before, it is the machine's.",
)
EXECUTOR_MISSING: Final = _kind(
    "executor-missing",
    "error",
    "refused",
    "No executor of the host can do this plan.",
    "Install a C compiler for the executor c, build the program of `--emit c` elsewhere, or do without what tasks share: "
    "`crplan run --option sharing=possible`.",
    "Two interpreters cannot live in one memory, so shared memory and signal handlers need the executor c. CRIU restores both.",
)
HOST: Final = (CAPABILITY_MISSING, FEATURE_MISSING, LIMIT_TOO_LOW, NUMBER_ABOVE_NEW, EXECUTOR_MISSING)

NUMBER_TAKEN: Final = _kind(
    "number-taken",
    "error",
    "refused",
    "A pid of the image is taken in the target pid namespace.",
    "Restore into a new pid namespace, by criu-ns or by `crplan run` without --into; or end what has the pid, unless that is the "
    "shell which you restore from.",
    "A pid is taken while a task, a session or a group has it; clone3 fails with EEXIST, `Can't fork for N: File exists`.",
)
NUMBER_ABOVE_LIMIT: Final = _kind(
    "number-above-limit",
    "error",
    "refused",
    "A pid of the image is not below the limit of the target pid namespace.",
    "Raise kernel.pid_max in that namespace.",
    "clone3 fails with EINVAL. CRIU tries to raise kernel.pid_max by itself where it may.",
)
NEW_NAMESPACE_NEEDED: Final = _kind(
    "new-namespace-needed",
    "error",
    "refused",
    "A task entered from outside of the image's pid namespace, and no process can enter one from inside of it.",
    "Rebuild in a new pid namespace, as `crplan run` does without --into.",
    "Such a task has its parent outside; `crplan run --into` works from within the namespace and refuses before its first step.",
)
PID_MAX_RAISED: Final = _kind(
    "pid-max-raised",
    "warning",
    "",
    "A number of the image is above pid_max of the host, and criu raises pid_max for it.",
    "Expect kernel.pid_max to be higher after the restore.",
    "CRIU writes kernel.pid_max by itself as root.",
)
NUMBERS: Final = (PID_MAX_RAISED, NUMBER_TAKEN, NUMBER_ABOVE_LIMIT, NEW_NAMESPACE_NEEDED)

CRIU_NOT_INSTALLED: Final = _kind(
    "criu-not-installed", "warning", "refused", "The host has no criu.", "Install CRIU.", "The program is looked for on PATH."
)
CRIU_MACHINE: Final = _kind(
    "criu-machine",
    "error",
    "refused",
    "The image is of another architecture than the host.",
    "Restore on a machine of the image's architecture.",
    "`Core march mismatch`.",
)
CRIU_CAPABILITY: Final = _kind(
    "criu-capability-missing",
    "error",
    "refused",
    "A restore needs a capability that is missing.",
    "Run criu as root with all capabilities of the tasks.",
    "A restore needs CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE, and every capability that a task is to have.",
)
CRIU_FEATURE: Final = _kind(
    "criu-feature-missing",
    "error",
    "refused",
    "The kernel cannot make a kind of namespace that the image needs.",
    "Use a kernel that is configured with it.",
    "The root task has a namespace of its own of that kind.",
)
CRIU_SECURITY: Final = _kind(
    "criu-security-module",
    "error",
    "refused",
    "A task has a label of a security module that the host does not run.",
    "Restore on a host with that security module.",
    "`can't render profile`, `mismatched lsm types`: the inventory names the module, SELinux or AppArmor; labels of one mean "
    "nothing to the other. An image without labels is restored whatever the host runs.",
)
CRIU_PROFILE: Final = _kind(
    "criu-security-profile",
    "error",
    "refused",
    "A task is confined by a profile of AppArmor that is not loaded on the host.",
    "Load the profile (apparmor_parser), or give --lsm-profile=apparmor:NAME with one that is.",
    "`can't write lsm profile`: CRIU names the profile to the kernel, which must have it.",
)
CRIU_JOINED: Final = _kind(
    "criu-joined-namespace",
    "error",
    "refused",
    "The container shares a namespace with its pod, which must be there.",
    "Restore the pod first.",
    "The runtime's specification gives the path of each namespace that the container joins.",
)
CRIU_PID_MAX: Final = _kind(
    "criu-pid-max",
    "error",
    "refused",
    "A pid of the image is above the host's pid_max, and the restoring user may not raise it.",
    "Restore as root, or raise kernel.pid_max before.",
    "`Can't set kernel pid_max`: CRIU raises the limit of its own pid namespace to the highest pid of the image, even where "
    "the tree gets a namespace of its own.",
)
CRIU_HOST: Final = (
    CRIU_NOT_INSTALLED,
    CRIU_MACHINE,
    CRIU_CAPABILITY,
    CRIU_FEATURE,
    CRIU_SECURITY,
    CRIU_PROFILE,
    CRIU_JOINED,
    CRIU_PID_MAX,
    CRIU_LIMIT,
    CRIU_VERSION,
    ENGINE_NOT_INSTALLED,
    ENGINE_RUNTIME,
)
