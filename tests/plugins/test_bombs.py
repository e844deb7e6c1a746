"""Small inputs that stand for much work: what is counted is records, fields and bytes, with a watchdog behind."""

import contextlib
import gzip
import io
import signal
import tarfile
import zlib
from collections.abc import Iterator
from types import FrameType

import pytest
import zstandard
from crplan_criu import archive, streams, tar
from crplan_criu.images import COMMON_TYPES, IMG_COMMON, INVENTORY_MAGIC
from crplan_criu.wire import Budget

from planner.errors import BadImage
from planner.events.records import AnyEvent, PidRecorded, TaskRecorded
from planner.identity import Number, ProcessId
from planner.pipeline import reading
from planner.pipeline.sources import from_bytes
from tests.helpers.amounts import first

WATCHDOG = 20
"""Seconds of processor time: ten times what an input under 1 MiB may take."""

MIB = 1 << 20
END = bytes(1024)


@pytest.fixture(autouse=True)
def watchdog() -> Iterator[None]:
    def bark(signum: int, frame: FrameType | None) -> None:
        raise AssertionError(f"no end after {WATCHDOG} s")

    before = signal.signal(signal.SIGPROF, bark)
    signal.setitimer(signal.ITIMER_PROF, WATCHDOG)
    yield
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.signal(signal.SIGPROF, before)


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def image(kind: str, *entries: bytes) -> bytes:
    magic = (IMG_COMMON, COMMON_TYPES[kind]) if kind != "inventory" else (INVENTORY_MAGIC,)
    head = b"".join(number.to_bytes(4, "little") for number in magic)
    return head + b"".join(len(entry).to_bytes(4, "little") + entry for entry in entries)


def entry(pid: int, threads: bytes = b"") -> bytes:
    """An entry of pstree.img: pid, parent, group, session, and what else is given."""
    return b"\x08" + varint(pid) + b"\x10\x00\x18\x01\x20\x01" + threads


def header(name: str, size: int = 0) -> bytes:
    member = tarfile.TarInfo(name)
    member.size = size
    return member.tobuf(tarfile.USTAR_FORMAT)


def member(name: str, data: bytes) -> bytes:
    return header(f"checkpoint/{name}", len(data)) + data + bytes(-len(data) % 512)


def refused(data: bytes) -> str:
    """Read a packed archive and return why it is refused."""
    assert len(data) <= 2.5 * MIB
    try:
        found = list(archive.from_stream(streams.opened(io.BytesIO(data), data[:4096], "bomb")))
    except BadImage as error:
        return error.message
    return found[0].problem.message if found and found[0].problem else ""


@contextlib.contextmanager
def counted(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> Iterator[list[int]]:
    """Count the calls of a method."""
    calls = [0]
    method = getattr(owner, name)

    def counting(self: object, *args: object) -> object:
        calls[0] += 1
        return method(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, counting)
        yield calls


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_hundreds_of_thousands_of_empty_members(monkeypatch: pytest.MonkeyPatch, pack: object) -> None:
    assert callable(pack)
    data = pack(header("checkpoint/x") * 200_000)
    with counted(monkeypatch, tar.Headers, "add") as headers:
        assert "unpack it first" in refused(data)
    assert headers[0] <= tar.FREE_MEMBERS + (len(data) + streams.BLOCK) // tar.BYTES_A_MEMBER + 1


def test_members_of_an_archive_that_is_not_packed_are_not_many_for_its_size() -> None:
    data = header("checkpoint/x") * 20_000 + bytes(1024)
    assert list(archive.from_stream(streams.opened(io.BytesIO(data), data[:4096], "plain"))) == []


@pytest.mark.parametrize(
    "threads", first([b"\x2a" + varint(MIB) + b"\x02" * MIB, b"\x28\x02" * MIB], 1), ids=["packed", "one by one"]
)
def test_a_million_threads_of_one_task(threads: bytes) -> None:
    data = gzip.compress(member("pstree.img", image("pstree", entry(1, threads))) + END)
    assert len(data) < 10_000
    reason = refused(data)
    assert "more fields than" in reason or "occur twice" in reason


def test_a_million_entries_that_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    data = gzip.compress(member("pstree.img", image("pstree", *[entry(7)] * 500_000)) + END)
    with counted(monkeypatch, Budget, "spend") as messages:
        assert "occur twice" in refused(data)
    assert messages[0] < 100


def test_a_few_that_are_the_same_are_facts_that_contradict_each_other() -> None:
    data = member("inventory.img", image("inventory", b"\x08\x02")) + member("pstree.img", image("pstree", *[entry(7)] * 3))
    (found,) = archive.from_stream(streams.opened(io.BytesIO(data + bytes(1024)), data[:4096], "twice"))
    assert found.dump.tree is not None
    assert len(found.dump.tree) == 3


def test_fields_that_nobody_wants() -> None:
    core = b"\x1a" + varint(3 * MIB) + b"\x18\x00" * (3 * MIB // 2)
    data = gzip.compress(b"".join(member(f"core-{pid}.img", image("core", core)) for pid in range(1, 3)) + END)
    assert "more fields than" in refused(data)


@pytest.mark.parametrize("cores", [40_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_tens_of_thousands_of_cores_that_no_task_names(monkeypatch: pytest.MonkeyPatch, cores: int) -> None:
    core = image("core", b"\x08\x01\x1a\x02\x08\x01")
    data = zstandard.compress(b"".join(member(f"core-{pid}.img", core) for pid in range(1, cores + 1)))
    with counted(monkeypatch, tar.Headers, "add") as headers:
        assert "unpack it first" in refused(data)
    assert headers[0] <= tar.FREE_MEMBERS + (len(data) + streams.BLOCK) // tar.BYTES_A_MEMBER + 1


def test_images_that_are_all_alike_and_large() -> None:
    filler = b"\x7a" + varint(MIB) + bytes(MIB)
    data = gzip.compress(b"".join(member(f"core-{pid}.img", image("core", filler)) for pid in range(1, 40)))
    assert "images of" in refused(data)


@pytest.mark.parametrize("how", ["gzip", "zstd"])
def test_nothing_but_zeros(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    block, most = bytes(MIB), 64 * MIB
    monkeypatch.setattr(streams, "FREE", most)
    packer = zlib.compressobj(9, wbits=31) if how == "gzip" else zstandard.ZstdCompressor().compressobj()
    head = header("checkpoint/pages-1.img", 200 * MIB)
    data = b"".join([packer.compress(head), *(packer.compress(block) for _ in range(200)), packer.flush()])
    assert len(data) < MIB // 2
    given = 0
    stream = streams.opened(io.BytesIO(data), data[:4096], "zeros")
    with pytest.raises(BadImage, match="times its size"):
        while part := stream.read(MIB):
            given += len(part)
    assert given <= max(most, streams.MOST_RATIO * len(data)) + streams.BLOCK


def test_one_bound_holds_for_the_tasks_and_threads_of_every_reader() -> None:
    def events() -> Iterator[AnyEvent]:
        for pid in range(1, 100):
            yield TaskRecorded(pids=(Number(pid),), parent=ProcessId(0), group=ProcessId(1), session=ProcessId(1), at=pid)
            yield PidRecorded(numbers=(Number(pid),), complete=True, at=pid)

    assert len(list(reading._bounded(events(), 99))) == 198
    with pytest.raises(BadImage, match="more than 98 tasks and threads"):
        list(reading._bounded(events(), 98))
    log = b'{"seq":0,"type":"LogOpened","format_version":1}\n'
    assert len(list(reading.stream_events(from_bytes(log), reading.default_registry()))) == 1
