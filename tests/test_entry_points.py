"""Entry points of distributions that others made: what one of them holds takes nothing down."""

import sys
from pathlib import Path

import pytest

from planner import entry_points


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
