"""Many images at once: which of them are planned together, and what is said of those of which nothing tells."""

import io
import tarfile
from pathlib import Path

import pytest

import planner
from planner.errors import BadImage
from planner.events.records import AnyEvent, TaskRecorded
from planner.forest.fold import fold
from planner.hookspecs import Source
from planner.pipeline.inputs import Inputs, located
from planner.pipeline.inputs import grouped as grouped_by
from planner.pipeline.reading import default_registry
from planner.pipeline.sources import from_path, from_stream
from tests.helpers.containers import POD, Dump
from tests.helpers.places import EXAMPLES


def container(root: int, name: str, joined: str = "", pod: str = "") -> bytes:
    """A container of two tasks; `joined` is the container whose pid namespace it is in."""
    config = {"id": name, "name": name, "pod": pod, "pidNsCtr": joined}
    return (
        Dump(external="", ids=POD).task(root).task(root + 1, root).archive(config, {"linux": {"namespaces": [{"type": "pid"}]}})
    )


FILES = {
    "infra.tar": container(1, "infra"),
    "web.tar": container(20, "web", joined="infra"),
    "log.tar": container(30, "log", joined="infra"),
    "alone.tar": container(1, "alone"),
    "bad.tar": b"moon" * 1000,
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def grouped(*names: str, **options: str) -> list[str]:
    found: Inputs = grouped_by(names, from_path, default_registry(), **options)  # type: ignore[arg-type]
    return [group.name for group in found.groups]


def test_what_shares_a_pid_namespace_is_one_group_wherever_it_is_given(folder: Path) -> None:
    assert grouped("alone.tar", "web.tar", "infra.tar", "log.tar") == ["alone.tar", "web.tar + infra.tar + log.tar"]


def test_one_that_cannot_be_read_is_a_group_of_its_own(folder: Path) -> None:
    assert grouped("bad.tar", "web.tar", "missing.tar", "infra.tar") == ["bad.tar", "web.tar + infra.tar", "missing.tar"]


def test_grouping_can_be_forced_either_way(folder: Path) -> None:
    assert grouped("web.tar", "infra.tar", grouping="apart") == ["web.tar", "infra.tar"]
    assert grouped("alone.tar", "infra.tar", grouping="pod") == ["alone.tar + infra.tar"]


def test_what_can_be_read_only_once_is_grouped_as_well(folder: Path) -> None:
    def once(name: str) -> Source:
        return from_stream(io.BytesIO(FILES[name]), name)

    found = grouped_by(["web.tar", "infra.tar"], once, default_registry())
    assert [group.name for group in found.groups] == ["web.tar + infra.tar"]
    assert sum(type(event).__name__ == "TaskRecorded" for event in found.groups[0].events(default_registry())) == 4


def test_the_checkpoints_of_one_archive_are_grouped_too(tmp_path: Path) -> None:
    path = str(tmp_path / "all.tar")
    (tmp_path / "all.tar").write_bytes(tar_of("alone.tar", "infra.tar", "web.tar"))
    assert grouped(path) == [f"{path}::alone.tar", f"{path}::infra.tar + {path}::web.tar"]
    assert grouped(f"{path}::web.tar") == [f"{path}::web.tar"]


def tar_of(*names: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as packed:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(FILES[name])
            packed.addfile(info, io.BytesIO(FILES[name]))
    return out.getvalue()


def planned(*names: str) -> list[int]:
    """How many tasks each group of what was given has."""
    registry = default_registry()
    return [
        sum(isinstance(event, TaskRecorded) for event in group.events(registry))
        for group in grouped_by(names, from_path, registry).groups
    ]


def test_a_directory_beside_other_images_is_read_whole(folder: Path) -> None:
    (folder / "pod").mkdir()
    (folder / "web.tar").rename(folder / "pod" / "web.tar")
    (folder / "infra.tar").rename(folder / "pod" / "infra.tar")
    assert grouped("alone.tar", "pod") == ["alone.tar", "pod::infra.tar + pod::web.tar"]
    assert planned("alone.tar", "pod") == [2, 4]


def test_an_archive_of_several_in_a_directory_is_as_many_images(folder: Path) -> None:
    (folder / "in").mkdir()
    (folder / "in" / "all.tar").write_bytes(tar_of("infra.tar", "web.tar"))
    (folder / "in" / "one.tar").write_bytes(FILES["alone.tar"])
    assert grouped("in") == ["in::all.tar/infra.tar + in::all.tar/web.tar", "in::one.tar"]
    assert grouped("in::all.tar", "alone.tar") == ["in::all.tar/infra.tar + in::all.tar/web.tar", "alone.tar"]
    assert planned("in", "alone.tar") == [4, 2, 2]
    assert planned("in::all.tar/web.tar") == [2]
    (folder / "in" / "one.tar").unlink()
    (folder / "in" / "log.tar").write_bytes(FILES["log.tar"])
    assert fold(planner.read(folder / "in")).images == ("all.tar/infra.tar", "all.tar/web.tar", "log.tar")


def test_streams_of_another_kind_in_the_same_directory_are_images_as_well(folder: Path) -> None:
    stream = (EXAMPLES / "nested.ckpt").read_bytes()
    (folder / "in").mkdir()
    (folder / "in" / "a.ckpt").write_bytes(stream)
    assert planned("in") == [7]
    (folder / "in" / "b.ckpt").write_bytes(stream[:300])
    assert grouped("in") == ["in::a.ckpt", "in::b.ckpt"]
    (folder / "in" / "web.tar").write_bytes(FILES["web.tar"])
    assert grouped("in") == ["in::a.ckpt", "in::b.ckpt", "in::web.tar"]
    assert planned("in::a.ckpt", "in::web.tar") == [7, 2]
    with pytest.raises(BadImage, match=r"holds no checkpoint c; there is: a\.ckpt, b\.ckpt, web\.tar"):
        planned("in::c")


def test_the_library_groups_as_the_command_does() -> None:
    logs = planner.read_many([FILES["alone.tar"], FILES["web.tar"], FILES["infra.tar"]])
    assert [len(planner.plan(log).processes) for log in logs] == [2, 4]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.tar", ("a.tar", "")),
        ("a.tar::web", ("a.tar", "web")),
        ("infra.tar::a::b", ("infra.tar", "a::b")),
        ("odd::name.tar", ("odd::name.tar", "")),
        ("odd::name.tar::web", ("odd::name.tar", "web")),
    ],
)
def test_a_path_that_exists_wins_over_a_name_inside(folder: Path, name: str, expected: tuple[str, str]) -> None:
    (folder / "odd::name.tar").write_bytes(b"")
    assert located(name) == expected


