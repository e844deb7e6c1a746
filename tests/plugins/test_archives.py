"""Checkpoint archives in every packing, and archives that lie."""

import gzip
import hashlib
import io
import json
import re
import tarfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec
import pytest
import zstandard
from crplan_criu import archive, streams, tar
from crplan_criu.read import members, read
from crplan_criu.recognise import recognises
from hypothesis import given, settings
from hypothesis import strategies as st

import planner
from planner.errors import BadImage, Contradiction, SeveralImages
from planner.events.records import AnyEvent, DefectRecorded, FactRecorded, ImageOpened, NamespaceRecorded, TaskRecorded
from planner.forest.fold import fold
from planner.hookspecs import ReadRequest
from planner.pipeline import sources
from tests.helpers import archives
from tests.helpers.containers import Dump, packed
from tests.helpers.places import DATA

SAMPLES = DATA / "criu"
IMAGES = SAMPLES / "container" / "img"


def events(data: bytes) -> list[AnyEvent]:
    source = sources.from_bytes(data, "archive")
    assert recognises(source)
    return list(read(source))


def refusal(data: bytes, most_seconds: float = 2) -> BadImage:
    start = time.monotonic()
    with pytest.raises(BadImage) as caught:
        events(data)
    assert time.monotonic() - start < most_seconds
    assert "\n" not in caught.value.message
    return caught.value


def pack(prefix: str = "checkpoint/", more: Callable[[tarfile.TarFile], None] | None = None, **options: int) -> bytes:
    """An archive of a dump, as Python's tarfile writes it; `more` adds members at its beginning."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", **options) as packed:  # type: ignore[call-overload]
        if more is not None:
            more(packed)
        for path in sorted(IMAGES.iterdir()):
            packed.add(path, prefix + path.name)
    return out.getvalue()


def member(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "") -> Callable[[tarfile.TarFile], None]:
    def add(packed: tarfile.TarFile) -> None:
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.size = kind, link, len(content)
        packed.addfile(info, io.BytesIO(content))

    return add


EXPECTED = list(read(sources.from_path(str(IMAGES))))


def apart_from_what_is_left_out(found: list[AnyEvent]) -> list[AnyEvent]:
    """Return the events but for the fact that the copy has no pages, or nothing but pages."""
    return [event for event in found if not (isinstance(event, FactRecorded) and event.property == "stripped of")]


@pytest.mark.parametrize("prefix", ["checkpoint/", "", "./", "./checkpoint/", "a/deep/directory/", "x" * 150 + "/"])
@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_images_are_found_wherever_they_stand_in_any_format_of_tar(prefix: str, form: int) -> None:
    opened, *rest = events(pack(prefix, format=form))
    assert isinstance(opened, ImageOpened)
    usual = prefix in ("", "./", "checkpoint/", "./checkpoint/")
    assert ("found_in" in opened.facts) == (not usual)
    facts = {name: value for name, value in opened.facts.items() if name != "found_in"}
    assert [msgspec.structs.replace(opened, facts=facts), *rest] == EXPECTED


@pytest.mark.parametrize(
    "compress",
    [
        lambda data: data,
        gzip.compress,
        zstandard.compress,
        lambda data: gzip.compress(data[:70_000]) + gzip.compress(data[70_000:]),
        lambda data: zstandard.compress(data[:70_000]) + zstandard.compress(data[70_000:]),
        lambda data: b"\x50\x2a\x4d\x18\x04\x00\x00\x00skip" + zstandard.compress(data),
    ],
    ids=["none", "gzip", "zstd", "gzip in two members", "zstd in two frames", "zstd after a skippable frame"],
)
def test_every_packing_gives_the_same_events(compress: Callable[[bytes], bytes]) -> None:
    assert events(compress(pack())) == EXPECTED


def test_the_order_of_members_does_not_matter() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as packed:
        for path in sorted(IMAGES.iterdir(), reverse=True):
            packed.add(path, f"checkpoint/{path.name}")
    assert events(out.getvalue()) == EXPECTED


def layout(layers: list[bytes]) -> Iterator[tuple[str, bytes]]:
    """The files of an OCI image layout with these layers."""

    def named(content: bytes) -> str:
        return f"blobs/sha256/{hashlib.sha256(content).hexdigest()}"

    manifest = json.dumps(
        {"schemaVersion": 2, "annotations": {"org.criu.checkpoint.container.name": "counter"}, "layers": [{} for _ in layers]}
    ).encode()
    for content in (*layers, manifest):
        yield named(content), content
    yield "index.json", json.dumps({"schemaVersion": 2, "manifests": [{"digest": named(manifest)}]}).encode()
    yield "oci-layout", b'{"imageLayoutVersion": "1.0.0"}'


def root_file_system() -> bytes:
    """A layer as a container leaves it: with links, and with names that no checkpoint archive may hold."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as packed:
        member("bin", kind=tarfile.SYMTYPE, link="usr/bin")(packed)
        member("var/lib/dump/inventory.img", b"not that of this container")(packed)
    return out.getvalue()


