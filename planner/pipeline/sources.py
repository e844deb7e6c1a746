"""Where images come from: a file, a directory, standard input, or bytes that are at hand."""

import io
import os
import re
import stat
from functools import partial
from typing import BinaryIO, cast

from planner.errors import BadImage
from planner.hookspecs import Source

HEAD = 4096
"""Bytes of a stream that readers see before one of them is chosen."""

STANDARD_INPUT = "-"

REMOTE = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{1,15})://")
"""How the name of something begins that no file system has."""


class _Rejoined(io.RawIOBase):
    """A stream whose first bytes were taken off, with these bytes in front again."""

    def __init__(self, head: bytes, rest: BinaryIO, name: str) -> None:
        self._head = memoryview(head)
        self._rest = rest
        self._name = name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]  # any buffer is a memoryview here
        if self._head:
            count = min(len(buffer), len(self._head))
            buffer[:count] = self._head[:count]
            self._head = self._head[count:]
            return count
        try:
            data = self._rest.read(len(buffer))
        except OSError as error:
            raise OSError(error.errno, error.strerror or str(error), self._name) from None
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._rest.close()
        super().close()


def from_stream(stream: BinaryIO, name: str) -> Source:
    """Return the source that reads `stream`, which need not be seekable, from where it stands.

    Raises `BadImage` for what cannot be read.
    """
    head = b""
    try:
        while len(head) < HEAD and (more := stream.read(HEAD - len(head))):
            head += more
    except OSError as error:
        raise BadImage(0, f"cannot be read: {error.strerror or error}") from None
    return Source(name=name, head=head, open=lambda: cast("BinaryIO", io.BufferedReader(_Rejoined(head, stream, name), 1 << 16)))


def from_bytes(data: bytes, name: str = "bytes") -> Source:
    """Return a source of bytes in memory."""
    return Source(
        name=name,
        head=data[:HEAD],
        open=lambda: io.BytesIO(data),
        repeatable=True,
        size=len(data),
        range=lambda start, count: data[start : start + count],
    )


def from_path(path: str) -> Source:
    """Return the source of a file, a pipe or an image directory.

    Raises `BadImage` for what cannot be opened and OSError for what cannot be read.
    """
    try:
        if os.path.isdir(path):
            return Source(name=path, head=b"", open=lambda: io.BytesIO(), directory=path, repeatable=True)
        stream = open(path, "rb")  # noqa: SIM115 - closed below, or by the reader
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            return from_stream(stream, path)
        with stream:
            head = stream.read(HEAD)
            size = os.fstat(stream.fileno()).st_size
    except (OSError, ValueError) as error:
        if match := REMOTE.match(path):
            what = (
                f"is the URL of something remote ({match[1]}://), which `crplan fleet` reads; download it and give the local"
                " file, or give it through a pipe"
            )
            raise BadImage(None, f"{what}: `... | crplan -`") from None
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise BadImage(None, f"cannot be opened: {reason}") from None
    return Source(
        name=path, head=head, open=lambda: open(path, "rb"), repeatable=True, size=size, range=partial(_range_of_file, path)
    )


def _range_of_file(path: str, start: int, count: int) -> bytes:
    with open(path, "rb") as stream:
        stream.seek(start)
        return stream.read(count)
