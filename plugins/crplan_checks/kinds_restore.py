"""Kinds of finding about the restore itself: which CRIU does it, how many tasks it may make, and who stays as the parent."""

from typing import Final

from crplan_checks.kinds_contents import kind

CRIU_PARENT_DEATH: Final = kind(
    "criu-parent-death-signal",
    "error",
    "wrong",
    "The root task asks for a signal when its parent ends, and after the restore that parent is criu.",
    "Let criu stay as the parent: leave --restore-detached out.",
    "criu restore --restore-detached reports success and ends; the kernel then sends the signal that PR_SET_PDEATHSIG asked for "
    "(CRIU 4.2: a root task under `unshare --kill-child` was gone a moment after its restore).",
)
CRIU_LIMIT: Final = kind(
    "criu-limit-too-low",
    "error",
    "refused",
    "A limit of the host allows fewer tasks than the restore makes.",
    "Raise the limit, end other tasks, or run criu in a cgroup that allows more.",
    "`Can't fork for N: Resource temporarily unavailable`: pids.max of the cgroups that criu is in, kernel.threads-max, and "
    "RLIMIT_NPROC where criu is not root. Tasks that go into cgroups of their own do not count against criu's.",
)
CRIU_VERSION: Final = kind(
    "criu-version",
    "note",
    "",
    "The host has another CRIU than the one that the rules were held against.",
    "Take the verdict for that of CRIU 4.2; what is in doubt for the host's CRIU is unknown.",
    "Every rule names the first CRIU that has it. What CRIU 4.2 does wrong may be mended in a later one.",
)
ENGINE_RUNTIME: Final = kind(
    "engine-runtime-missing",
    "warning",
    "refused",
    "The host does not have the runtime that the container was made with.",
    "Install that runtime, or restore on a host that has it.",
    "podman restores with the runtime that config.dump names (`requested OCI runtime ... is not available`).",
)
ENGINE_NOT_INSTALLED: Final = kind(
    "engine-not-installed",
    "warning",
    "refused",
    "The host does not have the container engine.",
    "Install the engine, or restore on a host that has it.",
    "The program is looked for on PATH: podman.",
)
