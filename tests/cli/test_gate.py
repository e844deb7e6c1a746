"""`crplan gate`: a restore that would fail is stopped, everything else passes, and an error of crplan's own passes by itself."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from planner.cli import main as cli
from tests.helpers.places import DATA

Gate = Callable[..., tuple[int, str]]


@pytest.fixture
def gate(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Gate:
    """Call the gate as CRIU does, with a bare PATH; returns the exit code and standard error."""

    def call(image: Path, *words: str, action: str = "pre-restore") -> tuple[int, str]:
        monkeypatch.setenv("CRTOOLS_SCRIPT_ACTION", action)
        monkeypatch.setenv("CRTOOLS_IMAGE_DIR", str(image))
        monkeypatch.setenv("PATH", "")
        code = cli.main(["gate", *words])
        return code, " ".join(capsys.readouterr().err.split())

    return call


def test_a_restore_that_would_fail_is_stopped_with_the_reason(gate: Gate, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(DATA / "criu" / "ctr_leader_left_group" / "img")
    code, said = gate(link)
    assert code == 1
    assert "criu-group-leader-moved" in said
    assert str((DATA / "criu" / "ctr_leader_left_group" / "img").resolve()) in said


def test_other_actions_pass_without_a_word(gate: Gate) -> None:
    assert gate(DATA / "criu" / "ctr_leader_left_group" / "img", action="post-restore") == (0, "")


def test_an_error_of_its_own_passes_unless_it_is_strict(gate: Gate, tmp_path: Path) -> None:
    shutil.copytree(DATA / "criu" / "single" / "img", tmp_path / "img")
    (tmp_path / "img" / "pstree.img").write_bytes(b"noise")
    code, said = gate(tmp_path / "img")
    assert (code, "not judged" in said) == (0, True)
    assert gate(tmp_path / "img", "--strict")[0] == 1
