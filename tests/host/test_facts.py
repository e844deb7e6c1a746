"""Host files: what is missing stays unknown, and what is none is refused."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.errors import UsageError
from planner.host.facts import CAPABILITIES, Feature, Host, PidNamespace, decode, encode
from planner.ranges import parse_ranges, ranges

HOST = Host(
    kernel="6.1",
    machine="x86_64",
    root=True,
    capabilities=("sys_admin",),
    features={"set_tid": Feature(state="no", detail="EPERM")},
    namespaces=(PidNamespace(id=0, taken="1-4,9", members="1-4", pid_max=32768),),
)


def test_a_host_file_comes_back_as_it_was_written() -> None:
    assert decode(encode(HOST)) == HOST


def test_every_fact_stands_in_the_file_and_an_unknown_one_as_null() -> None:
    document = msgspec.json.decode(encode(Host()))
    assert set(document) == set(Host.__struct_fields__)
    assert document["capabilities"] is None
    assert (document["kind"], document["format_version"]) == ("crplan-host", 2)


def test_what_is_missing_is_unknown() -> None:
    assert Host().feature("set_tid") == Feature(state="unknown", detail="not tried")
    assert Host().can("sys_admin") is None
    assert HOST.can("sys_admin") is True
    assert HOST.can("kill") is False
    assert Host().namespace(0) is None


def test_fields_of_a_later_writer_are_ignored() -> None:
    document = msgspec.json.decode(encode(HOST)) | {"moon": "full"}
    assert decode(msgspec.json.encode(document)) == HOST


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "moon"}, "of the kind 'moon'"),
        ({"format_version": 3}, "format version 3"),
        ({"root": "yes"}, "is not as"),
        ({"namespaces": [{"id": 0, "taken": "1-x"}]}, "'1-x'"),
        ({"namespaces": [{"id": 0, "taken": "9-1"}]}, "no range"),
        ({"namespaces": [{"id": 0, "members": "0"}]}, "no range"),
        ({"namespaces": [{"id": 0, "taken": "1-99999999999"}]}, "no range"),
    ],
)
def test_what_is_no_host_file_is_refused(change: dict[str, object], words: str) -> None:
    document = msgspec.json.decode(encode(HOST)) | change
    with pytest.raises(UsageError, match=words):
        decode(msgspec.json.encode(document))


@pytest.mark.parametrize("data", [b"", b"\xff", b"[" * 100_000, b"null"])
def test_bytes_that_are_no_document_are_refused(data: bytes) -> None:
    with pytest.raises(UsageError, match="host file is not as"):
        decode(data)


@given(st.sets(st.integers(1, 300)))
def test_ranges_hold_exactly_their_numbers(numbers: set[int]) -> None:
    read = parse_ranges(ranges(numbers))
    assert {number for number in range(1, 302) if number in read} == numbers
    assert len(read) == len(numbers)


def test_capabilities_stand_at_their_numbers() -> None:
    assert (CAPABILITIES[0], CAPABILITIES[21], CAPABILITIES[40]) == ("chown", "sys_admin", "checkpoint_restore")
    assert len(set(CAPABILITIES)) == 41
