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
MANIFEST: Final = "manifest.json"
"""What a docker-archive and skopeo's `dir:` have instead of an index."""
BLOB: Final = re.compile(r"(?:.*/)?blobs/([a-z0-9+._-]+)/([0-9a-f]{32,128})")
"""Name of a blob: the digest's algorithm and the digest."""
_IN_PATH: Final = re.compile(r"blobs/([a-z0-9+._-]+)/([0-9a-f]{32,128})(?:/|$)")

ALGORITHMS: Final = ("sha256", "sha512")
"""Those that the specification registers and every reader knows."""

LARGEST_DOCUMENT: Final = 1 << 20
"""Bytes of an index, a manifest or a configuration that are looked at."""


MOST_DOCUMENTS: Final = 10_000
"""Documents of a layout that are kept to see which layers belong together."""

MOST_STEPS: Final = 1_000_000
"""Descriptors that are followed in one layout; what lies beyond has no name and no annotations."""

TAGS: Final = ("org.opencontainers.image.ref.name", "io.containerd.image.name")
"""Annotations of an index that name what they describe."""


IMAGES_OF_CTR: Final = "application/vnd.containerd.container.criu.checkpoint.criu.tar"
"""Media type of the images in a checkpoint `ctr containers checkpoint` makes (containerd `core/images/mediatypes.go`)."""


class _Descriptor(msgspec.Struct):
    mediaType: str = ""
    digest: str = ""
    size: int = -1
    annotations: dict[str, str] | None = None


class _Document(msgspec.Struct):
    manifests: list[_Descriptor] | None = None
    config: _Descriptor | None = None
    layers: list[_Descriptor] | None = None
    annotations: dict[str, str] | None = None

    def descriptors(self) -> Iterator[_Descriptor]:
        """Yield what the document describes."""
        yield from self.manifests or ()
        if self.config is not None:
            yield self.config
        yield from self.layers or ()


class _Saved(msgspec.Struct):
    """An entry of a docker-archive's manifest."""

    RepoTags: list[str] | None = None
    Layers: list[str] | None = None


class Blobs:
    """What is known of a layout's blobs while it is read; `check` comes at the end, since a manifest may follow its layers."""

    def __init__(self) -> None:
        self._stated: dict[str, int] = {}
        """Size of a blob by its digest, as the first document states it that names it."""
        self._read: dict[str, tuple[str, int]] = {}
        """Name and size of each blob that was read, by its digest."""
        self._documents: dict[str, _Document] = {}
        """Indices and manifests by their digest."""
        self._index: list[_Document] = []
        self._reached: dict[str, dict[str, None]] = {}
        self._steps = 0

    @staticmethod
    def docker_names(data: bytes) -> dict[str, str]:
        """Return the tag of each layer of a docker-archive, by its path, if this is the manifest of one."""
        try:
            saved = msgspec.json.decode(data, type=list[_Saved])
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            return {}
        return {layer: one.RepoTags[0] for one in reversed(saved) if one.RepoTags for layer in one.Layers or ()}

    def index(self, data: bytes) -> None:
        """Take the index of the layout, from which everything else is found."""
        document = self._described(data)
        if document is not None:
            self._index.append(document)

    def describe(self, data: bytes, name: str) -> None:
        """Take the descriptors of an index or a manifest, if this blob is one; whatever else it is describes nothing."""
        document = self._described(data)
        match = BLOB.fullmatch(name)
        if document is not None and match is not None and len(self._documents) < MOST_DOCUMENTS:
            self._documents[":".join(match.groups())] = document

    def _described(self, data: bytes) -> _Document | None:
        try:
            document = msgspec.json.decode(data, type=_Document)
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            return None
        for descriptor in document.descriptors():
            if descriptor.size >= 0:
                self._stated.setdefault(descriptor.digest, descriptor.size)
        return document

    def tag(self, path: str) -> str:
        """Return the name under which the index knows the layer at `path`, "" where it has none."""
        digest = _digest_in(path)
        named = ((_tag(one), one) for document in self._index for one in document.manifests or ())
        return min((tag for tag, one in named if tag and digest in self._below(one.digest)), default="")

    def layers(self) -> Iterator[str]:
        """Yield the path of one layer of each manifest that the index leads to: what is said of it holds for all of them.

        An index whose descriptors are no manifests is the checkpoint of `ctr`, and its layer the one with CRIU's images.
        """
        reached = (digest for document in self._index for one in document.manifests or () for digest in self._below(one.digest))
        found = [self._documents[digest] for digest in dict.fromkeys(reached) if digest in self._documents]
        for document in (*self._index, *found):
            blobs = [one for one in document.manifests or () if one.digest not in self._documents]
            blobs.sort(key=lambda one: one.mediaType != IMAGES_OF_CTR)
            for one in (document.layers or [])[-1:] or blobs[:1]:
                yield f"blobs/{one.digest.replace(':', '/', 1)}"

    def annotations(self, path: str) -> dict[str, str]:
        """Return what index and manifests say of the layer at `path`; what stands nearest to the layer counts."""
        digest = _digest_in(path)
        found: dict[str, str] = {}
        for document in self._index:
            found |= document.annotations or {}
            for one in document.manifests or ():
                below = self._below(one.digest)
                if digest in below:
                    found |= one.annotations or {}
                    for inner in below:
                        if inner in self._documents:
                            found |= self._documents[inner].annotations or {}
        if not any(digest in self._below(one.digest) for document in self._index for one in document.manifests or ()):
            for document in self._documents.values():
                found |= document.annotations or {}
        return found

    def _below(self, digest: str) -> dict[str, None]:
        """Return every blob that is reached from one, itself included."""
        if digest in self._reached:
            return self._reached[digest]
        found: dict[str, None] = {digest: None}
        waiting = [digest]
        while waiting:
            document = self._documents.get(waiting.pop())
            for descriptor in document.descriptors() if document is not None else ():
                self._steps += 1
                if self._steps > MOST_STEPS:
                    waiting = []
                    break
                if descriptor.digest not in found:
                    found[descriptor.digest] = None
                    waiting.append(descriptor.digest)
        self._reached[digest] = found
        return found

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


def _digest_in(path: str) -> str:
    match = _IN_PATH.search(path)
    return ":".join(match.groups()) if match is not None else ""


def _tag(descriptor: _Descriptor) -> str:
    given = descriptor.annotations or {}
    return next((given[name] for name in TAGS if given.get(name)), "")
