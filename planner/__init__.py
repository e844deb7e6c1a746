"""crplan: an event-sourced restart planner for checkpoint images of Linux process trees.

    log = planner.read("image.ckpt")       # the event log: what the image says
    plan = planner.plan(log)               # decided, and proved on a model kernel
    forest = planner.simulate(plan)        # what stands when the plan has run
    script = planner.emit(plan, "shell")   # an artefact of any installed back end

The four functions are what the command line uses too; `planner.hookspecs` holds the contract for plugins.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from planner.pipeline.library import emit, plan, read, simulate

__version__ = "0.1.0"

__all__ = ["__version__", "emit", "plan", "read", "simulate"]


def __getattr__(name: str) -> Any:
    """Import the library's functions on first use, so that `crplan --version` need not."""
    if name in {"emit", "plan", "read", "simulate"}:
        from planner.pipeline import library

        return getattr(library, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
