"""Opens a local or remote input and counts the bytes that are read of it.

A remote object is read by ranges. What follows a jump is small, so that headers cost little, and grows while reading goes on, so
that a long read takes few requests. An object whose server knows no ranges is read once from its beginning.
"""

import datetime
import email.utils
import hashlib
import io
import os
import stat
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final, cast

import msgspec

from planner.errors import BadImage, UsageError
from planner.fleet.layouts import Packed
from planner.fleet.work import Work
from planner.hookspecs import Source
from planner.pipeline.sources import HEAD, REMOTE, from_path, from_stream

FIRST: Final = 8 << 10
"""Bytes of the request that follows a jump: a few headers of an archive."""
MOST: Final = 4 << 20
"""Bytes of the largest request."""
BEGINNING: Final = 32 << 10
"""Bytes of the first request, which tells what an object is."""
BUFFER: Final = 1 << 17
DEEPEST_IMAGES: Final = 2
"""Levels of directories below that of an image: the blobs of an OCI layout stand in `blobs/sha256`."""

Fetch = Callable[[int, int], bytes]
"""Returns the bytes from an offset to another, fewer only where the object ends."""


class Meter:
    """How many bytes were read of an input, and what is known of it: filled in while it is opened."""

    def __init__(self) -> None:
        self.bytes = 0
        self.head = 0
        """Bytes from which the kind of an input was told; the reader reads them again."""
        self.requests = 0
        self.size: int | None = None
        self.etag = ""
        self.modified = ""
        self._seen: list[tuple[str, bytes]] = []

    def seen(self, name: str, content: bytes) -> None:
        """Take note of a file that a reader has taken from the input."""
        self._seen.append((name, hashlib.sha256(content).digest()))

    def sha256(self) -> str:
        """Return a digest of the files that readers took, in the order of their names, "" where they took none."""
        if not self._seen:
            return ""
        digest = hashlib.sha256()
        for name, content in sorted(self._seen):
            digest.update(name.encode("utf-8", "surrogateescape") + b"\0" + content)
        return digest.hexdigest()


