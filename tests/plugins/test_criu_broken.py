"""Directories that are cut, damaged, mixed or hostile: one BadImage with a place and one line, soon and without much memory."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from crplan_criu.read import read
from crplan_criu.recognise import recognises
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import planner
from planner.errors import BadImage, Contradiction
from planner.events.records import AnyEvent, FactRecorded, ImageClosed
from planner.forest.fold import fold
from planner.pipeline import sources
from tests.helpers.places import DATA

SAMPLES = DATA / "criu"
COMMON = bytes.fromhex("19435654")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A good dump of a session with jobs, to be spoilt."""
    copy = tmp_path / "img"
    shutil.copytree(SAMPLES / "jobs" / "img", copy)
    return copy


def refusal(directory: Path) -> BadImage:
    start = time.monotonic()
    with pytest.raises(BadImage) as caught:
        list(read(sources.from_path(str(directory))))
    assert time.monotonic() - start < 2
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 300
    return caught.value


def events(directory: Path) -> list[AnyEvent]:
    return list(read(sources.from_path(str(directory))))


def core(directory: Path) -> Path:
    return sorted(directory.glob("core-*.img"))[1]


def test_a_directory_without_pages_or_anything_beside_the_topology_is_fine(directory: Path) -> None:
    whole = events(directory)
    for path in directory.iterdir():
        if path.name.startswith(("mountpoints", "fdinfo", "netns", "ipcns", "timens")):
            path.unlink()
    assert fold(events(directory)).tasks == fold(whole).tasks


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("inventory.img", "no CRIU image directory"),
        ("pstree.img", "nothing is known of the tasks"),
        ("core", "is missing: pstree.img#"),
        ("ids", "is missing"),
    ],
)
def test_a_file_that_is_missing_is_named(directory: Path, name: str, words: str) -> None:
    path = directory / name if name.endswith(".img") else sorted(directory.glob(f"{name}-*.img"))[2]
    path.unlink()
    caught = refusal(directory)
    assert caught.at == f"{path.name}#0"
    assert words in caught.message


@pytest.mark.parametrize("keep", [0, 3, 5, 9, 11, 40])
def test_a_truncated_image_is_named(directory: Path, keep: int) -> None:
    path = core(directory)
    path.write_bytes(path.read_bytes()[:keep])
    caught = refusal(directory)
    assert str(caught.at).startswith(f"{path.name}#")
    assert "cut short" in caught.message


def test_an_entry_that_claims_four_gigabytes_is_refused_at_once(directory: Path) -> None:
    path = core(directory)
    path.write_bytes(path.read_bytes()[:8] + b"\xff\xff\xff\xff" + b"\x08\x01")
    assert "claims 4294967295 bytes" in refusal(directory).message


def test_a_field_that_claims_four_gigabytes_is_refused_at_once(directory: Path) -> None:
    path = core(directory)
    path.write_bytes(path.read_bytes()[:8] + b"\x06\x00\x00\x00" + b"\x1a\xff\xff\xff\xff\x0f")
    assert "claims 4294967295 bytes" in refusal(directory).message


def test_a_sparse_file_of_a_terabyte_is_refused_at_once(directory: Path) -> None:
    os.truncate(core(directory), 1 << 40)
    assert "MiB" in refusal(directory).message


def test_an_image_of_another_type_is_refused_by_its_magic_number(directory: Path) -> None:
    shutil.copy(directory / "pstree.img", core(directory))
    assert "magic number" in refusal(directory).message


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.symlink_to("/etc/passwd"), "symbolic link"),
        (lambda path: os.mkfifo(path), "no regular file"),
        (lambda path: path.mkdir(), "no regular file"),
    ],
    ids=["link", "pipe", "directory"],
)
def test_what_is_no_file_is_not_followed_and_does_not_block(directory: Path, spoil: Callable[[Path], None], words: str) -> None:
    path = core(directory)
    path.unlink()
    spoil(path)
    assert words in refusal(directory).message


def test_a_link_in_the_place_of_the_directory_of_images_is_not_followed(directory: Path, tmp_path: Path) -> None:
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    (unpacked / "checkpoint").symlink_to(directory)
    assert "is a symbolic link to a directory" in refusal(unpacked).message
    (tmp_path / "given").symlink_to(directory)
    assert list(planner.read(tmp_path / "given"))[1:] == list(planner.read(directory))[1:]


