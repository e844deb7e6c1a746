"""The manifest of a checkpoint in parts: the file that makes one image of a directory, with a published schema.

A directory holds the manifest, the event log of the tree, and a directory of CRIU images for each part. The log says what CRIU's
images do not: the numbers of every task in all pid namespaces.
"""

import hashlib
import os
import stat
from typing import Final

import msgspec

from planner.errors import BadImage
from planner.schemas import published

FILE: Final = "crplan-checkpoint.json"
"""Name of the manifest, by which a directory is known."""
LOG: Final = "tree.jsonl"
"""Name of the event log."""
KIND: Final = "crplan-checkpoint"
FORMAT_VERSION: Final = 1
"""Version of the document; within it fields are only added."""
LARGEST: Final = 64 << 20
"""Bytes of a manifest or a log that are read."""
BLOCK: Final = 1 << 20


class PartRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One part: the directory of its images, and its root with its numbers from the tree's outermost pid namespace inwards.

    `parent` is the number of the task outside of the part whose child the root is, in the tree's outermost pid namespace, 0 for
    the tree's root; `enclosing` is the part that this task is in. `digest` is the SHA-256 of the lines `NAME SIZE SHA256` of all
    files of the directory, by name. `entered` are the kinds of namespace in which the dump was run, those that the part shares
    with its parent.
    """

    name: str
    root: tuple[int, ...]
    level: int
    tasks: int
    digest: str
    size: int
    parent: int = 0
    enclosing: str = ""
    entered: tuple[str, ...] = ()


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A checkpoint in parts, the part of the tree's root first and each after the one that it hangs below.

    `log_digest` is the SHA-256 of the event log. `options` are those that each `criu dump` was given beside crplan's own.
    `frozen_milliseconds` is how long the tree stood still. `left_running` says whether it ran on afterwards.
    """

    kind: str = KIND
    format_version: int = FORMAT_VERSION
    crplan: str
    criu: str
    kernel: str
    architecture: str
    log: str = LOG
    log_digest: str
    frozen_milliseconds: int
    left_running: bool = False
    options: tuple[str, ...] = ()
    parts: tuple[PartRecord, ...]


def encode(manifest: Manifest) -> bytes:
    """Return the manifest as its file."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def decode(data: bytes) -> Manifest:
    """Return the manifest that a file holds; raises BadImage for what is none, and for a version that is not known."""
    try:
        head = msgspec.json.decode(data, type=_Head)
        if head.kind != KIND:
            raise BadImage(FILE, f"is of kind {head.kind[:40]!r}, expected {KIND!r}")
        if head.format_version != FORMAT_VERSION:
            raise BadImage(FILE, f"is of format version {head.format_version}, and this crplan reads version {FORMAT_VERSION}")
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadImage(FILE, f"is no manifest of a checkpoint: {error}") from None
    _check(manifest)
    return manifest


class _Head(msgspec.Struct):
    kind: str = ""
    format_version: int = 0


def _check(manifest: Manifest) -> None:
    """Raise BadImage for names that lead out of the directory, and for parts that do not hang together."""
    if manifest.log != LOG:
        raise BadImage(FILE, f"names the event log {manifest.log[:40]!r}, expected {LOG!r}")
    if not manifest.parts or manifest.parts[0].enclosing:
        raise BadImage(FILE, "names no part for the root of the tree; the first part is that")
    known: set[str] = set()
    for position, part in enumerate(manifest.parts):
        if part.name != f"part{position}":
            raise BadImage(FILE, f"calls part {position} {part.name[:40]!r}, expected 'part{position}'")
        if position and part.enclosing not in known:
            raise BadImage(FILE, f"hangs part {position} below {part.enclosing[:40]!r}, which is no part before it")
        if len(part.root) != part.level + 1:
            raise BadImage(FILE, f"gives the root of part {position} {len(part.root)} numbers, expected {part.level + 1}")
        known.add(part.name)


def there(directory: str) -> bool:
    """Whether a directory is one of a checkpoint in parts."""
    try:
        return stat.S_ISREG(os.lstat(os.path.join(directory, FILE)).st_mode)
    except (OSError, ValueError):
        return False


def read(directory: str) -> tuple[Manifest, bytes]:
    """Return the manifest and the event log of a directory; raises BadImage where either is missing or differs."""
    manifest = decode(_read(os.path.join(directory, FILE), FILE))
    data = _read(os.path.join(directory, LOG), LOG)
    if hashlib.sha256(data).hexdigest() != manifest.log_digest:
        raise BadImage(LOG, f"is not the log that {FILE} names: its digest differs; the directory was changed or is incomplete")
    return manifest, data


def _read(path: str, name: str) -> bytes:
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
            data = stream.read(LARGEST + 1)
    except OSError as error:
        raise BadImage(name, f"cannot be read: {error.strerror}") from None
    if len(data) > LARGEST:
        raise BadImage(name, f"is larger than {LARGEST >> 20} MiB")
    return data


def digest_of(directory: str, name: str = "") -> tuple[str, int]:
    """Return the digest of a part's directory and the bytes of its files; raises BadImage where a file cannot be read."""
    lines, total = hashlib.sha256(), 0
    try:
        for file in sorted(os.listdir(directory)):
            path = os.path.join(directory, file)
            content = hashlib.sha256()
            size = 0
            with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
                while block := stream.read(BLOCK):
                    content.update(block)
                    size += len(block)
            lines.update(f"{file} {size} {content.hexdigest()}\n".encode())
            total += size
    except OSError as error:
        raise BadImage(name or os.path.basename(directory), f"cannot be read: {error.strerror}") from None
    return lines.hexdigest(), total


def schema() -> bytes:
    """Return the published JSON Schema of the manifest."""
    return published(Manifest, "Checkpoint in parts of crplan")
