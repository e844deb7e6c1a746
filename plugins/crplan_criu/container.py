"""What an engine's own files in a checkpoint archive say about the container: `config.dump`, `spec.dump`, OCI annotations.

podman writes its whole container configuration, CRI-O and containerd a short form with the same names; the specification is that
of the OCI runtime. Source: checkpointctl `lib/metadata.go`, podman `libpod/container_config.go`, OCI runtime-spec `config.md`.
"""

import re
from typing import Final

import msgspec

from planner.contents.secrets import masked

FILES: Final = ("config.dump", "spec.dump", "deleted.files", "network.status", "stats-dump")

KIND_OF_TYPE: Final = {"network": "net", "mount": "mnt"}
"""Names of namespaces in a runtime specification that differ from those in /proc."""

ENGINES: Final = {"libpod": "podman", "cri-o": "CRI-O", "containerd": "containerd"}

FROM_CONFIG: Final = (
    ("container", ("name",)),
    ("container_id", ("id",)),
    ("pod_id", ("pod",)),
    ("image", ("rootfsImageName", "rootfsImage")),
    ("runtime", ("runtime",)),
    ("container_created", ("createdTime",)),
    ("checkpointed", ("checkpointedTime",)),
)
FROM_ANNOTATIONS: Final = (
    ("container", ("io.kubernetes.container.name", "io.kubernetes.cri.container-name")),
    ("container", ("org.criu.checkpoint.container.name", "io.kubernetes.cri-o.annotations.checkpoint.name")),
    ("container", ("io.podman.annotations.checkpoint.name",)),
    ("pod", ("io.kubernetes.pod.name", "io.kubernetes.cri.sandbox-name", "org.criu.checkpoint.pod.name")),
    ("pod_id", ("io.kubernetes.cri.sandbox-id", "io.kubernetes.cri-o.SandboxID", "org.criu.checkpoint.pod.id")),
    ("pod_namespace", ("io.kubernetes.pod.namespace", "io.kubernetes.cri.sandbox-namespace")),
    ("image", ("io.kubernetes.cri.image-name", "org.criu.checkpoint.rootfsImageName")),
    ("image", ("io.podman.annotations.checkpoint.rootfsImageName",)),
    ("runtime", ("org.criu.checkpoint.runtime.name", "io.podman.annotations.checkpoint.runtime.name")),
    ("pod_namespace", ("org.criu.checkpoint.pod.namespace",)),
    ("engine", ("org.criu.checkpoint.engine.name", "io.container.manager")),
    ("engine_version", ("org.criu.checkpoint.engine.version",)),
    ("runtime_version", ("org.criu.checkpoint.runtime.version",)),
    ("criu_version", ("org.criu.checkpoint.criu.version", "io.podman.annotations.checkpoint.criu.version")),
    ("host_kernel", ("org.criu.checkpoint.host.kernel", "io.podman.annotations.checkpoint.host.kernel")),
    ("host_architecture", ("org.criu.checkpoint.host.arch", "io.podman.annotations.checkpoint.host.arch")),
    ("cgroup_version", ("org.criu.checkpoint.cgroup.version", "io.podman.annotations.checkpoint.cgroup.version")),
    ("distribution", ("org.criu.checkpoint.distribution.name", "io.podman.annotations.checkpoint.distribution.name")),
    ("distribution_version", ("org.criu.checkpoint.distribution.version",)),
)
"""Fact, and the annotations that state it; what comes first counts."""

FIELD_OF_KIND: Final = {
    "pid": "pidNsCtr",
    "net": "netNsCtr",
    "ipc": "ipcNsCtr",
    "uts": "utsNsCtr",
    "mnt": "mountNsCtr",
    "user": "userNsCtr",
    "cgroup": "cgroupNsCtr",
}
"""Where podman names the container whose namespace of a kind this one joined."""

CONFIGURATION: Final = (*dict.fromkeys(name for _, names in FROM_CONFIG for name in names), *FIELD_OF_KIND.values())
"""Values of `config.dump` that are used."""

DIGEST: Final = re.compile(r"[0-9a-f]{64}")
"""The content of an image, as engines name it."""

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

ALL_KINDS: Final = ("pid", "net", "ipc", "uts", "mnt", "user", "cgroup", "time")


class _Namespace(msgspec.Struct):
    type: str = ""
    path: str = ""


class _Linux(msgspec.Struct):
    namespaces: list[_Namespace] | None = None


class _Process(msgspec.Struct):
    args: list[str] | None = None


class _Mount(msgspec.Struct):
    destination: str = ""
    type: str = ""
    source: str = ""


class _Spec(msgspec.Struct):
    annotations: dict[str, str] | None = None
    process: _Process | None = None
    linux: _Linux | None = None
    mounts: list[_Mount] | None = None


WHOLE: Final = {"deleted.files": "deleted", "network.status": "network", "stats-dump": "statistics"}
"""Files that are kept as they are, by the attribute of `Container`."""


