"""What is kept on a machine under a name: profiles of AppArmor that are loaded, images of containers. No program is run.

Source: containers/storage `images.go` (`overlay-images/images.json`), containerd `docs/content-flow.md` (blobs by digest).
"""

import os
from typing import Final

import msgspec

PROFILES: Final = "/sys/kernel/security/apparmor/profiles"
CONTAINERS_STORAGE: Final = (
    "/var/lib/containers/storage/overlay-images/images.json",
    "/var/lib/containers/storage/vfs-images/images.json",
)
CONTAINERD: Final = "/var/lib/containerd/io.containerd.content.v1.content/blobs/sha256"
LARGEST: Final = 64 << 20
"""Bytes of a list of images that are read."""


class _Image(msgspec.Struct):
    id: str = ""


def profiles(names: tuple[str, ...], file: str = PROFILES) -> dict[str, bool]:
    """Say of each profile whether it is loaded; nothing where the kernel's list cannot be read."""
    if not names:
        return {}
    try:
        with open(file, encoding="utf-8", errors="replace") as stream:
            loaded = {line.rpartition(" (")[0] for line in stream.read(LARGEST).splitlines()}
    except OSError:
        return {}
    return {name: name in loaded for name in names}


def container_images(
    digests: tuple[str, ...], lists: tuple[str, ...] = CONTAINERS_STORAGE, blobs: str = CONTAINERD
) -> dict[str, bool]:
    """Say of each image, by the digest of its configuration, whether a store has it; nothing where there is no store."""
    stores = [found for file in lists if (found := _listed(file)) is not None]
    blobs_there = os.path.isdir(blobs)
    if not digests or not (stores or blobs_there):
        return {}
    return {
        digest: any(digest in found for found in stores) or (blobs_there and os.path.exists(f"{blobs}/{digest}"))
        for digest in digests
    }


def _listed(file: str) -> set[str] | None:
    try:
        with open(file, "rb") as stream:
            return {image.id for image in msgspec.json.decode(stream.read(LARGEST), type=list[_Image])}
    except (OSError, msgspec.DecodeError, RecursionError, UnicodeError):
        return None
