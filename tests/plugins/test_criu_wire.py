"""Our decoder of protobuf against the protobuf library, whose descriptors are made from the same tables."""

import tarfile
from typing import Any

import pytest
from crplan_criu.images import WANTED, entries, split_name
from crplan_criu.messages import (
    CG_MEMBER,
    CG_SET,
    CGROUP,
    CORE,
    CREDS,
    ID_RANGE,
    INVENTORY,
    KOBJ_IDS,
    MESSAGES,
    MOUNT,
    NS,
    NS_TID,
    PIDNS,
    PSTREE,
    TASK_CORE,
    THREAD_CORE,
    THREAD_INFO,
    TIMENS,
    TIMESPEC,
    TTY_INFO,
    USERNS,
    UTSNS,
)
from crplan_criu.messages_contents import CONTENTS_MESSAGES, FILE
from crplan_criu.wire import Message, WireError, decode
from hypothesis import given, settings
from hypothesis import strategies as st

pb2 = pytest.importorskip("google.protobuf.descriptor_pb2")
from google.protobuf import descriptor_pool, message_factory  # noqa: E402
from google.protobuf.message import DecodeError  # noqa: E402

from tests.helpers.places import DATA  # noqa: E402

SAMPLES = DATA / "criu"
NESTED = {
    (INVENTORY, "root_ids"): KOBJ_IDS,
    (PSTREE, "vz_tids"): NS_TID,
    (CORE, "tc"): TASK_CORE,
    (CORE, "ids"): KOBJ_IDS,
    (CORE, "thread_core"): THREAD_CORE,
    (CORE, "thread_info_2"): THREAD_INFO,
    (THREAD_CORE, "creds"): CREDS,
    (USERNS, "uid_map"): ID_RANGE,
    (USERNS, "gid_map"): ID_RANGE,
    (TIMENS, "monotonic"): TIMESPEC,
    (TIMENS, "boottime"): TIMESPEC,
    (CGROUP, "sets"): CG_SET,
    (CG_SET, "ctls"): CG_MEMBER,
}
IMAGES = {
    "inventory": INVENTORY, "pstree": PSTREE, "core": CORE, "ids": KOBJ_IDS, "ns": NS, "utsns": UTSNS, "pidns": PIDNS,
    "userns": USERNS, "timens": TIMENS, "cgroup": CGROUP, "tty-info": TTY_INFO, "files": FILE, "mountpoints": MOUNT,
}  # fmt: skip
EVERY = (*MESSAGES, *CONTENTS_MESSAGES)
TYPES = {"u32": "UINT32", "u64": "UINT64", "i32": "INT32", "s32": "SINT32", "bool": "BOOL", "bytes": "BYTES", "message": "BYTES"}


def library() -> dict[Message, Any]:
    """Classes of the protobuf library for every table; nested messages are bytes, as ours are until they are asked for."""
    file = pb2.FileDescriptorProto(name="criu.proto", syntax="proto2")
    for place, message in enumerate(EVERY):
        described = file.message_type.add(name=f"m{place}")
        for number, field in message.fields.items():
            if field.kind != "skip":
                described.field.add(
                    name=field.name,
                    number=number,
                    type=getattr(pb2.FieldDescriptorProto, f"TYPE_{TYPES[field.kind]}"),
                    label=3 if field.repeated else 1,
                )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    found = ((message, pool.FindMessageTypeByName(f"m{place}")) for place, message in enumerate(EVERY))
    return {message: message_factory.GetMessageClass(described) for message, described in found}


LIBRARY = library()


def by_library(message: Message, data: bytes) -> dict[str, Any]:
    parsed = LIBRARY[message].FromString(data)
    return {
        field.name: list(value) if isinstance(value, (list, tuple)) or hasattr(value, "append") else value
        for field, value in parsed.ListFields()
    }


def compare(message: Message, data: bytes) -> int:
    """Compare both decoders on a message and on all that is nested in it; returns how many messages were compared."""
    ours = decode(message, data, {})
    assert {name: value for name, value in ours.items() if value != []} == by_library(message, data), message.name
    count = 1
    for (outer, name), inner in NESTED.items():
        if outer is message and name in ours:
            nested = ours[name]
            for part in nested if isinstance(nested, list) else [nested]:
                assert isinstance(part, bytes)
                count += compare(inner, part)
    return count