@pytest.mark.parametrize("compress", [lambda data: data, gzip.compress, zstandard.compress], ids=["none", "gzip", "zstd"])
@pytest.mark.parametrize("prefix", ["", "checkpoint/"], ids=["containerd", "podman"])
@pytest.mark.parametrize("packed", [True, False], ids=["archive", "directory"])
def test_an_oci_layout_is_looked_through_layer_by_layer(
    compress: Callable[[bytes], bytes], prefix: str, packed: bool, tmp_path: Path
) -> None:
    files = dict(layout([root_file_system(), compress(pack(prefix))]))
    if packed:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as outer:
            for name, content in files.items():
                member(name, content)(outer)
        found = events(out.getvalue())
    else:
        for name, content in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(content)
        source = sources.from_path(str(tmp_path))
        assert recognises(source)
        found = list(read(source))
    assert found[1:] == EXPECTED[1:]
    assert isinstance(found[0], ImageOpened)
    assert found[0].facts["container"] == "counter"


def test_an_unpacked_archive_is_a_directory_of_its_own_kind(tmp_path: Path) -> None:
    with tarfile.open(SAMPLES / "podman_container" / "checkpoint-gzip.tar") as packed:
        packed.extractall(tmp_path, filter="data")
    found = list(read(sources.from_path(str(tmp_path))))
    assert found == list(read(sources.from_path(str(SAMPLES / "podman_container" / "checkpoint-gzip.tar"))))


def test_a_container_says_which_namespaces_it_had_joined_and_who_ran_it() -> None:
    config = {"id": "c0ffee", "name": "k8s_counter", "rootfsImageName": "quay.io/x/y", "runtime": "crun", "checkpointedTime": "T"}
    spec = {
        "process": {"args": ["/bin/app", "-v"]},
        "annotations": {
            "io.container.manager": "cri-o",
            "io.kubernetes.container.name": "counter",
            "io.kubernetes.pod.name": "pod-1",
        },
        "linux": {"namespaces": [{"type": "network", "path": "/var/run/netns/abc"}, {"type": "pid"}]},
    }

    def more(packed: tarfile.TarFile) -> None:
        member("config.dump", json.dumps(config).encode())(packed)
        member("spec.dump", json.dumps(spec).encode())(packed)

    opened, *rest = events(pack(more=more))
    assert isinstance(opened, ImageOpened)
    told = {name: opened.facts[name] for name in ("engine", "container", "pod", "image", "runtime", "command", "checkpointed")}
    assert told == {
        "engine": "CRI-O",
        "container": "k8s_counter",
        "pod": "pod-1",
        "image": "quay.io/x/y",
        "runtime": "crun",
        "command": "/bin/app -v",
        "checkpointed": "T",
    }
    joined = {
        event.kind: event.facts["joined"] for event in rest if isinstance(event, NamespaceRecorded) and "joined" in event.facts
    }
    assert joined == {"net": "/var/run/netns/abc"}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (member("/checkpoint/core-1.img", b"x"), "cut short"),
        (member("checkpoint/core-9.img", kind=tarfile.SYMTYPE, link="/etc/shadow"), "symbolic link"),
        (member("checkpoint/core-9.img", kind=tarfile.LNKTYPE, link="checkpoint/core-1.img"), "hard link"),
        (member("checkpoint/core-9.img", kind=tarfile.CHRTYPE), "character device"),
        (member("checkpoint/core-9.img", kind=tarfile.FIFOTYPE), "named pipe"),
        (member("checkpoint/core-9.img", kind=b"Z"), "unknown type"),
        (member("checkpoint/core-1.img", IMAGES.joinpath("core-1.img").read_bytes()), "occurs twice"),
        (member("checkpoint/core-9.img", b"\x00" * (5 << 20)), "more than 4 MiB"),
    ],
)
def test_a_wanted_file_that_is_none_is_named_in_one_line(more: Callable[[tarfile.TarFile], None], words: str) -> None:
    caught = refusal(pack(more=more))
    assert re.search(words, caught.message), caught.message
    assert "core-" in f"{caught.at} {caught.message}"
    assert "\x1b" not in caught.message


