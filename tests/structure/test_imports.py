"""The packages of `planner/`: which may import which, and which imports stand inside functions."""

import ast
from collections.abc import Iterator
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).parents[2]

LAYERS = (
    "identity",
    "text",
    "directories",
    "errors",
    "display",
    "options",
    "ranges",
    "schemas",
    "steps",
    "events",
    "findings",
    "forest",
    "contents",
    "plans",
    "kernel",
    "planning",
    "pods",
    "host",
    "explanation",
    "comparison",
    "inspection",
    "hookspecs",
    "entry_points",
    "plugins",
    "pipeline",
    "checks",
    "library",
    "checkpoint",
    "fleet",
    "cli",
    "testing",
)
"""Top modules and packages from the ground up: each imports only from those above it in this list."""

ENTRANCES = ("__init__", "__main__")
"""Modules that only lead into the packages: the library's lazy front and `python -m planner`."""


class Import:
    """An import of one module of `planner` by another; `function` is where it stands, "" at the top of the module."""

    def __init__(self, importer: str, imported: str, function: str) -> None:
        self.importer, self.imported, self.function = importer, imported, function


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted((ROOT / "planner").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    return found


MODULES = modules()


def imports(name: str) -> Iterator[Import]:
    """Yield what a module imports, TYPE_CHECKING included."""
    pending: list[tuple[ast.AST, str]] = [(ast.parse(MODULES[name].read_text()), "")]
    while pending:
        node, function = pending.pop()
        for child in ast.iter_child_nodes(node):
            inside = function or (child.name if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)) else "")
            pending.append((child, inside))
            if isinstance(child, ast.Import):
                yield from (Import(name, each.name, inside) for each in child.names)
            elif isinstance(child, ast.ImportFrom):
                for each in child.names:
                    whole = f"{child.module}.{each.name}"
                    yield Import(name, whole if whole in MODULES else str(child.module), inside)


ALL = [found for name in MODULES for found in imports(name)]
IMPORTS = [found for found in ALL if found.imported in MODULES]


def layer(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def test_every_module_belongs_to_a_layer() -> None:
    assert {layer(name) for name in MODULES} == {*LAYERS, *ENTRANCES}


@pytest.mark.parametrize("name", MODULES)
def test_imports_run_downwards(name: str) -> None:
    for found in IMPORTS:
        if found.importer != name or layer(name) in ENTRANCES or found.imported == "planner":
            continue
        assert LAYERS.index(layer(found.imported)) <= LAYERS.index(layer(name)), f"{name} imports {found.imported}"


def test_no_import_circle() -> None:
    graph = nx.DiGraph((found.importer, found.imported) for found in IMPORTS)
    graph.remove_nodes_from(["planner", "planner.__main__"])
    assert [sorted(circle) for circle in nx.strongly_connected_components(graph) if len(circle) > 1] == []


INSIDE: dict[str, set[str]] = {
    "planner": {"importlib"},
    "planner.checks.forecast": {"planner.checks.ask", "planner.checks.consumers", "planner.checks.report"},
    "planner.cli.commands.check": {"planner.host.record"},
    "planner.cli.commands.fleet": {"planner.fleet.clusters", "planner.fleet.rendering", "planner.fleet.report"},
    "planner.cli.files": {"tempfile"},
    "planner.cli.fleet_progress": {"rich.console", "rich.progress"},
    "planner.cli.progress": {"rich.console", "rich.progress"},
    "planner.cli.main": {
        "difflib",
        "importlib",
        "msgspec",
        "planner",
        "planner.cli.image_job",
        "planner.cli.parser",
        "planner.errors",
        "planner.findings.problems",
        "planner.plugins",
        "planner.text",
        "signal",
    },
    "planner.cli.streams": {"planner.text", "select"},
    "planner.entry_points": {"importlib.metadata", "importlib.util"},
    "planner.events.log": {"html"},
    "planner.fleet.clusters": {"dask", "distributed"},
    "planner.fleet.dataset": {"duckdb", "fcntl"},
    "planner.fleet.limits": {"resource"},
    "planner.fleet.opening": {"fsspec"},
    "planner.fleet.querying": {"duckdb"},
    "planner.host.pids_in_use": {"fcntl"},
    "planner.host.record": {"resource", "shutil", "subprocess"},
    "planner.kernel.deadlock_orders": {"networkx"},
    "planner.kernel.deadlocks": {"networkx"},
    "planner.library.checking": {"planner.host.record"},
    "planner.pipeline.resolve": {"planner.forest.minimise", "planner.planning.refusals"},
    "planner.plans.graph": {"networkx"},
    "planner.text": {"rich.console", "rich.text"},
}
"""Which modules import what inside functions, so that start-up stays fast: heavy libraries, the implementation of a command, and
what not every system has. The planner's core (`planner.planning`, `planner.forest`) is not in the list yet."""


def test_imports_inside_functions_are_listed() -> None:
    found: dict[str, set[str]] = {}
    for each in ALL:
        if each.function and layer(each.importer) not in ("planning", "forest"):
            found.setdefault(each.importer, set()).add(each.imported)
    assert found == INSIDE


if __name__ == "__main__":
    for found in ALL:
        if found.function:
            print(found.importer, found.function, found.imported)
