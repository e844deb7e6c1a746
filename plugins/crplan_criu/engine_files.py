"""What engines put beside the images, for `crplan inspect` and `crplan check --untrusted`: annotations, mounts, networks, files.

Source: checkpointctl `internal/container.go` and `lib/metadata.go`, podman `libpod/networking_common.go`, OCI runtime-spec.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from crplan_criu.images import place
from crplan_criu.streams import Stream, unpacked
from crplan_criu.tar import Headers, members
from planner.errors import BadImage
from planner.events.contents import PropertyRecorded

ROOT_DIFFERENCE: Final = "rootfs-diff.tar"
ROOT_FILE_SYSTEMS: Final = frozenset(("rootfs", "diff", "volumes", "proc", "sys"))
"""Directories of a container's own files, in which nothing is an image of the container."""

NO_CHECKPOINTS: Final = ("rootfs-diff.tar", "devshm-checkpoint.tar", "rootfs.tar")
"""Archives that engines put beside the images: files of the container."""

MOST: Final = 200
"""Entries of each list that are recorded."""
LONGEST: Final = 2048
"""Letters of a value that are recorded."""

SET_ID: Final = 0o6000
"""Bits of a mode by which a program runs as its owner or its group."""
DEVICES: Final = ("is a character device", "is a block device")


class _Subnet(msgspec.Struct):
    ipnet: str = ""
    gateway: str = ""


class _Interface(msgspec.Struct):
    mac_address: str = ""
    subnets: list[_Subnet] | None = None


class _Network(msgspec.Struct):
    interfaces: dict[str, _Interface] | None = None


class _Mount(msgspec.Struct):
    destination: str = ""
    type: str = ""
    source: str = ""


class _Specification(msgspec.Struct):
    annotations: dict[str, str] | None = None
    mounts: list[_Mount] | None = None


def properties(specification: bytes, network: bytes) -> Iterator[PropertyRecorded]:
    """Yield what spec.dump and network.status say; nothing of what cannot be read, which is told elsewhere."""
    try:
        networks = msgspec.json.decode(network, type=dict[str, _Network] | None) if network.strip() else None
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        networks = None
    for name, found in sorted((networks or {}).items())[:MOST]:
        for interface, each in sorted((found.interfaces or {}).items())[:MOST]:
            yield _said(f"network {name} interface {interface}", ", ".join(_addresses(each)), "network.status")
    try:
        spec = msgspec.json.decode(specification, type=_Specification) if specification.strip() else _Specification()
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return
    for name, value in sorted((spec.annotations or {}).items())[:MOST]:
        yield _said(f"annotation {name}", value, "spec.dump")
    for mount in (spec.mounts or [])[:MOST]:
        yield _said(f"specified mount {mount.destination}", f"{mount.type} {mount.source}", "spec.dump")


def _addresses(interface: _Interface) -> Iterator[str]:
    for subnet in (interface.subnets or [])[:MOST]:
        yield f"IP {subnet.ipnet}" + (f", gateway {subnet.gateway}" if subnet.gateway else "")
    if interface.mac_address:
        yield f"MAC {interface.mac_address}"


def _said(property: str, value: str, name: str) -> PropertyRecorded:
    return PropertyRecorded(property=property, value=value[:LONGEST], at=place(name))


def odd_files(stream: Stream, size: int, headers: Headers) -> list[str]:
    """Return the files of a changed root that have more rights than others: setuid and setgid programs, devices, names with `..`.

    `stream` stands at an archive of `size` bytes and is read to its end. What is wrong with it is one of them.
    """
    blocks = stream.chunks(size)
    found: list[str] = []
    try:
        for member in members(unpacked(blocks, stream.peek(512)[:size], ROOT_DIFFERENCE, stream.window), headers):
            if len(found) == MOST:
                break
            if member.mode & SET_ID and not member.problem:
                found.append(f"{member.name}: mode {member.mode & 0o7777:04o}")
            elif member.problem in DEVICES or ".." in member.name.split("/"):
                found.append(f"{member.name}: {member.problem}")
    except BadImage as error:
        found.append(f"cannot be read: {error.message}")
    for _ in blocks:
        pass
    return found
