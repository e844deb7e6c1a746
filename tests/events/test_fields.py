"""The log as it is documented: the tables are the types, and the recipes for jq give what they say."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import get_args

import pytest

from planner.cli import main as cli
from planner.events.fields import BEGIN, END, FAMILIES, tables
from planner.events.records import WrittenEvent
from tests.helpers.places import ROOT

DOCUMENT = (ROOT / "planner" / "events" / "README.md").read_text()
RECIPES = re.findall(r"### ([^\n]+)\n\n```sh\n(.*?)```\n\n```text\n(.*?)```", DOCUMENT, re.DOTALL)


def test_the_tables_are_those_of_the_types() -> None:
    """After a change, write `tables()` between the marks anew."""
    assert DOCUMENT.partition(BEGIN)[2].partition(END)[0] == f"\n\n{tables()}\n"


def test_every_event_is_in_a_table() -> None:
    documented = {kind for _, kinds in FAMILIES for kind in kinds}
    events = set(get_args(WrittenEvent))
    assert events <= documented
    assert all(f"`{kind.__name__}`: " in DOCUMENT for kind in documented)


def test_there_are_ten_recipes() -> None:
    assert len(RECIPES) == 10


@pytest.mark.skipif(not shutil.which("jq") and not os.environ.get("CI"), reason="no jq")
def test_each_recipe_answers_its_question(tmp_path: Path) -> None:
    assert cli.main(["log", str(ROOT / "examples" / "images" / "nested.ckpt"), "-o", str(tmp_path / "nested.jsonl")]) == 0
    for question, recipe, answer in RECIPES:
        done = subprocess.run(["sh", "-c", recipe], cwd=tmp_path, capture_output=True, text=True, timeout=30)
        assert (done.stdout, done.stderr) == (answer, ""), question
