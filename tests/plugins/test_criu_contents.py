"""Detail "all" of CRIU images: what the processes hold, from every form of image, and nothing of it in the tree's digest."""

import io
import random
import tarfile
from pathlib import Path

import pytest
from crplan_criu.messages import REGULAR_FILE
from crplan_criu.read import read

from planner.contents.fold import content_id, fold_contents
from planner.contents.model import Contents
from planner.events.contents import ContentsEvent, DescriptorRecorded
from planner.events.records import AnyEvent, FactRecorded
from planner.forest.digest import image_id
from planner.forest.fold import fold
from planner.hookspecs import Detail, ReadRequest
from planner.identity import ProcessId
from planner.pipeline import sources
from tests.helpers import criu_dumps
from tests.helpers.places import DATA


def events(path: Path, detail: Detail = "all") -> list[AnyEvent]:
    return list(read(sources.from_path(str(path)), ReadRequest(detail=detail)))


def contents(directory: Path, files: dict[str, bytes]) -> Contents:
    return fold_contents(events(criu_dumps.write(directory, files)))


@pytest.fixture
def small(tmp_path: Path) -> Contents:
    return contents(tmp_path / "img", criu_dumps.small())


def test_open_files_are_read_with_their_kinds(small: Contents) -> None:
    assert {number: (each.kind, each.path) for number, each in small.files.items()} == {
        1: ("file", "/usr/bin/server"),
        2: ("directory", "/"),
        3: ("file", "/var/log/server.log"),
        4: ("file", "/tmp/gone"),
        5: ("inet socket", ""),
        6: ("unix socket", ""),
        7: ("unix socket", ""),
        8: ("pipe", ""),
        9: ("epoll", ""),
        10: ("namespace", ""),
    }
    assert small.files[1].build_id == "01020304"
    assert (small.files[3].position, small.files[3].size) == (120, 120)
    assert small.deleted[4].remap == "ghost"
    assert small.files[9].facts == {"descriptors": "4"}
    assert small.files[10].facts == {"namespace": "pid 3"}


def test_sockets_are_read_with_both_ends(small: Contents) -> None:
    listening, named, unnamed = (small.sockets[number] for number in (5, 6, 7))
    assert (listening.protocol, listening.state, listening.local, listening.local_port) == ("tcp", "listen", "127.0.0.1", 8080)
    assert (named.local, named.peer, unnamed.inode, unnamed.local) == ("@abstract", 72, 72, "")


def test_tasks_have_their_directories_memory_and_registers(small: Contents) -> None:
    held, memory = small.task_files[ProcessId(10)], small.memory[ProcessId(11)]
    assert (held.cwd, held.root, held.executable, held.umask) == (2, 2, 1, 0o22)
    assert (memory.areas, memory.mapped, memory.stored, memory.in_parent) == (3, 16384, 4 * 4096, 2 * 4096)
    [mapped] = small.mapped[ProcessId(10)]
    assert (mapped.file, mapped.bytes, mapped.areas, mapped.executable) == (1, 12288, 2, True)
    assert small.registers[ProcessId(10)].state == ("x87", "sse")


def test_what_is_not_there_is_told_from_what_is_empty(tmp_path: Path) -> None:
    files = criu_dumps.tree()
    assert not contents(tmp_path / "a", files).has("files")
    assert contents(tmp_path / "b", files | {"files.img": criu_dumps.image("files")}).has("files")
    assert not fold_contents(events(tmp_path / "a", "tree")).recorded


def test_an_archive_gives_the_same_events_in_whatever_order_it_is_packed(tmp_path: Path) -> None:
    files = criu_dumps.small()
    expected = events(criu_dumps.write(tmp_path / "img", files))
    for seed in range(3):
        names = sorted(files)
        random.Random(seed).shuffle(names)
        packed = tmp_path / f"{seed}.tar"
        with tarfile.open(packed, "w") as archive:
            for name in names:
                member = tarfile.TarInfo(f"checkpoint/{name}")
                member.size = len(files[name])
                archive.addfile(member, io.BytesIO(files[name]))
        assert events(packed) == expected


