"""Images that lie elsewhere: how much is fetched of them, and that many are waited for at once."""

import contextlib
import gzip
import io
import json
import os
import shutil
import tarfile
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import fsspec
import pytest
import zstandard

from planner import fleet
from planner.fleet import ImageRow
from planner.fleet.layouts import Packed
from planner.fleet.opening import FIRST, MOST, Ranges
from planner.fleet.sources import Done
from planner.fleet.work import Work
from tests.helpers.archives import _cri_o, _images
from tests.helpers.places import EXAMPLES

MIB = 1 << 20
KUBERNETES = (EXAMPLES / "kubernetes.tar").read_bytes()


def scan(*uris: str, threads: int = 4) -> dict[str, ImageRow]:
    with ThreadPoolExecutor(threads) as executor:
        rows = fleet.scan(uris, executor=executor, workers=threads, in_flight=threads)
        return {row.uri: row for row in rows if isinstance(row, ImageRow)}


def large_archive(file: Path, pages: int, size: int) -> None:
    """Write a checkpoint with so many files of memory pages, which are holes in the file, among and before its images."""
    documents = {name: json.dumps(content).encode() for name, content in _cri_o().items()}
    members = [*documents.items(), *((f"checkpoint/{name}", data) for name, data in _images())]
    holes = [(f"checkpoint/pages-{number}.img", size) for number in range(1, pages + 1)]
    with open(file, "wb") as stream:
        for place in range(max(len(members), pages)):
            for name, length, data in [
                *((name, length, b"") for name, length in holes[place : place + 1]),
                *((name, len(data), data) for name, data in members[place : place + 1]),
            ]:
                member = tarfile.TarInfo(name)
                member.size = length
                stream.write(member.tobuf(tarfile.GNU_FORMAT) + data)
                stream.seek(stream.tell() + length - len(data) + -length % 512)
        stream.write(bytes(1024))


