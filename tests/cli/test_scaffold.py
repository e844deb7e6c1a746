"""New packages for plugins: each keeps the contract as it is written, and the examples are such packages."""

import importlib
import re
import sys
from pathlib import Path

import pytest

from planner.cli import main as cli
from planner.cli.scaffold import HOOKS, package
from planner.errors import UsageError
from tests.helpers.places import ROOT

EXAMPLES = {"crplan-lines": "reader", "crplan-names": "check", "crplan-tsv": "report", "crplan-rehearsal": "executor"}
TUTORIALS = (ROOT / "plugins" / "README.md").read_text()


@pytest.mark.parametrize("hook", HOOKS)
def test_a_new_package_conforms_as_it_is(hook: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, module = f"crplan-new-{hook}", f"crplan_new_{hook}"
    assert cli.main(["plugins", "new", name, "--hook", hook, "-o", str(tmp_path)]) == 0
    monkeypatch.syspath_prepend(str(tmp_path / name))
    monkeypatch.syspath_prepend(str(tmp_path / name / "tests"))
    importlib.import_module(f"test_{module}").test_conforms()
    for loaded in (module, f"test_{module}"):
        sys.modules.pop(loaded)


@pytest.mark.parametrize(("name", "hook"), EXAMPLES.items())
def test_an_example_is_what_the_command_writes(name: str, hook: str) -> None:
    """After a change of a template: `crplan plugins new NAME --hook HOOK -o examples`."""
    folder = ROOT / "examples" / name
    written = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.suffix in {".py", ".toml"}}
    made = {path: text for path, text in package(name, hook).items() if not path.endswith("py.typed")}
    assert written == made


@pytest.mark.parametrize("hook", HOOKS)
def test_the_tutorial_of_a_hook_shows_what_the_command_writes(hook: str) -> None:
    name = next((name for name, of in EXAMPLES.items() if of == hook), "crplan-births")
    shown = re.findall(r"```python\n(.*?)```", TUTORIALS, re.DOTALL)
    made = package(name, hook)
    module = name.replace("-", "_")
    assert made[f"{module}/__init__.py"] in shown
    assert made[f"tests/test_{module}.py"] in shown


@pytest.mark.parametrize("name", ["", "Crplan", "a b", "../x", "-x", "x" * 61, "a--b"])
def test_a_name_that_no_package_has_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="no name for a package"):
        package(name, "backend")


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "crplan-x").mkdir()
    assert cli.main(["plugins", "new", "crplan-x", "-o", str(tmp_path)]) == 2
    assert list((tmp_path / "crplan-x").iterdir()) == []
