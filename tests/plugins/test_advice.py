"""What is said of an input that is no checkpoint image, and what to give instead."""

import ctypes
import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard
from crplan_criu import streamer
from crplan_criu.read import read

from planner.errors import BadImage
from planner.events.records import TaskRecorded
from planner.pipeline import sources
from planner.pipeline.reading import default_registry, stream_events
from tests.helpers.containers import Dump, encode

ELF = b"\x7fELF\x02\x01\x01" + bytes(9)

FILES: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "core.4711": (ELF + b"\x04\x00\x3e\x00", ("core file", "criu dump")),
    "program": (ELF + b"\x03\x00\x3e\x00", ("ELF program",)),
    "big-endian core": (b"\x7fELF\x02\x02\x01" + bytes(9) + b"\x00\x04", ("core file",)),
    "ckpt.dmtcp": (b"DMTCP_CHECKPOINT_IMAGE_v3.0\n" + bytes(64), ("DMTCP", "dmtcp_restart")),
    "packed.dmtcp": (gzip.compress(b"DMTCP_CHECKPOINT_IMAGE_v3.0\n" + bytes(64)), ("DMTCP", "dmtcp_restart")),
    "checkpoint.img": (b"gVisorSF" + bytes(64), ("gVisor", "runsc restore")),
    "vm.snap": (bytes(4) + b"\x84\x19\x10\x07" + bytes(64), ("Firecracker",)),
    "a.tar.xz": (b"\xfd7zXZ\x00" + bytes(64), ("xz", "xz -dc FILE | crplan -")),
    "a.tar.bz2": (b"BZh91AY&SY" + bytes(64), ("bzip2", "bzip2 -dc FILE | crplan -")),
    "a.tar.lz4": (b"\x04\x22\x4d\x18" + bytes(64), ("lz4", "lz4 -dc FILE | crplan -")),
    "a.zip": (b"PK\x03\x04" + bytes(64), ("zip archive", "unzip")),
    "pointer.tar": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n", ("Git LFS pointer", "git lfs pull")),
    "a.tar.lz": (b"LZIP\1" + bytes(64), ("lzip -dc FILE | crplan -",)),
    "a.tar.Z": (b"\x1f\x9d\x90" + bytes(64), ("compress", "gzip -dc FILE | crplan -")),
    "a.zst": (zstandard.compress(b"no archive at all " * 100), ("zstd", "no archive inside", "zstd -dc FILE | crplan -")),
    "a.enc": (b"Salted__" + bytes(64), ("encrypted with OpenSSL", "decrypt")),
    "a.qcow2": (b"QFI\xfb\0\0\0\3" + bytes(64), ("virtual machine", "processes inside")),
    "vm.save": (b"LibvirtQemudSave" + bytes(64), ("virtual machine", "processes inside")),
    "a.html": (b"<!DOCTYPE html><html>404", ("web page", "download")),
    "dump.log": (b"(00.000021) Version: 4.1 (gitid 0)\n", ("log of CRIU", "give the directory")),
    "a.age": (b"age-encryption.org/v1\n", ("encrypted with age", "decrypt")),
    "pstree.img": (Dump().task(7).images()["pstree.img"], ("a single pstree file", "give the directory")),
    "inventory.img": (Dump().task(7).images()["inventory.img"], ("a single inventory file", "give the directory")),
    "pstree.json": (b'{"magic": "PSTREE", "entries": []}', ("crit", "crit encode", "directory")),
    "a.gz": (gzip.compress(b"moon" * 100), ("gzip", "no archive inside")),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_called_what_it_is(name: str, tmp_path: Path) -> None:
    content, words = FILES[name]
    (tmp_path / name).write_bytes(content)
    said = refusal(tmp_path / name)
    assert all(word in said for word in words), said
    assert "damaged" not in said
    assert "supported are" not in said


