"""Reading tar archives as a stream: one header after the other, with nothing believed and nothing extracted.

ustar, GNU (long names, base-256 sizes) and pax headers are known, as Go's, GNU's and Python's writers use them. Source: POSIX.1
pax interchange format; GNU tar manual, "Basic Tar Format".
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from crplan_criu.recognise import HEADER, is_checked
from crplan_criu.streams import Stream
from planner.errors import BadImage

MOST_MEMBERS: Final = 4_000_000
FREE_MEMBERS: Final = 1 << 14
BYTES_A_MEMBER: Final = 16
"""Bytes of the file for each member beyond `FREE_MEMBERS`: headers that are all the same shrink to two bytes and cost as much
time as others. A thousand processes that do nothing, as alike as any, came to eleven."""

LONGEST_NAME: Final = 4096
"""Bytes of a path in Linux; longer names cannot have come from a file."""
MOST_EXTENDED: Final = 1 << 20
"""Bytes of a pax header: attributes of a file come to a few KiB."""

REGULAR: Final = b"0\x007"
DIRECTORY: Final = b"5"
KINDS: Final = {
    b"1": "hard link",
    b"2": "symbolic link",
    b"3": "character device",
    b"4": "block device",
    b"6": "named pipe",
    b"S": "sparse file",
}
LINKS: Final = (b"1", b"2")
MOST_MAPS: Final = 4096
"""Blocks of a sparse file's map: 21 pieces of a file each."""

NO_CONTENT: Final = frozenset((b"1", b"2", b"3", b"4", b"5", b"6"))
"""Types whose size says nothing about bytes that follow."""


class Member(msgspec.Struct, frozen=True):
    """A member of an archive that is no directory; the content of a regular file is what the stream gives next.

    `problem` says what keeps its content from being read, "" for a regular file; `link` is where a link leads. A name that no
    checkpoint archive holds is a problem of that member alone: nothing is unpacked, so nothing can be overwritten.
    """

    name: str
    size: int
    problem: str = ""
    link: str = ""
    mode: int = 0
    absolute: bool = False
    """The name begins at the root, which is left out of `name`."""


class Taken:
    """How many bytes were read of what was given: of one file before decompression, or of all files that were looked into."""

    def __init__(self) -> None:
        self.stream: Stream | None = None
        self.given = 0
        """Bytes of the files that were looked into, where there is not one file for all."""

    @property
    def taken(self) -> int:
        """Bytes that were read."""
        return self.given if self.given or self.stream is None else self.stream.taken


class Headers:
    """How many headers an archive may have, its layers together, by the bytes of the file that have been read."""

    def __init__(self, file: Taken) -> None:
        self.file = file
        self.count = 0

    def add(self, where: str) -> None:
        """Count a header; raises BadImage where there are too many."""
        self.count += 1
        if self.count > FREE_MEMBERS and self.count > FREE_MEMBERS + self.file.taken // BYTES_A_MEMBER:
            raise BadImage(
                where, f"the archive has {self.count} members in {self.file.taken} bytes; if it is to be trusted, unpack it first"
            )
        if self.count > MOST_MEMBERS:
            raise BadImage(where, f"the archive has more than {MOST_MEMBERS} members")


def members(stream: Stream, headers: Headers) -> Iterator[Member]:
    """Yield the members of an archive, with normalised relative names; what is not read of a file is skipped.

    Raises BadImage for an archive that is cut short or damaged.
    """
    pending: dict[str, str] = {}
    while True:
        start = stream.position
        header = stream.read(HEADER)
        where = f"{stream.where}#{start}"
        if len(header) == HEADER and not header.strip(b"\x00"):
            return
        if len(header) < HEADER:
            raise BadImage(where, "the archive is cut short: its end mark is missing")
        if not is_checked(header):
            raise BadImage(where, "the archive is damaged: no member's header stands here")
        headers.add(where)
        size, kind = _number(header, 124, 12, where), header[156:157]
        if kind in b"xgLK" and kind:
            _extended(stream, kind, size, pending, where)
            continue
        if "size" in pending:
            size = _decimal(pending["size"], where)
        if kind == b"S":
            _pass_over_map(stream, header, where)
        name = pending.get("GNU.sparse.name") or pending.get("path") or _name(header)
        link = pending.get("linkpath") or _text(header[157:257].split(b"\x00")[0])
        problem = _problem(name, kind, "sparse" in pending)
        mode = _mode(header)
        pending = {}
        begin = stream.position
        plain = "/".join(part for part in name.split("/") if part not in ("", "."))
        if plain and kind != DIRECTORY and not name.endswith("/"):
            yield Member(plain, size if not problem else 0, problem, link if kind in LINKS else "", mode, name[:1] == "/")
        if kind not in NO_CONTENT:
            _pass_over(stream, size, begin + size, where)


