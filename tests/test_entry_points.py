"""Entry points of distributions that others made: what one of them holds takes nothing down."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from planner import entry_points, plugins


@pytest.mark.parametrize("broken", ["entry_points.txt", "METADATA"])
def test_a_file_that_is_not_utf8_harms_only_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    for name in ("good", "strange"):
        distribution = tmp_path / f"{name}-1.dist-info"
        distribution.mkdir()
        (distribution / "METADATA").write_text(f"Name: {name}\nVersion: 1\n")
        (distribution / "entry_points.txt").write_text(f"[crplan]\n{name} = {name}_module\n")
    file = tmp_path / "strange-1.dist-info" / broken
    file.write_bytes(file.read_bytes().replace(b"strange", b"str\xffnge"))
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    found = entry_points.installed("crplan")
    assert [entry.name for entry in found if entry.distribution == "good"] == ["good"]
    assert len(found) == 2


def distribution(place: Path, name: str, points: str, file: str = "") -> None:
    """Install a distribution that has only its metadata into a directory."""
    directory = place / f"{file or name}-9.dist-info"
    directory.mkdir(parents=True)
    (directory / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 9\n")
    (directory / "entry_points.txt").write_text(f"[crplan]\n{points}")


@pytest.mark.parametrize("standard", [False, True], ids=["scan", "standard library"])
def test_a_distribution_that_calls_itself_crplan_is_none_of_ours_and_hides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, standard: bool
) -> None:
    distribution(tmp_path, "crplan", "evil = evil_module\ncrplan_shell = evil_module\n")
    (tmp_path / "evil_module.py").write_text("")
    before = {entry for entry in entry_points.installed("crplan") if entry.own}
    monkeypatch.syspath_prepend(tmp_path)
    if standard:
        monkeypatch.setattr(entry_points, "_plain_path", lambda: False)
    found = entry_points.installed("crplan")
    assert {entry for entry in found if entry.own} == before
    assert {entry.name for entry in before} >= {"crplan_shell", "crplan_linuxcr"}
    assert [(entry.name, entry.version) for entry in found if entry.module == "evil_module"] == [
        ("crplan_shell", "9"),
        ("evil", "9"),
    ]


def test_a_module_that_stands_in_the_way_of_ours_is_none_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "crplan_shell.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "crplan_shell", raising=False)
    assert [entry.own for entry in entry_points.installed("crplan") if entry.name == "crplan_shell"] == [False]


@pytest.mark.parametrize("standard", [False, True], ids=["scan", "standard library"])
def test_names_and_files_that_are_not_utf8_take_nothing_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, standard: bool
) -> None:
    place = tmp_path / os.fsdecode(b"pla\xffce")
    distribution(place, "good", "good = good_module\n")
    for number, name in enumerate((os.fsdecode(b"str\xffnge"), "other", "third")):
        distribution(place, f"strange{number}", "strange = strange_module\n", name)
    for name, file in (("other", "entry_points.txt"), ("third", "METADATA")):
        (place / f"{name}-9.dist-info" / file).write_bytes(b"[crplan]\nName: \xff\n\xfe = \xfe\n")
    monkeypatch.setattr(sys, "path", [str(place)])
    if standard:
        monkeypatch.setattr(entry_points, "_plain_path", lambda: False)
    found = entry_points.installed("crplan")
    assert "good" in {entry.name for entry in found}
    registry = plugins.load((), entries=found)
    assert {report.status for report in registry.plugins} == {"broken"}, "none of the modules is there"


@pytest.mark.parametrize("package", ["planner", "crplan"])
def test_the_current_directory_has_no_plugins(tmp_path: Path, package: str) -> None:
    distribution(tmp_path, "local", "local = local_module\n")
    for name in ("local_module", "msgspec", "pluggy"):
        (tmp_path / f"{name}.py").write_text("print('imported', __name__)\n")
    done = subprocess.run(
        [sys.executable, "-m", package, "plugins"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "imported" not in done.stdout
    assert "local" not in done.stdout