@pytest.mark.parametrize("pages", [1, 40])
def test_of_a_large_plain_archive_only_headers_and_wanted_files_are_fetched(tmp_path: Path, pages: int) -> None:
    large_archive(tmp_path / "large.tar", pages, (2 << 30) // pages)
    (row,) = scan(f"file://{tmp_path}/large.tar").values()
    assert (row.error, row.tasks) == ("", 4)
    assert row.bytes and row.bytes > 2 << 30
    assert row.bytes_read and row.bytes_read < 2 * MIB


def test_a_jump_fetches_little_and_reading_on_fetches_more() -> None:
    fetched: list[tuple[int, int]] = []

    def fetch(start: int, end: int) -> bytes:
        fetched.append((start, end))
        return bytes(end - start)

    file = Ranges(fetch, 64 * MIB)
    while file.read(1 << 17):
        pass
    sizes = [end - start for start, end in fetched]
    assert sizes[0] == 2 * FIRST and max(sizes) == MOST and sum(sizes) == 64 * MIB
    assert len(fetched) < 30
    file.seek(MIB)
    assert file.read(512) == bytes(512)
    assert fetched[-1] == (MIB, MIB + FIRST)
    assert file.seek(100 * MIB) == 100 * MIB and file.read(1) == b""


def test_compressed_archives_are_read_as_a_stream() -> None:
    files = fsspec.filesystem("memory")
    files.pipe("/packed/a.tar.gz", gzip.compress(KUBERNETES))
    files.pipe("/packed/a.tar.zst", zstandard.ZstdCompressor().compress(KUBERNETES))
    found = scan("memory://packed")
    assert {row.error for row in found.values()} == {""}
    assert len({row.content_id for row in found.values()}) == 1
    assert all(row.bytes_read == row.bytes for row in found.values())
    files.pipe("/plain/a.tar", KUBERNETES)
    assert {row.sha256 for row in scan("memory://packed", "memory://plain").values()} == {row.sha256 for row in found.values()}
    assert all(row.sha256 for row in found.values())


def test_an_image_layout_in_object_storage_is_one_input() -> None:
    import hashlib

    files = fsspec.filesystem("memory")

    def blob(data: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        files.pipe(f"/layout/shop/blobs/sha256/{digest}", data)
        return {"mediaType": "application/octet-stream", "digest": f"sha256:{digest}", "size": len(data)}

    layer = blob(gzip.compress(KUBERNETES, mtime=0))
    annotations = {"org.criu.checkpoint.container.name": "shop", "org.criu.checkpoint.pod.name": "front"}
    manifest = blob(json.dumps({"schemaVersion": 2, "layers": [layer], "annotations": annotations}).encode())
    files.pipe("/layout/shop/index.json", json.dumps({"schemaVersion": 2, "manifests": [manifest]}).encode())
    files.pipe("/layout/shop/oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
    files.pipe("/layout/other.ckpt", (EXAMPLES / "nested.ckpt").read_bytes())
    found = scan("memory://layout")
    assert set(found) == {"memory://layout/shop", "memory://layout/other.ckpt"}
    row = found["memory://layout/shop"]
    assert (row.error, row.tasks, row.container) == ("", 4, "k8s_shop_web_default_0")


def test_the_archive_that_a_layout_is_given_as_is_an_archive() -> None:
    contents = {
        "index.json": b"{}",
        "blobs/sha256/" + "a" * 64: bytes(range(256)) * 5,
        "oci-layout": b"",
        "blobs/sha256/b": b"x" * 512,
    }
    packed = Packed([(name, len(data)) for name, data in contents.items()], lambda name, start, end: contents[name][start:end])
    whole = packed.fetch(0, packed.size)
    assert b"".join(packed.fetch(at, min(at + 700, packed.size)) for at in range(0, packed.size, 700)) == whole
    with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
        members = archive.getmembers()
        assert [member.name for member in members][:2] == ["oci-layout", "index.json"]
        assert {member.name: archive.extractfile(member).read() for member in members} == contents  # type: ignore[union-attr]


@contextlib.contextmanager
def web_server(directory: Path) -> Iterator[str]:
    """Yield the URL of a server that knows no ranges and gives no ETag, as that of the standard library."""

    class Quiet(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(directory))

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_object_without_a_tag_is_read_again_when_its_time_has_changed(tmp_path: Path) -> None:
    image = tmp_path / "image.ckpt"
    shutil.copy(EXAMPLES / "nested.ckpt", image)
    with web_server(tmp_path) as base:
        work = Work(f"{base}/image.ckpt")
        done = Done()
        assert [len(list(done.once([work]))) for _ in range(2)] == [1, 0]
        row = scan(work.uri)[work.uri]
        done = Done([(row.uri, row.etag)])
        assert row.modified.endswith("Z")
        assert not list(done.once([work]))
        shutil.copy(EXAMPLES / "orphan.ckpt", image)
        os.utime(image, (1_000_000_000, 1_000_000_000))
        assert list(done.once([work])) == [work]


def test_a_web_server_without_ranges_is_read_from_the_beginning() -> None:
    with web_server(EXAMPLES) as base:
        found = scan(f"{base}/kubernetes.tar", f"{base}/gone.tar")
    assert (found[f"{base}/kubernetes.tar"].error, found[f"{base}/kubernetes.tar"].tasks) == ("", 4)
    assert "cannot be opened: FileNotFoundError" in found[f"{base}/gone.tar"].error


class Slow:
    """A WSGI application whose every answer takes a while; it counts requests, bytes, and how many are answered at once."""

    LATENCY = 0.05

    def __init__(self, application: Any) -> None:
        self.application = application
        self.lock = threading.Lock()
        self.requests = self.now = self.most = 0

    def __call__(self, environment: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        with self.lock:
            self.requests += 1
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(self.LATENCY)
        try:
            found: Iterable[bytes] = self.application(environment, start)
            return found
        finally:
            with self.lock:
                self.now -= 1


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    """A server that speaks S3 over loopback, with latency added."""
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    application = Slow(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, application, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    for name, value in (("ACCESS_KEY_ID", "test"), ("SECRET_ACCESS_KEY", "test"), ("DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    fsspec.filesystem("s3").clear_instance_cache()
    yield application
    server.shutdown()


@pytest.mark.slow
def test_objects_in_a_store_are_read_by_ranges_and_many_at_once(store: Slow, tmp_path: Path) -> None:
    files = fsspec.filesystem("s3")
    files.mkdir("fleet")
    large_archive(tmp_path / "large.tar", 4, 4 * MIB)
    for number in range(24):
        files.pipe(f"fleet/day/{number:03}.tar", (tmp_path / "large.tar").read_bytes())
    files.pipe("fleet/nested.ckpt", (EXAMPLES / "nested.ckpt").read_bytes())
    store.requests = store.most = 0
    found = scan("s3://fleet/day/*.tar", "s3://fleet/nested.ckpt", threads=12)
    assert len(found) == 25
    assert {row.error for row in found.values()} == {""}
    archives = [row for row in found.values() if row.uri.endswith(".tar")]
    assert all(row.etag and row.modified and row.bytes and row.bytes > 16 * MIB for row in archives)
    assert all(row.bytes_read and row.bytes_read < MIB for row in archives)
    assert store.most >= 8
    assert store.requests < 25 * 20
