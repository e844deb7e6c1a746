"""The inputs that the given sources stand for: files, directories, patterns, and URLs of every kind that fsspec reads."""

import glob
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, Final

from planner.fleet.examining import LOG_ENDING
from planner.fleet.opening import etag_of, file_system, is_remote, modified_of, reason, version_of
from planner.fleet.work import Work
from planner.pipeline.reading import default_registry

LAYOUT: Final = "oci-layout"
"""The file that marks an OCI image layout."""

Inside = Callable[[str], bool]
"""Whether a directory is one image by itself."""


def inputs(sources: Iterable[str], whole: Inside | None = None) -> Iterator[Work]:
    """Yield the inputs that are meant by sources, as they are found; one that was found before comes again.

    A directory that is an image is one input; below any other every file is one, but hidden files and the logs of earlier scans.
    What cannot be listed is an input with that problem. Raises `UsageError` for a URL whose file system is not installed.
    """
    whole = whole or is_image
    for source in sources:
        if is_remote(source):
            yield from _remote(source)
        elif os.path.isdir(source):
            yield from _below(source, whole)
        elif glob.has_magic(source) and not os.path.lexists(source):
            yield from _matching(source, whole)
        else:
            yield Work(source)


def _matching(pattern: str, whole: Inside) -> Iterator[Work]:
    found = sorted(glob.iglob(pattern, recursive=True))
    if not found:
        yield Work(pattern, problem="is a pattern that nothing matches")
    for path in found:
        if os.path.isdir(path):
            yield from _below(path, whole)
        elif not path.endswith(LOG_ENDING):
            yield Work(path)


def is_image(path: str) -> bool:
    """Say whether a directory is one image by itself, by the readers that know directories."""
    return any(reader.whole is not None and reader.whole(path) for reader in _readers())


@cache
def _readers() -> tuple[Any, ...]:
    return default_registry().readers


def _below(top: str, whole: Inside) -> Iterator[Work]:
    """Yield the images at and below a directory, by name, without following links."""
    waiting = [top]
    while waiting:
        path = waiting.pop()
        if whole(path):
            yield Work(path)
            continue
        try:
            entries = sorted(os.scandir(path), key=lambda entry: entry.name, reverse=True)
        except OSError as error:
            yield Work(path, problem=f"cannot be listed: {error.strerror}")
            continue
        waiting += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        for entry in reversed(entries):
            hidden = entry.name.startswith(".") or entry.name.endswith(LOG_ENDING)
            if not hidden and entry.is_file():
                yield Work(entry.path)


def _remote(uri: str) -> Iterator[Work]:
    """Yield the objects of a URL: those that a pattern matches, those below a directory, or the one object."""
    scheme = uri.partition("://")[0]
    if scheme in ("http", "https"):
        yield Work(uri)
        return
    files, path = file_system(uri)
    try:
        found = _listed(files, path)
    except FileNotFoundError:
        yield Work(uri, problem="is not there")
    except Exception as error:  # each file system has exceptions of its own
        yield Work(uri, problem=f"cannot be listed: {reason(error)}")
    else:
        if not found:
            yield Work(uri, problem="holds no object")
        yield from _gathered(found, scheme)


def _listed(files: Any, path: str) -> dict[str, dict[str, Any]]:
    if glob.has_magic(path):
        return {name: one for name, one in files.glob(path, detail=True).items() if one.get("type") != "directory"}
    information = files.info(path)
    if information.get("type") != "directory":
        return {path: information}
    below: dict[str, dict[str, Any]] = files.find(path, detail=True)
    return below


def _gathered(found: dict[str, dict[str, Any]], scheme: str) -> Iterator[Work]:
    """Yield objects as inputs; those of an image layout are one."""
    layouts: dict[str, list[str]] = {name.removesuffix(LAYOUT): [] for name in found if name.endswith(f"/{LAYOUT}")}
    for name, one in found.items():
        top = next((name[:end] for end in _ends(name) if name[:end] in layouts), None)
        if top is not None:
            layouts[top].append(name)
        elif one.get("size") != 0 or not name.endswith("/"):
            yield Work(_uri(scheme, name), etag_of(one), one.get("size"), modified_of(one))
    for top, names in sorted(layouts.items()):
        members = tuple((name.removeprefix(top), name, int(found[name].get("size") or 0)) for name in names)
        index = found.get(f"{top}index.json", {})
        yield Work(_uri(scheme, top.rstrip("/")), etag_of(index), None, modified_of(index), members=members)


def _ends(name: str) -> Iterator[int]:
    """Yield where the directories above an object end, the outermost first."""
    at = name.find("/")
    while at >= 0:
        yield at + 1
        at = name.find("/", at + 1)


def _uri(scheme: str, name: str) -> str:
    return f"{scheme}://{name.lstrip('/') if scheme != 'file' else name}"


class Done:
    """Which inputs are done, in which version; inputs that have changed since are in `changed` until they are done again."""

    def __init__(self, versions: Iterable[tuple[str, str]] = ()) -> None:
        self._versions = {digest(uri): digest(version)[:8] if version else b"" for uri, version in versions}
        self.changed: set[str] = set()

    def __len__(self) -> int:
        return len(self._versions)

    def once(self, works: Iterable[Work]) -> Iterator[Work]:
        """Yield the inputs that are not done in the version that they have now; each of them is taken for done from then on.

        Where a version is not known it is taken for the same.
        """
        for work in works:
            name = digest(work.uri)
            before = self._versions.get(name)
            if before == b"":
                continue
            version = version_of(work) if before is not None else ""
            if before is not None:
                if not version or digest(version)[:8] == before:
                    continue
                self.changed.add(work.uri)
            self._versions[name] = digest(version)[:8] if version else b""
            yield work


def digest(uri: str) -> bytes:
    """Return what stands for an input among those that are done: 16 bytes, of which ten million fit into memory."""
    return hashlib.blake2b(uri.encode("utf-8", "surrogateescape"), digest_size=16).digest()


def lines(stream: Iterable[bytes]) -> Iterator[str]:
    """Yield the sources that a list names, one a line; empty lines are passed over."""
    for line in stream:
        if name := os.fsdecode(line.rstrip(b"\r\n")):
            yield name
