"""An OCI image layout in object storage, given to readers as the tar archive of its files, of which only ranges are fetched.

A reader of directories needs a path, and there is none; readers of archives take the same files in any order. So the headers are
made here, the contents are ranges of the objects, and what says most comes first: the index, then the smallest blobs, which are
manifests with annotations.
"""

from collections.abc import Callable, Sequence
from typing import Final

BLOCK: Final = 512
FIRST: Final = ("oci-layout", "index.json")
"""Files that stand before the blobs."""


class Packed:
    """The bytes of an archive of some files, by `fetch`; `size` is its length. `content` returns a range of a file."""

    def __init__(self, files: Sequence[tuple[str, int]], content: Callable[[str, int, int], bytes]) -> None:
        ordered = sorted(files, key=lambda file: (FIRST.index(file[0]) if file[0] in FIRST else len(FIRST), file[1], file[0]))
        self._content = content
        self._parts: list[tuple[int, int, str, bytes]] = []
        """Where each part begins and ends, and the file or the bytes that it is."""
        at = 0
        for name, size in ordered:
            for length, file, data in ((BLOCK, "", _header(name, size)), (size, name, b""), (-size % BLOCK, "", b"")):
                self._parts.append((at, at + length, file, data))
                at += length
        self._parts.append((at, at + 2 * BLOCK, "", b""))
        self.size = at + 2 * BLOCK

    def fetch(self, start: int, end: int) -> bytes:
        """Return the bytes between two offsets."""
        found = []
        for begin, over, name, data in self._parts:
            low, high = max(start, begin), min(end, over)
            if low < high:
                inside = self._content(name, low - begin, high - begin) if name else data[low - begin : high - begin]
                found.append(inside if name else inside.ljust(high - low, b"\0"))
        return b"".join(found)


def _header(name: str, size: int) -> bytes:
    """Return the header of a regular file (POSIX ustar); a name of a layout has at most 149 bytes."""
    directory, _, last = name.rpartition("/")
    fields = (
        last.encode()[:100].ljust(100, b"\0")
        + b"0000600\0" + b"0000000\0" * 2
        + (b"%011o\0" % size if size < 1 << 33 else b"\x80" + size.to_bytes(11, "big"))
        + b"00000000000\0" + b" " * 8 + b"0" + bytes(100)
        + b"ustar\x0000" + bytes(80)
        + directory.encode()[:155].ljust(155, b"\0")
    )  # fmt: skip
    header = fields.ljust(BLOCK, b"\0")
    return header[:148] + b"%06o\0 " % sum(header) + header[156:]