def refusal(path: Path | str) -> str:
    with pytest.raises(BadImage) as caught:
        list(stream_events(sources.from_path(os.fspath(path)), default_registry()))
    assert "\n" not in caught.value.message
    return caught.value.message


def test_anything_else_is_no_checkpoint_image_and_the_supported_kinds_are_named(tmp_path: Path) -> None:
    (tmp_path / "notes").write_bytes(b"The moon is made of cheese.")
    said = refusal(tmp_path / "notes")
    assert said.startswith("is not a checkpoint image; supported are: linux-cr")
    assert "0x" not in said


@pytest.mark.parametrize("name", ["s3://bucket/ck.tar", "https://example.org/ck.tar", "gs://bucket/a"])
def test_the_name_of_something_remote_is_called_that(name: str) -> None:
    assert "remote" in refusal(name)


def test_a_dump_that_failed_says_what_the_log_said_last(tmp_path: Path) -> None:
    images = Dump().task(7).images()
    (tmp_path / "core-7.img").write_bytes(images["core-7.img"])
    (tmp_path / "dump.log").write_text(
        "(00.001) Dumping processes\n(00.002) Error (criu/files.c:1): first\n"
        "(00.003) Error (criu/tty.c:2): a terminal without peer\n"
        "(00.004) Error (criu/cr-dump.c:3): Dumping FAILED.\n"
    )
    said = refusal(tmp_path)
    assert "did not finish" in said
    assert "a terminal without peer" in said and "FAILED" not in said


def test_a_directory_of_decoded_images_says_how_to_encode_them(tmp_path: Path) -> None:
    (tmp_path / "pstree.json").write_bytes(FILES["pstree.json"][0])
    assert "crit encode" in refusal(tmp_path)


def test_an_empty_directory_is_called_empty(tmp_path: Path) -> None:
    assert "empty directory" in refusal(tmp_path)


def test_an_encrypted_dump_is_called_that(tmp_path: Path) -> None:
    for name, content in Dump().task(7).images().items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "cipher.img").write_bytes(bytes(64))
    (tmp_path / "pstree.img").write_bytes(bytes(range(64)))
    assert "encrypt" in refusal(tmp_path)


def test_a_stream_of_criu_image_streamer_is_read() -> None:
    markers = []
    for name, content in Dump().task(7).task(8, 7).images().items():
        markers += [{"filename": name.encode()}, {"file_data": len(content), "": content}, {"file_eof": 1}]
    markers.append({"image_eof": 1})
    data = b""
    for number, marker in enumerate(markers):
        content = marker.pop("", b"")
        message = encode(streamer.MARKER, seq=number, **marker)
        data += len(message).to_bytes(4, "little") + message + (content if isinstance(content, bytes) else b"")
    source = sources.from_bytes(data, "stream")
    assert streamer.recognises(source.head)
    assert [event.pids[0] for event in read(source) if isinstance(event, TaskRecorded)] == [7, 8]


DROP_FROM_BOUNDING_SET = 24
OVERRIDES = (1, 2)
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, by which root passes over permissions (capabilities(7))."""


def as_others() -> None:
    """Make the program that is executed next subject to permissions."""
    for capability in OVERRIDES:
        assert ctypes.CDLL(None).prctl(DROP_FROM_BOUNDING_SET, capability, 0, 0, 0) == 0


@pytest.mark.root
@pytest.mark.parametrize("where", [".", "checkpoint"])
def test_a_directory_without_execute_permission_is_named(tmp_path: Path, where: str) -> None:
    images = tmp_path / "ck" / "checkpoint"
    images.mkdir(parents=True)
    for name, content in Dump().task(7).images().items():
        (images / name).write_bytes(content)
    (tmp_path / "ck" / where).chmod(0o644)
    command = [sys.executable, "-m", "planner", str(tmp_path / "ck")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, preexec_fn=as_others, check=False, timeout=60)
    assert done.returncode == 1
    assert f"ck/{where}".removesuffix("/.") + ": Permission denied" in done.stderr
    assert done.stderr.count("\n") == 1
