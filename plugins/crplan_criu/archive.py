"""Checkpoint archives: one pass over the members, images decoded as they come by, pages and everything else skipped.

podman, CRI-O and Kubernetes pack the images below `checkpoint/` with `config.dump` and `spec.dump` beside it; containerd and
registries keep the same as layers of an OCI image layout, in blobs named by digest. An archive may hold several checkpoints, so
what comes out is a list, one dump for each directory that has images.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from crplan_criu.container import FILES, Container
from crplan_criu.dump import Dump
from crplan_criu.images import LARGEST_OTHER, largest, place, split_name, too_large
from crplan_criu.layout import BLOB, INDEX, LARGEST_DOCUMENT, Blobs
from crplan_criu.recognise import DIRECTORIES, HEADER, compression, is_tar
from crplan_criu.streams import Stream, unpacked
from crplan_criu.tar import members
from planner.errors import BadImage

MOST_IMAGES: Final = 1_000_000
"""Wanted images in one archive: two a task and one a thread."""
MOST_DIRECTORIES: Final = 1_000
MOST_BYTES: Final = 1 << 30
"""Bytes of wanted images, decoded and let go one after the other."""

TRAILING: Final = 16 << 20
"""Bytes behind an archive's end mark that are still read."""


class Checkpoint(msgspec.Struct, frozen=True):
    """One dump of an archive, with the directory that it stands in."""

    directory: str
    dump: Dump


class Collector:
    """What comes together while archives are passed over; `checkpoints` is the end."""

    def __init__(self) -> None:
        self.dumps: dict[str, Dump] = {}
        self.containers: dict[str, Container] = {}
        self.annotations = Container()
        self.blobs = Blobs()
        self.images = 0
        self.bytes = 0

    def archive(self, stream: Stream, layer: str = "") -> None:
        """Pass over an archive; `layer` names the blob when it is a layer, whose images stand at the top or in `checkpoint`."""
        for member in members(stream, files_only=not layer):
            directory, _, name = member.name.rpartition("/")
            if layer and directory not in DIRECTORIES:
                continue
            if not layer and BLOB.fullmatch(member.name):
                self.blob(member.name, member.size, stream)
            elif not layer and name == INDEX and member.size <= LARGEST_DOCUMENT:
                self.blobs.describe(stream.read(member.size))
            else:
                self.file(f"{layer}/{directory}" if layer and directory else layer or directory, name, member.size, stream)

    def blob(self, name: str, size: int, stream: Stream) -> None:
        """Look into the blob that comes next: a layer is an archive of its own, a manifest has annotations.

        Both are read to the end, to see that they are what their name says, and so is whatever else is small: it may have been
        one of them. Anything large that is no layer is left where it stands.
        """
        head = stream.peek(HEADER)[:size]
        layer = bool(compression(head)) or is_tar(head)
        if not layer and size > LARGEST_DOCUMENT:
            return
        blocks = self.blobs.verified(stream.chunks(size), name, size)
        if layer:
            inner = unpacked(blocks, head, stream.where)
            if is_tar(inner.peek(HEADER)):
                self.archive(inner, name)
            for _ in blocks:
                pass
        else:
            data = b"".join(blocks)
            self.annotations.annotate(data)
            self.blobs.describe(data)

    def file(self, directory: str, name: str, size: int, stream: Stream) -> None:
        """Take a file if it tells something, without reading it otherwise."""
        kind, _ = split_name(name)
        if name in FILES:
            self.containers.setdefault(directory, Container()).add(name, self._content(name, "", size, stream))
        elif kind:
            dump = self._dump(directory)
            if dump.wants(name):
                dump.add(name, self._content(name, kind, size, stream))
            else:
                dump.note(name, size)

    def _dump(self, directory: str) -> Dump:
        if directory not in self.dumps:
            if len(self.dumps) == MOST_DIRECTORIES:
                raise BadImage(place("inventory.img"), f"images stand in more than {MOST_DIRECTORIES} directories")
            self.dumps[directory] = Dump()
        return self.dumps[directory]

    def _content(self, name: str, kind: str, size: int, stream: Stream) -> bytes:
        """Read a wanted file; raises BadImage where it is larger than its type, or the archive ends within it."""
        if size > (largest(kind) if kind else LARGEST_OTHER):
            raise too_large(name, kind or "configuration")
        self.images += 1
        self.bytes += size
        if self.images > MOST_IMAGES or self.bytes > MOST_BYTES:
            raise BadImage(place(name), f"is beyond the {MOST_IMAGES} images or {MOST_BYTES >> 30} GiB of them that are read")
        data = stream.read(size)
        if len(data) < size:
            raise BadImage(place(name), f"is cut short with its archive: {len(data)} of {size} bytes are there")
        return data

    def checkpoints(self) -> list[Checkpoint]:
        """Return the dumps that were found, in the order of their directories; one without tasks only when no other is there.

        Raises BadImage where a blob is not as it is described.
        """
        self.blobs.check()
        found = [Checkpoint(directory, dump) for directory, dump in sorted(self.dumps.items())]
        whole = [one for one in found if one.dump.tree is not None] or [one for one in found if one.dump.inventory is not None]
        for one in whole:
            for directory in (one.directory, one.directory.rpartition("/")[0]):
                if directory in self.containers:
                    one.dump.container.merge(self.containers[directory])
            one.dump.container.merge(self.annotations)
        return whole


def from_stream(stream: Stream) -> Iterator[Checkpoint]:
    """Yield the checkpoints of one archive; raises BadImage."""
    collector = Collector()
    collector.archive(stream)
    # What follows the end mark is padding, but the checksum of compressed data stands behind it.
    for _ in stream.chunks(TRAILING):
        pass
    yield from collector.checkpoints()
