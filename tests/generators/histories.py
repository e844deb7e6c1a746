"""Random histories of processes: what a container's tasks may do to each other, step by step.

A history is a list of operations on seats. A seat is one process or thread, numbered from 0 in the order of the attempts to
create it; seat 0 stands outside the container. A `Player` carries operations out, on the real kernel or on a model of it, and
answers each with a number or with the errno's name. The historian makes up the next operation from what the player shows of the
world, so any player can be the first; the recorded operations are then played on another one.

Nothing here knows the rules: wrong operations are made up too, on purpose and by accident. One thing is never done, because the
real kernel cannot undo it before the next reboot: to put an init into a group led from its own namespace or below, or into one
that closes a ring of inits, each in a group that is led in the namespace of another. No history is in such a trap at any moment.
"""

from collections.abc import Callable, Iterable
from random import Random
from typing import Protocol

import msgspec

Operation = tuple[str | int | tuple[int, ...], ...]
"""A word, the acting seat, and arguments; see `OPERATIONS`."""

Answer = int | str

OPERATIONS = {
    "clone": "actor, seat, vector (outermost first), 1 for a new namespace, 1 for a sibling, exit signal, and `TABLES` to share",
    "thread": "actor, seat, vector",
    "setsid": "actor",
    "setpgid": "actor, number of the target, number of the group, in the actor's namespace",
    "setpgid-own": "actor outside the container, number of the target, which is put into the actor's own group",
    "setpgid-other": "actor outside, number of the target or 0 for itself, seat of a process outside into whose group it is put",
    "subreaper": "actor, 1 or 0",
    "enter": "actor, number of a task in the namespace to enter, 0 for the actor's own",
    "enter-root": "actor; the container's root namespace by a descriptor that every process holds",
    "exec": "actor",
    "exit": "actor, code; the whole process",
    "end": "actor, code; this thread alone",
    "kill": "actor, number of the target, signal",
    "wait": "actor, number of the child",
    "outsider": "actor outside the container, seat of another one there, 1 if that leads a session or 2 if it leads a group",
    "split": "actor, set of `TABLES` that it shares no longer",
    "unshare": "actor, set of `SPACES` that it makes",
    "join": "actor, number of a task or 0 for itself, set of the one of `SPACES` to join",
}

TABLES = ("memory", "files", "fs", "signal_handlers", "sysv_undo")
"""What processes share by clone; sets are written as bits, the first name is bit 0."""

SPACES = ("user", "mnt", "uts", "ipc", "net", "cgroup", "time")
"""Kinds of namespaces that are made by unshare and joined by setns."""


def named(names: tuple[str, ...], chosen: int = 0) -> tuple[str, ...]:
    """Return the names that a set of bits stands for."""
    return tuple(name for place, name in enumerate(names) if chosen & 1 << place)


def bits(names: tuple[str, ...], chosen: Iterable[str]) -> int:
    """Return the set of bits that stands for some names."""
    return sum(1 << names.index(name) for name in chosen)


class Standing(msgspec.Struct, frozen=True):
    """A process as /proc shows it, by level-0 numbers; 0 is outside the container.

    `state` is "living", "zombie" or "dying", which is an init that has begun to end and waits for its namespace to empty.
    `leading` is false where the leading thread has ended before others. `status` means something for what has ended. The
    parent gets `exit_signal`. `common` tells which table and which namespace it shares with which process:
    the one with the lowest number, which is also named for a namespace that it has alone.
    """

    pids: tuple[int, ...]
    parent: int
    group: int
    session: int
    state: str
    leading: bool = True
    status: int = 0
    threads: tuple[tuple[int, ...], ...] = ()
    exit_signal: int = 17
    common: tuple[tuple[str, int], ...] = ()


World = dict[int, Standing]


class Player(Protocol):
    """A process that carries operations out."""

    def play(self, operation: Operation) -> Answer:
        """Carry one operation out; return a number, or the name of the errno."""

    def world(self) -> World:
        """Return all processes of the container by their level-0 numbers."""


class Space(msgspec.Struct, eq=False):
    """A pid namespace: `init` is the seat that was made with it."""

    parent: "Space | None"
    level: int
    init: int

    def within(self, other: "Space") -> bool:
        """Whether this is `other` or below it."""
        space: Space | None = self
        while space is not None and space is not other:
            space = space.parent
        return space is other


