"""A bounded, forward-only stream over a file that may be compressed: the one place where decompression happens.

Sizes are watched while bytes flow: past `FREE` bytes of output, more than `MOST_RATIO` times the input is refused. A stream that
claims anything is never believed: memory grows with the bytes that came, by at most one block at a time.
"""

import io
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import BinaryIO, Final

from crplan_criu.recognise import compression
from planner.errors import BadImage
from planner.hookspecs import MAX_WINDOW

BLOCK: Final = 1 << 17
"""Bytes read from the file at a time."""

FREE: Final = 512 << 20
"""Bytes of output that are allowed whatever the ratio: pages that a program has allocated and left empty shrink to nearly
nothing, and so do thousands of images that are almost the same. They are passed over in a second or two."""

MOST_RATIO: Final = 500
"""Bytes of output for each byte of input, beyond `FREE`. Memory that is in use seldom shrinks to a tenth."""

SIZES: Final = ((30, "G"), (20, "M"), (10, "K"))
"""Powers of two, and the letters for them."""


class Stream:
    """Bytes of a (decompressed) stream, read or skipped in order; `where` is the place that messages name."""

    def __init__(
        self,
        blocks: Iterator[bytes],
        where: str,
        skip: Callable[[int], int] | None = None,
        meter: "Meter | None" = None,
        window: int = MAX_WINDOW,
        packed: str = "",
    ) -> None:
        self.where = where
        self.packed = packed
        """How what it was read from is compressed, "" for not at all."""
        self.window = window
        """Bytes that compressed data inside may take."""
        self._meter = meter
        self.position = 0
        self._blocks = blocks
        self._skip = skip
        self._block = b""
        self._at = 0

    @property
    def taken(self) -> int:
        """Bytes that were taken from the file: of a compressed one those before decompression."""
        return self.position if self._meter is None else self._meter.taken

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer at the end only."""
        start = self._at
        if start + size <= len(self._block):
            self._at = start + size
            self.position += size
            return self._block[start : self._at]
        parts, missing = [], size
        while missing:
            if self._at == len(self._block) and not self._next():
                break
            part = self._block[self._at : self._at + missing]
            self._at += len(part)
            missing -= len(part)
            parts.append(part)
        self.position += size - missing
        return b"".join(parts)

    def peek(self, size: int) -> bytes:
        """Return up to `size` bytes that come next and leave them there."""
        while len(self._block) - self._at < size:
            rest = self._block[self._at :]
            if not self._next():
                self._block = rest
                break
            self._block = rest + self._block
        return self._block[self._at : self._at + size]

    def skip(self, size: int) -> bool:
        """Step over `size` bytes without keeping them; False when the stream ends before."""
        missing = size
        while missing:
            if self._at == len(self._block):
                if self._skip is not None and missing > BLOCK:
                    # The file can seek. A place past its end shows at the next read.
                    missing -= self._skip(missing)
                    continue
                if not self._next():
                    return False
            step = min(missing, len(self._block) - self._at)
            self._at += step
            missing -= step
        self.position += size
        return True

    def chunks(self, size: int) -> Iterator[bytes]:
        """Yield the next `size` bytes block by block; ends early where the stream does."""
        missing = size
        while missing:
            part = self.read(min(missing, BLOCK))
            if not part:
                return
            missing -= len(part)
            yield part

    def _next(self) -> bool:
        self._block, self._at = next(self._blocks, b""), 0
        return bool(self._block)


class Within(io.RawIOBase):
    """The next `size` bytes of a stream, as the file that readers of streams take; closing it leaves the stream open."""

    def __init__(self, stream: Stream, size: int) -> None:
        self._stream = stream
        self._left = size

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # any buffer is a memoryview here
        """Fill a buffer with what comes next, as far as the bytes go."""
        data = self._stream.read(min(self._left, len(buffer)))
        self._left -= len(data)
        buffer[: len(data)] = data
        return len(data)


def part(stream: Stream, size: int, where: str) -> Stream:
    """Return the next `size` bytes of a stream as one of its own, in which is stepped over what the whole can step over."""
    left = size

    def blocks() -> Iterator[bytes]:
        nonlocal left
        while left and (block := stream.read(min(left, BLOCK))):
            left -= len(block)
            yield block

    def skip(count: int) -> int:
        nonlocal left
        step = min(count, left)
        stream.skip(step)
        left -= step
        return count

    return Stream(blocks(), where, skip, window=stream.window)


def opened(file: BinaryIO, head: bytes, where: str, window: int = MAX_WINDOW) -> Stream:
    """Return the stream of what `file` holds, decompressed by what its first bytes say within a window of so many bytes."""

    def blocks() -> Iterator[bytes]:
        while block := file.read(BLOCK):
            yield block

    def skip(size: int) -> int:
        try:
            file.seek(size, 1)
        except (OSError, OverflowError):
            raise BadImage(where, f"is cut short: a member claims {size} bytes, and no file has as many") from None
        return size

    if compression(head):
        return unpacked(blocks(), head, where, window)
    return Stream(blocks(), where, skip if _seekable(file) else None, window=window)


def _seekable(file: BinaryIO) -> bool:
    try:
        return file.seekable()
    except (AttributeError, OSError, ValueError):
        return False


def unpacked(blocks: Iterator[bytes], head: bytes, where: str, window: int = MAX_WINDOW) -> Stream:
    """Return the stream of `blocks`, decompressed if `head` says that they are compressed."""
    how = compression(head)
    meter = Meter()
    if how == "gzip":
        return Stream(_bounded(_gunzip, blocks, where, meter), where, meter=meter, window=window, packed=how)
    if how == "zstd":
        return Stream(_bounded(partial(_unzstd, window), blocks, where, meter), where, meter=meter, window=window, packed=how)
    return Stream(blocks, where, window=window)


class Meter:
    """Counts the bytes that a decompressor has taken."""

    taken = 0


def _bounded(
    unpack: Callable[[Iterator[bytes], str], Iterator[bytes]], blocks: Iterator[bytes], where: str, meter: Meter
) -> Iterator[bytes]:
    """Watch the ratio of output to input."""
    given = 0

    def counted() -> Iterator[bytes]:
        for block in blocks:
            meter.taken += len(block)
            yield block

    for block in unpack(counted(), where):
        given += len(block)
        if given > FREE and given > MOST_RATIO * meter.taken:
            raise BadImage(
                where, f"unpacks to more than {MOST_RATIO} times its size; if it is to be trusted, unpack it first and give that"
            )
        yield block


def _gunzip(blocks: Iterator[bytes], where: str) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(wbits=31)
    finished = True
    for block in blocks:
        pending = block
        while pending:
            if unpacker.eof:
                if not pending.strip(b"\x00"):
                    break
                unpacker = zlib.decompressobj(wbits=31)
            finished = False
            try:
                output = unpacker.decompress(pending, BLOCK)
            except zlib.error as error:
                raise BadImage(where, f"is damaged: gzip says {_reason(error)}") from None
            pending = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
            finished = unpacker.eof
            if output:
                yield output
    while not unpacker.eof and (output := unpacker.decompress(b"", BLOCK)):
        yield output
    if not (finished or unpacker.eof):
        raise BadImage(where, "is cut short: its gzip data has no end")


def _reason(error: Exception) -> str:
    return str(error).rpartition(": ")[2]


class _Joined:
    """The blocks as the object with `read` that zstandard wants."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks

    def read(self, size: int) -> bytes:
        return next(self._blocks, b"")


def _unzstd(window: int, blocks: Iterator[bytes], where: str) -> Iterator[bytes]:
    try:
        import zstandard
    except ImportError:
        raise BadImage(where, "is compressed with zstd, and the Python package zstandard is not installed") from None

    decompressor = zstandard.ZstdDecompressor(max_window_size=window)
    # The library asks for a whole file and calls `read` alone.
    reader = decompressor.stream_reader(_Joined(blocks), read_size=BLOCK, read_across_frames=True)  # type: ignore[arg-type]
    while True:
        try:
            output = reader.read(BLOCK)
        except zstandard.ZstdError as error:
            if "too much memory" in str(error):
                raise BadImage(where, _too_long(window)) from None
            raise BadImage(where, f"is damaged: zstd says {_reason(error)}") from None
        if not output:
            return
        yield output


def _too_long(window: int) -> str:
    power, letter = next(((power, letter) for power, letter in SIZES if window >= 1 << power), (10, "K"))
    return (
        f"needs a longer zstd window than the {window >> power} {letter}iB that are allowed; give --max-window 2G, which may"
        " take as much memory, or unpack it: `zstd -dc --long=31 FILE | crplan -`"
    )
