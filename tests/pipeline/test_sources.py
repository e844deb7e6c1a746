"""Sources: the first bytes are seen twice, and a pipe is as good as a file."""

import io
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.errors import BadImage
from planner.pipeline import sources

DATA = bytes(range(256)) * 100


class Trickle(io.RawIOBase):
    """A stream that gives few bytes at a time, like a pipe."""

    def __init__(self, data: bytes, most: int) -> None:
        self.rest = data
        self.most = most

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        count = min(self.most, size) if size >= 0 else self.most
        given, self.rest = self.rest[:count], self.rest[count:]
        return given


@given(st.binary(max_size=9000), st.integers(1, 5000), st.integers(1, 5000))
def test_a_stream_is_whole_although_its_head_was_read(data: bytes, most: int, at_once: int) -> None:
    source = sources.from_stream(Trickle(data, most), "trickle")  # type: ignore[arg-type]
    assert source.head == data[: sources.HEAD]
    with source.open() as stream:
        read = b""
        while more := stream.read(at_once):
            read += more
    assert read == data


def test_a_file_a_fifo_and_bytes_are_the_same(tmp_path: Path) -> None:
    file, fifo = tmp_path / "file", tmp_path / "fifo"
    file.write_bytes(DATA)
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_bytes, args=(DATA,))
    writer.start()
    try:
        for source in (sources.from_path(str(file)), sources.from_path(str(fifo)), sources.from_bytes(DATA)):
            assert source.head == DATA[: sources.HEAD]
            with source.open() as stream:
                assert stream.read() == DATA
    finally:
        writer.join()


def test_a_directory_has_no_head(tmp_path: Path) -> None:
    source = sources.from_path(str(tmp_path))
    assert (source.head, source.directory) == (b"", str(tmp_path))


@pytest.mark.parametrize("name", ["none", "no\0such", "x" * 5000])
def test_what_cannot_be_opened_is_a_bad_image(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadImage, match="cannot be opened"):
        sources.from_path(f"{tmp_path}/{name}")


def test_a_url_is_told_to_the_command_that_reads_it() -> None:
    with pytest.raises(BadImage, match=r"remote \(s3://\), which `crplan fleet` reads; download it"):
        sources.from_path("s3://bucket/checkpoint.tar")
