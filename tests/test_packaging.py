"""The distribution: what it declares is what it has."""

import importlib.metadata
import re
import tomllib
from importlib import import_module

import planner
from planner.events import log
from tests.helpers.places import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_version_is_declared_once() -> None:
    assert "version" not in PROJECT
    assert importlib.metadata.version("crplan") == planner.__version__


def test_every_plugin_directory_is_registered_and_typed() -> None:
    directories = {path.name for path in (ROOT / "plugins").iterdir() if (path / "__init__.py").exists()} - {"crplan"}
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
        name, version = re.fullmatch(r"([\w.-]+)(?:[>=]=([\w.]+))?", needed).groups()  # type: ignore[union-attr]
        assert name in pinned, needed
        assert not version or parts(pinned[name]) >= parts(version), needed
    assert "://" not in text


def parts(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdecimal()]


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
