"""Writes many small checkpoints of many shapes, one in a hundred of them broken: what a scan of a fleet is measured with.

`python -m tests.benchmarks.fleet_archives DIRECTORY [COUNT]` writes them, a thousand to a directory, the same in every run.
A broken one has in its name the way in which it is.
"""

import gzip
import io
import json
import random
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import zstandard

from tests.fuzz.mutations import some_bytes, stream
from tests.helpers.archives import DUMP, SECONDS, _images
from tests.helpers.linuxcr import GENERATIONS, Entry, build

BROKEN: Final = 100
"""One of so many is broken."""
A_DIRECTORY: Final = 1000
DAY: Final = 86_400

_Files = dict[str, bytes]


def write(directory: Path, count: int) -> int:
    """Write so many checkpoints below a directory, but for what is there already; returns how many of them are broken."""
    directory.mkdir(parents=True, exist_ok=True)
    for first in range(0, count, A_DIRECTORY):
        place = directory / f"{first // A_DIRECTORY:04}"
        if place.exists():
            continue
        unfinished = directory / f".{place.name}"
        unfinished.mkdir(exist_ok=True)
        for number in range(first, min(first + A_DIRECTORY, count)):
            name, data = archive(number)
            (unfinished / name).write_bytes(data)
        unfinished.rename(place)
    return count // BROKEN


def archive(number: int) -> tuple[str, bytes]:
    """Return a checkpoint by its number, and the name of its file."""
    source = random.Random(number)
    ending, data = _linuxcr(source) if source.random() < 0.5 else _container(source)
    if number % BROKEN == BROKEN - 1:
        ways = list(WAYS)
        way = ways[number // BROKEN % len(ways)]
        return f"{number:08}-broken-{way}.{ending}", WAYS[way](data, source)
    return f"{number:08}.{ending}", data


def _linuxcr(source: random.Random) -> tuple[str, bytes]:
    generation = source.choice(GENERATIONS)
    return "ckpt", build(
        _tree(source, nested=not generation.startswith("A")), generation, time=SECONDS + DAY * source.randrange(30)
    )


def _tree(source: random.Random, nested: bool) -> list[Entry]:
    """Return a tree as shells and services leave it: sessions, groups, threads' leaders, zombies, and a nested container."""
    entries = [Entry(pids=(1,), name="init")]
    number = 1
    for _ in range(source.randrange(1, 9)):
        number += source.randrange(1, 4)
        shell = number
        inner = nested and source.random() < 0.15
        entries.append(Entry(pids=(shell, 1) if inner else (shell,), parent=1, name="sh"))
        for place in range(source.randrange(0, 4)):
            number += 1
            pids = (number, 2 + place) if inner else (number,)
            entries.append(
                Entry(
                    pids=pids,
                    parent=shell,
                    group=source.choice((shell, number)),
                    session=shell,
                    name=source.choice(("make", "worker", "sleep", "nginx")),
                    zombie=source.random() < 0.1,
                )
            )
    return entries


IMAGES: Final[list[tuple[str, bytes]]] = []


def _container(source: random.Random) -> tuple[str, bytes]:
    if not IMAGES:
        IMAGES.extend(_images())
    data = _tar({**_engine(source), **{f"checkpoint/{name}": content for name, content in IMAGES}})
    match source.randrange(3):
        case 0:
            return "tar", data
        case 1:
            return "tar.gz", gzip.compress(data, 1, mtime=0)
        case _:
            return "tar.zst", zstandard.ZstdCompressor(1).compress(data)


def _engine(source: random.Random) -> _Files:
    """Return the files of the engine: a container of a pod of a few deployments, checkpointed on one day of thirty."""
    when = f"2026-02-{source.randrange(1, 29):02}T12:00:00Z"
    shop = f"shop{source.randrange(20)}"
    pod = f"{shop}-{_letters(source, 9)}-{_letters(source, 5)}"
    config = {"id": source.randbytes(32).hex(), "name": f"k8s_web_{pod}_default_0", "rootfsImageName": f"example/{shop}:1"}
    annotations = {
        "io.container.manager": "cri-o",
        "io.kubernetes.container.name": "web",
        "io.kubernetes.pod.name": pod,
        "io.kubernetes.pod.namespace": "default",
    }
    namespaces = [{"type": kind} for kind in ("pid", "mount", "network", "ipc", "uts")]
    spec = {"process": {"args": ["/web"]}, "annotations": annotations, "linux": {"namespaces": namespaces}}
    return {
        "config.dump": json.dumps(config | {"runtime": "runc", "checkpointedTime": when}).encode(),
        "spec.dump": json.dumps(spec).encode(),
    }


def _letters(source: random.Random, count: int) -> str:
    return "".join(source.choice("bcdfghjklmnpqrstvwxz2456789") for _ in range(count))


def _tar(files: _Files) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as packed:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(data), SECONDS
            packed.addfile(member, io.BytesIO(data))
    return out.getvalue()


def _lying(data: bytes, source: random.Random) -> bytes:
    """Return an archive whose member claims eight exabytes."""
    header = bytearray(_tar({"checkpoint/inventory.img": b"x"})[:512])
    header[124:136] = b"\x80\0\0\0\x3f" + b"\xff" * 7
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


WAYS: Final[dict[str, Callable[[bytes, random.Random], bytes]]] = {
    "empty": lambda data, source: b"",
    "cut": lambda data, source: data[: max(1, len(data) // 3)],
    "noise": lambda data, source: source.randbytes(4096),
    "zeros": lambda data, source: bytes(4096),
    "text": lambda data, source: b"no checkpoint at all\n",
    "bytes": some_bytes,
    "records": lambda data, source: stream(_linuxcr(source)[1], source),
    "cycle": lambda data, source: build([Entry(pids=(1,)), Entry(pids=(5,), parent=6), Entry(pids=(6,), parent=5)]),
    "twice": lambda data, source: build([Entry(pids=(1,)), Entry(pids=(5,), parent=1), Entry(pids=(5,), parent=1)]),
    "failed": lambda data, source: build(_tree(source, True), error="checkpoint failed", tail=False),
    "no-tail": lambda data, source: build(_tree(source, True), tail=False),
    "no-images": lambda data, source: _tar({"checkpoint/README": b"nothing"}),
    "bad-image": lambda data, source: _tar({"checkpoint/inventory.img": source.randbytes(64), "checkpoint/pstree.img": b"x"}),
    "lying-size": _lying,
    "gzip-cut": lambda data, source: gzip.compress(data, 1, mtime=0)[:-64],
    "gzip-bad": lambda data, source: gzip.compress(data, 1, mtime=0)[:40] + source.randbytes(400),
    "zstd-bad": lambda data, source: zstandard.ZstdCompressor(1).compress(data)[:60] + source.randbytes(400),
    "new-log": lambda data, source: b'{"seq":0,"type":"LogOpened","format_version":99}\n',
    "torn-log": lambda data, source: b'{"seq":0,"type":"LogOpened","format_version":2}\n{"seq":1,"typ',
}
"""Ways in which a checkpoint is broken, each from a good one."""


def names(count: int) -> Iterator[str]:
    """Yield the names of the files that `write` makes."""
    for number in range(count):
        yield archive(number)[0]


def main() -> int:
    """Write the archives and say how many are broken."""
    directory, count = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    assert DUMP.exists()
    sys.stdout.write(f"{count} checkpoints, {write(directory, count)} of them broken\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
