"""The own decoder of protobuf's wire format against the protobuf library, on the core images of a thousand tasks.

Nothing is asserted on time. Run with `pytest -n 0 -s --part slow tests/benchmarks`.
"""

import io
import os
import statistics
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from crplan_criu.images import entries
from crplan_criu.messages import CORE, CREDS, TASK_CORE, THREAD_CORE, THREAD_INFO
from crplan_criu.wire import Message, decode, octets

from tests.helpers.places import DATA

pytest.importorskip("google.protobuf")
pytestmark = pytest.mark.slow

ROUNDS = 5
INNER = {"tc": TASK_CORE, "thread_core": THREAD_CORE, "thread_info_2": THREAD_INFO}


def cores() -> list[bytes]:
    """Return the entries of every core image of the sample."""
    import zstandard

    packed = (DATA / "criu" / "wide1000" / "wide1000.tar.zst").read_bytes()
    with tarfile.open(fileobj=io.BytesIO(zstandard.ZstdDecompressor().stream_reader(packed).read())) as archive:
        found = [archive.extractfile(member) for member in archive if member.name.rpartition("/")[2].startswith("core-")]
        return [entry for each in found if each for entry in entries("core-1.img", "core", each.read())]


def median(what: Callable[[], object]) -> float:
    """Milliseconds of processor time, that of processes that were waited for included; the first round is left out."""
    times = []
    for _ in range(ROUNDS + 1):
        before = sum(os.times()[:4])
        what()
        times.append(sum(os.times()[:4]) - before)
    return statistics.median(times[1:]) * 1000


def by_table(messages: list[bytes]) -> int:
    """Decode what the reader decodes, and count fields, so that both decoders hand out every value."""
    count = 0
    for data in messages:
        fields = decode(CORE, data, {})
        for name, message in INNER.items():
            inner = decode(message, octets(fields, name), {})
            count += len(inner) + (len(decode(CREDS, octets(inner, "creds"), {})) if "creds" in inner else 0)
    return count


def by_library(messages: list[bytes], classes: Mapping[Message, Any]) -> int:
    """Decode the same by generated classes."""

    def fields_of(message: Message, data: bytes) -> dict[str, Any]:
        return {field.name: value for field, value in classes[message].FromString(data).ListFields()}

    count = 0
    for data in messages:
        core = classes[CORE].FromString(data)
        for name, message in INNER.items():
            inner = fields_of(message, getattr(core, name))
            count += len(inner) + (len(fields_of(CREDS, inner["creds"])) if "creds" in inner else 0)
    return count


def test_both_decoders_on_a_thousand_cores() -> None:
    from tests.plugins.test_criu_wire import LIBRARY

    messages = cores()
    assert len(messages) >= 1000
    assert by_table(messages) == by_library(messages, LIBRARY)
    ours, theirs = median(lambda: by_table(messages)), median(lambda: by_library(messages, LIBRARY))
    words = [sys.executable, "-I", "-c", "from google.protobuf import descriptor_pb2, descriptor_pool, message_factory"]
    bare = median(lambda: subprocess.run([*words[:3], "pass"], check=True))
    loaded = median(lambda: subprocess.run(words, check=True))
    print(f"\n{len(messages)} cores: own decoder {ours:.1f} ms, protobuf {theirs:.1f} ms, its import {loaded - bare:.1f} ms")
