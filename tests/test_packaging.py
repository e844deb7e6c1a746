"""The distribution: what it declares is what it has."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import planner
from planner.events import log
from tests.helpers.places import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_version_is_declared_once() -> None:
    assert "version" not in PROJECT
    assert importlib.metadata.version("crplan") == planner.__version__


NO_PLUGINS = {"crplan", "crplan_runtime"}
"""The library by its short name, and what the executors have in common."""


def test_every_plugin_directory_is_registered_and_typed() -> None:
    directories = {path.name for path in (ROOT / "plugins").iterdir() if (path / "__init__.py").exists()} - NO_PLUGINS
    registered = PROJECT["entry-points"]["crplan"]
    assert set(registered.values()) == directories
    for name in directories:
        assert (ROOT / "plugins" / name / "py.typed").exists(), name
    assert (ROOT / "planner" / "py.typed").exists()


def test_plugins_import_nothing_heavy_when_they_are_loaded() -> None:
    """A plugin's `__init__` imports the contract and the standard library's small modules; the rest stands in functions."""
    for file in (ROOT / "plugins").glob("crplan_*/__init__.py"):
        names = re.findall(r"^(?:from|import) ([\w.]+)", file.read_text(), re.MULTILINE)
        allowed = {
            "collections.abc",
            "typing",
            "planner.hookspecs",
            "planner.events.records",
            "planner.plans.model",
            "planner.findings.registry",
            "planner.plans.relax",
            "planner.findings.problems",
            "planner.findings.verdicts",
            "planner.forest.model",
            "planner.identity",
            "planner.options",
            "planner.text",
        }
        assert set(names) <= allowed, file


def test_every_dependency_is_imported_somewhere() -> None:
    text = "\n".join(file.read_text() for part in ("planner", "plugins") for file in (ROOT / part).rglob("*.py"))
    for requirement in PROJECT["dependencies"]:
        name = re.match(r"[\w-]+", requirement)
        assert name
        assert re.search(rf"^\s*(?:import|from) {name[0]}\b", text, re.MULTILINE), requirement


def test_everything_that_is_needed_is_pinned() -> None:
    """If this fails, run `.ci/lock`."""
    text = (ROOT / ".ci" / "requirements.txt").read_text()
    pinned = dict(re.findall(r"^([\w.-]+)==([\w.]+)", text, re.MULTILINE))
    for needed in (*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]):
        name, version, end = re.fullmatch(r"([\w.-]+)(?:[>=]=([\w.]+))?(?:,<(\d+))?", needed).groups()  # type: ignore[union-attr]
        assert name in pinned, needed
        assert not version or parts(pinned[name]) >= parts(version), needed
        assert not end or parts(pinned[name]) < parts(end), needed
    assert "://" not in text


def parts(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdecimal()]


def test_the_next_major_version_of_what_may_break_is_not_taken() -> None:
    """Versions of rich rise by a major number for changes that crplan sees nothing of."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert [needed for needed in (*PROJECT["dependencies"], *build) if "<" not in needed] == ["rich>=13"]


@pytest.mark.slow
def test_sdist_and_wheel_are_reproducible(tmp_path: Path) -> None:
    """The place, the time of the files and the process's mask are not in them."""
    built = []
    for number, (mask, mode) in enumerate(((0o022, 0o644), (0o077, 0o600))):
        checkout = tmp_path / str(number) / f"checkout{number}"
        for part in ("planner", "plugins", "examples"):
            shutil.copytree(ROOT / part, checkout / part, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
            shutil.copy(ROOT / name, checkout / name)
        for at, file in enumerate(sorted(path for path in checkout.rglob("*") if path.is_file())):
            file.chmod(mode)
            os.utime(file, (1_000_000_000 * (number + 1) + at,) * 2)
        environment = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
        command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(checkout.parent / "dist"), str(checkout)]
        done = subprocess.run(command, env=environment, umask=mask, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        built.append({file.name: file.read_bytes() for file in (checkout.parent / "dist").iterdir()})
    assert built[0].keys() == built[1].keys()
    assert {name.rpartition(".")[2] for name in built[0]} == {"gz", "whl"}
    for name, data in built[0].items():
        assert data == built[1][name], name


def test_the_console_script_is_there() -> None:
    for target in PROJECT["scripts"].values():
        module, _, function = target.partition(":")
        assert callable(getattr(import_module(module), function))


def test_the_example_plugin_has_all_that_a_package_needs() -> None:
    example = ROOT / "examples" / "crplan-outline"
    declared = tomllib.loads((example / "pyproject.toml").read_text())["project"]
    for module in declared["entry-points"]["crplan"].values():
        assert (example / module / "__init__.py").exists()
    assert (example / declared["readme"]).exists()
    assert list((example / "tests").glob("test_*.py"))


def test_the_license_is_apache() -> None:
    assert PROJECT["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text()[:200]


def test_nothing_knows_the_samples() -> None:
    """No name of a sample occurs in the code that reads them."""
    samples = {path.name.partition(".")[0] for path in (ROOT / "tests" / "data").rglob("*.ckpt")}
    assert samples
    for part in ("planner", "plugins"):
        for file in (ROOT / part).rglob("*.py"):
            text = file.read_text()
            assert not [name for name in samples if name in text], file


def test_the_example_log_is_that_of_the_example_image() -> None:
    facts = planner.read(ROOT / "examples" / "images" / "nested.ckpt")
    assert (ROOT / "examples" / "nested.jsonl").read_bytes() == b"".join(log.lines(facts))
    assert planner.read(ROOT / "examples" / "nested.jsonl") == facts
