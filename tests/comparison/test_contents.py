"""What is held differs by paths, addresses and mountpoints, whatever numbers an image gives them."""

import json
from pathlib import Path

import jsonschema
import pytest
from crplan_criu import messages_contents as contents

import planner
from planner.cli.main import main
from planner.comparison import document as documents
from tests.helpers import criu_dumps

SCHEMA = Path(documents.__file__).with_name("diff.schema.json")


def image(directory: Path, *entries: bytes, **files: bytes) -> Path:
    images = criu_dumps.tree() | {"files.img": criu_dumps.image("files", *entries)}
    return criu_dumps.write(directory, images | {name.replace("_", "-") + ".img": data for name, data in files.items()})


def changes(before: Path, after: Path) -> list[tuple[str, str, str, str, str]]:
    found = planner.diff(before, after).contents or ()
    return [(each.kind, each.what, each.name, each.before, each.after) for each in found]


def test_files_are_added_removed_and_changed_by_their_paths(tmp_path: Path) -> None:
    a = image(tmp_path / "a", criu_dumps.regular(1, "/old", 1), criu_dumps.regular(2, "/log", 5))
    b = image(tmp_path / "b", criu_dumps.regular(1, "/log", 6), criu_dumps.regular(2, "/new", 1))
    assert changes(a, b) == [
        ("changed", "file", "/log", "file, 5 bytes, mode 0644", "file, 6 bytes, mode 0644"),
        ("added", "file", "/new", "", "file, 1 bytes, mode 0644"),
        ("removed", "file", "/old", "file, 1 bytes, mode 0644", ""),
    ]
    assert planner.diff(a, b).differs


def test_the_same_contents_under_other_numbers_are_no_difference(tmp_path: Path) -> None:
    a = image(tmp_path / "a", criu_dumps.regular(1, "/x"), criu_dumps.regular(2, "/y"))
    b = image(tmp_path / "b", criu_dumps.regular(8, "/y"), criu_dumps.regular(9, "/x"))
    assert changes(a, b) == [] and not planner.diff(a, b).differs


def test_sizes_of_memory_are_told_and_make_no_difference(tmp_path: Path) -> None:
    a = image(tmp_path / "a", pagemap_10=criu_dumps.pages((3, 4)))
    b = image(tmp_path / "b", pagemap_10=criu_dumps.pages((4, 4)))
    assert changes(a, b) == [("changed", "memory", "pages stored", "12288 bytes", "16384 bytes")]
    assert not planner.diff(a, b).differs


def test_limits_are_compared_between_the_same_tasks(tmp_path: Path) -> None:
    a = image(tmp_path / "a", core_10=criu_dumps.core(10, limits=[(5, (1 << 64) - 1)]))
    b = image(tmp_path / "b", core_10=criu_dumps.core(10, limits=[(6, (1 << 64) - 1)]))
    assert changes(a, b) == [("changed", "limit", "cpu", "5 unlimited", "6 unlimited")]


@pytest.mark.parametrize("form", ["text", "markdown", "json"])
def test_every_format_tells_what_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str) -> None:
    a = image(tmp_path / "a", criu_dumps.regular(1, b"/a\x1b[2J"))
    b = image(tmp_path / "b", criu_dumps.regular(1, "/b"))
    assert main(["diff", str(a), str(b), "--exit-code", "--format", form]) == 4
    out = capsys.readouterr().out
    assert "/b" in out and "\x1b" not in out
    if form == "json":
        jsonschema.validate(json.loads(out), json.loads(SCHEMA.read_bytes()))


def test_sockets_are_named_as_people_write_them(tmp_path: Path) -> None:
    address = {"src_port": 80, "src_addr": [0, 0, 0, 1 << 24]}
    sockets = (
        criu_dumps.file(1, "isk", contents.INET_SOCKET, ino=1, family=10, type=1, proto=6, state=10, opts=b"", **address),
        criu_dumps.file(2, "nlsk", contents.NETLINK_SOCKET, ino=2, protocol=16, state=7, portid=4711),
    )
    names = [name for _, _, name, _, _ in changes(image(tmp_path / "a"), image(tmp_path / "b", *sockets))]
    assert names == ["netlink raw 16", "tcp listen [::1]:80"]
