"""The example packages, each installed as a user installs it: crplan finds what is in it, and its own tests pass there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.places import ROOT

EXAMPLES = ROOT / "examples"
PACKAGES = {
    "crplan-outline": ("back end", "outline"),
    "crplan-lines": ("reader", "crplan_lines"),
    "crplan-names": ("check", "crplan_names"),
    "crplan-tsv": ("report format", "crplan_tsv"),
    "crplan-rehearsal": ("executor", "crplan_rehearsal"),
}


def test_every_example_package_is_tried() -> None:
    assert set(PACKAGES) == {path.parent.name for path in EXAMPLES.glob("*/pyproject.toml")}


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_is_held_to_the_contract_by_one_line(name: str) -> None:
    (module,) = (EXAMPLES / name / "tests").glob("*.py")
    text = module.read_text()
    assert len(re.findall(r"^    conforms\(", text, re.M)) == 1
    assert "from planner.testing." in text


@pytest.mark.slow
@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_installs_is_found_and_passes_its_own_tests(name: str, tmp_path: Path) -> None:
    kind, contribution = PACKAGES[name]
    source, installed, elsewhere = tmp_path / "source", tmp_path / "installed", tmp_path / "elsewhere"
    shutil.copytree(EXAMPLES / name, source)
    shutil.move(source / "tests", elsewhere)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    subprocess.run([*pip, "--target", str(installed), str(source)], check=True, capture_output=True, timeout=300)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(installed), str(ROOT), str(ROOT / "plugins")))}

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        whole = [sys.executable, "-m", *command]
        return subprocess.run(whole, cwd=elsewhere, env=environment, capture_output=True, text=True, timeout=300)

    tested = run("pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, ".")
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert f"\n    {kind} {contribution}: " in run("planner", "plugins").stdout
