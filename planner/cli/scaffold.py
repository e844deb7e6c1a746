"""A new package with a plugin for one hook, from a template: it installs, and its test holds it to the contract."""

import re
from importlib.resources import files
from pathlib import Path
from typing import Final

from planner.errors import UsageError

HOOKS: Final = ("reader", "backend", "check", "report", "executor")

NAME: Final = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")


def package(name: str, hook: str) -> dict[str, str]:
    """Return the files of a package by their paths; raises UsageError for a name that no distribution may have."""
    if not NAME.fullmatch(name) or len(name) > 60:
        raise UsageError(f"{name!r} is no name for a package: small letters, digits and single dashes, such as crplan-lines")
    module = name.replace("-", "_")
    templates = {
        "pyproject.toml": "pyproject",
        f"{module}/__init__.py": hook,
        f"{module}/py.typed": "",
        f"tests/test_{module}.py": f"{hook}_test",
    }
    return {path: _filled(template, name, module) for path, template in templates.items()}


def write(name: str, hook: str, parent: Path) -> Path:
    """Write a package below a directory and return its path; raises UsageError where something of that name is there."""
    made = package(name, hook)
    folder = parent / name
    if folder.exists():
        raise UsageError(f"{folder} is there already")
    for path, text in made.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return folder


def _filled(template: str, name: str, module: str) -> str:
    if not template:
        return ""
    text = files("planner.cli").joinpath("templates", f"{template}.txt").read_text(encoding="utf-8")
    return text.replace("@NAME@", name).replace("@MODULE@", module)
