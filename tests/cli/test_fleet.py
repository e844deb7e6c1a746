"""`crplan fleet`: the scan of many images as a command, and the reports on it."""

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from planner.cli import main as cli
from planner.fleet import dataset
from tests.helpers.places import EXAMPLES

FILES = {path.name for path in EXAMPLES.rglob("*") if path.is_file()}


def crplan(*argv: object, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "planner", "fleet", *map(str, argv)]
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=120)


@pytest.fixture
def lines_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "find_spec", lambda name: None)


def uris(directory: Path) -> list[str]:
    parts = sorted(directory.glob("parts/*/images.jsonl"))
    return [os.path.basename(json.loads(line)["uri"]) for part in parts for line in part.read_text().splitlines()]


def test_a_scan_can_be_gone_on_with_and_counts_nothing_twice(
    tmp_path: Path, lines_only: None, capfd: pytest.CaptureFixture[str]
) -> None:
    tables = tmp_path / "tables"
    broken = tmp_path / "broken.ckpt"
    broken.write_bytes((EXAMPLES / "nested.ckpt").read_bytes()[:90])
    scan = ["fleet", "-o", str(tables), "--workers", "2"]
    assert cli.main([*scan, str(EXAMPLES / "nested.ckpt"), str(EXAMPLES / "nested.ckpt")]) == 0
    assert "1 image of 1 inputs: 1 planned" in capfd.readouterr().err
    assert cli.main([*scan, str(EXAMPLES)]) == 2
    assert "give --resume" in capfd.readouterr().err
    assert cli.main([*scan, str(EXAMPLES), str(broken), "--resume"]) == 0
    assert f"{len(FILES)} images of" in capfd.readouterr().err
    assert sorted(uris(tables)) == sorted({*FILES, "broken.ckpt"})
    assert cli.main(["fleet", "report", str(tables), "--format", "json", "--fail-on", "unreadable"]) == 3
    report = json.loads(capfd.readouterr().out)
    assert (report["totals"]["images"], report["totals"]["cannot_be_read"]) == (len(FILES) + 1, 1)
    assert cli.main(["fleet", "report", str(tables), "--sql", "SELECT max(tasks) AS most FROM images"]) == 0
    assert capfd.readouterr().out.split()[-2:] == ["most", "7"]


def test_what_has_changed_is_read_again_and_counted_once(
    tmp_path: Path, lines_only: None, capfd: pytest.CaptureFixture[str]
) -> None:
    images, tables = tmp_path / "images", tmp_path / "tables"
    images.mkdir()
    for name in ("nested.ckpt", "orphan.ckpt"):
        (images / name).write_bytes((EXAMPLES / name).read_bytes())
    directory = images / "dump"
    with tarfile.open(EXAMPLES / "pod" / "web.tar") as archive:
        archive.extractall(directory, filter="data")
    scan = ["fleet", str(images), "-o", str(tables), "--workers", "1"]
    assert cli.main(scan) == 0
    before = rows(tables)
    assert cli.main([*scan, "--resume"]) == 0
    assert "0 images of 0 inputs: 0 planned, 0 cannot be restarted, 0 cannot be read, 3 were done" in capfd.readouterr().err
    assert rows(tables) == before
    (images / "nested.ckpt").write_bytes((EXAMPLES / "subtree.ckpt").read_bytes())
    (directory / "checkpoint" / "pstree.img").write_bytes(b"no tree")
    assert cli.main([*scan, "--resume"]) == 0
    assert "2 images of 2 inputs" in capfd.readouterr().err
    after = rows(tables)
    assert sorted(after) == sorted(before)
    assert after["orphan.ckpt"] == before["orphan.ckpt"]
    assert after["nested.ckpt"]["image_id"] != before["nested.ckpt"]["image_id"]
    assert after["dump"]["error_code"] == "bad-image"


def rows(tables: Path) -> dict[str, dict[str, Any]]:
    """Return the rows of the images by the names of their files; each is there once."""
    lines = [json.loads(line) for part in sorted(tables.glob("parts/*/images.jsonl")) for line in part.read_text().splitlines()]
    found = {os.path.basename(row["uri"]): row for row in lines}
    assert len(found) == len(lines)
    return found


@pytest.mark.slow
def test_a_list_on_standard_input_names_the_sources(tmp_path: Path) -> None:
    listed = "".join(f"{EXAMPLES / name}\n" for name in ("nested.ckpt", "orphan.ckpt"))
    done = crplan("-", "-o", tmp_path / "tables", given=f"{listed}\n")
    assert done.returncode == 0, done.stderr
    assert "2 images of 2 inputs: 2 planned" in done.stderr


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["x.ckpt"], "give the directory of the tables"),
        (["x.ckpt", "-o", "{}", "--workers", "0"], "--workers is a number above 0"),
        (["x.ckpt", "-o", "{}", "--host", "gone.json"], "gone.json cannot be read"),
        (["x.ckpt", "-o", "{}/gone", "--resume"], "holds no tables"),
    ],
)
def test_a_usage_error_is_one_line_and_makes_no_file(
    argv: list[str], words: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["fleet", *(word.format(tmp_path / "out") for word in argv)]) == 2
    error = capfd.readouterr().err
    assert words in error and error.count("\n") == 1
    assert os.listdir(tmp_path) == []
