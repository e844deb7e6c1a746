"""Documents for contributors: every path that they name exists, and the table of packages is the code's."""

import re

import pytest

from tests.helpers.places import ROOT
from tests.structure.test_imports import LAYERS

DOCUMENTS = (
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "planner/README.md",
    "plugins/README.md",
    "plugins/EXECUTORS.md",
    "README.md",
    "planner/events/README.md",
)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_path_that_is_named_exists(name: str) -> None:
    text = (ROOT / name).read_text()
    named = re.findall(r"`((?:examples|planner|plugins|tests|\.ci)/[\w./*-]+|[a-z_]+/[a-z_]+\.py)`", text)
    for path in named:
        if "NAME" in path:
            continue
        assert any(list(base.glob(path.rstrip("/"))) for base in (ROOT, ROOT / "planner")), path


def test_the_table_of_packages_has_them_all_in_their_order() -> None:
    text = (ROOT / "planner" / "README.md").read_text()
    rows = [row.split("|")[1] for row in text.split("## Glossary")[0].splitlines() if row.startswith("| `")]
    assert [word for row in rows for word in re.findall(r"`(\w+)/?`", row)] == list(LAYERS)
