"""Inputs after public bug reports of the field: each case states what a right answer holds.

A case is a folder of `tests/data/reports` with `expect.json`: argument lists, the exit codes that are allowed, and regular
expressions that must or must not be found in what is written, whatever its wording.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.places import DATA
from tests.helpers.reports import prepared

CASES = DATA / "reports"


def runs() -> Iterator[Any]:
    for folder in sorted(CASES.iterdir()):
        case = json.loads((folder / "expect.json").read_text())
        marks: list[pytest.MarkDecorator] = []
        if case.get("skip_as_root") and hasattr(os, "geteuid") and os.geteuid() == 0:
            marks.append(pytest.mark.skip(reason=case["skip_as_root"]))
        for position, run in enumerate(case["runs"]):
            yield pytest.param(folder, case, run, id=f"{folder.name}-{position}", marks=marks)


@pytest.mark.parametrize(("folder", "case", "run"), runs())
def test_the_answer_is_right(folder: Path, case: dict[str, Any], run: dict[str, Any], tmp_path: Path) -> None:
    place = prepared(folder, case.get("setup", []), tmp_path)
    stdin = (place / run["stdin"]).read_bytes() if "stdin" in run else b""
    command = [sys.executable, "-m", "planner", *run["argv"][1:]]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "200"}
    done = subprocess.run(command, cwd=place, input=stdin, capture_output=True, timeout=60, env=environment, check=False)
    text = done.stdout.decode() + done.stderr.decode()
    assert done.returncode in run["exit"], text
    said = [_counted(text), _joined(_counted(text))]
    for expression in run.get("all", []):
        assert any(_found(expression, form) for form in said), f"{expression!r} is not in {text}"
    if run.get("any"):
        assert any(_found(expression, form) for expression in run["any"] for form in said), f"{run['any']} are not in {text}"
    for expression in run.get("none", []):
        assert not any(_found(expression, form) for form in said), f"{expression!r} is in {text}"


def _found(expression: str, text: str) -> bool:
    return re.search(expression, text, re.IGNORECASE | re.MULTILINE) is not None


def _counted(text: str) -> str:
    """Leave out the lists of what passed and of what was not checked."""
    kept, leaving = [], False
    for line in text.splitlines():
        if not line.startswith(" "):
            leaving = line.startswith(("Passed", "Not checked"))
        if not leaving:
            kept.append(line)
    return "\n".join(kept)


def _joined(text: str) -> str:
    """Join the lines that continue the one before."""
    return re.sub(r"\n {8,}(?=\S)", " ", text)
