"""The pid namespaces of a rebuild, and the pids that are free in them."""

from collections.abc import Iterable, Mapping

from planner.forest.model import Forest, Namespace
from planner.identity import OUTSIDE, Level, NamespaceId, Number, Pids, ProcessId, Sequence
from planner.planning.clones import EXECUTOR_SPACE, FIRST_HELPER_NUMBER
from planner.planning.solver.solution import LostNamespace


class Spaces:
    """The pid namespaces of a rebuild, and which pids are free in them."""

    def __init__(self, forest: Forest, namespaces: Mapping[NamespaceId, Namespace]) -> None:
        """Take the namespaces by id; which pids the image uses is looked up when the first one is asked for."""
        self.namespaces = namespaces
        self._forest = forest
        self._used: dict[NamespaceId, set[int]] = {}
        self._next: dict[NamespaceId, int] = {}

    def chain(self, space: NamespaceId) -> list[NamespaceId]:
        """Return the namespaces from level 0 down to `space`."""
        chain = [space]
        while self.namespaces[chain[-1]].level > 0:
            chain.append(self.namespaces[chain[-1]].parent)
        return chain[::-1]

    def covers(self, outer: NamespaceId, inner: NamespaceId) -> bool:
        """Tell whether `outer` is `inner` or encloses it."""
        if outer in (inner, EXECUTOR_SPACE):
            return True
        if inner == EXECUTOR_SPACE:
            return False
        level = self.namespaces[outer].level
        space = self.namespaces[inner]
        while space.level > level:
            space = self.namespaces[space.parent]
        return space.id == outer

    def outside(self, space: NamespaceId) -> NamespaceId:
        """Return the namespace that encloses `space` directly; the executor's for the container's root namespace."""
        record = self.namespaces[space]
        return EXECUTOR_SPACE if record.level == 0 else record.parent

    def init(self, space: NamespaceId) -> ProcessId:
        """Return the init of a namespace; 0 for the executor's."""
        return OUTSIDE if space == EXECUTOR_SPACE else self.namespaces[space].init

    def take(self, space: NamespaceId, pids: Iterable[int]) -> None:
        """Mark the pids of one process as used, from level 0 on."""
        for here, number in zip(self.chain(space), pids, strict=False):
            self._used[here].add(number)

    def free_pids(self, space: NamespaceId, known: Pids = ()) -> Pids:
        """Return the pids for a new process in `space`, and take them: `known` as its beginning, free ones for the rest."""
        if not self._used:
            self._take_all()
        pids = list(known)
        for level, here in enumerate(self.chain(space)):
            if level >= len(pids):
                number = self._next.get(here, FIRST_HELPER_NUMBER)
                while number in self._used[here]:
                    number += 1
                self._next[here] = number + 1
                pids.append(Number(number))
        self.take(space, pids)
        return tuple(pids)

    def _take_all(self) -> None:
        """Mark all pids of the image as used."""
        forest, bottom = self._forest, NamespaceId(0)
        self._used = {space: set() for space in self.namespaces}
        used = self._used[bottom]
        used.update((1, *forest.leaders))
        for task in forest.tasks.values():
            used.update((task.pid, task.session, task.group))
            if task.level:
                self.take(task.namespace, task.pids)
        for threads in forest.threads.values():
            for thread in threads:
                self.take(forest.tasks[thread.thread_group].namespace, thread.pids)


def spaces_of(forest: Forest, lost: Iterable[LostNamespace] = ()) -> Spaces:
    """Return the namespaces of a forest and the lost ones, with the pids that the image uses."""
    namespaces = dict(forest.namespaces)
    root = namespaces[NamespaceId(0)]
    if forest.root != 1:
        namespaces[root.id] = Namespace(
            id=root.id, parent=root.parent, level=root.level, init=ProcessId(1), recorded=root.recorded
        )
    for space in lost:
        level = Level(namespaces[space.parent].level + 1)
        namespaces[space.id] = Namespace(id=space.id, parent=space.parent, level=level, init=space.init, recorded=Sequence(-1))
    return Spaces(forest, namespaces)
