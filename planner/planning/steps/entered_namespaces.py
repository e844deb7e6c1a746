"""Namespaces of other kinds than pid that are there from the start: those of the root, and of others whose parent is outside.

The root makes what its namespaces differ in from the executor's as soon as it is there, and all below it are born into them. A
user namespace of its own is made with the first task, and owns the pid namespace: in it all numbers can be chosen. A
container that joins the pid namespace of another has a root of its own, which the executor creates: it makes and joins its
namespaces at once as well, so that those below it need not follow one by one. A kind of namespace is left to the end where a
process below the root is in the executor's namespace of that kind. All kinds are left to the end where tasks live
in user namespaces other than the executor's.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from planner.identity import OUTSIDE, NamespaceId, ProcessId
from planner.planning.cast import Cast

KINDS: Final = ("mnt", "uts", "ipc", "net", "cgroup", "time")
"""Kinds that a user namespace owns, in the order of their steps."""

USER: Final = "user"
ROOT: Final = NamespaceId(0)

Key = tuple[str, NamespaceId]


class Make(msgspec.Struct, frozen=True, gc=False):
    """A task makes namespaces for itself."""

    pid: ProcessId
    keys: tuple[Key, ...]


class NamespaceEntry(msgspec.Struct, frozen=True, gc=False):
    """A task joins the namespace `key` of `target`, which has it from its creator where no task makes it."""

    pid: ProcessId
    key: Key
    target: ProcessId


class FromTheStart:
    """Which task makes or joins which namespaces right after its birth, and which processes are born into them."""

    def __init__(self, cast: Cast, born: Iterable[ProcessId], root_makes: tuple[str, ...]) -> None:
        """Decide for all processes, given the actors in order of birth and the kinds that the root makes."""
        self.moves: dict[ProcessId, list[Make | NamespaceEntry]] = {}
        """What tasks do right after birth, those of the root excepted."""
        self.holders: dict[Key, ProcessId] = {(kind, ROOT): cast.forest.root for kind in root_makes}
        """The task that makes each of these namespaces."""
        self._cast = cast
        self._inherited: dict[ProcessId, dict[str, NamespaceId]] = {}
        self._decide(list(born), root_makes)

    def has(self, pid: ProcessId, key: Key) -> bool:
        """Tell whether a task is in a namespace from its birth on, or right after it."""
        return self._inherited.get(pid, {}).get(key[0]) == key[1]

    def _decide(self, born: list[ProcessId], root_makes: tuple[str, ...]) -> None:
        cast = self._cast
        tops = self._tops(born)
        below: dict[ProcessId, list[ProcessId]] = {}
        for pid, top in tops.items():
            below.setdefault(top, []).append(pid)
        self._inherit(below.get(cast.forest.root, [cast.forest.root]), dict.fromkeys(root_makes, ROOT))
        if USER in root_makes or any(kinds.get(USER, ROOT) > ROOT for kinds in cast.forest.other_namespaces.values()):
            return
        for top, members in below.items():
            if top != cast.forest.root and self._may_begin(top):
                self._enter(top, members, root_makes)

    def _tops(self, born: list[ProcessId]) -> dict[ProcessId, ProcessId]:
        """Return for each process the uppermost of its creators: one that the executor created, or the root."""
        tops: dict[ProcessId, ProcessId] = {}
        for pid in born:
            creator = self._cast.clones[pid].creator
            tops[pid] = pid if pid == self._cast.forest.root or creator == OUTSIDE else tops.get(creator, pid)
        return tops

    def _inherit(self, members: Iterable[ProcessId], kinds: dict[str, NamespaceId]) -> None:
        self._inherited.update((pid, kinds) for pid in members)

    def _may_begin(self, top: ProcessId) -> bool:
        """Tell whether a task can do this: it lives at level 0, so that it sees the others that do."""
        task = self._cast.forest.tasks.get(top)
        return task is not None and not task.zombie and task.level == 0

    def _enter(self, top: ProcessId, members: list[ProcessId], root_makes: tuple[str, ...]) -> None:
        recorded = self._cast.forest.other_namespaces
        own = recorded.get(top, {})
        keys = [(kind, own[kind]) for kind in KINDS if own.get(kind, -1) > ROOT or (kind in root_makes and own.get(kind) == ROOT)]
        outside = {
            kind
            for pid in members
            for kind, identity in recorded.get(pid, {}).items()
            if identity == ROOT and kind not in root_makes
        }
        keys = [key for key in keys if key[0] not in outside]
        made = tuple(key for key in keys if key not in self.holders)
        moves: list[Make | NamespaceEntry] = [Make(top, made)] if made else []
        moves += [NamespaceEntry(top, key, self.holders[key]) for key in keys if key in self.holders]
        self.holders.update(dict.fromkeys(made, top))
        if moves:
            self.moves[top] = moves
            self._inherit(members, dict(keys))