class Ranges(io.RawIOBase):
    """An object as a file that can seek: each jump fetches little, and every further request twice as much as the one before."""

    def __init__(self, fetch: Fetch, size: int, beginning: bytes = b"") -> None:
        self._fetch = fetch
        self._size = size
        self._at = 0
        self._begin, self._bytes = 0, beginning
        self._next = FIRST

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that it can seek."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to an offset, which may lie behind the end, and return it."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """Return where the file stands."""
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Return bytes from where the file stands, at most `size`, b"" only at the end."""
        if size < 0:
            return b"".join(iter(lambda: self.read(MOST), b""))
        offset = self._at - self._begin
        if not 0 <= offset < len(self._bytes):
            self._fill()
            offset = 0
        found = self._bytes[offset : offset + size]
        self._at += len(found)
        return found

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # any buffer is a memoryview here
        """Fill a buffer, as `read` does."""
        found = self.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def _fill(self) -> None:
        follows = self._at == self._begin + len(self._bytes)
        self._next = min(2 * self._next, MOST) if follows else FIRST
        end = min(self._at + self._next, self._size)
        self._begin, self._bytes = self._at, self._fetch(self._at, end) if self._at < end else b""


class _Counted(io.RawIOBase):
    """A local file whose bytes are counted."""

    def __init__(self, path: str, meter: Meter) -> None:
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115 - closed below
        self._meter = meter

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._file.seekable()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # as above
        count = self._file.readinto(buffer) or 0
        self._meter.bytes += count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


def is_remote(uri: str) -> bool:
    """Say whether a name is a URL and no local path."""
    return REMOTE.match(uri) is not None and not os.path.lexists(uri)


def opened(work: Work, meter: Meter) -> Callable[[str], Source]:
    """Return the function that opens the path of an input and counts what is read; it raises `BadImage` and OSError."""

    def open_source(path: str) -> Source:
        if work.problem:
            raise BadImage(None, work.problem)
        if work.members:
            return msgspec.structs.replace(_of_layout(work, meter), seen=meter.seen)
        source = _remote(path, work, meter) if is_remote(path) else _local(path, meter)
        return msgspec.structs.replace(source, seen=meter.seen)

    return open_source


def _local(path: str, meter: Meter) -> Source:
    source = from_path(path)
    if not weighed(Work(path), meter) or source.directory or not source.repeatable:
        return source
    meter.head = len(source.head)
    return msgspec.structs.replace(
        source, open=lambda: cast("BinaryIO", io.BufferedReader(_Counted(path, meter), BUFFER)), range=None
    )


def weighed(work: Work, meter: Meter) -> bool:
    """Take note of size, time and version of a local input; False where nothing of that name is there."""
    try:
        status = os.stat(work.uri)
        meter.modified = moment(status.st_mtime)
        if stat.S_ISDIR(status.st_mode):
            meter.size = sum(entry.stat(follow_symlinks=False).st_size for entry in os.scandir(work.uri) if entry.is_file())
        elif stat.S_ISREG(status.st_mode):
            meter.size = status.st_size
    except (OSError, ValueError):
        return False
    meter.etag = version_of(work)
    return True


def version_of(work: Work) -> str:
    """Return what tells the versions of an input apart, "" where nothing does: for a remote one its ETag, as the listing has it.

    That of a file is its size and when it was changed, that of a directory a digest of those of its files. An object of a
    server that lists nothing is asked for.
    """
    if work.etag or work.problem:
        return work.etag
    if is_remote(work.uri):
        return _asked(work.uri) if not work.members else ""
    try:
        status = os.stat(work.uri)
        if stat.S_ISDIR(status.st_mode):
            return hashlib.sha256("".join(_marks(work.uri)).encode("utf-8", "surrogateescape")).hexdigest()[:32]
    except (OSError, ValueError):
        return ""
    return f"{status.st_size:x}-{status.st_mtime_ns:x}" if stat.S_ISREG(status.st_mode) else ""


def _marks(directory: str, depth: int = 0) -> Iterator[str]:
    """Yield name, size and time of the files of an image directory: images stand two levels below it at most."""
    for entry in sorted(os.scandir(directory), key=lambda entry: entry.name):
        if entry.is_dir(follow_symlinks=False):
            if depth < DEEPEST_IMAGES:
                yield from _marks(entry.path, depth + 1)
        else:
            status = entry.stat(follow_symlinks=False)
            yield f"{entry.path}\0{status.st_size:x}-{status.st_mtime_ns:x}\0"


def _asked(uri: str) -> str:
    files, path = file_system(uri)
    try:
        return etag_of(files.info(path))
    except Exception:  # each file system has exceptions of its own; reading will say what is wrong
        return ""


def file_system(uri: str) -> tuple[Any, str]:
    """Return fsspec's file system of a URL and the path in it; raises `UsageError` where what reads it is not installed."""
    try:
        import fsspec
    except ImportError:
        raise UsageError(f"{uri} is remote; install what reads it: pip install 'crplan[fleet]', for S3 'crplan[s3]'") from None
    try:
        found: tuple[Any, str] = fsspec.core.url_to_fs(uri)
    except (ImportError, ValueError) as error:
        raise UsageError(f"{uri} cannot be read: {error}; for S3 install 'crplan[s3]'") from None
    return found


