"""The workflows among the examples: valid by the CI systems' own schemas, and every script in them runs as it stands."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from ruamel.yaml import YAML

from tests.helpers.places import ROOT

EXAMPLES = ROOT / "examples" / "ci"


def document(name: str) -> Any:
    return YAML(typ="safe").load((EXAMPLES / name).read_text())


@pytest.mark.parametrize(("name", "schema"), [("github.yml", "vendor.github-workflows"), ("gitlab.yml", "vendor.gitlab-ci")])
def test_a_workflow_is_valid(name: str, schema: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(EXAMPLES / name)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a good image, one that cannot be restarted, and one that is none; crplan is installed already."""
    images = tmp_path / "checkpoints"
    images.mkdir()
    for name in ("nested.ckpt", "contradictory.ckpt"):
        shutil.copy(ROOT / "examples" / "images" / name, images)
    (images / "noise with a blank").write_bytes(b"\x00")
    programs = tmp_path / ".bin"
    programs.mkdir()
    for name, line in (
        ("crplan", f'exec {sys.executable} -m planner "$@"'),
        ("python", f'[ "$1" != -m ] || exit 0; exec {sys.executable} "$@"'),
    ):
        (programs / name).write_text(f"#!/bin/sh\n{line}\n")
        (programs / name).chmod(0o755)
    return tmp_path


def play(script: str, repository: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script as the CI systems do: bash, ended by the first failure."""
    path = f"{repository}/.bin:{os.environ['PATH']}"
    variables = os.environ | {"PATH": path, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))} | environment
    command = ["bash", "-e", "-o", "pipefail", "-c", script]
    return subprocess.run(command, cwd=repository, env=variables, capture_output=True, text=True, timeout=60)


def test_every_script_of_the_github_workflow_runs(repository: Path) -> None:
    steps = {step["name"]: step["run"] for step in document("github.yml")["jobs"]["check"]["steps"] if "run" in step}
    summary = repository / "summary.md"
    assert play(steps["Install"], repository).returncode == 0
    check = play(steps["Check"], repository, GITHUB_STEP_SUMMARY=str(summary))
    assert check.returncode == 1
    assert "::error file=checkpoints/contradictory.ckpt,title=crplan parent-cycle::" in check.stdout
    assert "title=crplan bad-image::" in check.stdout
    assert summary.read_text().count("### crplan check") == 3
    assert play(steps["Reports and plans"], repository).returncode == 0
    for name in ("nested.ckpt", "contradictory.ckpt", "noise with a blank"):
        assert json.loads((repository / "reports" / f"{name}.sarif").read_text())["version"] == "2.1.0"
        assert json.loads((repository / "plans" / f"{name}.json").read_text())["kind"]


def test_a_repository_of_good_images_passes(repository: Path) -> None:
    for name in ("contradictory.ckpt", "noise with a blank"):
        (repository / "checkpoints" / name).unlink()
    steps = {step["name"]: step["run"] for step in document("github.yml")["jobs"]["check"]["steps"] if "run" in step}
    assert play(steps["Check"], repository).returncode == 0
    assert play("\n".join(document("gitlab.yml")["checkpoints"]["script"]), repository).returncode == 0


def test_every_script_of_the_gitlab_job_runs(repository: Path) -> None:
    job = document("gitlab.yml")["checkpoints"]
    assert play("\n".join(job["script"]), repository).returncode == 1
    quality = json.loads((repository / job["artifacts"]["reports"]["codequality"]).read_text())
    assert {"parent-cycle", "bad-image"} <= {entry["check_name"] for entry in quality}
    assert len({entry["fingerprint"] for entry in quality}) == len(quality)
    reports = sorted(repository.glob(job["artifacts"]["reports"]["junit"]))
    assert [ElementTree.parse(report).getroot().tag for report in reports] == ["testsuites"] * 3
