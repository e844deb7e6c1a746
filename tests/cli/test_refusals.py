"""Refusals of hostile images: a few lines of bounded length, whatever the image says and in whatever format."""

import json
from pathlib import Path

import pytest

from planner.cli import main as cli
from planner.findings.problems import MOST_FACTS
from planner.text import MOST_SHOWN

OPENED = '{"seq":0,"type":"LogOpened","format_version":1}'


def log_of(tmp_path: Path, events: list[dict[str, object]]) -> str:
    file = tmp_path / "log"
    lines = [json.dumps({"seq": seq, "at": seq, **event}) for seq, event in enumerate(events, 1)]
    file.write_text("\n".join([OPENED, *lines]) + "\n")
    return str(file)


def task(pid: int, parent: int, **fields: object) -> dict[str, object]:
    return {"type": "TaskRecorded", "pids": [pid], "parent": parent, "group": 1, "session": 1, **fields}


def test_a_cycle_of_ten_thousand_parents(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    most = 10_000
    image = log_of(tmp_path, [task(1, 0), *(task(pid, 2 + (pid - 1) % most) for pid in range(2, most + 2))])
    assert cli.main(["plan", image]) == 3
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) <= MOST_FACTS + 2
    assert any(f"and {most - MOST_FACTS} more events" in line for line in lines)
    assert max(map(len, lines)) < 2 * MOST_SHOWN
    cli.main(["plan", image, "--emit", "json"])
    assert len(json.loads(capsys.readouterr().out)["error"]["because"]) == MOST_FACTS


def test_a_log_in_which_every_task_has_a_parent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for events in ([task(1, 2), task(2, 1)], [task(3, 7)], []):
        assert cli.main(["plan", log_of(tmp_path, events)]) in {1, 3}
        assert "defect" not in capsys.readouterr().err


def test_a_vector_of_a_hundred_thousand_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = log_of(tmp_path, [task(1, 0), {**task(2, 1), "pids": list(range(2, 100_002))}])
    assert cli.main(["plan", image]) == 3
    lines = capsys.readouterr().err.splitlines()
    assert max(map(len, lines)) < 2 * MOST_SHOWN
    assert any("characters left out" in line for line in lines)


@pytest.mark.parametrize("kind", ["net", "uts", "ipc", "user"])
def test_only_a_child_has_the_namespace_that_was_made_for_the_root(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    """The root is in namespace 0 of each kind, recorded or not; where it is recorded elsewhere the facts exclude each other."""
    made = {"type": "NamespaceRecorded", "kind": kind, "id": 0, "facts": {"created": "yes"}}
    child = {"type": "TaskNamespacesRecorded", "pid": 2, "namespaces": {kind: 0}}
    events = [made, task(1, 0), task(2, 1), child]
    assert cli.main(["plan", log_of(tmp_path, events)]) == 0
    assert "proved on the model" in capsys.readouterr().out
    elsewhere = {"type": "TaskNamespacesRecorded", "pid": 1, "namespaces": {kind: 5}}
    assert cli.main(["plan", log_of(tmp_path, [*events, elsewhere])]) == 3
    assert "defect" not in capsys.readouterr().err
