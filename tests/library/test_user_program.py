"""A user's program passes `mypy --strict` and runs; `import crplan` is `import planner`."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import planner

HERE = Path(__file__).parent
IMAGES = Path(planner.__file__).parent.parent / "examples" / "images"


def test_a_program_of_a_user_passes_mypy_and_runs(tmp_path: Path) -> None:
    program = tmp_path / "user_program.py"
    program.write_text((HERE / "user_program.py").read_text())
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", str(program)], capture_output=True, text=True, cwd=tmp_path
    )
    assert checked.returncode == 0, checked.stdout
    ran = subprocess.run([sys.executable, str(program), str(IMAGES / "nested.ckpt")], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "\nbytes: " in ran.stdout


def test_crplan_gives_the_same_objects_and_the_same_submodules() -> None:
    crplan = import_module("crplan")
    assert dir(crplan) == dir(planner)
    for name in planner.__all__:
        assert getattr(crplan, name) is getattr(planner, name)
    for name in ("steps", "plans.graph", "hookspecs", "testing.forests"):
        module = import_module(f"planner.{name}")
        assert import_module(f"crplan.{name}") is module
        assert module.__spec__ is not None and module.__spec__.name == f"planner.{name}"


def test_crplan_is_a_command_too() -> None:
    ran = subprocess.run([sys.executable, "-m", "crplan", "--version"], capture_output=True, text=True, cwd="/")
    assert ran.stdout == f"crplan {planner.__version__}\n"


def test_help_shows_the_functions_of_the_library() -> None:
    ran = subprocess.run([sys.executable, "-c", "import planner; help(planner)"], capture_output=True, text=True, cwd="/")
    for name in ("read", "read_many", "plan", "simulate", "emit", "check", "diff", "explain", "capture", "run"):
        assert f"\n    {name}(" in ran.stdout, name
    assert max(map(len, ran.stdout.splitlines())) < 600, "a signature names its types and does not spell them out"
