"""Record this machine's facts, as this process sees them; what cannot be found out stays unknown."""

import contextlib
import os
import sys
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from planner.host import cgroups
from planner.host.facts import CAPABILITIES, Feature, Host, Limits
from planner.host.pid_limits import with_own_limit
from planner.host.pids_in_use import occupied
from planner.host.probes import LEVELS, TRIALS, attempt, levels

TOOLS: Final = (
    "criu", "podman", "docker", "runc", "crun", "crictl", "checkpointctl", "sh", "dash", "bash", "perl", "python3", "cc",
    "nsenter", "ip", "iptables-restore", "ip6tables-restore", "nft", "tar",
)  # fmt: skip
"""Programs that executors or a restore may need."""

RESOURCES: Final = (
    "cpu", "fsize", "data", "stack", "core", "rss", "nproc", "nofile", "memlock", "as", "locks", "sigpending", "msgqueue", "nice",
    "rtprio", "rttime",
)  # fmt: skip
"""Resources by their number (getrlimit(2))."""

Found = TypeVar("Found")


def record(say: Callable[[str], None] = lambda words: None, *, depth: int | None = None) -> Host:
    """Return the facts of this machine; `say` is told what is being tried.

    `depth` is how many levels of pid namespaces are tried, None for all that the kernel has, which costs more than all the rest.

    Nothing is done in pid namespaces other than the caller's own and new ones, so their limits stay unknown here:
    `planner.host.pid_limits` asks for that of one of them.
    """
    if not sys.platform.startswith("linux"):
        return Host(kernel=None, machine=None)
    features: dict[str, Feature] = {}
    for name, trial in TRIALS.items():
        say(f"trying {name}")
        features[name] = attempt(levels(depth) if name == LEVELS and depth is not None else trial)
    say("counting numbers")
    namespaces = with_own_limit(occupied(), _file_number("/proc/sys/kernel/pid_max"))
    system = os.uname()
    below, new_max = _number(features.pop(LEVELS)), _number(features.pop("new_namespace_pid_max"))
    return Host(
        kernel=system.release,
        machine=system.machine,
        root=os.geteuid() == 0,
        capabilities=_capabilities("CapEff"),
        bounding=_capabilities("CapBnd"),
        features=features,
        limits=_limits(below),
        new_namespace_pid_max=new_max,
        namespaces=namespaces,
        cgroup=_cgroup_version(),
        cgroup_controllers=cgroups.controllers(),
        security_modules=_security_modules(),
        tools=_tools(say),
        processors=(_text("/sys/devices/system/cpu/online") or "").strip() or None,
        processor=_processor(),
    )


def with_depth(host: Host, depth: int) -> Host:
    """Return the facts of this machine for a plan with so many levels, which are tried where fewer were."""
    tried = host.limits.levels_below
    if tried is None or tried >= depth:
        return host
    return msgspec.structs.replace(
        host, limits=msgspec.structs.replace(host.limits, levels_below=_number(attempt(levels(depth))))
    )


def _number(found: Feature) -> int | None:
    return int(found.detail) if found.state == "yes" and found.detail.isdigit() else None


def _text(file: str) -> str | None:
    try:
        with open(file, encoding="utf-8", errors="replace") as stream:
            return stream.read(1 << 20)
    except OSError:
        return None


def _file_number(file: str) -> int | None:
    text = (_text(file) or "").strip()
    return int(text) if text.isdigit() else -1 if text == "max" else None


def _status(name: str) -> str | None:
    for line in (_text("/proc/self/status") or "").splitlines():
        if line.startswith(f"{name}:"):
            return line.partition(":")[2].strip()
    return None


def _capabilities(field: str) -> tuple[str, ...] | None:
    word = _status(field)
    if word is None:
        return None
    value = int(word, 16)
    return tuple(name for number, name in enumerate(CAPABILITIES) if value >> number & 1)


