"""What packages are made from: the workflow that publishes, the Containerfile and Debian's metadata agree with the project."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import planner
from tests.helpers.places import ROOT

PACKAGING = ROOT / "examples" / "packaging"
WORKFLOW = ROOT / ".github" / "workflows" / "publish.yml"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def workflow() -> Any:
    return YAML(typ="safe").load(WORKFLOW.read_text())


def test_the_workflow_is_valid_and_its_actions_are_pinned() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(WORKFLOW)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout
    used = re.findall(r"uses: (\S+) # (v[\d.]+)$", WORKFLOW.read_text(), re.M)
    assert len(used) == WORKFLOW.read_text().count("uses:") == 5
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action) for action, _ in used)


def test_only_the_job_that_publishes_has_an_identity_and_none_has_a_secret() -> None:
    found = workflow()
    assert found["permissions"] == {}
    assert {name: job["permissions"] for name, job in found["jobs"].items()} == {
        "build": {"contents": "read"},
        "publish": {"id-token": "write"},
    }
    assert [step.get("run") for step in found["jobs"]["publish"]["steps"]] == [None, None], "what was built is not touched"
    assert "secrets" not in WORKFLOW.read_text()


@pytest.mark.parametrize(("tag", "code"), [("v1.2.0", 0), ("1.2.0", 0), ("v1.2.1", 1), ("", 1)])
def test_a_tag_that_names_another_version_publishes_nothing(tmp_path: Path, tag: str, code: int) -> None:
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "crplan-1.2.0.tar.gz").touch()
    (script,) = [step["run"] for step in workflow()["jobs"]["build"]["steps"] if "TAG" in step.get("env", {})]
    run = subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, env={"TAG": tag, "PATH": "/usr/bin:/bin"}, timeout=60)
    assert run.returncode == code


def test_the_container_has_every_command_and_begins_with_crplan() -> None:
    lines = [line for line in (PACKAGING / "Containerfile").read_text().splitlines() if line and not line.startswith("#")]
    kinds = [line.split()[0] for line in lines]
    assert kinds == ["ARG", "FROM", "COPY", "RUN", "FROM", "COPY", "RUN", "USER", "WORKDIR", "ENTRYPOINT", "CMD"]
    assert set(re.findall(r"/opt/crplan/bin/([\w-]+)", lines[6])) == set(PROJECT["scripts"])
    assert lines[9] == 'ENTRYPOINT ["crplan"]'


def fields(paragraph: str) -> dict[str, list[str]]:
    """Return the fields of a paragraph of a control file, each as its comma-separated parts."""
    found = re.findall(r"^([\w-]+): (.*(?:\n .*)*)", paragraph, re.M)
    return {name: [part.strip() for part in value.split(",")] for name, value in found}


def test_the_debian_package_depends_on_what_the_project_depends_on() -> None:
    _, binary = (PACKAGING / "debian" / "control").read_text().split("\n\n")
    wanted = [re.sub(r"(\w+)>=([\d.]+).*", r"python3-\1 (>= \2)", dependency) for dependency in PROJECT["dependencies"]]
    assert sorted(part for part in fields(binary)["Depends"] if part.startswith("python3-")) == sorted(wanted)


def test_the_debian_package_has_the_version_of_the_project() -> None:
    head = (PACKAGING / "debian" / "changelog").read_text().splitlines()[0]
    assert re.fullmatch(rf"crplan \({re.escape(planner.__version__)}-\d+\) unstable; urgency=medium", head)


def debian_can_build() -> bool:
    """Return whether there are Debian's tools, and a hatchling that knows `license-files` as a list."""
    if shutil.which("dh") is None or shutil.which("dpkg-deb") is None:
        return False
    question = (
        "import sys; from hatchling.__about__ import __version__ as v; sys.exit(tuple(map(int, v.split('.')[:2])) < (1, 26))"
    )
    return subprocess.run(["/usr/bin/python3", "-c", question], capture_output=True).returncode == 0


@pytest.mark.slow
def test_debian_builds_a_package_with_every_command_and_page(tmp_path: Path) -> None:
    """Dependencies are not asked for (`-d`): what they must be is said in `control`."""
    if not debian_can_build():
        pytest.skip("needs debhelper and hatchling 1.26, as Debian 13 has them")
    source = tmp_path / "crplan"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".git", "tests", "*.egg-info", "__pycache__", ".*_cache"))
    shutil.copytree(PACKAGING / "debian", source / "debian")
    command = ["dpkg-buildpackage", "-b", "-us", "-uc", "-d"]
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(tmp_path)}  # Debian's own Python
    run = subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True, timeout=900)
    assert run.returncode == 0, run.stdout + run.stderr
    (package,) = tmp_path.glob("*.deb")
    listed = subprocess.run(["dpkg-deb", "--contents", str(package)], capture_output=True, text=True, check=True).stdout
    for name in PROJECT["scripts"]:
        assert f"./usr/bin/{name}\n" in listed
    assert "/dist-packages/crplan_pictures/page/page.js\n" in listed
