"""crplan where another user may read and run it: the checkout and the interpreter of the tests may be root's alone."""

import importlib.metadata
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.helpers.places import ROOT

DEPENDENCIES = ("msgspec", "pluggy")
"""What `crplan run` imports of others."""


def installation(place: Path) -> list[str]:
    """Copy crplan and what it needs into a directory, and return how a command line begins; skips without an interpreter."""
    interpreter = _interpreter()
    shutil.copytree(ROOT / "planner", place / "planner")
    for plugin in (ROOT / "plugins").glob("crplan*"):
        shutil.copytree(plugin, place / plugin.name)
    for name in DEPENDENCIES:
        found = find_spec(name)
        assert found is not None and found.origin is not None
        shutil.copytree(Path(found.origin).parent, place / name)
    metadata = place / "crplan-0.dist-info"
    metadata.mkdir()
    for name in ("METADATA", "entry_points.txt"):
        text = importlib.metadata.distribution("crplan").read_text(name)
        assert text
        (metadata / name).write_text(text)
    for path in (place, *place.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return ["/usr/bin/env", f"PYTHONPATH={place}", "PYTHONDONTWRITEBYTECODE=1", interpreter, "-m", "planner"]


def _interpreter() -> str:
    """Return an interpreter of this version that every user may run, for the compiled dependencies."""
    for candidate in (str(Path(sys.executable).resolve()), "/usr/bin/python3", "/usr/local/bin/python3"):
        command = [candidate, "-I", "-S", "-c", "import sys; print(sys.version_info[:2])"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, user=65534, group=65534)
        except OSError:
            continue
        if done.stdout.strip() == str(sys.version_info[:2]):
            return candidate
    pytest.skip("no interpreter of this version that another user may run")
