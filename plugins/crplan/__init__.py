"""crplan under the name of its distribution: `import crplan` gives the objects of `planner`, submodules as well."""

import sys
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import TYPE_CHECKING, Any

import planner
from planner import __all__ as __all__
from planner import __version__ as __version__

if TYPE_CHECKING:
    from planner import *  # noqa: F403 - the names of `__all__`, for type checkers

__doc__ = planner.__doc__


class _SameModule(MetaPathFinder, Loader):
    """Finds `crplan.X` as the module `planner.X`, so that there is one object under both names."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        head, _, rest = fullname.partition(".")
        return ModuleSpec(fullname, self) if head == __name__ and rest and rest != "__main__" else None

    def create_module(self, spec: ModuleSpec) -> Any:
        module = import_module(f"planner.{spec.name.partition('.')[2]}")
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: Any) -> None:
        """The module has been executed; give it back the spec that the import system has replaced."""
        module.__spec__ = module.__spec__.loader_state


sys.meta_path.insert(0, _SameModule())


def __getattr__(name: str) -> Any:
    return getattr(planner, name)


def __dir__() -> list[str]:
    return dir(planner)
