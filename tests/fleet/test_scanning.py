"""The scan of many images: a row each, whatever is wrong with one, and whatever the workers die of."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import pytest
import zstandard

from planner import fleet
from planner.events.records import AnyEvent
from planner.fleet import FindingRow, ImageRow, VerdictRow, examining
from planner.fleet.rows import Row
from planner.fleet.work import BESIDE
from planner.hookspecs import Reader, ReadRequest, Source
from planner.host.facts import Host
from planner.plugins import Registry, load
from tests.benchmarks.fleet_archives import BROKEN, WAYS, archive
from tests.helpers.places import EXAMPLES

THREADS = 2


def scan(*uris: object, **given: object) -> list[Row]:
    """Scan with threads of this process, which is quick and has what a test has changed."""
    with ThreadPoolExecutor(THREADS) as executor:
        return list(fleet.scan([str(uri) for uri in uris], executor=executor, **given))  # type: ignore[arg-type]


def images(rows: list[Row]) -> dict[str, ImageRow]:
    found = [row for row in rows if isinstance(row, ImageRow)]
    assert len({row.uri for row in found}) == len(found)
    return {os.path.basename(row.uri): row for row in found}


def test_every_file_of_a_directory_is_a_row_and_every_bad_one_says_why(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# No image\n")
    unpacked = zstandard.ZstdDecompressor().decompressobj().decompress((EXAMPLES / "podman.tar.zst").read_bytes())
    (tmp_path / "podman.tar").write_bytes(unpacked)
    found = images(scan(EXAMPLES, tmp_path))
    assert set(found) == {*(path.name for path in EXAMPLES.rglob("*") if path.is_file()), "README.md", "podman.tar"}
    assert (found["nested.ckpt"].tasks, found["nested.ckpt"].steps, found["nested.ckpt"].depth) == (7, 22, 2)
    assert found["nested.ckpt"].plan_id == "67b6623159209f09"
    assert found["kubernetes.tar"].workload == "default/web/shop"
    assert found["podman.tar.zst"].captured == "2026-01-31T12:00:00Z"
    assert found["kubernetes.tar"].cpu == "hi16_zmm opmask sse"
    assert found["podman.tar"].content_id == found["podman.tar.zst"].content_id != found["podman.tar"].image_id
    assert found["kubernetes.tar"].content_id != found["podman.tar"].content_id  # what the engines say differs
    assert (found["contradictory.ckpt"].error_code, found["contradictory.ckpt"].exit_code) == ("parent-cycle", 3)
    assert (found["README.md"].error_code, found["README.md"].exit_code) == ("bad-image", 1)
    assert all(row.seconds > 0 and row.bytes and row.bytes_read for row in found.values())


def test_each_host_has_verdicts_of_its_own() -> None:
    hosts = {"old": Host(kernel="3.10"), "new": Host(kernel="6.12")}
    verdicts = [row for row in scan(EXAMPLES / "kubernetes.tar", hosts=hosts) if isinstance(row, VerdictRow)]
    assert {(row.host, row.consumer) for row in verdicts} == {
        (host, consumer) for host in hosts for consumer in ("criu-restore", "cri-o")
    }


@pytest.mark.slow
def test_a_pool_of_processes_gives_the_same_rows_as_threads() -> None:
    def comparable(rows: list[Row]) -> set[object]:
        return {repr(row) if not isinstance(row, ImageRow) else (row.uri, row.plan_id, row.content_id, row.error) for row in rows}

    assert comparable(list(fleet.scan([str(EXAMPLES)], workers=2))) == comparable(scan(EXAMPLES))


def test_a_pattern_and_a_missing_file_and_a_pattern_without_a_match() -> None:
    found = scan(EXAMPLES / "n*.ckpt", EXAMPLES / "gone.ckpt", EXAMPLES / "no*thing")
    assert {os.path.basename(row.uri): row.error for row in found if isinstance(row, ImageRow)} == {
        "nested.ckpt": "",
        "gone.ckpt": "cannot be opened: No such file or directory",
        "no*thing": "is a pattern that nothing matches",
    }


def test_an_image_directory_is_one_input(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "checkpoint").mkdir(parents=True)
        (tmp_path / name / "checkpoint" / "inventory.img").write_bytes(b"no inventory")
    assert sorted(images(scan(tmp_path))) == ["a", "b"]


def test_every_way_in_which_an_archive_is_broken_is_told(tmp_path: Path) -> None:
    for number in range(BROKEN - 1, BROKEN * len(WAYS), BROKEN):
        name, data = archive(number)
        (tmp_path / name).write_bytes(data)
    rows = scan(tmp_path)
    found = images(rows)
    assert len(found) == len(WAYS)
    told = {os.path.basename(row.uri) for row in rows if isinstance(row, FindingRow)}
    told |= {name for name, row in found.items() if row.error}
    assert told == set(found)
    assert {row.error_code for row in found.values()} <= {
        "",
        "bad-image",
        "parent-cycle",
        "duplicate-number",
        "checkpoint-failed",
    }


def test_logs_stand_in_for_images_in_a_later_scan(tmp_path: Path) -> None:
    image = tmp_path / "shop.tar"
    image.write_bytes((EXAMPLES / "kubernetes.tar").read_bytes() + bytes(1 << 20))
    first = images(scan(tmp_path, logs=BESIDE))["shop.tar"]
    second = images(scan(tmp_path, logs=BESIDE))["shop.tar"]
    assert (second.uri, second.plan_id, second.content_id) == (first.uri, first.plan_id, first.content_id)
    assert (second.bytes, second.etag, second.modified) == (first.bytes, first.etag, first.modified)
    assert second.bytes == image.stat().st_size
    assert second.bytes_read and first.bytes_read and second.bytes_read < first.bytes_read / 10
    image.write_bytes((EXAMPLES / "nested.ckpt").read_bytes())
    assert images(scan(tmp_path, logs=BESIDE))["shop.tar"].format == "linux-cr"


def test_objects_that_lie_elsewhere_are_rows_with_their_urls() -> None:
    files = fsspec.filesystem("memory")
    for path in EXAMPLES.rglob("*"):
        if path.is_file():
            files.pipe(f"/bucket/{path.relative_to(EXAMPLES)}", path.read_bytes())
    found = images(scan("memory://bucket", "memory://bucket/gone.tar"))
    local = images(scan(EXAMPLES))
    assert found["gone.tar"].error == "is not there"
    for name, row in local.items():
        assert found[name].uri.startswith("memory://bucket/")
        assert (found[name].plan_id, found[name].content_id, found[name].error_code) == (
            row.plan_id,
            row.content_id,
            row.error_code,
        )


def _slow(source: Source, request: ReadRequest) -> Iterator[AnyEvent]:
    for _ in range(1000):
        time.sleep(0.01)
    yield from ()


def _greedy(source: Source, request: ReadRequest) -> Iterator[AnyEvent]:
    raise MemoryError
    yield


@pytest.mark.parametrize(("read", "code"), [(_slow, "time-limit"), (_greedy, "memory-limit")])
def test_a_limit_that_is_passed_is_a_row(read: object, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(name="test", help="a test", recognises=lambda source: source.head == b"image", read=read)  # type: ignore[arg-type]
    with_reader = Registry(readers=(reader, *load(()).readers))  # before the limits hold: plugins are imported here
    monkeypatch.setattr(examining, "registry_of", lambda third_party: with_reader)
    (tmp_path / "image").write_bytes(b"image")
    found = images(scan(tmp_path, EXAMPLES / "nested.ckpt", seconds=1))
    assert found["image"].error_code == code
    assert found["nested.ckpt"].error == ""
