"""Telling CRIU's images and the archives around them from everything else, by their first bytes alone."""

import os
import zlib
from typing import Final

from planner.hookspecs import Source

GZIP: Final = b"\x1f\x8b"
ZSTD: Final = b"\x28\xb5\x2f\xfd"
ZSTD_SKIPPABLE: Final = b"\x2a\x4d\x18"
"""Bytes 2 to 4 of a skippable frame, whose first byte is 0x50 to 0x5f."""

TAR_MAGIC_AT: Final = 257
TAR_MAGICS: Final = (b"ustar\x00", b"ustar ")
HEADER: Final = 512

DIRECTORIES: Final = ("", "checkpoint")
"""Where the inventory stands in an image directory: at the top, or below `checkpoint` in an unpacked archive."""


def recognises(source: Source) -> bool:
    """Whether this is an image directory, or an archive: a tar archive, bare or compressed, is always taken to be ours."""
    from crplan_criu import streamer
    from crplan_criu.search import any_place

    if not source.directory:
        return is_archive(source.head) or streamer.recognises(source.head)

    return any_place(source.directory)


def head_of(path: str, size: int) -> bytes | None:
    """Return the first bytes of a file, b"" where it cannot be read, None where it cannot be opened."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    try:
        return os.read(file, size)
    except OSError:
        return b""
    finally:
        os.close(file)


def compression(head: bytes) -> str:
    """Return how a stream is compressed: "gzip", "zstd" or ""."""
    if head[:2] == GZIP:
        return "gzip"
    if head[:4] == ZSTD or (head[1:4] == ZSTD_SKIPPABLE and head[:1] >= b"\x50" and head[:1] <= b"\x5f"):
        return "zstd"
    return ""


def is_tar(head: bytes) -> bool:
    """Whether bytes begin with a tar header: by its magic, or where an old one has none, by its sum."""
    if head[TAR_MAGIC_AT : TAR_MAGIC_AT + 6] in TAR_MAGICS:
        return True
    header = head[:HEADER]
    return len(header) == HEADER and header[0] != 0 and not any(header[TAR_MAGIC_AT:]) and is_checked(header)


def is_checked(header: bytes) -> bool:
    """Whether the sum of a tar header is right; its fields count as unsigned bytes, the sum itself as blanks."""
    try:
        recorded = int(header[148:156].split(b"\x00")[0].strip() or b"-1", 8)
    except ValueError:
        return False
    return recorded == sum(header) - sum(header[148:156]) + 8 * 0x20


def is_archive(head: bytes) -> bool:
    """Whether bytes begin a tar archive, bare or in a compression that is read."""
    packed = compression(head)
    if packed == "gzip":
        try:
            return is_tar(zlib.decompressobj(wbits=31).decompress(head, HEADER))
        except zlib.error:
            return False
    # A zstd block may be larger than the head, so nothing can be seen of what is inside; nothing else is packed like this.
    return packed == "zstd" or is_tar(head)