def test_files_of_two_dumps_are_noticed(directory: Path) -> None:
    shutil.copy(SAMPLES / "chain20" / "img" / "pstree.img", directory / "pstree.img")
    assert "of different dumps" in refusal(directory).message


def test_a_core_of_a_thread_under_the_name_of_a_process_is_noticed(tmp_path: Path) -> None:
    directory = tmp_path / "img"
    shutil.copytree(SAMPLES / "threads5" / "img", directory)
    leader, thread = sorted(directory.glob("core-*.img"))[:2]
    shutil.copy(thread, leader)
    assert "holds no task" in refusal(directory).message


def test_images_left_over_from_an_earlier_dump_are_counted(directory: Path) -> None:
    before = fold(events(directory))
    shutil.copy(core(directory), directory / "core-4000.img")
    read_again = events(directory)
    assert fold(read_again).tasks == before.tasks
    facts = [event for event in read_again if isinstance(event, FactRecorded) and event.property == "images that no task names"]
    assert [fact.value for fact in facts] == ["1: core-4000.img"]


def test_images_of_an_unknown_kind_are_counted_and_their_names_do_no_harm(directory: Path) -> None:
    (directory / "novel-7.img").write_bytes(b"?")
    (directory / "another-kind.img").write_bytes(b"")
    facts = [event for event in events(directory) if isinstance(event, FactRecorded) and event.property == "unknown images"]
    assert [fact.value for fact in facts] == ["2: another-kind.img, novel-7.img"]


def test_an_old_image_version_is_read_and_a_new_one_is_refused(directory: Path) -> None:
    inventory = directory / "inventory.img"
    whole = inventory.read_bytes()
    assert whole[8:10] == b"\x08\x02"
    for path in directory.glob("core-*.img"):
        data = path.read_bytes()
        assert data[:4] == COMMON
        path.write_bytes(data[4:])
    inventory.write_bytes(whole[:8] + b"\x08\x01" + whole[10:])
    assert isinstance(events(directory)[-1], ImageClosed)
    inventory.write_bytes(whole[:8] + b"\x08\x09" + whole[10:])
    assert "image version 9" in refusal(directory).message


def test_two_entries_of_one_number_are_a_contradiction_and_no_damage(directory: Path) -> None:
    tree = directory / "pstree.img"
    data = tree.read_bytes()
    size = int.from_bytes(data[8:12], "little")
    tree.write_bytes(data + data[8 : 12 + size])
    with pytest.raises(Contradiction, match=r"^pid \d+ is used twice at level 0"):
        fold(events(directory))


@pytest.mark.parametrize("content", [b"", b"\x00" * 4])
def test_a_directory_that_is_meant_as_images_is_recognised_and_refused_with_reasons(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "inventory.img").write_bytes(content)
    assert recognises(sources.from_path(str(tmp_path)))
    refusal(tmp_path)


def test_any_other_directory_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    assert not recognises(sources.from_path(str(tmp_path)))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_a_byte_is_changed_to_the_reader_refuses_or_reads(tmp_path: Path, data: st.DataObject) -> None:
    directory = tmp_path / "img"
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(SAMPLES / "vz_ctr_nested_pidns_clean" / "img", directory)
    path = data.draw(st.sampled_from(sorted(directory.iterdir())))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, min(len(content), 200) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        fold(events(directory))
    except (BadImage, Contradiction):
        return


@pytest.mark.parametrize("name", ["child_netns", "chain20", "threads_tree"])
def test_the_root_is_the_entry_without_a_parent_wherever_it_stands(tmp_path: Path, name: str) -> None:
    """An engine that lists a child first says the same, and the plan proves."""
    files = {file.name: file.read_bytes() for file in (DATA / "criu" / name / "img").iterdir()}
    head, tree = files["pstree.img"][:8], files["pstree.img"][8:]
    entries = []
    while tree:
        size = 4 + int.from_bytes(tree[:4], "little")
        entries.append(tree[:size])
        tree = tree[size:]
    for file, data in files.items():
        (tmp_path / file).write_bytes(data)
    before = planner.plan(str(tmp_path))
    (tmp_path / "pstree.img").write_bytes(head + b"".join(reversed(entries)))
    after = planner.plan(str(tmp_path))
    assert len(after.steps) == len(before.steps)
    assert planner.simulate(after).root == planner.simulate(before).root