@pytest.mark.parametrize(
    "more",
    [
        member("checkpoint/../../etc/passwd", b"x"),
        member("/etc/passwd", b"x"),
        member("checkpoint/\x1b[2J/../core-9.img", b"x"),
        member("container/rootfs/dev/null", kind=tarfile.CHRTYPE),
        member("container/rootfs/run/pipe", kind=tarfile.FIFOTYPE),
        member("container/rootfs/core-1.img", b"x"),
        member("checkpoint/pages-1.img", kind=tarfile.LNKTYPE, link="checkpoint/pages-2.img"),
        member("latest", kind=tarfile.SYMTYPE, link="/nowhere"),
        member("strange", kind=b"Z"),
    ],
)
def test_what_is_not_needed_is_skipped_whatever_it_is(more: Callable[[tarfile.TarFile], None]) -> None:
    assert events(pack(more=more)) == EXPECTED


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("spec.dump", b"[" * 100_000, "spec.dump is damaged"),
        ("config.dump", b'{"name": 7}', "config.dump has a value of another type than a text in name"),
        ("config.dump", b"", "config.dump is empty"),
    ],
)
def test_a_damaged_file_of_the_engine_is_a_finding(name: str, content: bytes, words: str) -> None:
    found = events(pack(more=member(name, content)))
    assert [event for event in found if isinstance(event, TaskRecorded)] == [
        event for event in EXPECTED if isinstance(event, TaskRecorded)
    ]
    defects = [event.detail for event in found if isinstance(event, DefectRecorded)]
    assert any(detail.startswith(words) for detail in defects), defects


@pytest.mark.parametrize(("there", "codes"), [(False, ["parent-dump-missing"]), (True, [])])
def test_the_link_to_an_earlier_dump_is_followed_within_the_archive(there: bool, codes: list[str]) -> None:
    def more(packed: tarfile.TarFile) -> None:
        member("checkpoint/parent", kind=tarfile.SYMTYPE, link="../before")(packed)
        if there:
            packed.add(IMAGES / "inventory.img", "before/inventory.img")

    assert [event.code for event in events(pack(more=more)) if isinstance(event, DefectRecorded)] == codes


def test_two_containers_in_one_archive_are_a_pod() -> None:
    dumps = {"web/checkpoint": Dump().task(7).task(8, 7, session=7), "log": Dump().task(20)}
    data = packed({f"{name}/{file}": data for name, dump in dumps.items() for file, data in dump.images().items()})
    with pytest.raises(SeveralImages) as caught:
        events(data)
    assert caught.value.names == ("log", "web")
    found = planner.read(data)
    forest = fold(found)
    assert forest.images == ("web", "log")
    assert list(forest.tasks) == [7, 8, 20]
    assert [event.at for event in found if isinstance(event, TaskRecorded)][-1] == "log/pstree.img#0"