def _remote(uri: str, work: Work, meter: Meter) -> Source:
    files, path = file_system(uri)
    try:
        known = work.size is not None and uri == work.uri
        information: dict[str, Any] = {} if known else files.info(path)
        meter.size = work.size if known else information.get("size")
        meter.etag = work.etag or etag_of(information)
        meter.modified = work.modified or modified_of(information)
        fetch = metered(files, path, meter)
        if meter.size is None or information.get("partial") is False:
            return _streamed(files.open(path, "rb"), uri, meter)
        beginning = fetch(0, min(BEGINNING, meter.size)) if meter.size else b""
    except Exception as error:  # each file system has exceptions of its own
        raise BadImage(None, f"cannot be opened: {reason(error)}") from None
    size = meter.size
    return Source(
        name=uri,
        head=beginning[:HEAD],
        open=lambda: cast("BinaryIO", Ranges(fetch, size, beginning)),
        repeatable=True,
        size=size,
        range=lambda start, count: fetch(start, min(start + count, size)) if start < size else b"",
    )


def metered(files: Any, path: str, meter: Meter) -> Fetch:
    """Return what fetches a range of an object and counts it; it raises `BadImage` where that fails."""

    def fetch(start: int, end: int) -> bytes:
        try:
            data: bytes = files.cat_file(path, start=start, end=end)
        except Exception as error:  # as above
            raise BadImage(start, f"cannot be read: {reason(error)}") from None
        meter.bytes += len(data)
        meter.requests += 1
        return data

    return fetch


def _streamed(stream: Any, uri: str, meter: Meter) -> Source:
    class Counting(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # as above
            data = stream.read(len(buffer))
            meter.bytes += len(data)
            buffer[: len(data)] = data
            return len(data)

    meter.requests += 1
    return from_stream(cast("BinaryIO", io.BufferedReader(Counting(), BUFFER)), uri)


def _of_layout(work: Work, meter: Meter) -> Source:
    """Return an image layout in object storage as the archive of its files, index and manifests first."""
    files, _ = file_system(work.uri)
    fetches = {name: metered(files, path, meter) for name, path, _ in work.members}
    packed = Packed([(name, size) for name, _, size in work.members], lambda name, start, end: fetches[name](start, end))
    meter.size = sum(size for _, _, size in work.members)
    meter.etag, meter.modified = work.etag, work.modified
    beginning = packed.fetch(0, min(HEAD, packed.size))
    return Source(
        name=work.uri,
        head=beginning,
        open=lambda: cast("BinaryIO", Ranges(packed.fetch, packed.size, beginning)),
        repeatable=True,
        size=packed.size,
    )


def etag_of(information: dict[str, Any]) -> str:
    """Return what names the version of an object, by the information that a file system gives, "" where nothing does.

    Where a server gives no tag, the size and the time of the last change stand for one.
    """
    tag = str(information.get("ETag") or information.get("etag") or information.get("md5Hash") or "").strip('"')
    changed = modified_of(information)
    return tag or (f"{information.get('size') or 0:x}-{changed}" if changed else "")


_CHANGED: Final = ("LastModified", "updated", "last_modified", "mtime", "created", "Last-Modified")
"""What file systems call the time of the last change."""


def modified_of(information: dict[str, Any]) -> str:
    """Return when an object was changed last, by the information that a file system gives, "" where that is not known."""
    found = next(
        (information[name] for name in _CHANGED if name in information),
        "",
    )
    return moment(found)


def moment(time: object) -> str:
    """Return a time in UTC as ISO 8601 with seconds; a text that is neither that nor a date of HTTP is returned as it is."""
    match time:
        case datetime.datetime():
            found = time
        case int() | float():
            try:
                found = datetime.datetime.fromtimestamp(time, datetime.UTC)
            except (OverflowError, ValueError, OSError):
                return str(time)
        case str():
            try:
                found = email.utils.parsedate_to_datetime(time) if "," in time else datetime.datetime.fromisoformat(time)
            except ValueError:
                return time
        case _:
            return ""
    if found.tzinfo is not None:
        found = found.astimezone(datetime.UTC)
    return found.strftime("%Y-%m-%dT%H:%M:%SZ")


def reason(error: Exception) -> str:
    """Return what a file system's exception says, in one line."""
    if isinstance(error, BadImage):
        return error.message
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def name_of(text: str) -> str:
    """Return a short name for a file that belongs to an input: the same input of the same version has the same."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]
