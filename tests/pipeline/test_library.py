"""The library: importing everything hides nothing, and the four functions do what the command line does."""

import ast
import pkgutil
import subprocess
import sys
from importlib import import_module

import pytest

import planner
from planner.cli import main as cli
from planner.errors import BadImage, UsageError
from planner.testing.plans import PLANS
from tests.helpers.places import ROOT

EXAMPLES = ROOT / "examples" / "images"

PUBLIC = [name for name in planner.__all__ if not name.startswith("__")]


def submodules() -> list[str]:
    found = pkgutil.walk_packages(planner.__path__, "planner.")
    return [module.name for module in found if not module.name.endswith("__main__")]


def test_no_submodule_bears_the_name_of_a_public_function() -> None:
    assert not {f"planner.{name}" for name in PUBLIC} & set(submodules())


def test_with_every_submodule_imported_the_functions_still_work(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    for name in submodules():
        import_module(name)
    image = EXAMPLES / "nested.ckpt"
    log = planner.read(image)
    plan = planner.plan(log)
    assert set(planner.simulate(plan).tasks) == {step.target for step in plan.steps if type(step).__name__ == "Verify"}
    for name in ("shell", "python", "text", "json"):
        artefact = planner.emit(plan, name, log=log)
        assert cli.main([str(image), "--emit", name]) == 0
        out = capsysbinary.readouterr().out
        if name in {"shell", "python"}:
            assert out == (artefact.encode() if isinstance(artefact, str) else artefact)


def test_images_come_from_paths_bytes_and_streams() -> None:
    path = EXAMPLES / "nested.ckpt"
    expected = planner.read(path)
    assert planner.read(str(path)) == expected
    assert planner.read(path.read_bytes()) == expected
    with path.open("rb") as stream:
        assert planner.read(stream) == expected


def test_what_cannot_be_done_is_raised() -> None:
    with pytest.raises(BadImage):
        planner.read(EXAMPLES / "none")
    with pytest.raises(UsageError, match="text"):
        planner.emit(PLANS["single"](), "moon")
    with pytest.raises(AttributeError):
        _ = planner.moon


def test_importing_the_package_imports_nothing_else() -> None:
    code = "import sys; before = set(sys.modules); import planner, planner.cli.main; print(*set(sys.modules) - before)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert {name for name in run.stdout.split() if name.partition(".")[0] in {"msgspec", "pluggy", "networkx", "rich"}} == set()


def test_a_run_imports_only_what_it_uses() -> None:
    """Neither colours nor graphs nor other plugins' implementations for a script, nor importlib.metadata for plugins."""
    code = "import sys; from planner.cli.main import main; print(main(sys.argv[1:]), *sys.modules, sep='\\n', file=sys.stderr)"
    argv = [sys.executable, "-c", code, str(EXAMPLES / "nested.ckpt"), "--emit", "shell"]
    run = subprocess.run(argv, capture_output=True, text=True, check=True, cwd="/")
    code_line, *modules = run.stderr.splitlines()
    assert code_line == "0"
    unwanted = {"rich", "networkx", "importlib.metadata", "crplan_python.emit", "crplan_preview.text"}
    assert not unwanted & set(modules)
    assert "crplan_shell.emit" in modules


def test_the_core_imports_no_plugin() -> None:
    plugins = {path.name for path in (ROOT / "plugins").iterdir()}
    for file in (ROOT / "planner").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not {name.partition(".")[0] for name in names} & plugins, file
