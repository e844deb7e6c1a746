"""What a scan says while it runs."""

import pytest

from planner.cli import fleet_progress
from planner.cli.fleet_progress import FleetProgress
from planner.fleet.rows import ImageRow
from planner.fleet.work import Examined, Work


def row(code: str = "", exit_code: int = 0) -> ImageRow:
    return ImageRow(uri="a", input="a", error_code=code, exit_code=exit_code)


def test_a_scan_counts_what_became_of_its_images() -> None:
    with FleetProgress() as progress:
        assert [work.uri for work in progress.found([Work("a"), Work("b")])] == ["a", "b"]
        progress.add(Examined("a", (row(), row("parent-cycle", 3))))
        progress.add(Examined("b", (row("bad-image", 1),)))
        assert progress.summary() == "3 images of 2 inputs: 1 planned, 1 cannot be restarted, 1 cannot be read"


def test_a_terminal_shows_rate_errors_and_the_dashboard(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fleet_progress, "errors_on_terminal", lambda: True)
    monkeypatch.setattr(fleet_progress, "EVERY", 0.0)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with FleetProgress("http://localhost:8787/status") as progress:
        list(progress.found([Work("a")]))
        progress.add(Examined("a", (row("bad-image", 1),)))
    shown = capsys.readouterr().err
    assert "1 done" in shown and "a second, 1 with errors" in shown and "http://localhost:8787/status" in shown
