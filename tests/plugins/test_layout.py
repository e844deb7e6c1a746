"""Blobs of an OCI image layout are what their digests and their descriptors say, or the layout is refused in one line."""

import gzip
import hashlib
import io
import json
import os
import tarfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from crplan_criu.layout import LARGEST_DOCUMENT
from crplan_criu.read import read
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.errors import BadImage
from planner.events.records import TaskRecorded
from planner.hookspecs import Source
from planner.pipeline import sources
from tests.helpers.containers import Dump

Files = dict[str, bytes]


def name_of(content: bytes, algorithm: str = "sha256") -> str:
    return f"blobs/{algorithm}/{hashlib.new(algorithm, content).hexdigest()}"


def descriptor(content: bytes, algorithm: str = "sha256", **changed: Any) -> dict[str, Any]:
    return {"digest": name_of(content, algorithm)[6:].replace("/", ":"), "size": len(content)} | changed


def archive(members: Files) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as packed:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content))
    return out.getvalue()


LAYER = gzip.compress(archive(Dump().task(7).task(8, 7, session=7).images()), mtime=0)
CONFIGURATION = b'{"architecture": "amd64", "os": "linux"}'


def layout(layer: bytes = LAYER, *, algorithm: str = "sha256", **of_layer: Any) -> Files:
    """A layout as containerd pushes a checkpoint; `of_layer` changes what the manifest states of it."""
    manifest = json.dumps(
        {"schemaVersion": 2, "config": descriptor(CONFIGURATION), "layers": [descriptor(layer, algorithm, **of_layer)]}
    ).encode()
    return {
        name_of(layer, algorithm): layer,
        name_of(CONFIGURATION): CONFIGURATION,
        name_of(manifest): manifest,
        "index.json": json.dumps({"schemaVersion": 2, "manifests": [descriptor(manifest)]}).encode(),
        "oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
    }


def as_archive(files: Files, directory: Path) -> Source:
    return sources.from_bytes(archive(files), "layout.tar")


def as_compressed(files: Files, directory: Path) -> Source:
    return sources.from_bytes(gzip.compress(archive(files)), "layout.tar")


def as_directory(files: Files, directory: Path) -> Source:
    for name, content in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(content)
    return sources.from_path(str(directory))


Packed = Callable[[Files, Path], Source]
packings = pytest.mark.parametrize("packed", [as_archive, as_compressed, as_directory])


def tasks(source: Source) -> list[int]:
    return [event.pids[0] for event in read(source) if isinstance(event, TaskRecorded)]


def refusal(source: Source) -> str:
    with pytest.raises(BadImage) as caught:
        list(read(source))
    assert "\n" not in caught.value.message
    return f"{caught.value.at}: {caught.value.message}"


@packings
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_layout_that_is_what_it_says_is_read(packed: Packed, algorithm: str, tmp_path: Path) -> None:
    assert tasks(packed(layout(algorithm=algorithm), tmp_path)) == [7, 8]


@packings
@pytest.mark.parametrize("reverse", [False, True])
def test_the_manifest_may_stand_before_its_layers_or_behind(packed: Packed, reverse: bool, tmp_path: Path) -> None:
    files = dict(sorted(layout().items(), reverse=reverse))
    assert tasks(packed(files, tmp_path)) == [7, 8]


@packings
@pytest.mark.parametrize("which", [0, 1, 2], ids=["layer", "configuration", "manifest"])
def test_a_blob_that_was_changed_is_refused(packed: Packed, which: int, tmp_path: Path) -> None:
    files = layout()
    name = list(files)[which]
    changed = {0: gzip.compress(archive(Dump().task(9).images())), 1: b'{"os": "moon"}', 2: b'{"layers": []}'}[which]
    words = refusal(packed(files | {name: changed}, tmp_path))
    assert words.startswith(f"{name}#0: is not what its name says: its digest is sha256:")


@packings
def test_a_layer_with_something_behind_its_end_is_refused(packed: Packed, tmp_path: Path) -> None:
    files = layout()
    assert "is not what its name says" in refusal(packed(files | {next(iter(files)): LAYER + b"\x00" * 1000}, tmp_path))


