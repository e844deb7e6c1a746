"""What the fuzzer starts from: the sample images of every kind, with their logs and plans, and how each kind is changed."""

import io
import random
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec

import planner
from planner.events import log
from planner.pipeline.resolve import resolve
from planner.plans.document import document
from planner.text import json_document
from tests.fuzz import mutations, words
from tests.helpers import criu_dumps
from tests.helpers.places import ROOT

LARGEST = 200_000
"""Bytes of a seed: larger ones say the same and take longer."""


class Seed(msgspec.Struct, frozen=True):
    """A sample: of one stream, or of the files of a directory."""

    kind: str
    name: str
    data: bytes = b""
    files: dict[str, bytes] = {}


class Input(msgspec.Struct, frozen=True):
    """What a command gets: a stream, or the files of a directory."""

    kind: str
    name: str
    data: bytes = b""
    files: dict[str, bytes] = {}

    def write(self, place: Path) -> Path:
        """Write the input below a directory and return its path."""
        place.mkdir(parents=True, exist_ok=True)
        path = place / "image"
        if not self.files:
            path.write_bytes(self.data)
            return path
        path.mkdir(exist_ok=True)
        for name, data in self.files.items():
            file = path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        return path


def seeds() -> list[Seed]:
    """Return the samples, each with its log and its plan where it has them."""
    found = [
        Seed("stream", path.name, path.read_bytes())
        for path in sorted([*(ROOT / "tests/data/linux-cr").glob("*.ckpt"), *(ROOT / "examples/images").glob("*.ckpt")])
        if path.stat().st_size <= LARGEST
    ]
    for path in sorted((ROOT / "tests/data/criu").glob("*/img")):
        files = {file.name: file.read_bytes() for file in sorted(path.iterdir()) if file.is_file()}
        if sum(map(len, files.values())) <= LARGEST:
            found.append(Seed("directory", path.parent.name, files=files))
    # What the samples lack, a made dump holds: every message of detail "all".
    found += [Seed("directory", name, files=criu_dumps.every()) for name in ("contents", "holdings")]
    for seed in list(found):
        found += _written(seed)
    return found


def _written(seed: Seed) -> list[Seed]:
    """Return the log of a sample's facts, that of its decisions, and its plan."""
    with tempfile.TemporaryDirectory() as place:
        path = Input(seed.kind, seed.name, seed.data, seed.files).write(Path(place))
        facts = list(planner.read(str(path)))
    try:
        outcome = resolve(list(facts))
    except planner.CrplanError:
        return [Seed("log", seed.name, b"".join(log.lines(facts)))]
    plan = json_document(document(outcome.plan, outcome.findings), 0)
    logs = [Seed("log", seed.name, b"".join(log.lines(events))) for events in (facts, outcome.events)]
    return [*logs, Seed("plan", seed.name, plan)]


def mutated(seed: Seed, source: random.Random) -> Input:
    """Return a changed input of a sample; some directories are packed."""
    if seed.kind == "directory":
        files = mutations.directory(seed.files, source)
        if source.random() < 0.3:
            return Input("archive", seed.name, archive(files, source))
        names = {name: data for name, data in files.items() if 0 < len(name.encode("utf-8", "replace")) < 200}
        return Input("directory", seed.name, files={_encodable(name): data for name, data in names.items()})
    change: dict[str, Callable[[bytes, random.Random], bytes]] = {
        "stream": mutations.stream,
        "log": mutations.log,
        "plan": mutations.document,
    }
    return Input(seed.kind, seed.name, change[seed.kind](seed.data, source))


def _encodable(name: str) -> str:
    return name.encode("utf-8", "replace").decode()


def archive(files: dict[str, bytes], source: random.Random) -> bytes:
    """Return a checkpoint archive of the files, packed somehow and perhaps damaged."""
    out = io.BytesIO()
    form = source.choice((tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT))
    with tarfile.open(fileobj=out, mode="w", format=form) as packed:
        for name, data in files.items():
            member = tarfile.TarInfo(f"checkpoint/{_encodable(name)}")
            if source.random() < 0.01:
                member.name = words.text(source).replace("\0", "") or "x"
                member.type = source.choice((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.REGTYPE))
            member.size = len(data)
            try:
                packed.addfile(member, io.BytesIO(data))
            except (ValueError, UnicodeError):
                continue
    data = out.getvalue()
    if source.random() < 0.2:
        data = mutations.some_bytes(data, source)
    match source.randrange(3):
        case 0:
            import gzip

            data = gzip.compress(data, 1, mtime=0)
        case 1:
            import zstandard

            data = zstandard.compress(data)
    return mutations.some_bytes(data, source) if source.random() < 0.1 else data
