"""crplan: an event-sourced restart planner for checkpoint images of Linux process trees.

    log = planner.read("image.ckpt")       # the event log: what the image says
    plan = planner.plan(log)               # decided, and proved on a model kernel
    forest = planner.simulate(plan)        # what stands when the plan has run
    script = planner.emit(plan, "shell")   # an artefact of any installed back end

Wherever it makes sense, a function takes a path, bytes, an open binary stream, an event log or a plan:

    planner.plan("image.ckpt")             # is the same plan
    planner.check("image.ckpt").findings   # what is wrong with the image, here or on another host
    planner.explain("image.ckpt", "pid:7") # who creates task 7, by which rule and because of which facts
    planner.diff("monday.tar", "friday.tar")
    planner.inspect("image.ckpt").tasks    # what the processes hold: files, sockets, memory

The command line uses the same functions. What they raise on purpose derives from `planner.CrplanError`. `planner.hookspecs` holds
the contract of plugins. `import crplan` gives the same objects.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from planner.errors import (
        BadImage,
        CannotEmit,
        Contradiction,
        CrplanError,
        NotProved,
        PluginFailed,
        UsageError,
    )
    from planner.library.checking import check
    from planner.library.comparing import diff
    from planner.library.explaining import explain
    from planner.library.images import capture, read, read_many
    from planner.library.inspecting import inspect as inspect
    from planner.library.planning import emit, plan, simulate
    from planner.library.rebuilding import run
    from planner.plans.graph import predecessors, to_networkx

__version__ = "0.1.0"

__all__ = [
    "BadImage",
    "CannotEmit",
    "Contradiction",
    "CrplanError",
    "NotProved",
    "PluginFailed",
    "UsageError",
    "__version__",
    "capture",
    "check",
    "diff",
    "emit",
    "explain",
    "plan",
    "predecessors",
    "read",
    "read_many",
    "run",
    "simulate",
    "to_networkx",
]

_HOMES = {
    "errors": ("BadImage", "CannotEmit", "Contradiction", "CrplanError", "NotProved", "PluginFailed", "UsageError"),
    "library.checking": ("check",),
    "library.comparing": ("diff",),
    "library.explaining": ("explain",),
    "library.images": ("capture", "read", "read_many"),
    "library.inspecting": ("inspect",),
    "library.planning": ("emit", "plan", "simulate"),
    "library.rebuilding": ("run",),
    "plans.graph": ("predecessors", "to_networkx"),
}
"""The module that each public name is imported from on first use, so that `crplan --version` is as quick as Python."""


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            from importlib import import_module

            value = getattr(import_module(f"planner.{module}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
