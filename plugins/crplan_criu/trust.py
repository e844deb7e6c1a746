"""What an archive can do to the machine that restores it, as an engine would read it: recorded, and judged by a check.

Nothing is unpacked. Values of variables and arguments that look like secrets are left out; their names stand. Source: OCI
runtime-spec `config.md`, checkpointctl `lib/metadata.go`, advisories on checkpoint restores of container engines.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from crplan_criu.container import Container
from crplan_criu.engine_files import ROOT_DIFFERENCE
from crplan_criu.images import place
from planner.contents.secrets import SECRET_NAME, masked
from planner.events.contents import PropertyRecorded

MOST: Final = 200
"""Entries of each list that are recorded; how many more there are is recorded, too."""

USUAL_CAPABILITIES: Final = frozenset(
    " ".join(
        (
            "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL",
            "AUDIT_WRITE",
        )
    ).split()
)
"""What container engines give by default."""

OF_ENGINES: Final = ("/var/lib/containers/", "/run/containers/", "/var/run/containers/", "/var/lib/kubelet/", "/run/containerd/",
                     "/var/lib/containerd/", "/var/lib/docker/", "/run/user/", "/dev/shm/", "/sys/fs/cgroup")  # fmt: skip
"""Where engines keep what they mount into every container."""

USUAL_DEVICES: Final = frozenset(
    f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom", "tty", "console", "ptmx", "fuse")
)

DEVICE_ANNOTATIONS: Final = ("cdi.k8s.io/", "devices.nri.io/", "io.kubernetes.cri-o.Devices", "io.podman.annotations.cdi")


class _Hook(msgspec.Struct):
    path: str = ""


class _Capabilities(msgspec.Struct):
    bounding: list[str] | None = None
    effective: list[str] | None = None


class _Process(msgspec.Struct):
    args: list[str] | None = None
    env: list[str] | None = None
    capabilities: _Capabilities | None = None


class _Mount(msgspec.Struct):
    destination: str = ""
    type: str = ""
    source: str = ""
    options: list[str] | None = None


class _Device(msgspec.Struct):
    path: str = ""


class _Namespace(msgspec.Struct):
    type: str = ""


class _Linux(msgspec.Struct):
    namespaces: list[_Namespace] | None = None
    devices: list[_Device] | None = None


class _Specification(msgspec.Struct):
    annotations: dict[str, str] | None = None
    hooks: dict[str, list[_Hook] | None] | None = None
    linux: _Linux | None = None
    mounts: list[_Mount] | None = None
    process: _Process | None = None


def risks(container: Container) -> Iterator[PropertyRecorded]:
    """Yield what the files of an engine and the members of an archive would have an engine do; damage is told elsewhere."""
    for value in container.members[:MOST]:
        yield _risk("archive member", value, "archive")
    for value in container.odd_files[:MOST]:
        yield _risk("file of the root", value, ROOT_DIFFERENCE)
    if container.reference:
        yield _risk("image reference", container.reference, "config.dump")
    if container.deleted.strip():
        yield from _deleted(container.deleted)
    specification = container.specification
    if not specification.strip():
        return
    try:
        spec = msgspec.json.decode(specification, type=_Specification)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        yield _risk("unreadable", "spec.dump cannot be read as a runtime specification", "spec.dump")
        return
    found = [*_hooks(spec), *_mounts(spec), *_devices(spec), *_process(spec), *_namespaces(spec)]
    for property, value in found[: 5 * MOST]:
        yield _risk(property, value, "spec.dump")


def _risk(property: str, value: str, name: str) -> PropertyRecorded:
    return PropertyRecorded(property=f"risk {property}", value=value, at=place(name))


def _deleted(data: bytes) -> Iterator[PropertyRecorded]:
    """Yield the paths that an engine would remove outside of the container's root."""
    try:
        paths = msgspec.json.decode(data, type=list[str])
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        yield _risk("unreadable", "deleted.files is no list of paths", "deleted.files")
        return
    for path in [path for path in paths if ".." in path.split("/") or "\0" in path][:MOST]:
        yield _risk("deleted path", path, "deleted.files")


def _hooks(spec: _Specification) -> Iterator[tuple[str, str]]:
    for when, hooks in (spec.hooks or {}).items():
        for hook in hooks or ():
            yield "hook", f"{when} {hook.path}"


def _mounts(spec: _Specification) -> Iterator[tuple[str, str]]:
    for mount in spec.mounts or ():
        bind = mount.type == "bind" or {"bind", "rbind"} & set(mount.options or ())
        source = mount.source
        usual = any(source.startswith(each) for each in OF_ENGINES) and ".." not in source.split("/")
        if bind and source.startswith("/") and not usual:
            access = "read-only" if "ro" in (mount.options or ()) else "writable"
            yield "bind mount", f"{mount.destination} is {source}, {access}"


def _devices(spec: _Specification) -> Iterator[tuple[str, str]]:
    for device in (spec.linux.devices if spec.linux is not None else None) or ():
        if device.path not in USUAL_DEVICES:
            yield "device", device.path
    for name in spec.annotations or {}:
        if name.startswith(DEVICE_ANNOTATIONS):
            yield "device annotation", name


def _process(spec: _Specification) -> Iterator[tuple[str, str]]:
    process = spec.process
    if process is None:
        return
    given = process.capabilities
    names = {name.removeprefix("CAP_") for name in (*((given and given.bounding) or ()), *((given and given.effective) or ()))}
    if added := sorted(names - USUAL_CAPABILITIES):
        yield "capabilities", " ".join(added)
    for variable in process.env or ():
        name, sign, value = variable.partition("=")
        if sign and value and SECRET_NAME.search(name):
            yield "secret", f"variable {name}"
    for name in masked(process.args or ())[1]:
        yield "secret", f"argument {name}"


def _namespaces(spec: _Specification) -> Iterator[tuple[str, str]]:
    kinds = {namespace.type for namespace in (spec.linux.namespaces if spec.linux is not None else None) or ()}
    for kind in ("pid", "mount", "network", "ipc"):
        if spec.linux is not None and kind not in kinds:
            yield "host namespace", kind
    if spec.linux is not None and "user" not in kinds:
        yield "no user namespace", "root inside is root outside"
