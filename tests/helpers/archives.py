"""Builds the checkpoint archives among the examples from a dump that podman took.

The dump is `tests/data/criu/podman_container`, without memory pages. What the engines' own files say is cut down to what people
and tools read in them. Times are fixed, so equal inputs give equal archives.
`python -m tests.helpers.archives` writes them anew.
"""

import io
import json
import sys
import tarfile
from collections.abc import Iterator

import zstandard

from tests.helpers.places import ROOT

DUMP = ROOT / "tests" / "data" / "criu" / "podman_container" / "checkpoint-zstd.tar"
EXAMPLES = ROOT / "examples" / "images"

WHEN = "2026-01-31T12:00:00Z"
SECONDS = 1769860800
"""The same time, as tar has it."""

IDENTIFIER = "5b8f4e1c" * 8
COMMAND = ["/usr/local/bin/service", "--workers", "2"]
IMAGE = "docker.io/example/shop:1.4"


def archives() -> dict[str, bytes]:
    """Return the archives by name, unpacked."""
    return {
        "podman.tar.zst": _archive(_podman(), "checkpoint"),
        "kubernetes.tar": _archive(_cri_o(), "checkpoint"),
    }


def _podman() -> dict[str, object]:
    namespaces = [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount")]
    return {
        "config.dump": {
            "id": IDENTIFIER,
            "name": "shop",
            "rootfsImageName": IMAGE,
            "runtime": "runc",
            "createdTime": WHEN,
            "checkpointedTime": WHEN,
        },
        "spec.dump": {
            "ociVersion": "1.0.2-dev",
            "process": {"args": COMMAND, "cwd": "/"},
            "hostname": IDENTIFIER[:12],
            "annotations": {"io.container.manager": "libpod", "org.opencontainers.image.stopSignal": "15"},
            "linux": {"namespaces": namespaces},
        },
        "network.status": None,
    }


def _cri_o() -> dict[str, object]:
    """The container of a pod: its network, host name and IPC are the pod's."""
    joined = [{"type": kind, "path": f"/var/run/{kind[:3]}ns/shop"} for kind in ("network", "ipc", "uts")]
    return {
        "config.dump": {
            "id": IDENTIFIER,
            "name": "k8s_shop_web_default_0",
            "rootfsImage": IMAGE,
            "rootfsImageName": IMAGE,
            "runtime": "runc",
            "createdTime": WHEN,
            "checkpointedTime": WHEN,
            "restoredTime": "0001-01-01T00:00:00Z",
            "restored": False,
        },
        "spec.dump": {
            "ociVersion": "1.0.2-dev",
            "process": {"args": COMMAND, "cwd": "/"},
            "annotations": {
                "io.container.manager": "cri-o",
                "io.kubernetes.container.name": "shop",
                "io.kubernetes.pod.name": "web",
                "io.kubernetes.pod.namespace": "default",
            },
            "linux": {"namespaces": [{"type": "pid"}, *joined, {"type": "mount"}]},
        },
    }


def _archive(documents: dict[str, object], directory: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as packed:
        for name, document in documents.items():
            _add(packed, name, json.dumps(document).encode())
        for name, data in _images():
            _add(packed, f"{directory}/{name}", data)
    return out.getvalue()


def _images() -> Iterator[tuple[str, bytes]]:
    """Yield the dump's own images by name, without memory and file systems."""
    plain = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(DUMP.read_bytes())).read()
    with tarfile.open(fileobj=io.BytesIO(plain)) as packed:
        members = {member.name: member for member in packed if member.isfile()}
        for name in sorted(members):
            directory, _, file = name.rpartition("/")
            if directory == "checkpoint" and not file.startswith(("pages-", "tmpfs-", "seccomp")):
                stream = packed.extractfile(members[name])
                assert stream is not None
                yield file, stream.read()


def _add(packed: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = len(data), SECONDS, 0o600
    packed.addfile(member, io.BytesIO(data))


def main() -> int:
    """Write the archives among the examples."""
    for name, data in archives().items():
        packed = zstandard.ZstdCompressor(level=19).compress(data) if name.endswith(".zst") else data
        (EXAMPLES / name).write_bytes(packed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
