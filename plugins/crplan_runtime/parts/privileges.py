"""What the executor may do here: root, a user namespace of its own, or nothing, and then why."""

from __future__ import annotations

import ctypes
import os
import struct

from crplan_runtime.parts.kernel import CLONE_NEWNS, CLONE_NEWUSER, checked, libc
from crplan_runtime.parts.proc import mount

CAP_SYS_ADMIN = 21


def mount_proc() -> int:
    """Mount a proc instance nowhere; where the mount namespace is another's, in one of our own. Raises OSError."""
    try:
        return mount(b"proc")
    except PermissionError:
        checked(libc.unshare(CLONE_NEWNS))
        return mount(b"proc")


def may_administrate() -> bool:
    """Tell whether CAP_SYS_ADMIN is there, in whatever user namespace this is."""
    header = struct.pack("Ii", 0x20080522, 0)
    data = ctypes.create_string_buffer(24)
    checked(libc.capget(header, data))
    return bool(struct.unpack("6I", data.raw)[0] >> CAP_SYS_ADMIN & 1)


def enter_user_namespace() -> None:
    """Become root of a user namespace of one's own; raises OSError.

    Where /proc shows another pid namespace the ids stay unmapped, which is enough for all but the looks.
    """
    uid, gid = os.getuid(), os.getgid()
    checked(libc.unshare(CLONE_NEWUSER | CLONE_NEWNS))
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        try:
            with open("/proc/self/" + name, "w") as file:
                file.write(text)
        except OSError:
            pass


def what_forbids() -> str:
    """Return the settings of this machine that forbid a user namespace, as far as they can be read."""
    reasons = []
    for name, forbidding in (
        ("user/max_user_namespaces", "0"),
        ("kernel/unprivileged_userns_clone", "0"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1"),
    ):
        try:
            with open("/proc/sys/" + name) as file:
                if file.read().strip() == forbidding:
                    reasons.append(name.replace("/", ".") + " is " + forbidding)
        except OSError:
            pass
    return " and ".join(reasons) or "a container's seccomp filter or security module may forbid it"
