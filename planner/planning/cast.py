"""The processes of a rebuild, with their births and changes in order: the input of `planner.planning.steps`.

`planner.planning.regular` or `planner.planning.builder` makes these records.
"""

from collections.abc import Mapping

import msgspec

from planner.forest.model import Forest
from planner.identity import ProcessId
from planner.planning.clones import Clone
from planner.planning.solver.solution import Excluded
from planner.planning.spaces import Spaces


class Change(msgspec.Struct, frozen=True, gc=False):
    """What a process changes: `setsid`, `make` its own group, `join` or `visit` a group, or be `moved` to one by its parent."""

    kind: str
    group: ProcessId


class Event(msgspec.Struct, frozen=True, gc=False):
    """A creation, or a change of session or group, of one process; `after` are creations that come first, by rule."""

    pid: ProcessId
    change: Change | None
    after: tuple[tuple[ProcessId, str], ...] = ()


class Cast(msgspec.Struct, frozen=True):
    """All processes of one rebuild, and the pid namespaces that they live in."""

    forest: Forest
    spaces: Spaces
    clones: Mapping[ProcessId, Clone]
    excluded: Mapping[ProcessId, Excluded] = {}
    """Why some processes are not created by their parents."""

    def init(self, clone: Clone) -> ProcessId:
        """Return the init of the pid namespace that a process lives in."""
        return self.spaces.init(clone.namespace)
