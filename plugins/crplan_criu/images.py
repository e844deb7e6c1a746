"""Image files: which names are known, how large each may be, and how a file is cut into entries.

A file is a head (a magic number of its type, behind a common one since image version 2; the inventory has its own alone) and then
entries, each a little-endian u32 size and that many bytes of a protobuf message. Source: CRIU `criu/include/magic.h`, `image.c`.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, Literal

from planner.errors import BadImage
from planner.text import escaped

IMG_COMMON: Final = 0x54564319
IMG_SERVICE: Final = 0x55105940
"""Stands first in files that criu writes for its user, such as its statistics."""
COMMON_TYPES: Final = {
    "pstree": 0x50273030,
    "core": 0x55053847,
    "ids": 0x54432030,
    "ns": 0x44293409,
    "utsns": 0x54473203,
    "pidns": 0x61157326,
    "userns": 0x55474906,
    "timens": 0x43114433,
    "cgroup": 0x59383330,
    "tty-info": 0x59453036,
    "files": 0x56303138,
    "mountpoints": 0x55563928,
}
"""Images that tell the topology, with the magic number of their type, apart from the inventory."""

DETAIL_TYPES: Final = {
    "fdinfo": 0x56213732,
    "mm": 0x57492820,
    "fs": 0x51403912,
    "pagemap": 0x56084025,
    "remap-fpath": 0x59133954,
    "memfd": 0x48453499,
    "cpuinfo": 0x61404013,
    "netdev": 0x57373951,
    "netns": 0x55933752,
    "filelocks": 0x54323616,
    "stats-dump": 0x57093306,
}
"""Images that tell what the processes hold, read with detail "all" beside those of the topology."""

INVENTORY_MAGIC: Final = 0x58313116
WANTED: Final = frozenset(COMMON_TYPES) | {"inventory"}
WANTED_ALL: Final = WANTED | DETAIL_TYPES.keys()

WANTED_OF_FACTS: Final = frozenset(("inventory",))
WANTED_OF_POD: Final = frozenset(("inventory", "pstree", "ids", "pidns"))
"""Images that tell with which others a container shares a pid namespace."""

OTHERS: Final = frozenset(
    " ".join(
        (
            "apparmor autofs binfmt-misc bpfmap-data bpfmap-file cgroup-props cpuinfo creds eventfd eventpoll ext-files",
            "fanotify-file fanotify-mark fdinfo fifo fifo-data filelocks fs fs-ext fsnotify-file fsnotify-mark",
            "ghost-file ifaddr inetsk inotify-file inotify-wd ip6tables ipcns-msg ipcns-sem ipcns-shm ipcns-var iptables",
            "irmap-cache itimers memfd mm mnt-ext netdev netlinksk netns netns-ct netns-exp nftables ns-files",
            "packetsk pagemap pagemap-shmem pages pidfd pipes pipes-data posix-timers reg-files remap-fpath rlimit route",
            "route6 rule seccomp shm sigacts signal-p signal-s signalfd sk-queues stats-dump stats-restore sysvshm-mem",
            "tcp-stream timerfd tmpfs tmpfs-dev tty tty-data tunfile unixsk userfaultfd vmas vsocksk",
        )
    ).split()
)
"""Images that are known and say nothing about the topology."""

PRESENCE: Final = {"mountpoints": "mnt", "netns": "net", "ipcns-var": "ipc", "utsns": "uts", "userns": "user", "timens": "time"}
"""Images whose presence says that a namespace's content was recorded, with the kind of namespace."""

LARGEST: Final = {"pstree": 256 << 20, "cgroup": 64 << 20, "files": 1 << 30, "mountpoints": 64 << 20} | dict.fromkeys(
    ("fdinfo", "mm", "pagemap"), 256 << 20
)
"""Bytes that a wanted image may have; others may have `LARGEST_OTHER`."""
LARGEST_OTHER: Final = 4 << 20

Order = Literal["little", "big"]

_MAGICS: Final = frozenset((IMG_COMMON, IMG_SERVICE, INVENTORY_MAGIC, *COMMON_TYPES.values(), *DETAIL_TYPES.values()))

_NAME = re.compile(r"([a-z][a-z0-9-]*?)(?:-([0-9]{1,10}))?(?:\.tar\.gz)?\.img")
_TRAILED = re.compile(r"([a-z][a-z0-9-]*?)(?:-[0-9a-f]+)+")


@lru_cache(64)
def split_name(name: str) -> tuple[str, int]:
    """Return the type of an image file and the number in its name, -1 without one; ("", -1) when it is no image file's name."""
    match = _NAME.fullmatch(name)
    if match is None:
        return "", -1
    kind, number = match.groups()
    if kind not in WANTED and kind not in OTHERS:
        # A few raw images are named by two numbers or by a hexadecimal one (iptables, tcp-stream, ghost-file).
        trailed = _TRAILED.fullmatch(kind)
        if trailed is not None and trailed[1] in OTHERS:
            return trailed[1], -1
    return kind, -1 if number is None else int(number)


def largest(kind: str) -> int:
    """Return how many bytes an image of this type may have."""
    return LARGEST.get(kind, LARGEST_OTHER)


def place(name: str, entry: int = 0) -> str:
    """Return the place of an entry, as events state it: file name and the entry's position from 0."""
    return f"{name}#{entry}"


def too_large(name: str, kind: str) -> BadImage:
    """Return the refusal of an image that is larger than any of its type is."""
    return BadImage(place(name), f"has more than {largest(kind) >> 20} MiB; no {kind} image is that large")


def _u32(data: bytes, at: int, order: Order) -> int:
    return int.from_bytes(data[at : at + 4], order)


def byte_order(data: bytes) -> Order:
    """Return the byte order of a file by its first magic number: that of the machine which wrote it (s390x is big-endian)."""
    return "big" if _u32(data, 0, "big") in _MAGICS else "little"


def entries(name: str, kind: str, data: bytes) -> Iterator[bytes]:
    """Yield the messages of a wanted image; raises BadImage for another type's head, and where the file is cut short."""
    magic = INVENTORY_MAGIC if kind == "inventory" else COMMON_TYPES.get(kind) or DETAIL_TYPES[kind]
    order = byte_order(data)
    at = 8 if kind != "inventory" and _u32(data, 0, order) in (IMG_COMMON, IMG_SERVICE) else 4
    if len(data) < at:
        raise BadImage(place(name), f"is cut short: it has {len(data)} bytes, and its head alone has {at}")
    found = _u32(data, at - 4, order)
    if found != magic:
        raise BadImage(place(name), f"is no {kind} image: its magic number is {found:#010x}, and {magic:#010x} was expected")
    end, number = len(data), 0
    while at < end:
        size = _u32(data, at, order)
        at += 4
        if at > end or size > end - at:
            raise BadImage(
                place(name, number),
                f"is cut short or damaged: entry {number} claims {size} bytes and {max(end - at, 0)} are left",
            )
        yield data[at : at + size]
        at += size
        number += 1


def shown(name: str) -> str:
    """Return a file or member name, which is chosen by the writer of the image, safe to show in one line and not too long."""
    text = escaped(name)
    return text if len(text) <= 120 else text[:117] + "..."
