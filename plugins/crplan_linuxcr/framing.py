"""Framing: a stream is records, each with its type, its whole length and a payload, and nothing between them.

`Records` walks over any binary stream, a pipe included. It never allocates what a length claims: payloads are taken in chunks,
as far as the stream really goes, and only up to what a record of that name may hold.
"""

import struct
from typing import BinaryIO, Final

from crplan_linuxcr.generations import ERROR
from planner.errors import BadImage

CHUNK: Final = 1 << 18
HEADER_SIZE: Final = 8


class FailureFound(Exception):
    """An ERROR record stands where another was expected; its header has been read."""


class Records:
    """A place in a stream of records.

    `at`, `type` and `length` are those of the record whose header was read last; `names` turns types into words for messages.
    `buffer[position:]` are bytes at hand, the first of them at offset `base + position` of the stream.
    """

    def __init__(self, stream: BinaryIO, names: dict[int, str]) -> None:
        self.stream = stream
        self.names = names
        self.buffer = b""
        self.position = 0
        self.base = 0
        self.at = 0
        self.type = 0
        self.length = 0
        self.order = "<"
        self.head = struct.Struct("<II")

    def use_order(self, order: str) -> None:
        """Read numbers in this byte order, `<` or `>`, from now on."""
        self.order = order
        self.head = struct.Struct(order + "II")

    @property
    def offset(self) -> int:
        """Offset of the next byte."""
        return self.base + self.position

    def fill(self, size: int) -> bool:
        """Have at least `size` bytes at hand; false where the stream ends before."""
        missing = size - (len(self.buffer) - self.position)
        if missing <= 0:
            return True
        parts = [self.buffer[self.position :]]
        self.base += self.position
        self.position = 0
        while missing > 0:
            part = self.stream.read(CHUNK)
            if not part:
                break
            parts.append(part)
            missing -= len(part)
        self.buffer = b"".join(parts)
        return missing <= 0

    def name(self, kind: int) -> str:
        """Return a record type's name for messages."""
        return self.names.get(kind, f"record type {kind}")

    def peek(self) -> tuple[int, int] | None:
        """Return type and length of the next record and stay before it; None at the end of the stream.

        Raises `BadImage` where the stream ends within the header or the length is impossible.
        """
        if not self.fill(HEADER_SIZE):
            left = len(self.buffer) - self.position
            if left == 0:
                return None
            raise BadImage(self.offset, f"the stream ends after {left} of the {HEADER_SIZE} bytes of a record's header")
        kind, length = self.head.unpack_from(self.buffer, self.position)
        if length < HEADER_SIZE:
            raise BadImage(self.offset, f"{self.name(kind)}: length {length}, expected at least {HEADER_SIZE}")
        return kind, length

    def next(self) -> bool:
        """Go to the payload of the next record; false at the end of the stream."""
        head = self.peek()
        if head is None:
            return False
        self.at = self.base + self.position
        self.type, self.length = head
        self.position += HEADER_SIZE
        return True

    def refuse_failure(self) -> None:
        """Raise `FailureFound` where the next record is ERROR."""
        head = self.peek()
        if head is not None and head[0] == ERROR:
            self.next()
            raise FailureFound

    def expect(self, kind: int, what: str, shortest: int, longest: int) -> bytes:
        """Return the payload of the next record, which must be `what`, of `kind`, with a length within bounds.

        Raises `BadImage`, and `FailureFound` where the checkpoint broke off here.
        """
        self.refuse_failure()
        if not self.next():
            raise BadImage(self.offset, f"the stream ends, expected {what}")
        if self.type != kind:
            raise BadImage(self.at, f"found {self.name(self.type)} of length {self.length}, expected {what}")
        return self.payload(what, shortest, longest)

    def payload(self, what: str, shortest: int, longest: int) -> bytes:
        """Return the payload of the current record, whose length must be within bounds."""
        if not shortest <= self.length <= longest:
            bounds = f"{shortest}" if shortest == longest else f"{shortest} to {longest}"
            raise BadImage(self.at, f"{what}: length {self.length}, expected {bounds}")
        size = self.length - HEADER_SIZE
        if not self.fill(size):
            raise self.cut_short(what, len(self.buffer) - self.position)
        start = self.position
        self.position = start + size
        return self.buffer[start : self.position]

    def skip(self) -> None:
        """Pass over the payload of the current record, however long, without keeping it."""
        size = self.length - HEADER_SIZE
        have = len(self.buffer) - self.position
        if size <= have:
            self.position += size
            return
        left = size - have
        self.base += len(self.buffer)
        self.buffer, self.position = b"", 0
        while left > 0:
            part = self.stream.read(CHUNK)
            if not part:
                raise self.cut_short(self.name(self.type), size - left)
            if len(part) > left:
                self.buffer, self.position = part, left
            else:
                self.base += len(part)
            left -= len(part)

    def cut_short(self, what: str, got: int) -> BadImage:
        """Return the error for a payload that the stream does not hold to its end."""
        return BadImage(self.at, f"{what}: the stream ends after {HEADER_SIZE + got} of its {self.length} bytes")