def every_image() -> list[tuple[str, bytes]]:
    found = [(path.name, path.read_bytes()) for path in SAMPLES.glob("*/img/*.img")]
    with tarfile.open(SAMPLES / "podman_container" / "checkpoint-gzip.tar") as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content is not None:
                found.append((member.name.rpartition("/")[2], content.read()))
    return [(name, data) for name, data in found if split_name(name)[0] in WANTED]


def test_both_decoders_read_every_real_image_alike() -> None:
    compared = 0
    for name, data in every_image():
        kind = split_name(name)[0]
        for entry in entries(name, kind, data):
            compared += compare(IMAGES[kind], entry)
    assert compared > 500


FRAGMENTS = st.one_of(
    st.builds(lambda number, value: varint(number << 3) + varint(value), st.integers(1, 22), st.integers(0, 2**64 - 1)),
    st.builds(
        lambda number, value: varint(number << 3 | 2) + varint(len(value)) + value, st.integers(1, 22), st.binary(max_size=12)
    ),
    st.builds(lambda number, value: varint(number << 3 | 5) + value, st.integers(1, 22), st.binary(min_size=4, max_size=4)),
    st.builds(lambda number, value: varint(number << 3 | 1) + value, st.integers(1, 22), st.binary(min_size=8, max_size=8)),
    st.builds(lambda value: varint(1001 << 3) + varint(value), st.integers(0, 2**32)),
)


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def singular_bytes_only(message: Message) -> bool:
    """Nested messages that occur twice are joined by us and overwritten in a table where they count as bytes."""
    return not any(field.kind == "message" and not field.repeated for field in message.fields.values())


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([message for message in EVERY if singular_bytes_only(message)]), st.lists(FRAGMENTS, max_size=8))
def test_both_decoders_read_any_valid_message_alike(message: Message, fragments: list[bytes]) -> None:
    data = b"".join(fragments)
    try:
        expected = by_library(message, data)
    except DecodeError:
        with pytest.raises(WireError):
            decode(message, data, {})
        return
    ours = decode(message, data, {})
    assert {name: value for name, value in ours.items() if value != []} == expected


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(EVERY), st.binary(max_size=60))
def test_what_the_library_refuses_is_refused(message: Message, data: bytes) -> None:
    try:
        LIBRARY[message].FromString(data)
    except DecodeError:
        with pytest.raises(WireError):
            decode(message, data, {})


def test_a_nested_message_in_two_parts_is_their_sum() -> None:
    first, second = b"\x08\x03", b"\x10\x04"
    parts = b"".join(b"\x1a" + varint(len(part)) + part for part in (first, second))
    assert decode(INVENTORY, parts, {})["root_ids"] == first + second


def test_fields_that_are_not_known_are_counted_and_skipped() -> None:
    unknown: dict[str, int] = {}
    data = varint(500 << 3) + b"\x01" + varint(501 << 3 | 2) + b"\x02hi" + b"\x08\x07"
    assert decode(UTSNS, data, unknown) == {}
    assert decode(TTY_INFO, data, unknown) == {"id": 7}
    assert unknown == {"utsns_entry": 3, "tty_info_entry": 2}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x0a\xff\xff\xff\xff\x0f", "claims 4294967295 bytes and 0 are left"),
        (b"\x08", "missing"),
        (b"\x08\x80", "past the end"),
        (b"\x08" + b"\xff" * 11, "more than 64 bits"),
        (b"\x0b", "wire type 3"),
        (b"\x0d\x00", "fixed-size"),
        (b"\x00\x01", "field number 0"),
        (b"\xb1\x80\x80\x80\x10" + bytes(8), "field number 536870918"),
        (b"\x88\x80\x80\x80\x80\x00\x01", "a tag of 6 bytes"),
        (b"\x0a", "number is missing"),
    ],
)
def test_what_is_no_message_is_refused_in_words(data: bytes, words: str) -> None:
    with pytest.raises(WireError, match=words):
        decode(UTSNS, data, {})
