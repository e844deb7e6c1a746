"""What the tasks of a dump hold, as events: each image file becomes events when it comes, and all are yielded in one order.

An archive gives its files in the order in which they were packed. The events are kept by file, so that the same dump gives the
same log whatever it lies in. Damage to such an image is a fact and no end of the reading.
"""

from collections.abc import Callable, Iterator
from typing import Final

from crplan_criu import holdings_cgroups, holdings_files, holdings_memory, messages_contents
from crplan_criu.image_file import ImageFile, PageRuns, Shared, text
from crplan_criu.images import place
from crplan_criu.wire import Budget, number, octets
from planner.events.contents import ContentsEvent, ContentsRecorded, MemoryRecorded, MountRecorded, PropertyRecorded
from planner.identity import NamespaceId

FILE_SYSTEMS: Final = (
    "", "proc", "sysfs", "devtmpfs", "binfmt_misc", "tmpfs", "devpts", "simfs", "pstore", "securityfs", "fusectl", "debugfs",
    "cgroup", "aufs", "mqueue", "fuse", "auto", "overlay", "autofs", "tracefs", "rpc_pipefs", "nfs", "nfs4", "cgroup2",
)  # fmt: skip
"""File systems by their number in mnt.proto; 0 is one that criu does not know, whose name stands beside."""

AUTO: Final = 16

TIMES: Final = ("freezing_time", "frozen_time", "memdump_time", "memwrite_time")
COUNTS: Final = ("pages_scanned", "pages_skipped_parent", "pages_written", "pages_lazy")


def _mounts(image: ImageFile) -> Iterator[ContentsEvent]:
    for fields in image.read(messages_contents.MOUNT):
        code = number(fields, "fstype")
        named = text(octets(fields, "fsname"))
        known = FILE_SYSTEMS[code] if 0 < code < len(FILE_SYSTEMS) and code != AUTO else ""
        yield MountRecorded(
            namespace=NamespaceId(image.number),
            id=number(fields, "mnt_id"),
            parent=number(fields, "parent_mnt_id"),
            mountpoint=text(octets(fields, "mountpoint")),
            root=text(octets(fields, "root")),
            source=text(octets(fields, "source")),
            file_system=named or known or (f"type {code}" if code else "unknown"),
            options=text(octets(fields, "options")),
            shared=number(fields, "shared_id"),
            master=number(fields, "master_id"),
            external=text(octets(fields, "ext_key")),
            deleted=bool(number(fields, "deleted")),
            at=image.at,
        )


def _statistics(image: ImageFile) -> Iterator[ContentsEvent]:
    for fields in image.read(messages_contents.STATISTICS):
        found = image.decode(messages_contents.DUMP_STATISTICS, octets(fields, "dump"))
        for name in (*TIMES, *COUNTS):
            if name in found:
                value = f"{number(found, name)} us" if name in TIMES else str(number(found, name))
                yield PropertyRecorded(property=f"statistics {name}", value=value, at=image.at)


def _devices(image: ImageFile) -> Iterator[ContentsEvent]:
    for fields in image.read(messages_contents.NET_DEVICE):
        name, address = text(octets(fields, "name").rstrip(b"\0")), octets(fields, "address").hex(":")
        value = f"type {number(fields, 'type')}, mtu {number(fields, 'mtu')}" + (f", address {address}" if address else "")
        yield PropertyRecorded(property=f"network device {name}", value=value, at=image.at)


def _network(image: ImageFile) -> Iterator[ContentsEvent]:
    for fields in image.read(messages_contents.NETWORK):
        if octets(fields, "ext_key"):
            key = text(octets(fields, "ext_key"))
            yield PropertyRecorded(property=f"external network namespace {image.number}", value=key, at=image.at)


READERS: Final[dict[str, Callable[[ImageFile], Iterator[ContentsEvent]]]] = {
    "files": holdings_files.files,
    "remap-fpath": holdings_files.remaps,
    "memfd": holdings_files.memory_files,
    "fdinfo": holdings_files.descriptors,
    "fs": holdings_files.directories,
    "mm": holdings_memory.areas,
    "pagemap": holdings_memory.pages,
    "core": holdings_memory.threads,
    "mountpoints": _mounts,
    "cgroup": holdings_cgroups.cgroups,
    "filelocks": holdings_files.locks,
    "netns": _network,
    "netdev": _devices,
    "cpuinfo": holdings_memory.processors,
    "stats-dump": _statistics,
}
"""How an image is read, by its kind, in the order in which the events stand in the log."""

_RANKS: Final = {kind: rank for rank, kind in enumerate(READERS)}


class Holdings:
    """The events of the images of one dump that were read."""

    def __init__(self) -> None:
        self._shared = Shared()
        self._events: dict[tuple[int, int, str], list[ContentsEvent]] = {}

    def add(self, name: str, kind: str, identifier: int, data: bytes, budget: Budget) -> None:
        """Take an image file of a kind that is read; raises BadImage, with what stands before the damage kept."""
        kept = self._events.setdefault((_RANKS[kind], identifier, name), [])
        for event in READERS[kind](ImageFile(name, kind, identifier, data, self._shared, budget)):
            kept.append(event)

    @property
    def runs(self) -> dict[int, PageRuns]:
        """The page maps by their task."""
        return self._shared.runs

    def memory(self) -> Iterator[MemoryRecorded]:
        """Yield what the images of memory say, with the places of the command line."""
        for (rank, _, _), kept in sorted(self._events.items()):
            if rank == _RANKS["mm"]:
                yield from (event for event in kept if isinstance(event, MemoryRecorded))

    def events(self, sizes: dict[str, dict[int, int]]) -> Iterator[ContentsEvent]:
        """Yield what was found; `sizes` are the bytes of all files of the dump, by kind and number, -1 where not known."""
        counts = {kind: len(sizes[kind]) for kind in sorted(sizes) if kind}
        known = {kind: sum(found.values()) for kind, found in sorted(sizes.items()) if kind and min(found.values()) >= 0}
        yield ContentsRecorded(images=counts, sizes=known, at=place("inventory.img"))
        for key in sorted(self._events):
            yield from self._events[key]
        for message, count in sorted(self._shared.unknown.items()):
            at = place("inventory.img")
            yield PropertyRecorded(property=f"unknown fields of {message} in detail", value=str(count), at=at)