def _limits(below: int | None) -> Limits:
    import resource

    soft = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    cgroup, in_use = _cgroup_tasks()
    return Limits(
        resources={name: _resource(number) for number, name in enumerate(RESOURCES)},
        processes=-1 if soft == resource.RLIM_INFINITY else soft,
        processes_in_use=_tasks_of(os.getuid()),
        threads_max=_file_number("/proc/sys/kernel/threads-max"),
        tasks_in_use=_tasks_in_use(),
        cgroup_tasks=cgroup,
        cgroup_tasks_in_use=in_use,
        pid_namespaces=_file_number("/proc/sys/user/max_pid_namespaces"),
        levels_below=below,
    )


def _tasks_in_use() -> int | None:
    """Return how many tasks the whole machine has (proc(5), loadavg, the fourth field: runnable/all)."""
    fields = (_text("/proc/loadavg") or "").split()
    count = fields[3].partition("/")[2] if len(fields) > 3 else ""
    return int(count) if count.isdigit() else None


def _tasks_of(user: int) -> int | None:
    """Return how many threads a real user id has, as far as /proc shows its processes."""
    count = 0
    try:
        names = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return None
    for name in names:
        with contextlib.suppress(OSError):
            if os.stat(f"/proc/{name}").st_uid == user:
                count += len(os.listdir(f"/proc/{name}/task"))
    return count


def _cgroup_tasks() -> tuple[int | None, int | None]:
    """Return the lowest limit of tasks of this cgroup and those above, -1 for none, and how many tasks count against it."""
    lowest: tuple[int, int | None] | None = None
    for line in (_text("/proc/self/cgroup") or "").splitlines():
        controllers, _, path = line.partition(":")[2].partition(":")
        bases: tuple[str, ...]
        if controllers == "":
            bases = ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
        elif "pids" in controllers.split(","):
            bases = ("/sys/fs/cgroup/pids",)
        else:
            continue
        parts = [part for part in path.split("/") if part]
        for depth in range(len(parts), -1, -1):
            for base in bases:
                directory = "/".join((base, *parts[:depth]))
                limit = _file_number(f"{directory}/pids.max")
                if limit is None:
                    continue
                if lowest is None or (limit >= 0 and (lowest[0] < 0 or limit < lowest[0])):
                    lowest = (limit, _file_number(f"{directory}/pids.current"))
    return lowest or (None, None)


def _cgroup_version() -> str | None:
    lines = (_text("/proc/self/cgroup") or "").splitlines()
    if not lines:
        return None
    unified = any(line.startswith("0::") for line in lines)
    return ("v2" if len(lines) == 1 else "hybrid") if unified else "v1"


def _security_modules() -> tuple[str, ...] | None:
    """Return the modules; where the kernel's list is not mounted, those by which criu tells that there is one."""
    text = _text("/sys/kernel/security/lsm")
    if text is None:
        return tuple(name for name, place in SEEN_AT.items() if os.path.exists(place))
    return tuple(filter(None, text.strip().split(",")))


SEEN_AT: Final = {"apparmor": "/sys/kernel/security/apparmor", "selinux": "/sys/fs/selinux/enforce"}


def _resource(number: int) -> tuple[int, int]:
    import resource

    soft, hard = resource.getrlimit(number)
    return soft, hard


def _processor() -> tuple[str, ...] | None:
    """Return the features that all processors have, sorted; None where /proc/cpuinfo does not list them as x86 does."""
    lines = (_text("/proc/cpuinfo") or "").splitlines()
    listed = [set(line.partition(":")[2].split()) for line in lines if line.startswith(("flags", "Features"))]
    return tuple(sorted(set.intersection(*listed))) if listed else None


def _tools(say: Callable[[str], None]) -> dict[str, str | None]:
    """Return which programs are on PATH: "yes", "no", and for criu its version where it tells."""
    from shutil import which

    found: dict[str, str | None] = {name: "yes" if which(name) else "no" for name in TOOLS}
    criu = which("criu")
    if criu:
        say("asking criu for its version")
        found["criu"] = _criu_version(criu)
    return found


def _criu_version(program: str) -> str:
    import subprocess

    try:
        run = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "yes"
    for line in run.stdout.splitlines():
        word, _, version = line.partition(":")
        if word.strip() == "Version" and version.strip():
            return version.strip()[:40]
    return "yes"