class Seat(msgspec.Struct, eq=False):
    """A process or thread that was created: `process` is the seat of its thread group's leader."""

    number: int
    pids: tuple[int, ...]
    space: Space
    births: Space
    process: int

    @property
    def outside(self) -> bool:
        """Whether it stands outside the container."""
        return self.space.level < 0


Weights = dict[str, int]

EVEN: Weights = {
    "clone": 30,
    "nest": 6,
    "sibling": 5,
    "thread": 3,
    "setsid": 8,
    "setpgid": 12,
    "setpgid-child": 8,
    "subreaper": 6,
    "enter": 8,
    "back": 4,
    "exec": 1,
    "exit": 9,
    "end": 2,
    "kill": 4,
    "wait": 10,
    "wrong": 5,
}

PROFILES: dict[str, Weights] = {
    "mixture": EVEN,
    "flat": EVEN | {"nest": 0, "enter": 0, "thread": 0, "exec": 0, "wrong": 0},
    "deep": EVEN | {"nest": 25, "enter": 12, "exit": 4, "kill": 2},
    "sessions": EVEN | {"setsid": 25, "subreaper": 12, "exit": 14, "sibling": 8, "nest": 3},
    "groups": EVEN | {"setpgid": 35, "setpgid-child": 25, "setsid": 4, "nest": 4},
    "entry": EVEN | {"nest": 14, "enter": 30, "back": 8, "sibling": 12, "exit": 12},
    "adoption": EVEN | {"subreaper": 25, "exit": 25, "wait": 16, "nest": 8, "enter": 12, "clone": 45},
    "zombies": EVEN | {"exit": 22, "kill": 10, "wait": 3, "thread": 8, "end": 8, "clone": 45},
    "deaths": EVEN | {"nest": 22, "enter": 18, "kill": 18, "exit": 12, "wait": 14, "clone": 40},
    "threads": EVEN | {"thread": 25, "end": 16},
    "outside": EVEN
    | {"nest": 10, "outsider": 5, "outside-clone": 25, "outside-enter": 10, "outside-setpgid-child": 25}
    | {"outside-sibling": 6, "outside-setpgid": 6, "outside-setpgid-own": 12, "outside-exit": 2, "outside-wait": 4},
    "sharing": EVEN | {"share": 60, "outside-share": 6, "split": 10, "exec": 5, "unshare": 6, "join": 8, "enter": 4},
    "spaces": EVEN | {"unshare": 25, "join": 40, "share": 12, "split": 3, "setsid": 3, "setpgid": 4, "setpgid-child": 3},
}
"""What each profile presses: how often each kind of operation is made up."""

OUTER_PARENTS: dict[str, Weights] = {
    "outer parents": PROFILES["outside"]
    | {"outsider": 8, "outside-setsid": 8, "outside-setpgid-other": 25, "outside-clone": 40, "outside-nest": 8, "exit": 5}
    | {"outside-setpgid": 0}
}
"""Those outside lead sessions and groups after they have had children inside, and move these about between their own groups.

They join no group of the container themselves, so that what is put into a group of theirs comes into no trap.
"""


class Historian:
    """Makes a history up, one operation at a time, and keeps what it needs to know of who was made where."""

    def __init__(self, random: Random, profile: str, player: Player, most: int = 40) -> None:
        self.random = random
        profiles = PROFILES | OUTER_PARENTS
        self.weights = {kind: weight for kind, weight in profiles[profile].items() if weight and kind != "wrong"}
        self.wrong = profiles[profile]["wrong"] / 100
        self.wide = "outsider" in self.weights
        self.player = player
        self.most = most
        self.history: list[tuple[Operation, Answer]] = []
        outside = Space(None, -1, 0)
        self.seats: dict[int, Seat] = {0: Seat(0, (), outside, outside, 0)}
        self.made = 0
        self.sitting: dict[int, int] = {}
        """The seat that a level-0 number was last given to."""
        self.named: dict[tuple[Space, int], Seat] = {}
        """The seat that a number in a namespace was last given to."""
        self.outsiders: list[Seat] = [self.seats[0]]
        self.abroad: set[int] = set()
        """Seats that have been in a user namespace of their own, where execve would take their capabilities."""
        self.crowded: set[int] = set()
        """Seats that have shared memory: a time namespace can be made for their children and not for themselves."""
        self.uncertain: set[int] = set()
        """Numbers of threads of inits: which thread of a dying init stays while others must go first is chance."""
        self.view: World = {}
        self._act(("clone", 0, self._seat(), (1,), 1, 0, 17))
        self.root = self.seats[1].space

    def run(self, steps: int) -> list[tuple[Operation, Answer]]:
        """Make up `steps` operations beyond the first one, which made the container."""
        while len(self.history) <= steps:
            self.step()
        return self.history

    def step(self) -> None:
        """Make up one operation and have it played."""
        kinds = list(self.weights)
        weights = [self.weights[kind] for kind in kinds]
        operation: Operation | None = None
        while operation is None:
            kind = self.random.choices(kinds, weights)[0]
            if kind.removeprefix("outside-") in ("clone", "nest", "sibling", "share", "thread") and len(self.view) >= self.most:
                kind = "wait"
            actor = self._any_seat()
            if kind.startswith("outside-"):
                actor, kind = self.random.choice(self.outsiders), kind.removeprefix("outside-")
            operation = getattr(self, "_" + kind.replace("-", "_"))(actor)
        self._act(operation)

    def _act(self, operation: Operation) -> None:
        answer = self.player.play(operation)
        self.history.append((operation, answer))
        if isinstance(answer, int):
            self._note(operation)
        self.view = self.player.world()

    def _note(self, operation: Operation) -> None:
        word, actor = operation[0], self.seats[_number(operation[1])]
        if word == "clone":
            new = operation[4]
            seat, pids = _number(operation[2]), _vector(operation[3])
            space = Space(actor.births, actor.births.level + 1, seat) if new else actor.births
            self._sit(Seat(seat, pids, space, space, seat))
            if actor.number in self.abroad:
                self.abroad.add(seat)
            if len(operation) > 7 and "memory" in named(TABLES, _number(operation[7])):
                self.crowded.update((seat, actor.number))
        elif word == "outsider":
            self.seats[_number(operation[2])] = outsider = Seat(
                _number(operation[2]), (), actor.space, actor.space, _number(operation[2])
            )
            self.outsiders.append(outsider)
        elif word in ("unshare", "join") and _number(operation[-1]) & 1:
            self.abroad.add(actor.number)
        elif word == "exit" and actor.outside:
            self.outsiders.remove(actor)
        elif word == "thread":
            self._sit(Seat(_number(operation[2]), _vector(operation[3]), actor.space, actor.space, actor.process))
        elif word == "enter":
            entered = self._target(actor, _number(operation[2])) if operation[2] else actor
            actor.births = entered.space if entered is not None else actor.space
        elif word == "enter-root":
            actor.births = self.root

    def _sit(self, seat: Seat) -> None:
        self.seats[seat.number] = seat
        if seat.process == seat.space.init and seat.number != seat.process:
            self.uncertain.update(seat.pids)
        self.sitting[seat.pids[0]] = seat.number
        space: Space | None = seat.space
        for number in reversed(seat.pids):
            assert space is not None
            self.named[space, number] = seat
            space = space.parent

    def _seat(self) -> int:
        self.made += 1
        return self.made

    # Choosing.

    def _any_seat(self) -> Seat:
        """A seat that can act: a thread now and then, the outside one now and then, else a living process."""
        if self.random.random() < 0.06:
            return self.seats[0]
        seats = [self.sitting[first] for first, standing in self.view.items() if standing.state == "living" and standing.leading]
        if self.random.random() < 0.1:
            threads = [self.sitting[pids[0]] for standing in self.view.values() for pids in standing.threads]
            seats = threads or seats
        return self.seats[self.random.choice(seats)] if seats else self.seats[0]

    def _target(self, actor: Seat, number: int) -> Seat | None:
        space = self.root if actor.outside else actor.space
        return self.named.get((space, number))

    def _seen(self, actor: Seat, wanted: Callable[[Standing], bool]) -> int:
        """The number by which the actor knows some process that is wanted; 0 where there is none."""
        space = self.root if actor.outside else actor.space
        seats = [self.seats[self.sitting[first]] for first, standing in self.view.items() if wanted(standing)]
        numbers = [seat.pids[space.level] for seat in seats if seat.space.within(space)]
        return self.random.choice(numbers) if numbers else 0

    def _anything(self, actor: Seat) -> int:
        """A number that is a process, a thread, or nothing at all in the actor's namespace."""
        space = self.root if actor.outside else actor.space
        seats = [self.seats[self.sitting[pids[0]]] for pids in self._vectors()]
        numbers = [seat.pids[space.level] for seat in seats if seat.space.within(space)]
        threads = [seat.pids[space.level] for seat in seats if seat.space.within(space) and seat.number != seat.process]
        return self.random.choice([self.random.choice(numbers), *threads[:2], self.random.randrange(2, 4 * self.most)])

    def _own(self, actor: Seat) -> int:
        return self.seats[actor.process].pids[0] if not actor.outside else 0

    def _free(self, space: Space) -> tuple[int, ...]:
        """A vector for a child in `space`: mostly free numbers, and sometimes wrong ones."""
        pids: list[int] = []
        here: Space | None = space
        while here is not None and here.level >= 0:
            taken = {pids[here.level] for pids in self._vectors() if len(pids) > here.level}
            number = self.random.randrange(2, 4 * self.most)
            while number in taken or number in self.uncertain:
                number = self.random.randrange(2, 4 * self.most)
            if self.random.random() < self.wrong:
                number = self.random.choice([*range(12), 4194303, 4194304, -1])
            pids.append(number)
            here = here.parent
        pids.reverse()
        if self.random.random() < self.wrong:
            self.random.shuffle(pids)
        return tuple(pids)

    def _vectors(self) -> list[tuple[int, ...]]:
        return [pids for standing in self.view.values() for pids in (standing.pids, *standing.threads)]

    # One method for each kind of operation.

    def _clone(self, actor: Seat) -> Operation | None:
        pids = self._free(actor.births)
        if not pids:
            return None
        if self.random.random() < self.wrong:
            # Never just one more number than levels: it would be set outside the container.
            pids = (*pids, *self.random.choices(range(2, 90), k=32 - len(pids)))
        signal = 17 if self.random.random() < 0.9 else 0
        return ("clone", actor.number, self._seat(), pids, 0, 0, signal)

    def _nest(self, actor: Seat) -> Operation | None:
        if actor.outside:
            return None
        inner = 1 if self.random.random() > self.wrong else 2
        sibling = int(self.random.random() < 0.2)
        return ("clone", actor.number, self._seat(), (*self._free(actor.births), inner), 1, sibling, 0 if sibling else 17)

    def _sibling(self, actor: Seat) -> Operation | None:
        if not actor.number or not (pids := self._free(actor.births)):
            return None
        return ("clone", actor.number, self._seat(), pids, 0, 1, 17 if self.random.random() < self.wrong else 0)

    def _thread(self, actor: Seat) -> Operation | None:
        if actor.outside or actor.number != actor.process:
            return None
        return ("thread", actor.number, self._seat(), self._free(actor.space))

    def _setsid(self, actor: Seat) -> Operation | None:
        return None if actor.outside and not actor.number else ("setsid", actor.number)

    def _setpgid(self, actor: Seat) -> Operation | None:
        if actor.outside and not (self.wide and (actor.number or self.random.random() < self.wrong)):
            return None
        session = self.view[self._own(actor)].session if self._own(actor) in self.view else 0
        roll = self.random.random()
        if roll < 0.3:
            group = 0
        elif roll < 0.9:
            group = self._group(actor, session)
        else:
            group = self.random.choice([-1, 1, self.random.randrange(2, 4 * self.most)])
        target = 0
        if self.random.random() < self.wrong or not actor.number:
            target = self._anything(actor)
        return self._no_trap(("setpgid", actor.number, target, group))

    def _setpgid_child(self, actor: Seat) -> Operation | None:
        if actor.outside and not self.wide:
            return None
        child = self._seen(actor, lambda standing: standing.parent == self._own(actor))
        if not child:
            return None
        session = self.view[self._own(actor)].session if self._own(actor) in self.view else 0
        group = 0 if self.random.random() < 0.3 else self._group(actor, session)
        return self._no_trap(("setpgid", actor.number, child, group))

    def _setpgid_own(self, actor: Seat) -> Operation | None:
        """A child of a process outside is put into the group of the actor, whose child it may be."""
        child = self._seen(actor, lambda standing: standing.parent == 0)
        if self.random.random() < self.wrong:
            child = self._anything(actor)
        return ("setpgid-own", actor.number, child) if child else None

    def _setpgid_other(self, actor: Seat) -> Operation | None:
        """A child of a process outside, or itself, is put into the group of another one there."""
        child = 0 if actor.number and self.random.random() < 0.3 else self._seen(actor, lambda standing: standing.parent == 0)
        if not child and not actor.number:
            return None
        return ("setpgid-other", actor.number, child, self.random.choice(self.outsiders).number)

    def _group(self, actor: Seat, session: int) -> int:
        """The number of a group of the session, or of any, as the actor knows it."""
        firsts = sorted({standing.group for standing in self.view.values() if standing.session == session} - {0})
        if not firsts or self.random.random() < self.wrong:
            firsts = [first for first in self.view if first]
        seats = [self.seats[self.sitting[first]] for first in firsts]
        space = self.root if actor.outside else actor.space
        numbers = [seat.pids[space.level] for seat in seats if seat.space.within(space)]
        return self.random.choice(numbers) if numbers else 0

    def _no_trap(self, operation: Operation) -> Operation | None:
        actor = self.seats[_number(operation[1])]
        number, group = _number(operation[2]), _number(operation[3])
        target = self._target(actor, number) if number else self.seats[actor.process]
        led = self._target(actor, group) if group else target
        if target is None or led is None or led is target or target.space.init != target.number:
            return operation
        return None if led.space.within(target.space) or self._holds_up_itself(target, led) else operation

    def _holds_up_itself(self, init: Seat, led: Seat) -> bool:
        """Tell whether an init could never finish dying were it in the group of `led`, because it would wait for itself.

        An init waits for every other one whose group has a number in its namespace, its own number apart.
        `planner.kernel.deadlocks` says why; this is written without it, so that it does not err in the same way.
        """
        if init.space.within(_counted_in(led)):
            return False  # It keeps only those waiting who live above it.
        met: set[int] = set()
        asked = _kept_waiting(led)
        while asked:
            number = asked.pop()
            if number == init.number:
                return True
            standing = self.view.get(self.seats[number].pids[0])
            if number in met or standing is None or self.sitting[standing.pids[0]] != number or standing.state == "zombie":
                continue
            met.add(number)
            leader = self.sitting.get(standing.group)
            asked += [] if leader is None else _kept_waiting(self.seats[leader])
        return False

    def _subreaper(self, actor: Seat) -> Operation | None:
        return ("subreaper", actor.number, int(self.random.random() < 0.65)) if not actor.outside else None

    def _enter(self, actor: Seat) -> Operation | None:
        if actor.number != actor.process:
            return None
        roll = self.random.random()
        if roll < self.wrong and not actor.outside:
            return ("enter-root", actor.number)
        if roll < 2 * self.wrong:
            return ("enter", actor.number, self._anything(actor))
        number = self._seen(actor, lambda standing: standing.pids[-1] == 1)
        return ("enter", actor.number, number) if number else None

    def _back(self, actor: Seat) -> Operation | None:
        return ("enter", actor.number, 0) if actor.births is not actor.space and (actor.number or self.wide) else None

    def _exec(self, actor: Seat) -> Operation | None:
        first = self._own(actor)
        if actor.number != actor.process or first not in self.view or self.view[first].threads or actor.number in self.abroad:
            return None
        return ("exec", actor.number)

    def _exit(self, actor: Seat) -> Operation | None:
        if actor.process in (0, 1):
            return None
        return ("exit", actor.number, self.random.choice([0, 0, 1, 7, 255]))

    def _end(self, actor: Seat) -> Operation | None:
        if actor.process in (0, 1) or actor.outside:
            return None
        return ("end", actor.number, self.random.choice([0, 3]))

    def _kill(self, actor: Seat) -> Operation | None:
        number = self._seen(actor, lambda _: True)
        target = self._target(actor, number)
        signal = self.random.choice([9, 9, 9, 15, 15, 15, 1, 0, 65])
        if target is None or (target.process == 1 and actor.outside):
            return None
        if self.random.random() < self.wrong:
            number = self.random.randrange(100, 8 * self.most)
            if self._target(actor, number) is not None:
                return None
        return ("kill", actor.number, number, signal)

    def _share(self, actor: Seat) -> Operation | None:
        """A child that shares tables with its creator, in a new namespace now and then."""
        operation = (
            self._nest(actor) if self.random.random() < 0.15 else self._sibling(actor) if self.random.random() < 0.1 else None
        )
        operation = operation or self._clone(actor)
        if operation is None:
            return None
        chosen = self.random.choice(
            [("files",), ("fs",), ("files", "fs"), ("sysv_undo",), ("memory",), ("memory", "signal_handlers"), TABLES]
        )
        if self.random.random() < self.wrong:
            chosen = ("signal_handlers",)
        return (*operation, bits(TABLES, chosen))

    def _alone(self, actor: Seat) -> bool:
        """Whether a seat is that of a process in the container which has one thread."""
        first = self._own(actor)
        return actor.number == actor.process and first in self.view and not self.view[first].threads

    def _split(self, actor: Seat) -> Operation | None:
        if not self._alone(actor):
            return None
        kinds = ("files", "fs", "sysv_undo")
        return ("split", actor.number, bits(TABLES, self.random.sample(kinds, self.random.randrange(1, 4))))

    def _unshare(self, actor: Seat) -> Operation | None:
        """New namespaces; one user namespace alone, and never the first task's, which could then create no child."""
        if self.random.random() < 0.12:
            threaded = actor.number == actor.process and not actor.outside
            return ("unshare", actor.number, bits(SPACES, ("user",))) if threaded and actor.number != 1 else None
        kinds = SPACES[1:-1] if actor.number in self.crowded else SPACES[1:]
        chosen = self.random.sample(kinds, self.random.choice((1, 1, 2)))
        return ("unshare", actor.number, bits(SPACES, chosen)) if self._alone(actor) else None

    def _join(self, actor: Seat) -> Operation | None:
        """A namespace of a process, mostly one that is not the first task's."""
        if actor.outside or actor.number != actor.process:
            return None
        kind = self.random.choice(SPACES if actor.number != 1 else SPACES[1:])
        if kind not in ("user", "mnt") and not self._alone(actor):
            return None
        number = self._seen(actor, lambda standing: any(has == kind for has, _ in standing.common))
        if not number or self.random.random() < self.wrong:
            number = self.random.choice([0, self._anything(actor), self._seen(actor, lambda _: True)])
        return ("join", actor.number, number, bits(SPACES, (kind,)))

    def _outsider(self, actor: Seat) -> Operation | None:
        """Another process outside, in the session and group of one that is there, or leading its own."""
        actor = self.random.choice(self.outsiders)
        if actor.births is not actor.space:
            return ("enter", actor.number, 0)
        if len(self.outsiders) > 5:
            return None
        return ("outsider", actor.number, self._seat(), self.random.choice((0, 0, 1, 2)))

    def _wait(self, actor: Seat) -> Operation | None:
        roll = self.random.random()
        if roll < self.wrong:
            return ("wait", actor.number, self._anything(actor))
        zombies = [standing for standing in self.view.values() if standing.state == "zombie"]
        if zombies and roll < 0.8:
            zombie = self.random.choice(zombies)
            parent = self.seats[self.sitting[zombie.parent]] if zombie.parent else self.outsiders[0]
            if parent.outside and len(self.outsiders) > 1:
                parent = self.random.choice(self.outsiders)
            if not parent.outside and not self.view[zombie.parent].leading:
                return None
            return ("wait", parent.number, zombie.pids[max(parent.space.level, 0)])
        child = self._seen(actor, lambda standing: standing.parent == self._own(actor))
        return ("wait", actor.number, child) if child else None


def _counted_in(led: Seat) -> Space:
    """Return the innermost namespace that is kept from ending by those in the group of `led`: an init's own number counts not."""
    above = led.space.parent
    return above if above is not None and led.space.init == led.number else led.space


def _kept_waiting(led: Seat) -> list[int]:
    """Return the inits that cannot finish dying before every process has left the group of `led`."""
    space: Space | None = _counted_in(led)
    found: list[int] = []
    while space is not None and space.level >= 0:
        found.append(space.init)
        space = space.parent
    return found


def _number(argument: object) -> int:
    assert isinstance(argument, int)
    return argument


def _vector(argument: object) -> tuple[int, ...]:
    assert isinstance(argument, tuple)
    return argument
