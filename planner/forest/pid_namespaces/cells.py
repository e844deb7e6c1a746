"""What the facts of an image force about pid namespaces, before anything is chosen.

A *cell* is a set of tasks that must share one pid namespace, at one level. A cell with an init is a namespace; a cell without
one has to be some namespace at its level, and which one may be open. Every cell lies below another one, and the outermost below
the cell of the next level, at first below the deepest one that the facts name. The laws that put tasks into cells:

* A child at its parent's level is in its parent's namespace; a deeper child is below it (adoption keeps that).
* A session's members are in the namespace of the session's leader or below it: clones only go down.
* A task whose own number is 1 at a nested level is its namespace's init, and no other task there has pid 1.
* The number of a dead group leader is in a namespace at or below that of the session's leader.
* Who is recorded in one namespace shares it, and it lies below the one that is recorded around it.

So two cells that must be one make one of the cells that they lie below, too. All of it is linear in tasks and levels.
"""

from typing import Final, NoReturn

from planner.forest.laws_processes import dead
from planner.forest.model import Forest, Leader, Task
from planner.forest.pid_namespaces.statements import Statements
from planner.identity import OUTSIDE, EventNumber, NamespaceId, Pids

ROOT: Final = 0
"""The cell of the root namespace, level 0."""

NOBODY: Final = -1


class Conflict(Exception):
    """Facts about `bearers` exclude each other, statements of the image among them; `code` and `message` say how."""

    def __init__(self, code: str, message: str, bearers: list[int]) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.bearers = bearers


class Bearers:
    """All pid holders, tasks first and then dead leaders, both in image order, with the links between them.

    Where a dead leader's vector is not known to its end, the known part counts as all of it: it has those numbers, and what
    lies below its namespace lies below that part too. Links are positions in these lists, `NOBODY` where there is none.
    """

    def __init__(self, forest: Forest) -> None:
        tasks = forest.tasks
        self.tasks: list[Task | Leader] = [*tasks.values(), *forest.leaders.values()]
        self.dead_from = len(tasks)
        """Position of the first dead leader."""
        self.vectors: list[Pids] = [bearer.pids for bearer in self.tasks]
        self.recorded: list[EventNumber] = [bearer.recorded for bearer in self.tasks]
        self.position: dict[int, int] = {vector[0]: place for place, vector in enumerate(self.vectors)}
        find = self.position.get
        self.parent: list[int] = [find(task.parent, NOBODY) for task in tasks.values()]
        self.session: list[int] = [find(task.session, NOBODY) for task in tasks.values()]
        self.groups: list[int] = [task.group for task in tasks.values()]
        self.sessions: list[int] = [task.session for task in tasks.values()]
        if forest.leaders:
            of_group = {task.group: task.session for task in reversed(tasks.values())}
            for pid, leader in forest.leaders.items():
                self.parent.append(NOBODY)
                session = find(of_group.get(pid, OUTSIDE), NOBODY)
                # A leader of which only outer numbers are known may have lived as deep as its session's leader.
                unknown = session != NOBODY and not leader.complete and len(self.vectors[session]) > len(leader.pids)
                self.session.append(NOBODY if unknown else session)
                self.groups.append(pid)
                self.sessions.append(of_group.get(pid, pid))
        self.empty: set[int] = {place for place, task in enumerate(tasks.values()) if task.zombie and dead(forest, task)}
        self.empty.update(range(self.dead_from, len(self.tasks)))
        """Who has ended: where that is an init, its namespace has no other member."""
        self.threads: dict[int, list[Pids]] = {
            self.position[group]: [thread.pids for thread in threads]
            for group, threads in forest.threads.items()
            if group in tasks
        }
        self.statements = Statements(forest, len(self.vectors))
        """What the image says of namespaces: facts that are counted on behind the bearers."""
        self.recorded += self.statements.recorded

    def facts(self) -> list[int]:
        """Return every pid holder and every statement."""
        return list(range(len(self.recorded)))

    def is_evidence(self, fact: int) -> bool:
        """Tell whether a fact may matter: a process with one number is in the root namespace, whatever the others are."""
        return fact >= len(self.vectors) or len(self.vectors[fact]) > 1

    def number(self, fact: int) -> int:
        """Return the level-0 pid of the process that a fact is about, 0 where it is about a namespace."""
        bearer = self.statements.inside[fact][0] if fact in self.statements.inside else fact
        return self.vectors[bearer][0] if bearer < len(self.vectors) else 0

    def name(self, fact: int) -> str:
        """Name the process that a fact is about in a message."""
        if not self.number(fact):
            inner = next(inner for inner, statement in self.statements.enclosed.items() if statement.fact == fact)
            return f"the recorded pid namespace {inner}"
        return f"{'dead leader' if self.dead_from <= fact < len(self.vectors) else 'task'} {self.number(fact)}"


class Cells:
    """The cells of a forest, or of some of its bearers: only what `members` say counts, and that there are `inits`.

    Lists are by cell number. A cell that became one with another is represented by the one that `find` returns.
    """

    def __init__(self, bearers: Bearers, inits: list[int], members: list[int]) -> None:
        self.bearers = bearers
        self.level: list[int] = [0]
        self.above: list[int] = [ROOT]
        """The deepest cell that is known to be the cell's, or to contain it."""
        self.init: list[int] = [NOBODY]
        self.namespace: list[int] = [0]
        """The recorded id of the namespace, -1 where the image has none."""
        self.named_by: list[int] = [NOBODY]
        """The statement that gave the recorded id."""
        self._one_with: list[int] = [ROOT]
        self.recorded: dict[NamespaceId, int] = {}
        """The cells of recorded namespaces that a task says to be in or below; `find` has them as they are."""
        self._is_member = bytearray(len(bearers.tasks))
        bearing = [member for member in members if member < len(bearers.tasks)]
        for member in bearing:
            self._is_member[member] = 1
        self._own: list[int] = [NOBODY] * len(bearers.tasks)
        for init in inits:
            self.own(init)
        for member in bearing:
            self.own(member)
        for member in bearing:
            self._link(member)
        self._bring_in(members if len(bearing) < len(members) else [])

    def new(self, level: int, above: int = ROOT, init: int = NOBODY) -> int:
        """Add a cell and return its number."""
        cell = len(self.level)
        self.level.append(level)
        self.above.append(above)
        self.init.append(init)
        self.namespace.append(-1)
        self.named_by.append(NOBODY)
        self._one_with.append(cell)
        return cell

    def find(self, cell: int) -> int:
        """Return the cell that represents `cell`."""
        one_with = self._one_with
        while one_with[cell] != cell:
            one_with[cell] = one_with[one_with[cell]]
            cell = one_with[cell]
        return cell

    def over(self, cell: int) -> int:
        """Return the deepest known cell above `cell`."""
        return self.find(self.above[cell])

    def own(self, bearer: int) -> int:
        """Return the cell of a bearer's own namespace; one who lives at the parent's level shares the parent's."""
        own, is_member = self._own, self._is_member
        vectors = self.bearers.vectors
        line: list[int] = []
        while own[bearer] == NOBODY:
            vector = vectors[bearer]
            parent = self.bearers.parent[bearer]
            if len(vector) == 1:
                own[bearer] = ROOT
            elif vector[-1] == 1:
                own[bearer] = self.new(len(vector) - 1, init=bearer)
            elif parent != NOBODY and len(vectors[parent]) == len(vector) and is_member[bearer]:
                line.append(bearer)
                bearer = parent
            else:
                own[bearer] = self.new(len(vector) - 1)
        cell = own[bearer]
        for below in line:
            own[below] = cell
        return self.find(cell)

    def _link(self, bearer: int) -> None:
        """Bring in what the parent and the session of a bearer say."""
        vectors, parents, sessions = self.bearers.vectors, self.bearers.parent, self.bearers.session
        level = len(vectors[bearer]) - 1
        leader = sessions[bearer]
        if leader != NOBODY and len(vectors[leader]) - 1 > level:
            self._refuse_session(bearer, leader)
        if level == 0:
            return
        cell = self._own[bearer]
        is_init = vectors[bearer][-1] == 1
        parent = parents[bearer]
        inherited = False
        if parent != NOBODY:
            above = len(vectors[parent]) - 1
            if above < level:
                if above:
                    self.put_below(cell, self.own(parent))
            elif is_init:
                self._refuse_inside(bearer, parent, "parent")
            else:
                inherited = sessions[parent] == sessions[bearer]
        if leader != NOBODY and leader != bearer and not inherited:
            above = len(vectors[leader]) - 1
            if above == level and is_init:
                self._refuse_inside(bearer, leader, "session's leader")
            if above:
                self.put_below(cell, self.own(leader))

    def _bring_in(self, facts: list[int]) -> None:
        """Bring in what the image says: who shares a recorded namespace, and in which other one that lies."""
        statements = self.bearers.statements
        for fact in facts:
            if fact in statements.inside:
                bearer, namespace = statements.inside[fact]
                self._name(self.own(bearer), namespace, fact)
        holds = set(facts)
        for inner in list(self.recorded):
            met = False
            while not met and inner in statements.enclosed and statements.enclosed[inner].fact in holds:
                fact, outer = statements.enclosed[inner]
                met = outer == 0 or outer in self.recorded
                self._enclose(inner, outer, fact)
                inner = outer

    def _name(self, cell: int, namespace: NamespaceId, fact: int) -> None:
        """Give a cell the recorded namespace that `fact` says: all that are in it share one cell."""
        fellow = self.recorded.setdefault(namespace, cell)
        if self.level[fellow] != self.level[cell]:
            raise Conflict(
                "namespace-level",
                f"{self.bearers.name(fact)} is at level {self.level[cell]}, and others of its recorded pid namespace"
                f" {namespace} are at level {self.level[fellow]}",
                [self.named_by[self.find(fellow)], fact],
            )
        if self.namespace[cell] not in (-1, namespace):
            raise Conflict(
                "namespace-recorded-apart",
                f"{self.bearers.name(fact)} must be in the recorded pid namespaces {self.namespace[cell]} and"
                f" {namespace} at once",
                [self.named_by[cell], fact],
            )
        self.namespace[cell] = namespace
        self.named_by[cell] = fact
        self.put_below(cell, fellow)

    def _enclose(self, inner: NamespaceId, outer: NamespaceId, fact: int) -> None:
        """Put the cell of a recorded namespace below that of the one around it."""
        cell = self.find(self.recorded[inner])
        level = self.level[cell]
        around = self.recorded.get(outer, ROOT if outer == 0 else NOBODY)
        if (level == 1) != (outer == 0) or (around != NOBODY and self.level[around] != level - 1):
            others = [] if around in (NOBODY, ROOT) else [self.named_by[self.find(around)]]
            raise Conflict(
                "namespace-level",
                f"pid namespace {inner} is at level {level} by who is in it, and is recorded as lying in {outer}, which is not at"
                " the level above",
                [self.named_by[cell], *others, fact],
            )
        if around == ROOT:
            return
        if around == NOBODY:
            around = self.new(level - 1)
            self._name(around, outer, fact)
        self.put_below(cell, around)

    def _refuse_session(self, bearer: int, leader: int) -> NoReturn:
        vectors = self.bearers.vectors
        raise Conflict(
            "session-leader-below",
            f"{self.bearers.name(bearer)} is at level {len(vectors[bearer]) - 1} and its session's leader {vectors[leader][0]}"
            f" deeper, at level {len(vectors[leader]) - 1}",
            [leader, bearer],
        )

    def _refuse_inside(self, init: int, inner: int, what: str) -> NoReturn:
        number = self.bearers.vectors[inner][0]
        raise Conflict(
            "namespace-init-below",
            f"{self.bearers.name(init)} is the init of a pid namespace at level {len(self.bearers.vectors[init]) - 1}, and its"
            f" {what} {number} is at that level too: it must stand above",
            [inner, init],
        )

    def put_below(self, cell: int, ancestor: int) -> None:
        """Make `cell` lie below `ancestor`, or be it where both are at one level, with all that follows above."""
        pending = [(cell, ancestor)]
        find, level, above = self.find, self.level, self.above
        while pending:
            low, high = pending.pop()
            low, high = find(low), find(high)
            if low == high:
                continue
            if level[low] == level[high]:
                pending.append(self._make_one(low, high))
                continue
            over = find(above[low])
            if over == high:
                continue
            if level[over] < level[high]:
                above[low] = high
                pending.append((high, over))
            else:
                pending.append((over, high))

    def _make_one(self, first: int, second: int) -> tuple[int, int]:
        """Let one cell represent both, and return which cells have still to be brought together."""
        kept, gone = (first, second) if self.init[second] == NOBODY else (second, first)
        if self.init[gone] != NOBODY:
            one, other = sorted((self.init[kept], self.init[gone]))
            said = "parents, sessions and what the image names" if self.recorded else "parents and sessions"
            raise Conflict(
                "two-inits",
                f"{said} put {self.bearers.name(one)} and {self.bearers.name(other)} into one pid namespace,"
                " and each of them is an init",
                [one, other],
            )
        if self.namespace[gone] >= 0:
            if self.namespace[kept] >= 0 and self.namespace[kept] != self.namespace[gone]:
                raise Conflict(
                    "namespace-recorded-apart",
                    f"parents, sessions and what lies in what make the recorded pid namespaces {self.namespace[kept]} and"
                    f" {self.namespace[gone]} one",
                    [self.named_by[kept], self.named_by[gone]],
                )
            self.namespace[kept], self.named_by[kept] = self.namespace[gone], self.named_by[gone]
        self._one_with[gone] = kept
        return kept, self.above[gone]

    def representatives(self) -> list[int]:
        """Return the nested cells that represent themselves, in the order in which they were made."""
        return [cell for cell, one in enumerate(self._one_with) if cell == one and cell != ROOT]


def inits_of(bearers: Bearers) -> list[int]:
    """Return who is the init of a nested namespace, in image order, living or not."""
    return [place for place, vector in enumerate(bearers.vectors) if vector[-1] == 1 and len(vector) > 1]


def check_numbers(bearers: Bearers) -> None:
    """Raise `Conflict` for a number 1 that is not the vector's last: an init lives in the namespace whose init it is."""
    for place, vector in enumerate(bearers.vectors):
        if 1 in vector[:-1]:
            level = vector.index(1)
            raise Conflict(
                "namespace-init-deeper",
                f"{bearers.name(place)} has pid 1 at level {level} and lives deeper, at level {len(vector) - 1}:"
                " pid 1 is the namespace's init, and that lives in its namespace",
                [place],
            )