class Container:
    """What is known of the container that a dump was taken of; empty for a dump of plain processes."""

    def __init__(self) -> None:
        self.facts: dict[str, str] = {}
        self.joined: dict[str, str] = {}
        """Namespaces that the container was to join, by kind, with the path that its runtime was given."""
        self.joined_containers: dict[str, str] = {}
        """The containers whose namespaces it was to join, by kind."""
        self.mounts: dict[str, str] = {}
        """What is mounted from outside of the container, by the place inside, with the path outside."""
        self.specified: dict[str, str] = {}
        """What else the specification says of namespaces, by kind: "new", or "inherited" where a kind is not listed."""
        self.specification = b""
        """The whole of spec.dump, for what it would have an engine do."""
        self.deleted = b""
        """The whole of deleted.files: paths that an engine removes from the container's root."""
        self.network = b""
        """The whole of network.status: the addresses that podman gave the container."""
        self.statistics = b""
        """The whole of stats-dump: what the dump cost."""
        self.root_difference = -1
        """Bytes of the archive of files that the container changed, -1 where there is none."""
        self.reference = ""
        """The name of the container's image and the content that it is said to have, where that is a name that can move."""
        self.made_from = ""
        """The digest of the configuration of the container's image, and its name."""
        self.odd_files: list[str] = []
        """Files of that archive that have more rights than others."""
        self.members: list[str] = []
        """Members of the archive that are no regular files, or have names that lead out of it."""
        self.files: set[str] = set()
        """Which of `FILES` were there."""
        self.unread: dict[str, str] = {}
        """Which of `FILES` could not be used, and why: the process tree does not need them."""

    def add(self, name: str, data: bytes) -> None:
        """Take one of `FILES`; one that cannot be used is noted in `unread`."""
        if name in WHOLE:
            setattr(self, WHOLE[name], data)
            return
        self.specification = data if name == "spec.dump" else self.specification
        self.files.add(name)
        try:
            if name == "spec.dump":
                self._specification(msgspec.json.decode(data, type=_Spec))
            else:
                self._configuration(data)
        except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
            self.unread.setdefault(name, f"is damaged: {error}" if data.strip() else "is empty")

    def _configuration(self, data: bytes) -> None:
        """Take the engine's configuration, and of one with a value of another type every value that can be used."""
        given = msgspec.json.decode(data.removeprefix(BYTE_ORDER_MARK), type=dict[str, object])
        odd = [field for field in CONFIGURATION if not isinstance(given.get(field, ""), str)]
        if odd:
            self.unread.setdefault("config.dump", f"has a value of another type than a text in {', '.join(odd)}")
        known = {field: value for field in CONFIGURATION if isinstance(value := given.get(field), str)}
        self._first(FROM_CONFIG, known)
        name, identifier = (given.get(field) for field in ("rootfsImageName", "rootfsImageRef"))
        identifier = identifier or given.get("rootfsImageID") or given.get("rootfsImage")
        content = DIGEST.search(identifier) if isinstance(identifier, str) else None
        if isinstance(name, str) and content is not None:
            self.made_from = f"{content[0]} {name}"
            if name and "@" not in name:
                self.reference = f"{name} is {identifier}"
        named = {kind: known.get(field, "") for kind, field in FIELD_OF_KIND.items()}
        self.joined_containers.update((kind, container) for kind, container in named.items() if container)

    def annotate(self, annotations: dict[str, str]) -> None:
        """Take the annotations of an OCI manifest or index; what the container's own files say counts first."""
        self._first(FROM_ANNOTATIONS, annotations)

    def merge(self, other: "Container") -> None:
        """Add what another says and this one does not."""
        self.facts = {**other.facts, **self.facts}
        self.joined = {**other.joined, **self.joined}
        self.joined_containers = {**other.joined_containers, **self.joined_containers}
        self.specified = {**other.specified, **self.specified}
        self.mounts = {**other.mounts, **self.mounts}
        self.specification = self.specification or other.specification
        self.deleted = self.deleted or other.deleted
        self.network = self.network or other.network
        self.reference = self.reference or other.reference
        self.made_from = self.made_from or other.made_from
        self.statistics = self.statistics or other.statistics
        self.root_difference = max(self.root_difference, other.root_difference)
        self.odd_files = [*self.odd_files, *other.odd_files]
        self.members = [*self.members, *other.members]
        self.files |= other.files
        self.unread = {**other.unread, **self.unread}

    def _specification(self, spec: _Spec) -> None:
        annotations = spec.annotations or {}
        self._first(FROM_ANNOTATIONS, annotations)
        manager = annotations.get("io.container.manager", "")
        if not manager and any(key.startswith("io.kubernetes.cri.") for key in annotations):
            manager = "containerd"
        if manager:
            self.facts["engine"] = ENGINES.get(manager, manager)
        if spec.process is not None and spec.process.args:
            self.facts["command"] = " ".join(masked(spec.process.args)[0])
        self.mounts = {mount.destination: mount.source for mount in spec.mounts or () if mount.type == "bind"}
        listed = spec.linux.namespaces if spec.linux is not None else None
        if listed is None:
            return
        self.specified = dict.fromkeys(ALL_KINDS, "inherited")
        for namespace in listed:
            kind = KIND_OF_TYPE.get(namespace.type, namespace.type)
            self.specified[kind] = "joined" if namespace.path else "new"
            if namespace.path:
                self.joined[kind] = namespace.path

    def _first(self, wanted: tuple[tuple[str, tuple[str, ...]], ...], given: dict[str, str]) -> None:
        for fact, names in wanted:
            for name in names:
                if given.get(name):
                    self.facts.setdefault(fact, given[name])
                    break