def packed(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def read(image: str) -> list[AnyEvent]:
    (group,) = grouped_by([image], from_path, default_registry()).groups
    return list(group.events(default_registry()))


def test_a_stream_of_linux_cr_in_an_archive_is_what_it_is_beside_it(tmp_path: Path) -> None:
    stream = (EXAMPLES / "nested.ckpt").read_bytes()
    (tmp_path / "one.tgz").write_bytes(packed({"README": b"our checkpoints", "2010/nested.ckpt": stream}))
    assert read(f"{tmp_path}/one.tgz") == read(str(EXAMPLES / "nested.ckpt"))


def test_an_archive_holds_images_of_every_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    stream = (EXAMPLES / "nested.ckpt").read_bytes()
    log = (EXAMPLES.parent / "nested.jsonl").read_bytes()
    inner = packed({"cut.ckpt": stream[:90], "whole.ckpt": stream})
    files = {"a.ckpt": stream, "b.tar": FILES["alone.tar"], "c.jsonl": log, "d.tar": inner, "e.txt": b"no image" * 100}
    Path("all.tar").write_bytes(packed(files))
    names = ["a.ckpt", "b.tar", "c.jsonl", "d.tar/cut.ckpt", "d.tar/whole.ckpt"]
    assert grouped("all.tar") == [f"all.tar::{name}" for name in names]
    assert read("all.tar::a.ckpt") == read("all.tar::c.jsonl") == read("all.tar::d.tar/whole.ckpt")
    with pytest.raises(BadImage, match=r"the stream ends") as caught:
        read("all.tar::d.tar/cut.ckpt")
    assert "cut.ckpt#" in str(caught.value.at)


def test_streams_in_an_archive_are_read_from_a_pipe_and_in_a_directory(folder: Path) -> None:
    stream = (EXAMPLES / "nested.ckpt").read_bytes()
    data = packed({"a.ckpt": stream, "b.ckpt": stream})
    opened = from_stream(io.BytesIO(data), "-")
    found = grouped_by(["-"], lambda name: opened, default_registry())
    assert [group.name for group in found.groups] == ["-::a.ckpt", "-::b.ckpt"]
    assert [list(group.events(default_registry())) for group in found.groups] == [read(str(EXAMPLES / "nested.ckpt"))] * 2
    Path("below").mkdir()
    Path("below/many.tgz").write_bytes(data)
    Path("below/c.ckpt").write_bytes(stream)
    assert grouped("below") == ["below::c.ckpt", "below::many.tgz/a.ckpt", "below::many.tgz/b.ckpt"]
