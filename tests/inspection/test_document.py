"""`crplan inspect`: the files and objects that each process holds, as a document for programs and as a human-readable page."""

import json
from pathlib import Path

import jsonschema
import pytest

import planner
from planner.cli.main import main
from planner.inspection import document as documents
from planner.inspection.document import InspectDocument, InspectedImage, encoded
from tests.helpers import criu_dumps
from tests.helpers.places import DATA
from tests.helpers.schemas import meaning

SCHEMA = Path(documents.__file__).with_name("inspect.schema.json")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return criu_dumps.write(tmp_path / "img", criu_dumps.small())


def inspect(image: Path, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    assert main(["inspect", str(image), "--format", "json", *words]) == 0
    [entry] = json.loads(capsys.readouterr().out)["images"]
    assert isinstance(entry, dict)
    return entry


def test_documents_keep_to_the_published_schema(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A change of the schema needs a new format_version: then write the file anew with `planner.inspection.document.schema`."""
    assert meaning(SCHEMA.read_bytes()) == meaning(documents.schema())
    assert main(["inspect", str(small), "--format", "json"]) == 0
    jsonschema.validate(json.loads(capsys.readouterr().out), json.loads(SCHEMA.read_bytes()))


def test_a_page_shows_files_sockets_and_sizes_by_task(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(small)]) == 0
    page = capsys.readouterr().out
    for words in (
        "10 task-10  /usr/bin/server",
        "0 file /var/log/server.log  at 120 of 120 bytes, read, shared with 11",
        "4 tcp listen 127.0.0.1:8080",
        "unix stream established @abstract inode 71  peer 72",
        "3 file /tmp/gone  at 0 of 7 bytes, read  deleted, comes back from a ghost",
        "memory 16.0 KiB mapped in 3 areas, 12.0 KiB of pages stored",
        "9 descriptors, 10 open files",
        "Not recorded",
        "  the processor",
    ):
        assert words in page, words


@pytest.mark.parametrize(
    ("words", "pids", "files"),
    [
        (["--pid", "11"], [11], [1, 2, 3, 7, 10]),
        (["--path", "/var/*"], [10, 11], [3]),
        (["--path", "@abs*"], [10], [6]),
        (["--port", "8080"], [10], [5]),
        (["--port", "1"], [], []),
        (["--who-holds", "/usr"], [10, 11], [1]),
        (["--who-holds", "/tmp/gone"], [10], [4]),
        (["--who-holds", "/tmp/go"], [], []),
        (["--pid", "11", "--path", "/tmp/*"], [], []),
    ],
)
def test_a_question_leaves_what_it_is_about(
    small: Path, capsys: pytest.CaptureFixture[str], words: list[str], pids: list[int], files: list[int]
) -> None:
    entry = inspect(small, capsys, *words)
    assert [task["pid"] for task in entry.get("tasks", [])] == pids  # type: ignore[attr-defined]
    assert [file["id"] for file in entry.get("files", [])] == files  # type: ignore[attr-defined]


def test_an_answer_is_short_and_says_where_nothing_was_found(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, found in (
        (("--pid", "11"), "task-11"),
        (("--pid", "99"), "Nothing that was asked for"),
        (("--port", "8080"), "tcp"),
    ):
        assert main(["inspect", str(small), *words]) == 0
        page = capsys.readouterr().out
        assert found in page and "\nImage" not in page and "\nSum" not in page and "\nMounts" not in page


def test_the_library_gives_the_same_entry(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry = planner.inspect(small)
    assert json.loads(encoded(InspectDocument(images=(entry,))))["images"][0] == inspect(small, capsys)
    log = planner.inspect(planner.read(small))
    assert log.image_id == entry.image_id and "alone" in log.not_recorded[0]
    assert planner.inspect(small, areas=True).tasks[0].areas and not entry.tasks[0].areas
    with pytest.raises(TypeError, match=r"planner\.inspect takes"):
        planner.inspect(3)  # type: ignore[arg-type]


def test_a_shared_table_stands_once_and_its_holders_are_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = criu_dumps.tree((10, 11), shared=True)
    files["fdinfo-2.img"] = criu_dumps.descriptors((3, 1))
    files["files.img"] = criu_dumps.image("files", criu_dumps.regular(1, "/data"))
    image = criu_dumps.write(tmp_path / "img", files)
    for words in ((), ("--who-holds", "/data")):
        entry = inspect(image, capsys, *words)
        first, second = entry["tasks"]  # type: ignore[misc]
        assert first["descriptors"] == [{"number": 3, "file": 1}]
        assert (second["descriptors_of"], "descriptors" in second) == (10, False)
        assert entry["files"][0]["held_by"] == [10, 11]  # type: ignore[index]


def test_names_of_an_image_reach_no_terminal_unescaped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = criu_dumps.tree()
    files["files.img"] = criu_dumps.image("files", criu_dumps.regular(1, b"/a\x1b[2J\n\xff\xe2\x80\xae"))
    files["fdinfo-2.img"] = criu_dumps.descriptors((3, 1), (4, 99))
    image = criu_dumps.write(tmp_path / "img", files)
    assert main(["inspect", str(image)]) == 0
    page = capsys.readouterr().out
    assert "\x1b" not in page and "\u202e" not in page
    assert "/a\\x1b[2J\\x0a\\\\xff\\u202e" in page and "4 not recorded" in page
    assert "\u202e" not in json.dumps(inspect(image, capsys), ensure_ascii=True)


def test_an_image_that_cannot_be_read_is_an_entry_with_its_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad"
    bad.write_bytes(b"no image")
    assert main(["inspect", str(DATA / "criu/single/img"), str(bad), "--format", "json"]) == 1
    captured = capsys.readouterr()
    whole, broken = json.loads(captured.out)["images"]
    assert whole["image_id"] and "error" not in whole and broken["error"]["message"]
    assert len(captured.err.splitlines()) < 5


def test_other_images_say_that_nothing_is_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    image = next((DATA / "linux-cr").glob("*.ckpt"))
    assert "alone" in str(inspect(image, capsys)["not_recorded"])


def test_an_entry_says_what_it_lacks() -> None:
    assert InspectedImage(image="x").not_recorded == ()