@pytest.mark.parametrize("path", sorted((DATA / "criu").glob("*/img")), ids=lambda path: path.parent.name)
def test_the_digest_of_the_tree_is_the_same_whatever_was_read(path: Path) -> None:
    every, tree = events(path), events(path, "tree")
    assert image_id(fold(every)) == image_id(fold(tree))
    assert [event for event in every if not isinstance(event, ContentsEvent)] == tree
    assert fold_contents(every).recorded


def test_the_digest_of_contents_counts_what_is_held_and_no_places(tmp_path: Path) -> None:
    files = criu_dumps.small()
    first = events(criu_dumps.write(tmp_path / "a", files))
    files["fdinfo-2.img"] = criu_dumps.descriptors((0, 3))
    second = events(criu_dumps.write(tmp_path / "b", files))
    assert content_id(first, "tree") != content_id(second, "tree") != ""
    assert content_id(first, "tree") != content_id(first, "other")
    assert content_id([event for event in first if not isinstance(event, ContentsEvent)], "tree") == ""


@pytest.mark.parametrize("name", ["files.img", "fdinfo-2.img", "mm-10.img", "fs-10.img", "pagemap-10.img", "remap-fpath.img"])
def test_a_damaged_image_is_a_fact_and_what_stands_before_it_is_kept(tmp_path: Path, name: str) -> None:
    files = criu_dumps.small()
    files[name] = files[name][:-1]
    found = events(criu_dumps.write(tmp_path / "img", files))
    damaged = [event for event in found if isinstance(event, FactRecorded) and event.property == "damaged image"]
    assert [event.value.partition(":")[0] for event in damaged] == [name]
    assert fold(found).tasks.keys() == {10, 11}


def test_a_large_table_of_descriptors_is_read_once(tmp_path: Path) -> None:
    files = criu_dumps.tree(tuple(range(10, 60)), shared=True)
    files["fdinfo-2.img"] = criu_dumps.descriptors(*((number, 1) for number in range(2000)))
    found = events(criu_dumps.write(tmp_path / "img", files))
    assert sum(isinstance(event, DescriptorRecorded) for event in found) == 2000


def test_a_big_endian_image_has_its_addresses_in_their_order(tmp_path: Path) -> None:
    files = criu_dumps.small()
    data = files["files.img"]
    swapped = data[3::-1] + data[7:3:-1]
    at = 8
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        swapped += size.to_bytes(4, "big") + data[at + 4 : at + 4 + size]
        at += 4 + size
    files["files.img"] = swapped
    assert contents(tmp_path / "img", files).sockets[5].local == "1.0.0.127"


def test_a_regular_file_without_a_name_is_damage_and_the_path_beside_it_is_quoted(tmp_path: Path) -> None:
    nameless = criu_dumps.file(1, "reg", REGULAR_FILE, id=1, fown=b"\n /proc/2/task/3/stat")
    images = criu_dumps.tree() | {"files.img": criu_dumps.image("files", nameless)}
    found = events(criu_dumps.write(tmp_path / "img", images))
    said = [event.value for event in found if isinstance(event, FactRecorded) and event.property == "damaged image"]
    assert said == ["files.img: the regular file 1 has no name; /proc/2/task/3/stat stands in the field of its owner"]


def test_a_dump_of_every_kind_is_read_without_a_remark(tmp_path: Path) -> None:
    found = contents(tmp_path / "img", criu_dumps.every())
    said = {each.property.partition(" ")[0] for each in found.properties}
    assert {"network", "external", "file", "memfd", "statistics"} <= said
    assert len(found.mounts) == len(found.processors) == 1
    damaged = [
        event for event in events(tmp_path / "img") if isinstance(event, FactRecorded) and event.property == "damaged image"
    ]
    assert damaged == []