def test_what_is_wrong_with_one_of_two_containers_is_said_with_its_directory() -> None:
    files = {f"web/{file}": data for file, data in Dump().task(7).images().items()}
    files |= {f"log/{file}": data for file, data in Dump().task(20).images().items() if not file.startswith("ids")}
    with pytest.raises(BadImage) as caught:
        planner.read(packed(files))
    assert caught.value.at == "log/ids-20.img#0"


def test_the_checkpoints_of_an_archive_can_be_had_one_by_one() -> None:
    def more(packed: tarfile.TarFile) -> None:
        for path in sorted((SAMPLES / "single" / "img").iterdir()):
            packed.add(path, f"another/{path.name}")

    data = pack(more=more)
    found = archive.from_stream(streams.opened(io.BytesIO(data), data[:4096], "archive"))
    assert [(one.directory, len(one.dump.tree or ())) for one in found] == [("checkpoint", 4), ("another", 1)]
    source = sources.from_bytes(data, "archive")
    assert [member.name for member in members(source)] == [".", "another"]
    for name, tasks in ((".", 4), ("another", 1)):
        assert sum(isinstance(event, TaskRecorded) for event in read(source, ReadRequest(member=name))) == tasks
    with pytest.raises(BadImage, match=r"holds no checkpoint third; there is: \., another"):
        list(read(source, ReadRequest(member="third")))


def test_an_archive_of_something_else_says_so() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as packed:
        member("README", b"hello")(packed)
    assert "holds no CRIU images" in refusal(out.getvalue()).message


