"""Who writes: standard streams are touched in one module, and text for people is made in one other."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
STREAMS = {"planner/cli/streams.py"}
TEXT = {"planner/text.py"}
LOOK_ONLY = {
    "planner/cli/terminal.py": {"stdin", "stdout"},
    "planner/cli/image_job.py": {"stdout"},
    "planner/cli/main.py": {"stdout"},
    "planner/cli/commands/diff.py": {"stdout"},
    "planner/cli/commands/inspect.py": {"stdout"},
    "planner/cli/commands/run.py": {"stdout"},
}
"""Modules that read from a stream, ask it what it is, or hand it on."""


def sources() -> Iterator[tuple[str, ast.AST]]:
    """Yield the modules of the command line and of the plugins; what executors write stands alone and has streams of its own."""
    for top in ("planner", "plugins"):
        for path in sorted((ROOT / top).rglob("*.py")):
            name = str(path.relative_to(ROOT))
            if not name.startswith("planner/testing/") and "crplan_runtime/parts/" not in name:
                yield name, ast.parse(path.read_text())


def test_only_one_module_writes_to_the_standard_streams() -> None:
    for name, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id != "print", f"{name}:{node.lineno} prints"
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "sys":
                allowed = LOOK_ONLY.get(name, set())
                if node.attr in {"stdin", "stdout", "stderr"} and name not in STREAMS:
                    assert node.attr in allowed, f"{name}:{node.lineno} uses sys.{node.attr}"


def test_text_for_people_is_made_where_it_is_escaped() -> None:
    for name, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and name not in TEXT:
                assert node.func.id != "Shown", f"{name}:{node.lineno} declares a text to be escaped"
                made = [argument.id for argument in node.args if isinstance(argument, ast.Name)]
                assert not (node.func.id == "cast" and "Shown" in made), f"{name}:{node.lineno} declares a text to be escaped"
