"""The kernel's names as strace writes them: flags, signals, and what may stand in a comment.

Signal numbers are those of x86, arm and most others (signal(7)); an image holds numbers, so the names never decide anything.
"""

from typing import Final

CLONE_FLAGS: Final[tuple[tuple[str, int], ...]] = (
    ("CLONE_NEWTIME", 0x80),
    ("CLONE_VM", 0x100),
    ("CLONE_FS", 0x200),
    ("CLONE_FILES", 0x400),
    ("CLONE_SIGHAND", 0x800),
    ("CLONE_PARENT", 0x8000),
    ("CLONE_THREAD", 0x10000),
    ("CLONE_NEWNS", 0x20000),
    ("CLONE_SYSVSEM", 0x40000),
    ("CLONE_NEWCGROUP", 0x2000000),
    ("CLONE_NEWUTS", 0x4000000),
    ("CLONE_NEWIPC", 0x8000000),
    ("CLONE_NEWUSER", 0x10000000),
    ("CLONE_NEWPID", 0x20000000),
    ("CLONE_NEWNET", 0x40000000),
)
"""Flags that a plan can ask for, in strace's order."""

NAMESPACES: Final[dict[str, str]] = {
    "time": "CLONE_NEWTIME",
    "mnt": "CLONE_NEWNS",
    "cgroup": "CLONE_NEWCGROUP",
    "uts": "CLONE_NEWUTS",
    "ipc": "CLONE_NEWIPC",
    "user": "CLONE_NEWUSER",
    "net": "CLONE_NEWNET",
}
"""The flags of the kinds of namespace that unshare and setns take."""

SHARED: Final[dict[str, tuple[str, ...]]] = {
    "memory": ("CLONE_VM",),
    "fs": ("CLONE_FS",),
    "files": ("CLONE_FILES",),
    "signal_handlers": ("CLONE_SIGHAND", "CLONE_VM"),
    "sysv_undo": ("CLONE_SYSVSEM",),
}
"""What `Create.share` means in flags; clone(2): CLONE_SIGHAND needs CLONE_VM."""

THREAD_FLAGS: Final = ("CLONE_VM", "CLONE_FS", "CLONE_FILES", "CLONE_SIGHAND", "CLONE_THREAD", "CLONE_SYSVSEM")

_SIGNALS: Final = (
    "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ "
    "VTALRM PROF WINCH IO PWR SYS"
)
"""Names of the signals from 1 on, without the SIG."""


def flags_text(names: frozenset[str]) -> str:
    """Return the flags joined by `|`, "0" for none."""
    return "|".join(name for name, _ in CLONE_FLAGS if name in names) or "0"


def signal_text(number: int) -> str:
    """Return a signal's name: SIGTERM, SIGRT_2, or the number where there is no name."""
    names = _SIGNALS.split()
    if 1 <= number <= len(names):
        return f"SIG{names[number - 1]}"
    return f"SIGRT_{number - 32}" if 32 <= number <= 64 else str(number)


def plain_text(text: str, limit: int = 64) -> str:
    """Make any text harmless in a comment, in a C string and on a terminal; marks that may not stand there become dots.

    No `*/`, no quote or backslash, no `?` (trigraphs splice lines), no control character, and `limit` characters at most.
    """
    kept = "".join(mark if mark.isascii() and (mark.isalnum() or mark in " ._-+=:,;()[]<>@#'") else "." for mark in text)
    return kept if len(kept) <= limit else kept[: limit - 3] + "..."
