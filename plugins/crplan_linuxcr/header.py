"""The header section: from HEADER to LSM_INFO, what the checkpoint says about its kernel and machine."""

import struct
from typing import Final

import msgspec

from crplan_linuxcr.framing import HEADER_SIZE, Records
from crplan_linuxcr.generations import BUFFER, CONTAINER, HEADER, HEADER_ARCH, LSM_INFO, Generation
from crplan_linuxcr.recognise import HEAD_MAGIC, HEADER_LENGTH, ORDERS, byte_order, has_magic
from crplan_linuxcr.text import text
from planner.errors import BadImage

LONGEST_TEXT: Final = 4096
UTS: Final = ("release", "version", "machine")
SUBTREE, OTHER_FLAG = 0x1, 0x2


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What the header section says, before the generation is known.

    `security_module` is None where the stream has no such records, as in generation A3. `time` is in seconds since 1970.
    """

    byte_order: str
    architecture: int
    linux: tuple[int, int, int]
    revision: int
    time: int
    flags: int
    release: str
    version: str
    machine: str
    security_module: str | None

    def facts(self, generation: Generation) -> dict[str, str]:
        """Return the facts of `ImageOpened`; architecture numbers mean something within a generation only."""
        flags = ["SUBTREE"] if self.flags & SUBTREE else []
        if self.flags & OTHER_FLAG:
            flags.append("NONETNS" if generation.name == "St" else "NETNS")
        if self.flags & ~(SUBTREE | OTHER_FLAG):
            flags.append(hex(self.flags & ~(SUBTREE | OTHER_FLAG)))
        facts = {
            "kernel": self.release,
            "kernel version": self.version,
            "linux": ".".join(map(str, self.linux)),
            "machine": self.machine,
            "architecture": generation.architectures.get(self.architecture, f"unknown ({self.architecture})"),
            "byte order": self.byte_order,
            "revision": str(self.revision),
            "time": str(self.time),
            "flags": " ".join(flags),
        }
        if self.security_module is not None:
            facts["security module"] = self.security_module
        return facts


def read_header(records: Records) -> Header:
    """Read up to the record before the pid sections; raises `BadImage`."""
    records.fill(HEADER_LENGTH)
    head = records.buffer[:HEADER_LENGTH]
    name = byte_order(head)
    if not name:
        raise BadImage(0, _no_header(head))
    order = ORDERS[name]
    records.use_order(order)
    payload = records.expect(HEADER, "HEADER", HEADER_LENGTH, HEADER_LENGTH)
    magic, architecture, major, minor, patch, revision = struct.unpack_from(order + "Q5H", payload)
    if magic != HEAD_MAGIC:
        raise BadImage(HEADER_SIZE, f"HEADER: magic number {magic:#018x}, expected {HEAD_MAGIC:#018x}")
    uts_lengths = struct.unpack_from(order + "3H", payload, 34)
    time, flags = struct.unpack_from(order + "QQ", payload, 48)
    release, version, machine = (
        text(records.expect(BUFFER, f"BUFFER ({what})", HEADER_SIZE + length, HEADER_SIZE + length))
        for what, length in zip(UTS, uts_lengths, strict=True)
    )
    records.expect(HEADER_ARCH, "HEADER_ARCH", HEADER_SIZE, LONGEST_TEXT)
    records.expect(CONTAINER, "CONTAINER", HEADER_SIZE, LONGEST_TEXT)
    return Header(
        byte_order=name,
        architecture=_architecture(architecture),
        linux=(major, minor, patch),
        revision=revision,
        time=time,
        flags=flags,
        release=release,
        version=version,
        machine=machine,
        security_module=_security_module(records),
    )


def _architecture(native: int) -> int:
    """Return the architecture's number, which the kernel writes little-endian whatever the rest of the stream is."""
    return native if native < 256 else int.from_bytes(native.to_bytes(2, "big"), "little")


def _security_module(records: Records) -> str | None:
    """Read the name of the security module and its opaque note, where they are."""
    head = records.peek()
    if head is None or head[0] != BUFFER:
        return None
    name = text(records.expect(BUFFER, "BUFFER (security module)", HEADER_SIZE, LONGEST_TEXT))
    records.expect(LSM_INFO, "LSM_INFO", HEADER_SIZE, LONGEST_TEXT)
    return name


def _no_header(head: bytes) -> str:
    if len(head) < HEADER_SIZE:
        return f"HEADER: the stream ends after {len(head)} bytes"
    kind, length = struct.unpack_from("<II", head)
    found = (
        f"HEADER: found type {kind} and length {length}, expected type {HEADER} and length {HEADER_LENGTH} in either byte order"
    )
    if has_magic(head):
        found += "; the magic number is near, so this may be a stream from before October 2009, whose layout is not known"
    return found
