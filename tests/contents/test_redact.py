"""A redacted log has the tree and the structure of what is held, and no name, path or address of its owner."""

from pathlib import Path

import pytest

import planner
from planner.cli.main import main
from planner.forest.fold import fold
from tests.helpers import criu_dumps
from tests.helpers.places import DATA

OWN = ("server", "task-10", "task-11", "gone", "abstract", "log")


def test_names_paths_and_addresses_are_replaced_each_by_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = criu_dumps.write(tmp_path / "img", criu_dumps.small())
    assert main(["log", str(image), "--detail", "all", "--redact"]) == 0
    log = capsys.readouterr().out
    assert not [word for word in OWN if f"/{word}" in log or f'"{word}' in log or f"@{word}" in log]
    assert "127.0.0.1" in log and "/usr/bin/part-" in log
    redacted = tmp_path / "redacted.jsonl"
    redacted.write_text(log)
    forest, known = fold(planner.read(redacted)), fold(planner.read(image))
    assert [task.parent for task in forest.tasks.values()] == [task.parent for task in known.tasks.values()]
    assert len({task.name for task in forest.tasks.values()}) == len({task.name for task in known.tasks.values()})


@pytest.mark.parametrize("name", ["nginx", "dash_pipeline", "vz_ctr_nested_pidns_clean"])
def test_a_redacted_log_is_planned_as_the_image_is(name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    image = DATA / "criu" / name / "img"
    assert main(["log", str(image), "--redact"]) == 0
    redacted = tmp_path / "redacted.jsonl"
    redacted.write_text(capsys.readouterr().out)
    assert len(planner.plan(redacted).steps) == len(planner.plan(image).steps)