@pytest.mark.parametrize("compress", [lambda data: data, gzip.compress, zstandard.compress], ids=["none", "gzip", "zstd"])
def test_wherever_an_archive_is_cut_it_is_refused(compress: Callable[[bytes], bytes]) -> None:
    whole = compress(pack())
    # The last ten kilobytes of an archive are padding.
    needed = len(whole) - 10_240 if whole[:4] == pack()[:4] else len(whole) - 64
    for keep in range(600, needed, max(len(whole) // 40, 1)):
        source = sources.from_bytes(whole[:keep], "archive")
        if recognises(source):
            refusal(whole[:keep])


@pytest.mark.parametrize("compress", [lambda data: data, gzip.compress, zstandard.compress], ids=["none", "gzip", "zstd"])
def test_a_bomb_of_zeros_is_bounded_in_time_and_memory(
    compress: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "FREE", 50 << 20)

    def bomb() -> bytes:
        info = tarfile.TarInfo("checkpoint/pages-1.img")
        info.size = 1 << 40
        return info.tobuf() + b"\x00" * (100 << 20)

    data = compress(bomb())
    tracemalloc.start()
    try:
        caught = refusal(data, most_seconds=20)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "times its size" in caught.message or "cut short" in caught.message
    assert peak < 20 << 20


def test_a_pax_header_that_claims_gigabytes_is_refused() -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 1 << 33
    assert "claims 8589934592 bytes" in refusal(info.tobuf(tarfile.GNU_FORMAT) + b"\x00" * 2048).message


def zstd_frame(log: int) -> bytes:
    """A frame that says nothing of its size, and asks for a window of two to the power `log` bytes."""
    block = pack()[: 1 << 16]
    return bytes.fromhex("28b52ffd00") + bytes([(log - 10) << 3]) + (len(block) << 3 | 1).to_bytes(3, "little") + block


def test_a_zstd_frame_that_wants_gigabytes_of_window_is_not_called_damaged() -> None:
    message = refusal(zstd_frame(31)).message
    assert "needs a longer zstd window than the 128 MiB" in message
    assert "--max-window 2G" in message
    assert "damaged" not in message


def test_a_zstd_window_is_as_long_as_is_allowed() -> None:
    assert events(zstd_frame(27)) == EXPECTED
    source = sources.from_bytes(zstd_frame(27), "archive")
    with pytest.raises(BadImage, match="than the 1 MiB"):
        list(read(msgspec.structs.replace(source, max_window=1 << 20)))


class Pages(io.RawIOBase):
    """An archive with pages of any size, made up while it is read; it cannot seek."""

    def __init__(self, size: int) -> None:
        info = tarfile.TarInfo("checkpoint/pages-1.img")
        info.size = size
        self.parts: list[bytes | int] = [info.tobuf(), size, pack()]
        self.noise = bytes(range(256)) * 512

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        if not self.parts:
            return 0
        part = self.parts[0]
        count = min(len(buffer), len(self.noise), part if isinstance(part, int) else len(part))
        if isinstance(part, int):
            buffer[:count] = self.noise[:count]
            self.parts[0] = part - count
        else:
            buffer[:count] = part[:count]
            self.parts[0] = part[count:]
        if not self.parts[0]:
            del self.parts[0]
        return count


def test_gigabytes_of_pages_are_passed_over_in_little_memory() -> None:
    tracemalloc.start()
    try:
        found = list(read(sources.from_stream(as_stream(Pages(2 << 30)), "-")))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert apart_from_what_is_left_out(found) == apart_from_what_is_left_out(EXPECTED)
    assert peak < 20 << 20


def as_stream(raw: io.RawIOBase) -> BinaryIO:
    return io.BufferedReader(raw)  # type: ignore[type-var,return-value]


def test_pages_in_a_file_that_can_seek_are_not_even_read(tmp_path: Path) -> None:
    info = tarfile.TarInfo("checkpoint/pages-1.img")
    info.size = 1 << 36
    path = tmp_path / "archive"
    with open(path, "wb") as out:
        out.write(info.tobuf(tarfile.GNU_FORMAT))
        out.seek(info.size, 1)
        out.write(pack())
    start = time.monotonic()
    found = list(read(sources.from_path(str(path))))
    assert apart_from_what_is_left_out(found) == apart_from_what_is_left_out(EXPECTED)
    assert time.monotonic() - start < 2


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_a_byte_is_changed_to_the_archive_is_refused_or_read(data: st.DataObject) -> None:
    whole = bytearray(PACKED[data.draw(st.sampled_from(sorted(PACKED)))])
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        fold(read(sources.from_bytes(bytes(whole), "archive")))
    except (BadImage, Contradiction):
        return


PACKED = {"none": pack(), "gzip": gzip.compress(pack()), "zstd": zstandard.compress(pack())}


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=1500))
def test_whatever_stands_in_a_tar_header_it_is_refused_or_read(noise: bytes) -> None:
    stream = streams.opened(io.BytesIO(noise), b"", "noise")
    try:
        taken = tar.Taken()
        taken.stream = stream
        list(tar.members(stream, tar.Headers(taken)))
    except BadImage as error:
        assert "\n" not in error.message


@pytest.mark.parametrize("name", archives.archives())
def test_the_archives_among_the_examples_are_what_their_builder_writes(name: str) -> None:
    packed = (archives.EXAMPLES / name).read_bytes()
    assert (packed[:4] == b"\x28\xb5\x2f\xfd") == name.endswith(".zst")
    plain = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(packed)).read() if name.endswith(".zst") else packed
    assert plain == archives.archives()[name]
    assert len(packed) < 1 << 16


def test_an_archive_says_who_took_it_and_of_what() -> None:
    facts = {name: fold(events((archives.EXAMPLES / name).read_bytes())).image_facts for name in archives.archives()}
    assert {name: (said["engine"], said["container"], said.get("pod")) for name, said in facts.items()} == {
        "podman.tar.zst": ("podman", "shop", None),
        "kubernetes.tar": ("CRI-O", "k8s_shop_web_default_0", "web"),
    }