def _pass_over_map(stream: Stream, header: bytes, where: str) -> None:
    """Skip the blocks that continue the map of a sparse file (GNU), before its content."""
    more = header[482:483] != b"\x00"
    for _ in range(MOST_MAPS):
        if not more:
            return
        block = stream.read(HEADER)
        if len(block) < HEADER:
            raise BadImage(where, "the archive is cut short within the map of a sparse file")
        more = block[504:505] != b"\x00"
    raise BadImage(where, "the archive is damaged: the map of a sparse file has no end")


def _pass_over(stream: Stream, size: int, end: int, where: str) -> None:
    """Skip what was not read of a member, and the rest of its last block."""
    if not stream.skip(end + -size % HEADER - stream.position):
        raise BadImage(where, f"the archive is cut short within a member of {size} bytes")


def _number(header: bytes, at: int, width: int, where: str) -> int:
    """Return a number of a header: octal digits, or base 256 where the first bit is set (GNU)."""
    field = header[at : at + width]
    if field[0] & 0x80:
        value = int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
        if field[0] & 0x40 or value >> 62:
            raise BadImage(where, "the archive is damaged: a member claims an impossible size")
        return value
    digits = field.split(b"\x00")[0].strip()
    if digits.strip(b"01234567"):
        raise BadImage(where, "the archive is damaged: a member's size is no number")
    return int(digits or b"0", 8)


def _mode(header: bytes) -> int:
    """Return the mode of a member, 0 where it is no number."""
    digits = header[100:108].split(b"\x00")[0].strip()
    return int(digits, 8) if digits and not digits.strip(b"01234567") else 0


def _decimal(digits: str, where: str) -> int:
    if not (digits.isascii() and digits.isdigit() and len(digits) < 19):
        raise BadImage(where, "the archive is damaged: a member's size is no number")
    return int(digits)


def _name(header: bytes) -> str:
    name = header[:100].split(b"\x00")[0]
    prefix = header[345:500].split(b"\x00")[0] if header[257:263] == b"ustar\x00" else b""
    return _text(prefix + b"/" + name if prefix else name)


def _text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")


def _problem(name: str, kind: bytes, sparse: bool) -> str:
    """Return what keeps a member's content from being read, "" for an ordinary file or directory."""
    if ".." in name.split("/"):
        return "leads out of the archive (..)"
    if sparse:
        return "is a sparse file"
    if kind in KINDS:
        return f"is a {KINDS[kind]}"
    return "" if kind in REGULAR or kind == DIRECTORY else f"is of the unknown type {kind!r}"


def _extended(stream: Stream, kind: bytes, size: int, pending: dict[str, str], where: str) -> None:
    """Read a header that belongs to the next member: a long name (GNU) or records `LENGTH KEY=VALUE` (pax)."""
    if size > MOST_EXTENDED:
        raise BadImage(where, f"the archive is damaged: a header claims {size} bytes")
    begin = stream.position
    data = stream.read(size)
    _pass_over(stream, size, begin + size, where)
    if kind in b"LK":
        pending["path" if kind == b"L" else "linkpath"] = _text(data.split(b"\x00")[0][: LONGEST_NAME + 1])
    elif kind == b"x":
        pending.update(_records(data, where))
    if any(len(pending.get(key, "")) > LONGEST_NAME for key in ("path", "linkpath", "GNU.sparse.name")):
        raise BadImage(where, f"a member's name has more than {LONGEST_NAME} bytes")


def _records(data: bytes, where: str) -> dict[str, str]:
    found: dict[str, str] = {}
    at = 0
    while at < len(data):
        digits, blank, _ = data[at : at + 8].partition(b" ")
        length = int(digits) if blank and digits.isdigit() else 0
        record = data[at : at + length]
        if length < len(digits) + 3 or len(record) < length or not record.endswith(b"\n"):
            raise BadImage(where, "the archive is damaged: a pax header does not hold together")
        key, _, value = record[len(digits) + 1 : -1].partition(b"=")
        if key.startswith(b"GNU.sparse"):
            found["sparse"] = "yes"
        if key in (b"path", b"linkpath", b"size", b"GNU.sparse.name"):
            found[_text(key)] = _text(value)
        at += length
    return found
