"""Telling a linux-cr stream by its first bytes."""

from typing import Final

HEADER: Final = 1
HEADER_LENGTH: Final = 72
HEAD_MAGIC: Final = 0x00FEED0CC0A2D200
TAIL_MAGIC: Final = 0x002D2A0CC0DEEF00

ORDERS: Final = {"little": "<", "big": ">"}
"""Byte orders by name, as `struct` writes them."""


def byte_order(head: bytes) -> str:
    """Return "little" or "big" where the first record is a header of that byte order, else ""."""
    for name in ("little", "big"):
        if head[:8] == HEADER.to_bytes(4, name) + HEADER_LENGTH.to_bytes(4, name):
            return name
    return ""


def has_magic(head: bytes) -> bool:
    """Tell whether the magic number stands near the beginning, wherever a header of another layout may have it."""
    near = head[:64]
    return HEAD_MAGIC.to_bytes(8, "little") in near or HEAD_MAGIC.to_bytes(8, "big") in near


def recognises(head: bytes) -> bool:
    """Tell whether this is a linux-cr stream, be it one of a layout that can only be refused."""
    return bool(byte_order(head)) or has_magic(head)