@packings
@pytest.mark.parametrize("stated", [len(LAYER) - 1, len(LAYER) + 1, 0, 1 << 60])
def test_a_layer_of_another_size_than_stated_is_refused(packed: Packed, stated: int, tmp_path: Path) -> None:
    words = refusal(packed(layout(size=stated), tmp_path))
    assert f"has {len(LAYER)} bytes, and the document that names it states {stated}" in words


@packings
def test_a_manifest_of_another_size_than_the_index_states_is_refused(packed: Packed, tmp_path: Path) -> None:
    files = layout()
    index = json.loads(files["index.json"])
    index["manifests"][0]["size"] += 1
    assert "states" in refusal(packed(files | {"index.json": json.dumps(index).encode()}, tmp_path))


@packings
@pytest.mark.parametrize("document", [b"[]", b"{", b'{"manifests": 7}', b'{"manifests": [{"size": "x"}]}', b"[" * 10_000])
def test_an_index_that_describes_nothing_takes_nothing_away(packed: Packed, document: bytes, tmp_path: Path) -> None:
    assert tasks(packed(layout() | {"index.json": document}, tmp_path)) == [7, 8]


@packings
def test_a_digest_that_nobody_can_verify_is_no_proof(packed: Packed, tmp_path: Path) -> None:
    files = layout() | {f"blobs/blake9/{'0' * 64}": LAYER}
    assert "cannot be verified; sha256 and sha512 can" in refusal(packed(files, tmp_path))


def test_a_layer_that_is_cut_short_says_so() -> None:
    whole = archive({name_of(LAYER): LAYER})
    words = refusal(sources.from_bytes(whole[: 512 + len(LAYER) - 20], "layout.tar"))
    assert "is cut short" in words


def test_what_is_not_looked_into_is_not_read(tmp_path: Path) -> None:
    """A blob of 64 GiB that is neither a document nor an archive costs nothing, and its digest is not asked for."""
    as_directory(layout(), tmp_path)
    with open(tmp_path / "blobs" / "sha256" / ("1" * 64), "wb") as sparse:
        sparse.truncate(1 << 36)
    start = time.monotonic()
    assert tasks(sources.from_path(str(tmp_path))) == [7, 8]
    assert time.monotonic() - start < 5


def test_a_document_as_large_as_no_manifest_is_passed_over(tmp_path: Path) -> None:
    large = b'{"a": "' + b"x" * LARGEST_DOCUMENT + b'"}'
    assert tasks(as_archive(layout() | {f"blobs/sha256/{'2' * 64}": large}, tmp_path)) == [7, 8]


def test_a_large_layer_is_hashed_in_one_pass_and_little_memory(tmp_path: Path) -> None:
    """Pages of 256 MiB in a layer that is not compressed: every byte is hashed, and none is kept."""
    layer = tmp_path / "layer"
    pages = tarfile.TarInfo("pages-1.img")
    pages.size = 256 << 20
    hashing = hashlib.sha256()

    def parts() -> Iterator[bytes]:
        yield pages.tobuf(tarfile.USTAR_FORMAT)
        for _ in range(pages.size >> 20):
            yield b"\x5a" * (1 << 20)
        yield archive(Dump().task(7).images())

    with open(layer, "wb") as out:
        for part in parts():
            hashing.update(part)
            out.write(part)
    as_directory({"oci-layout": b"{}"}, tmp_path)
    (tmp_path / "blobs" / "sha256").mkdir(parents=True)
    os.rename(layer, tmp_path / "blobs" / "sha256" / hashing.hexdigest())
    tracemalloc.start()
    try:
        assert tasks(sources.from_path(str(tmp_path))) == [7]
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_whatever_a_byte_of_a_blob_is_changed_to_it_is_noticed(data: st.DataObject) -> None:
    files = layout()
    name = data.draw(st.sampled_from([name for name in files if name.startswith("blobs/")]))
    content = bytearray(files[name])
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    refusal(sources.from_bytes(archive(files | {name: bytes(content)}), "layout.tar"))
