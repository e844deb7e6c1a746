"""What is known before any search: which cells are namespaces, which cell lies below which, and the numbers in each."""

from operator import itemgetter

from planner.forest.pid_namespaces.cells import NOBODY, ROOT, Bearers, Cells, Conflict, inits_of
from planner.identity import Pids


class Forced:
    """The cells of some bearers, each directly below one of the next level; raises `Conflict` when that cannot be."""

    def __init__(self, bearers: Bearers, members: list[int]) -> None:
        self.bearers = bearers
        self.members = [member for member in members if member < len(bearers.vectors)]
        self.inits = inits_of(bearers)
        self.cells = Cells(bearers, self.inits, members)
        self._refuse_ended()
        self.namespaces = self._collect_namespaces()
        """Cells with a living init, by level, in image order: the values of open cells."""
        self._close_gaps()
        self.lines: dict[int, tuple[int, ...]] = {ROOT: ()}

    def _member_of(self, cell: int) -> list[int]:
        """Return a task that lives in a cell, or what names it, for evidence; none where it only stands between others."""
        own, named = self.cells.own, self.cells.named_by[cell]
        return next(([member] for member in self.members if own(member) == cell), [] if named == NOBODY else [named])

    def _refuse_ended(self) -> None:
        cells, bearers = self.cells, self.bearers
        ended = {cells.own(init): init for init in self.inits if init in bearers.empty}
        if not ended:
            return
        inside = [(cells.own(member), member) for member in self.members if bearers.vectors[member][-1] != 1]
        for cell in cells.representatives():
            over = cells.over(cell)
            if over in ended:
                init = cells.init[cell] if cells.init[cell] != NOBODY else ended[over]
                inside.append((over, (self._member_of(cell) or [init])[0]))
        for cell, member in inside:
            if cell in ended:
                raise Conflict(
                    "zombie-init",
                    f"{bearers.name(member)} is in the pid namespace of {bearers.name(ended[cell])}, its init, which has ended:"
                    " such a namespace is empty",
                    [ended[cell], member],
                )

    def _collect_namespaces(self) -> list[list[int]]:
        cells, bearers = self.cells, self.bearers
        deepest = max(cells.level)
        namespaces: list[list[int]] = [[] for _ in range(deepest + 1)]
        for init in self.inits:
            if init not in bearers.empty:
                cell = cells.own(init)
                namespaces[cells.level[cell]].append(cell)
        needed = {cells.level[cell]: cell for cell in reversed(cells.representatives()) if cells.init[cell] == NOBODY}
        needed |= {
            level - 1: cell
            for cell in reversed(cells.representatives())
            if (level := cells.level[cell]) > 1 and not namespaces[level - 1]
        }
        for level, cell in sorted(needed.items()):
            if not namespaces[level]:
                member = self._member_of(cell) or [cells.init[cell]]
                raise Conflict(
                    "namespace-without-init",
                    f"{bearers.name(member[0])} is in a pid namespace at level {level}, and no living task of the image is"
                    " the init of one at that level",
                    member,
                )
        return namespaces

    def _close_gaps(self) -> None:
        """Let every cell lie below one of the next level, which is open where the facts do not name it."""
        cells = self.cells
        sole = [found[0] if len(found) == 1 else NOBODY for found in self.namespaces]
        nearest = [ROOT] * len(sole)
        """For each level the deepest sole namespace above it."""
        for level in range(2, len(sole)):
            nearest[level] = sole[level - 1] if sole[level - 1] != NOBODY else nearest[level - 1]
        for cell in sorted(cells.representatives(), key=cells.level.__getitem__):
            cell = cells.find(cell)
            level = cells.level[cell]
            if cells.init[cell] == NOBODY and sole[level] != NOBODY:
                cells.put_below(cell, sole[level])
            elif cells.level[cells.over(cell)] < cells.level[nearest[level]]:
                cells.put_below(cell, nearest[level])
        for cell in cells.representatives():
            level = cells.level[cell]
            over = cells.over(cell)
            if cells.level[over] < level - 1:
                for between in range(cells.level[over] + 1, level):
                    over = cells.new(between, above=over)
                cells.above[cell] = over

    def line(self, cell: int) -> tuple[int, ...]:
        """Return the nested cells from level 1 down to `cell`."""
        lines = self.lines
        path: list[int] = []
        while cell not in lines:
            path.append(cell)
            cell = self.cells.over(cell)
        line = lines[cell]
        for below in reversed(path):
            line = lines[below] = (*line, below)
        return line

    def numbers(self) -> dict[int, set[int]]:
        """Return the numbers that each cell has at its own level; raises `Conflict` where one is there twice."""
        own = self.cells.own
        vectors, threads = self.bearers.vectors, self.bearers.threads
        held: dict[int, list[Pids]] = {}
        for member in self.members:
            vector = vectors[member]
            if len(vector) > 1:
                held.setdefault(own(member), []).append(vector)
                if member in threads:
                    held[own(member)].extend(threads[member])
        numbers: dict[int, set[int]] = {}
        for cell, inside in held.items():
            for level, over in enumerate(self.line(cell), start=1):
                column = set(map(itemgetter(level), inside))
                before = numbers.get(over)
                if len(column) < len(inside) or (before is not None and not before.isdisjoint(column)):
                    self._refuse_twice(over, level)
                if before is None:
                    numbers[over] = column
                else:
                    before |= column
        return numbers

    def _refuse_twice(self, cell: int, level: int) -> None:
        bearers = self.bearers
        seen: dict[int, int] = {}
        for member in self.members:
            vector = bearers.vectors[member]
            if len(vector) <= level or self.line(self.cells.own(member))[level - 1] != cell:
                continue
            for pids in (vector, *bearers.threads.get(member, ())):
                first = seen.setdefault(pids[level], member)
                if first != member or (pids is not vector and pids[level] == vector[level]):
                    raise Conflict(
                        "duplicate-number",
                        f"{bearers.name(first)} and {bearers.name(member)} must share a pid namespace at level {level},"
                        f" and both have pid {pids[level]} there",
                        [first, member],
                    )
