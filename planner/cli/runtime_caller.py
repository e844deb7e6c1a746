"""The options that a container runtime gives criu over RPC, from its command line and the container's bundle.

The external mounts are those that runc tells criu of: bind mounts and control groups of the bundle by the place where they
stand, and what masks files. What the runtime's own configuration file for criu says comes first. Source: runc 1.1,
`libcontainer/container_linux.go` (`Restore`, `addCriuRestoreMount`, `addMaskPaths`); crun 1.8, `src/libcrun/criu.c`.
"""

import os
import shlex
from typing import Any, Final

import msgspec

from planner.checks.criu_options import parse
from planner.cli import criu_files

RUNTIMES: Final = ("runc", "crun")
ALWAYS: Final = ("--orphan-pts-master", "--manage-cgroups")
"""What both runtimes ask of every restore; the first has no word on criu's command line."""
SWITCHES: Final = ("tcp-established", "ext-unix-sk", "shell-job", "file-locks", "lazy-pages", "auto-dedup")
"""Options of `runc restore` and `crun restore` that criu is given by the same name."""
CONFIGURATION: Final = "org.criu.config"
"""Annotation of a bundle that names another configuration file for criu."""
CONTROL_GROUPS: Final = "/sys/fs/cgroup"


def runtime_options(process: int) -> tuple[str, ...] | None:
    """Return the options that the runtime which drives criu gives it, None where the process is no restore by runc or crun.

    `process` is that of the runtime, the parent of `criu swrk`. Raises `UsageError` where its configuration file for criu names
    an option that criu does not have.
    """
    words = criu_files.words_of(process)
    if os.path.basename(words[0]) not in RUNTIMES or "restore" not in words:
        return None
    bundle = os.path.realpath(_bundle(words, f"/proc/{process}/cwd"))
    try:
        spec = msgspec.json.decode(criu_files.read(os.path.join(bundle, "config.json")))
        root = os.path.join(bundle, spec["root"]["path"])
        mounts = _external(spec)
        named = spec.get("annotations", {}).get(CONFIGURATION) or f"/etc/criu/{os.path.basename(words[0])}.conf"
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        return None  # no bundle of a container
    configured = criu_files.configuration(criu_files.read(named).decode("utf-8", "backslashreplace"))
    given = [f"--{name}" for name in SWITCHES if f"--{name}" in words or f"--{name}=true" in words]
    external = [f"--external=mnt[{place}]:{source}" for place, source in mounts]
    return ALWAYS[:1] + parse(shlex.join([*configured, *ALWAYS[1:], *given, f"--root={root}", *external]))


def _bundle(words: list[str], working: str) -> str:
    """Return the directory of the bundle: the one that the command line names, else that in which the runtime runs."""
    for place, word in enumerate(words):
        if word in ("--bundle", "-b"):
            return os.path.join(working, *words[place + 1 : place + 2])
        if word.startswith("--bundle="):
            return os.path.join(working, word.partition("=")[2])
    return working


def _external(spec: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the external mounts of a bundle: where each stands, and its source on the machine."""
    found: dict[str, str] = {}
    for mount in spec.get("mounts", ()):
        place, source = mount["destination"], mount.get("source", "")
        if mount.get("type") in ("cgroup", "cgroup2"):
            found[place] = CONTROL_GROUPS
            found |= {f"{place}/{name}": f"{CONTROL_GROUPS}/{name}" for name in _names(CONTROL_GROUPS)}
        elif mount.get("type") == "bind" or {"bind", "rbind"} & set(mount.get("options", ())):
            found[place] = source
    for masked in ("/dev/null", *spec.get("linux", {}).get("maskedPaths", ())):
        found.setdefault(masked, "/dev/null")
    return sorted(found.items())


def _names(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []
