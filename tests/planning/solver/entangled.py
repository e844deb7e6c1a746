"""Entangled forests: a few leaders, alive and dead, with children in each other's sessions and groups, on several levels.

A forest is drawn at random, fact by fact, so that nothing says whether a history reaches it. What any kernel excludes by one fact
is not drawn: a member lives at or below its session's leader, a group is of one session, a zombie has no children.
"""

from collections.abc import Iterator
from random import Random

import msgspec

from planner.errors import Contradiction
from planner.forest.model import Forest
from planner.testing.forests import forest

DEAD = 900
"""Dead leaders have numbers from here on."""

INNER = 1000
"""A process has this much higher a number at each level than at the one around it, so that no two levels share one."""


class Shape(msgspec.Struct, frozen=True):
    """How large and how strange a forest is to be."""

    leaders: int = 4
    children: int = 5
    levels: int = 1
    dead: int = 1
    groups: bool = False
    zombies: bool = False


SHAPES = {
    "chains": Shape(leaders=5, children=6, dead=0),
    "dead leaders": Shape(leaders=3, children=5, dead=2),
    "two levels": Shape(leaders=3, children=4, levels=2),
    "three levels": Shape(leaders=3, children=4, levels=3),
    "groups": Shape(leaders=2, children=4, levels=2, groups=True),
    "all": Shape(leaders=4, children=5, levels=3, dead=2, groups=True, zombies=True),
}


class _Process(msgspec.Struct):
    pid: int
    parent: int
    session: int
    space: int
    is_init: bool = False
    group: int = 0


class _Drawing:
    def __init__(self, random: Random, shape: Shape) -> None:
        self.random = random
        self.shape = shape
        self.processes: dict[int, _Process] = {}
        self.outer = {0: -1}
        """Pid namespaces, each with the one around it."""
        self.dead: dict[int, int] = {}
        """Dead leaders, each with its pid namespace."""

    def draw(self) -> str:
        random, shape = self.random, self.shape
        self.add(_Process(1, 0, random.choice((0, 1, 1)), 0, is_init=True))
        for number in range(shape.dead):
            self.dead[DEAD + number] = random.choice(list(self.outer))
        for _ in range(shape.leaders + shape.children):
            self.draw_process(leads=len(self.processes) <= shape.leaders)
        for process in self.processes.values():
            process.group = self.draw_group(process)
        return " ".join([*self.namespaces(), *self.leaders(), *(self.word(one) for one in self.processes.values())])

    def add(self, process: _Process) -> None:
        self.processes[process.pid] = process

    def draw_process(self, leads: bool) -> None:
        """Add a process below another one: a leader, an init, or a member of a session that is led where it lives or above."""
        random = self.random
        parent = random.choice(list(self.processes.values()))
        if random.random() < 0.3:
            parent = self.processes[1]
        pid = len(self.processes) + 1
        space = random.choice([space for space in self.outer if parent.space in self.line(space)])
        is_init = self.shape.levels > 1 and len(self.line(parent.space)) < self.shape.levels and random.random() < 0.3
        if is_init:
            space = len(self.outer)
            self.outer[space] = parent.space
        sessions = [
            session for session in self.sessions() if self.place(session) in self.line(self.outer[space] if is_init else space)
        ]
        leads = leads or not sessions
        self.add(_Process(pid, parent.pid, pid if leads else random.choice(sessions), space, is_init))

    def sessions(self) -> list[int]:
        led = [process.pid for process in self.processes.values() if process.session == process.pid]
        return [*led, *([0] if self.processes[1].session == 0 else []), *self.dead]

    def place(self, leader: int) -> int:
        if leader == 0:
            return 0
        return self.dead[leader] if leader in self.dead else self.processes[leader].space

    def draw_group(self, process: _Process) -> int:
        """Return a group of the process's session: the session's, its own, another one's, or a dead leader's."""
        if process.session == process.pid or not self.shape.groups:
            return process.session
        fellows = [one.pid for one in self.processes.values() if one.session == process.session]
        return self.random.choice([process.session, process.session, process.pid, *fellows, 1000 * (process.session + 1)])

    def line(self, space: int) -> list[int]:
        line = [space]
        while self.outer[line[-1]] >= 0:
            line.append(self.outer[line[-1]])
        return line[::-1]

    # The notation of planner.testing.forests.

    def namespaces(self) -> Iterator[str]:
        return (f"@{space}:{outer}" for space, outer in self.outer.items() if space)

    def leaders(self) -> Iterator[str]:
        for pid, space in self.dead.items():
            if any(process.session == pid for process in self.processes.values()):
                known = self.random.randint(1, len(self.line(space)))
                open_end = known < len(self.line(space)) or self.random.random() >= 0.7
                yield f"!{self.vector(pid, space, known)}{'..' if open_end else ''}"
        for group in dict.fromkeys(process.group for process in self.processes.values()):
            if group >= 1000:
                space = self.random.choice(list(self.outer))
                known = self.random.randint(1, len(self.line(space)))
                yield f"!{self.vector(group, space, known)}.."

    def vector(self, pid: int, space: int, known: int) -> str:
        return ".".join(str(pid + INNER * level) for level in range(min(known, len(self.line(space)))))

    def word(self, process: _Process) -> str:
        depth = len(self.line(process.space))
        numbers = [process.pid + INNER * level for level in range(depth)]
        if process.is_init:
            numbers[-1] = 1
        barren = all(one.parent != process.pid for one in self.processes.values())
        ended = self.shape.zombies and barren and not process.is_init and self.random.random() < 0.2
        place = f"@{process.space}" if process.space else ""
        vector = ".".join(map(str, numbers))
        return f"{vector}:{process.parent}/{process.session}/{process.group}{'z' if ended else ''}{place}"


def draw(seed: int | str, shape: Shape) -> str:
    """Return an entangled forest in the notation of `planner.testing.forests`; one whose facts do not exclude each other."""
    random = Random(f"entangled {seed}")
    while True:
        text = _Drawing(random, shape).draw()
        try:
            forest(text)
        except Contradiction:
            continue
        return text


def drawn(seed: int | str, shape: Shape) -> Forest:
    """Return an entangled forest."""
    return forest(draw(seed, shape))
