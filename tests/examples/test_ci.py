"""The workflows among the examples: valid by the CI systems' own schemas, and every script in them runs as it stands."""

import json
import os
import re
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


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("github.yml", "vendor.github-workflows"),
        ("gitlab.yml", "vendor.gitlab-ci"),
        ("../../action.yml", "vendor.github-actions"),
    ],
)
def test_a_workflow_is_valid(name: str, schema: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str((EXAMPLES / name).resolve())]
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


def steps(name: str, repository: Path, summary: Path) -> dict[str, subprocess.CompletedProcess[str]]:
    """Walk through the scripts of a workflow or an action as the runner does: a failure ends it but for `always()`."""
    listed = document(name)["jobs"]["check"]["steps"] if name == "github.yml" else document(name)["runs"]["steps"]
    outputs = repository / ".outputs"
    outputs.touch()
    done: dict[str, subprocess.CompletedProcess[str]] = {}
    for step in listed:
        if "run" not in step:
            continue
        condition = step.get("if", "")
        failed = any(run.returncode for run in done.values())
        if (failed and "always()" not in condition) or ("count > 0" in condition and "count=0" in outputs.read_text()):
            continue
        given = {key: str(document(name)["inputs"][key.lower()]["default"]) for key in step.get("env", {})}
        environment = {"GITHUB_STEP_SUMMARY": summary, "GITHUB_OUTPUT": outputs, "RUNNER_TEMP": repository, "CRPLAN": "."}
        texts = {key: str(value) for key, value in environment.items()}
        done[step["name"]] = play(step["run"], repository, **texts, **given)
    return done


@pytest.mark.parametrize("name", ["github.yml", "../../action.yml"])
def test_every_step_for_github_runs(repository: Path, name: str) -> None:
    summary = repository / "summary.md"
    done = steps(name, repository, summary)
    assert (done["Install"].returncode, done["Check"].returncode) == (0, 1)
    assert "::error file=checkpoints/contradictory.ckpt,title=crplan parent-cycle::" in done["Check"].stdout
    assert "title=crplan bad-image::" in done["Check"].stdout
    assert summary.read_text().count("### crplan check") == 3
    (run,) = json.loads((repository / "crplan.sarif").read_text())["runs"]
    assert [each["location"]["uri"] for each in run["artifacts"]] == [
        "checkpoints/contradictory.ckpt", "checkpoints/nested.ckpt", "checkpoints/noise%20with%20a%20blank"
    ]  # fmt: skip
    if name == "github.yml":
        assert {json.loads(plan.read_text())["kind"] for plan in (repository / "plans").iterdir()} == {"crplan-plan"}
        assert len(list((repository / "plans").iterdir())) == 3


EMPTY = {"missing": (), "empty": ("checkpoints",), "hidden": ("checkpoints", "checkpoints/.gitkeep")}


@pytest.mark.parametrize("there", EMPTY)
def test_a_repository_without_images_passes(tmp_path: Path, repository: Path, there: str) -> None:
    shutil.rmtree(repository / "checkpoints")
    for name in EMPTY[there]:
        (repository / name).mkdir()
    for name in ("github.yml", "../../action.yml"):
        done = steps(name, repository, repository / "summary.md")
        assert not any(run.returncode for run in done.values())
        assert "no image" in "".join(run.stdout for run in done.values())
    assert play("\n".join(document("gitlab.yml")["checkpoints"]["script"]), repository, CRPLAN=".").returncode == 0


@pytest.mark.slow
def test_a_repository_of_good_images_passes(repository: Path) -> None:
    for name in ("contradictory.ckpt", "noise with a blank"):
        (repository / "checkpoints" / name).unlink()
    assert not any(run.returncode for run in steps("github.yml", repository, repository / "summary.md").values())
    assert play("\n".join(document("gitlab.yml")["checkpoints"]["script"]), repository, CRPLAN=".").returncode == 0


@pytest.mark.slow
def test_what_git_lfs_has_not_fetched_is_named(repository: Path) -> None:
    (repository / "checkpoints" / "noise with a blank").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    done = steps("github.yml", repository, repository / "summary.md")
    assert "run `git lfs pull` first" in done["Check"].stdout


def test_every_script_of_the_gitlab_job_runs(repository: Path) -> None:
    job = document("gitlab.yml")["checkpoints"]
    assert play("\n".join(job["script"]), repository, CRPLAN=".").returncode == 1
    quality = json.loads((repository / job["artifacts"]["reports"]["codequality"]).read_text())
    assert {"parent-cycle", "bad-image"} <= {entry["check_name"] for entry in quality}
    assert len({entry["fingerprint"] for entry in quality}) == len(quality)
    suites = ElementTree.parse(repository / job["artifacts"]["reports"]["junit"]).getroot()
    assert [suite.get("name") for suite in suites] == [
        "checkpoints/contradictory.ckpt", "checkpoints/nested.ckpt", "checkpoints/noise with a blank"
    ]  # fmt: skip
    assert len(list((repository / "plans").iterdir())) == 3


def test_other_peoples_actions_are_pinned_by_a_commit() -> None:
    listed = [*document("github.yml")["jobs"]["check"]["steps"], *document("../../action.yml")["runs"]["steps"]]
    uses = [step["uses"] for step in listed if "uses" in step]
    assert len(uses) == 5
    assert all(re.fullmatch(r"[a-z]+(/[a-z-]+){1,2}@[0-9a-f]{40}", use) for use in uses)


def test_the_hook_of_pre_commit_checks_what_is_given(repository: Path) -> None:
    (hook,) = YAML(typ="safe").load((ROOT / ".pre-commit-hooks.yaml").read_text())
    names = ["checkpoints/nested.ckpt", "checkpoints/.gitkeep", "src/nested.ckpt"]
    chosen = [name for name in names if re.search(hook["files"], name) and not re.search(hook["exclude"], name)]
    assert chosen == names[:1]
    assert play(f"{hook['entry']} {' '.join(chosen)}", repository).returncode == 0
    assert play(f"{hook['entry']} checkpoints/contradictory.ckpt", repository).returncode == 3
