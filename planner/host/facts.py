"""A machine's facts, as `crplan host` records them and checks compare a plan with them.

A fact that could not be found out is absent: None, a missing key, or a feature whose state is "unknown". Nothing in it names the
machine or the time. Numbers are those that the recording process saw: its own pid namespace is the namespace 0 of the file.
"""

from typing import Literal

import msgspec

from planner.errors import UsageError
from planner.plans.abilities import Ability
from planner.ranges import parse_ranges
from planner.text import clause, json_line

KIND = "crplan-host"
FORMAT_VERSION = 2
"""Version of host files; those of version 1 lack facts that are unknown then, and are read."""

CAPABILITIES = (
    "chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap", "linux_immutable",
    "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner", "sys_module", "sys_rawio", "sys_chroot",
    "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice", "sys_resource", "sys_time", "sys_tty_config", "mknod",
    "lease", "audit_write", "audit_control", "setfcap", "mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend",
    "audit_read", "perfmon", "bpf", "checkpoint_restore",
)  # fmt: skip
"""Names of the capabilities by their number (capabilities(7), without CAP_ and in small letters)."""


class Feature(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of trying something: it works, it does not and why, or it could not be tried."""

    state: Literal["yes", "no", "unknown"]
    detail: str = ""


class PidNamespace(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A pid namespace that the recording process sees; 0 is its own.

    `level` counts from there. `taken` are the numbers that tasks, sessions and groups have in it, `members` the numbers that its
    tasks have in namespace 0, both as ranges: `1-40,52`. `pid_max` is the first number that it never gives.
    """

    id: int
    parent: int = -1
    level: int = 0
    taken: str = ""
    members: str = ""
    pid_max: int | None = None


class Limits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How many tasks the recording process may have; -1 is unlimited, None unknown.

    `processes` is RLIMIT_NPROC (soft), `processes_in_use` what counts against it, `cgroup_tasks` the lowest `pids.max` of its
    cgroup and those above, with the tasks that count against that one.
    """

    processes: int | None = None
    processes_in_use: int | None = None
    threads_max: int | None = None
    tasks_in_use: int | None = None
    cgroup_tasks: int | None = None
    cgroup_tasks_in_use: int | None = None
    pid_namespaces: int | None = None
    levels_below: int | None = None
    """Pid namespaces that can be created, each in the one before."""
    resources: dict[str, tuple[int, int]] = {}
    """Resource limits of the recording process, soft and hard, by the names that images have for them."""


PathKind = Literal["missing", "file", "directory", "device", "fifo", "socket"]


class PathFact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What stands at a path, links followed; `size` of regular files alone, `mode` is st_mode with the type.

    `read_only` and `no_code` are options of the mount that a regular file is on: nothing is written there, no code is mapped.
    """

    kind: PathKind
    size: int | None = None
    mode: int | None = None
    read_only: bool = False
    no_code: bool = False


class Answers(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the machine says to the questions of images; a question that is missing was not asked or has no answer.

    `addresses` are by their names in `planner.host.questions`, "free" or the errno's name with which they cannot be bound.
    """

    paths: dict[str, PathFact] = {}
    addresses: dict[str, str] = {}
    interfaces: dict[str, bool] = {}
    cgroups: dict[str, bool] = {}
    """Whether a directory of a controller is there, by "controller /path"."""
    profiles: dict[str, bool] = {}
    """Whether a profile of AppArmor is loaded."""
    container_images: dict[str, bool] = {}
    """Whether the stores of container engines have an image, by the digest of its configuration."""


class ExecutorFact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An executor of the machine, what it can do beyond processes, sessions and groups, and what it lacks, "" for nothing."""

    name: str
    abilities: tuple[Ability, ...] = ()
    missing: str = ""


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of a machine as one process sees it.

    `capabilities` are those of its effective set, by name without CAP_ and in small letters. `new_namespace_pid_max` is the limit
    that a new pid namespace begins with. `tools` says of each program whether it is on PATH, with its version where it was asked.
    """

    kind: str = KIND
    format_version: int = FORMAT_VERSION
    kernel: str | None = None
    machine: str | None = None
    root: bool | None = None
    capabilities: tuple[str, ...] | None = None
    bounding: tuple[str, ...] | None = None
    """Capabilities that the recording process could still be given, by name."""
    features: dict[str, Feature] = {}
    limits: Limits = Limits()
    new_namespace_pid_max: int | None = None
    namespaces: tuple[PidNamespace, ...] = ()
    target: int = -1
    """The namespace of the file that level 0 of an image is to become, by `--into`; -1 for a new one."""
    cgroup: str | None = None
    cgroup_controllers: tuple[str, ...] | None = None
    """Controllers that a hierarchy of version 1 can be mounted with, and "unified" where there is one of version 2."""
    security_modules: tuple[str, ...] | None = None
    tools: dict[str, str | None] = {}
    processors: str | None = None
    """Processors that are online, as ranges: `0-3`."""
    processor: tuple[str, ...] | None = None
    """Features of the processors that all of them have, as /proc/cpuinfo calls them."""
    executors: tuple[ExecutorFact, ...] = ()
    """Executors of `crplan run`, first the one that is taken where it serves; none where that was not recorded."""
    answers: Answers = Answers()
    """What images asked of this machine (`crplan host IMAGE...`, `crplan check IMAGE --here`)."""

    def feature(self, name: str) -> Feature:
        """Return what came of trying a feature; one that the file lacks is unknown."""
        return self.features.get(name, Feature(state="unknown", detail="not tried"))

    def namespace(self, identifier: int) -> PidNamespace | None:
        """Return a pid namespace of the file, None where it has none of that id."""
        return next((found for found in self.namespaces if found.id == identifier), None)

    def can(self, capability: str) -> bool | None:
        """Say whether the recording process had a capability, None where that is unknown."""
        return None if self.capabilities is None else capability in self.capabilities


def namespace_of(pid: int, host: Host) -> int:
    """Return the id of the pid namespace that a process of the host is in; raises `UsageError` where the facts do not say."""
    for namespace in host.namespaces:
        if pid in parse_ranges(namespace.members):
            return namespace.id
    raise UsageError(f"the host's facts have no process {pid}, or do not say in which pid namespace it is")


def decode(data: bytes) -> Host:
    """Read a host file; raises `UsageError` for what is none."""
    try:
        host = msgspec.json.decode(data, type=Host)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise UsageError(f"the host file is not as `crplan host` writes it: {clause(str(error))}") from None
    if host.kind != KIND:
        raise UsageError(f"the host file is of the kind {host.kind!r}, expected {KIND!r}")
    if not 1 <= host.format_version <= FORMAT_VERSION:
        raise UsageError(f"the host file has format version {host.format_version}, this crplan reads 1 to {FORMAT_VERSION}")
    for namespace in host.namespaces:
        parse_ranges(namespace.taken)
        parse_ranges(namespace.members)
    return msgspec.structs.replace(host, format_version=FORMAT_VERSION)


def encode(host: Host) -> bytes:
    """Return a host file."""
    return json_line(msgspec.json.format(msgspec.json.encode(host, order="sorted"), indent=2)) + b"\n"
