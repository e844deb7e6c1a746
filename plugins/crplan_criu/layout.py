"""Blobs of an OCI image layout, held to the digest in their name and to the size that an index or a manifest states.

A blob is hashed while it is read, so that it is passed over once; what is not read is not hashed. Source: OCI image-spec
`image-layout.md` (`blobs/ALGORITHM/DIGEST`) and `descriptor.md` (digest and size).
"""

import hashlib
import re
from collections.abc import Iterator
from typing import Final

import msgspec

from crplan_criu.images import place, shown
from planner.errors import BadImage

INDEX: Final = "index.json"
BLOB: Final = re.compile(r"(?:.*/)?blobs/([a-z0-9+._-]+)/([0-9a-f]{32,128})")
"""Name of a blob: the digest's algorithm and the digest."""

ALGORITHMS: Final = ("sha256", "sha512")
"""Those that the specification registers and every reader knows."""

LARGEST_DOCUMENT: Final = 1 << 20
"""Bytes of an index, a manifest or a configuration that are looked at."""


class _Descriptor(msgspec.Struct):
    digest: str = ""
    size: int = -1


class _Document(msgspec.Struct):
    manifests: list[_Descriptor] | None = None
    config: _Descriptor | None = None
    layers: list[_Descriptor] | None = None


class Blobs:
    """What is known of a layout's blobs while it is read; `check` comes at the end, since a manifest may follow its layers."""

    def __init__(self) -> None:
        self._stated: dict[str, int] = {}
        """Size of a blob by its digest, as the first document states it that names it."""
        self._read: dict[str, tuple[str, int]] = {}
        """Name and size of each blob that was read, by its digest."""

    def describe(self, data: bytes) -> None:
        """Take the descriptors of an index or a manifest, if this is one; whatever else it is describes nothing."""
        try:
            document = msgspec.json.decode(data, type=_Document)
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            return
        for descriptor in (*(document.manifests or ()), document.config, *(document.layers or ())):
            if descriptor is not None and descriptor.size >= 0:
                self._stated.setdefault(descriptor.digest, descriptor.size)

    def verified(self, blocks: Iterator[bytes], name: str, size: int) -> Iterator[bytes]:
        """Yield the content of a blob of `size` bytes; raises BadImage at its end when it is not what its name says."""
        match = BLOB.fullmatch(name)
        assert match is not None
        algorithm, digest = match.groups()
        if algorithm not in ALGORITHMS:
            known = " and ".join(ALGORITHMS)
            raise BadImage(place(shown(name)), f"is named by a digest that cannot be verified; {known} can")
        hashing = hashlib.new(algorithm, usedforsecurity=False)
        came = 0
        for block in blocks:
            hashing.update(block)
            came += len(block)
            yield block
        if came < size:
            raise BadImage(place(shown(name)), f"is cut short: {came} of {size} bytes are there")
        if hashing.hexdigest() != digest:
            raise BadImage(place(shown(name)), f"is not what its name says: its digest is {algorithm}:{hashing.hexdigest()}")
        self._read[f"{algorithm}:{digest}"] = name, came

    def check(self) -> None:
        """Hold the blobs that were read to the sizes that documents state; raises BadImage."""
        for digest, (name, size) in self._read.items():
            stated = self._stated.get(digest, size)
            if stated != size:
                raise BadImage(place(shown(name)), f"has {size} bytes, and the document that names it states {stated}")
