"""Funnels: long wild histories of which few processes are left, played on the model kernel.

Most processes of a wild history stand as plain forks would have left them, so whatever is strange about its end is thinly spread.
Here a crowd lives through some hundred steps, and then most of it dies: in any order, those first of which nothing strange is
known, with subreapers that come and go and parents that do not wait. A handful is left whose creators, sessions, groups and
parents are nearly all gone or elsewhere, and it is planned in a millisecond, so that very many can be tried.

The weights of the acts change with moods, within a history too; a profile (`PROFILES`) presses one kind of act and leaves the
rest. Some acts are gestures of several steps: two leaders that change their groups, a child made far inside a namespace, an
orphan handed to an ancestor that is a subreaper for just so long.

A story is a list of steps that name processes by seats, in the order of their births, never by numbers: a missing
process does nothing, so any part of a story is a story, and a failing one is made small by leaving out steps and adding deaths
(`shrunk`). Forests that differ in numbers only have the same `shape`. The same forest is also told in other words (`TELLINGS`):
in another order, with namespaces named otherwise or not at all, with dead leaders known in part or not at all.

A `Garden` is made of many funnels: one below the other, it has whatever they have on all levels.

This has nothing in common with `tests.generators.histories` and `tests.generators.scenes`, and it does not use the planner.
"""

from collections.abc import Callable, Iterator, Sequence
from random import Random

import msgspec

from planner.events.records import AnyEvent, ImageClosed, NamespaceRecorded, PidRecorded, TaskNamespacesRecorded, TaskRecorded
from planner.identity import NamespaceId, Number, Pids
from planner.kernel.model import Kernel
from planner.kernel.objects import DYING, LIVING, ZOMBIE, Namespace, Pid, Process
from planner.kernel.rules import KernelError
from tests.generators.histories_model import image_events
from tests.helpers import shrinking

Seat = int
"""A process of a story; seat 0 is the process that builds the container, seat 1 its init."""

Step = tuple[object, ...]
"""A word, the seat that acts, and what the word needs; see `Stage`."""

STATUSES = (0, 256, 768, 9)


class Absent(Exception):
    """A process that a step names is not there, or the actor does not see it."""


class Stage:
    """Plays steps on the model kernel and keeps those that had an effect as `story`.

    The steps are `clone` (actor, child, vector, in a new namespace, as sibling), `setsid` (actor), `group` (actor, target,
    leader), `enter` (actor, whose namespace), `subreaper` (actor, on), `exec` (actor), `exit` (actor, status), `wait` (actor,
    child), `thread` (actor, thread, vector), `end-thread` (actor, thread), `end-leading` (actor, status).
    """

    def __init__(self, story: Sequence[Step] = ()) -> None:
        self.kernel = Kernel()
        self.cast: dict[Seat, Process] = {0: self.kernel.outside}
        self.threads: dict[Seat, tuple[Process, Pid]] = {}
        self.story: list[Step] = []
        for step in story:
            self.play(*step)

    def play(self, *step: object) -> bool:
        """Carry a step out; False where the kernel refuses it, or a process is missing."""
        word, seat, *rest = step
        try:
            actor = self._living(seat)
            if actor.main_ended and word != "end-thread":
                raise Absent
            WORDS[word](self, actor, *rest)
        except (KernelError, Absent):
            return False
        self.story.append(step)
        return True

    def _clone(self, actor: Process, seat: Seat, pids: Pids, new: bool, sibling: bool) -> None:
        if seat in self.cast or (actor is self.kernel.outside and (sibling or (new and self.kernel.container))):
            raise Absent
        self.cast[seat] = self.kernel.clone(actor, pids, new, sibling, 0 if sibling else 17)

    def _setsid(self, actor: Process) -> None:
        self.kernel.setsid(actor)

    def _group(self, actor: Process, moved: Seat, leader: Seat) -> None:
        target, group = self.cast.get(moved), self.cast.get(leader)
        if target is None or group is None:
            raise Absent
        number = 0 if target is actor else self._seen(actor, target.pid)
        self.kernel.setpgid(actor, number, 0 if group is target else self._seen(actor, group.pid))

    def _enter(self, actor: Process, owner: Seat) -> None:
        if owner == 0:
            raise Absent
        target = self._living(owner)
        self.kernel.enter(actor, 0 if target is actor else self._seen(actor, target.pid))

    def _subreaper(self, actor: Process, on: bool) -> None:
        self.kernel.set_subreaper(actor, on)

    def _exec(self, actor: Process) -> None:
        self.kernel.run(actor)

    def _exit(self, actor: Process, status: int) -> None:
        if actor is self.kernel.outside or actor is self.cast[1]:
            raise Absent
        self.kernel.exit(actor, status)

    def _wait(self, actor: Process, seat: Seat) -> None:
        child = self.cast.get(seat)
        if child is None or self.is_gone(child):
            raise Absent
        self.kernel.wait(actor, self._seen(actor, child.pid))

    def _thread(self, actor: Process, seat: Seat, pids: Pids) -> None:
        if seat in self.threads or actor is self.kernel.outside:
            raise Absent
        self.threads[seat] = actor, self.kernel.clone_thread(actor, pids)

    def _end_thread(self, actor: Process, seat: Seat) -> None:
        process, pid = self.threads.get(seat, (None, None))
        if process is not actor or pid is None or pid.owner is None:
            raise Absent
        self.kernel.exit_thread(actor, pid)

    def _end_leading(self, actor: Process, status: int) -> None:
        if actor is self.kernel.outside:
            raise Absent
        self.kernel.exit_leading_thread(actor, status)

    def _living(self, seat: object) -> Process:
        process = self.cast.get(seat) if isinstance(seat, int) else None
        if process is None or process.state != LIVING:
            raise Absent
        return process

    def _seen(self, actor: Process, pid: Pid) -> int:
        """Return the number of a pid object that the actor sees."""
        number = pid.number_in(actor.namespace)
        if not number or actor.namespace.numbers.get(number) is not pid:
            raise Absent
        return number

    def is_gone(self, process: Process) -> bool:
        """Whether a process was reaped."""
        return process.pid.owner is not process

    def image(self) -> list[AnyEvent]:
        """Return the image events of what stands; none where an init is dying, or could never end."""
        kernel = self.kernel
        if 1 not in self.cast or self.cast[1].state != LIVING or traps(kernel):
            return []
        if any(process.state == DYING for process in kernel.processes()):
            return []
        return image_events(kernel)


WORDS: dict[object, Callable[..., None]] = {
    "clone": Stage._clone,
    "setsid": Stage._setsid,
    "group": Stage._group,
    "enter": Stage._enter,
    "subreaper": Stage._subreaper,
    "exec": Stage._exec,
    "exit": Stage._exit,
    "wait": Stage._wait,
    "thread": Stage._thread,
    "end-thread": Stage._end_thread,
    "end-leading": Stage._end_leading,
}
"""What each word of a step does."""


def traps(kernel: Kernel) -> bool:
    """Tell whether inits wait for themselves or in a ring: one's namespace holds the number that leads the other's group."""
    inits = [process for process in kernel.processes() if kernel.is_init(process)]
    waits = {
        process: [other for other in inits if other.group is not other.pid and other.group.namespace.within(process.namespace)]
        for process in inits
    }
    while free := [process for process, others in waits.items() if not waits.keys() & set(others)]:
        for process in free:
            del waits[process]
    return bool(waits)


def strangeness(process: Process) -> int:
    """Return how much about a process is not what plain forks explain."""
    parent, pid, session, group = process.parent, process.pid, process.session, process.group
    crossing = any(child.session not in (session, child.pid) for child in process.children or ())
    entered = process.namespace is not parent.namespace and process.namespace.init is not process
    return (
        3 * (session not in (parent.session, pid))
        + 3 * crossing
        + (group not in (parent.group, pid))
        + 2 * (not group.number_in(process.namespace))
        + (not session.number_in(process.namespace))
        + (group.owner is None)
        + (session.owner is None)
        + 2 * (entered or process.namespace.level > parent.namespace.level + 1)
        + (pid.members > 1)
        + (pid.sessions > 1)
        - (process.namespace.init is process)
    )


ACTS = {
    "fork": 10.0,
    "nest": 3.0,
    "brother": 4.0,
    "nested_brother": 1.5,
    "enter": 3.0,
    "leave": 2.0,
    "visit": 4.0,
    "session": 4.0,
    "own_group": 4.0,
    "join": 6.0,
    "child_to_own": 3.0,
    "child_to_group": 6.0,
    "init_to_group": 2.0,
    "swap": 1.0,
    "reaper": 1.5,
    "no_reaper": 1.5,
    "die": 3.0,
    "die_waited": 5.0,
    "orphan": 2.0,
    "reap": 3.0,
    "reap_all": 1.0,
    "thread": 0.3,
    "end_leading": 0.1,
    "end_thread": 0.1,
    "exec": 0.1,
    "namespace_death": 0.4,
}
"""What a process may do, each a method of `Funnel`, and how often in no particular mood."""

PROFILES: dict[str, dict[str, float]] = {
    "mixture": {},
    "groups": {
        "join": 3,
        "own_group": 3,
        "swap": 8,
        "child_to_group": 3,
        "child_to_own": 2,
        "nest": 2,
        "session": 0.2,
        "visit": 2,
    },
    "inits": {"nest": 4, "init_to_group": 6, "child_to_group": 3, "child_to_own": 2, "own_group": 2, "nested_brother": 3},
    "sessions": {"session": 3, "brother": 4, "orphan": 3, "fork": 1.5, "nest": 0.2, "join": 0.3, "own_group": 0.3},
    "deep sessions": {"session": 3, "brother": 4, "orphan": 3, "visit": 3, "nest": 1.5, "join": 0.3, "own_group": 0.3},
    "entries": {"visit": 5, "enter": 2, "nest": 2, "child_to_own": 2, "child_to_group": 3, "nested_brother": 2},
    "siblings": {"brother": 6, "nested_brother": 8, "visit": 3, "nest": 2, "session": 1.5, "join": 1.5},
    "invisible": {"nest": 3, "visit": 4, "join": 2, "own_group": 2, "swap": 4, "child_to_group": 3, "init_to_group": 3},
    "tower": {"nest": 8, "visit": 4, "nested_brother": 3, "own_group": 2, "join": 2, "init_to_group": 2},
    "zombies": {"die": 6, "die_waited": 0.3, "reap": 0.5, "reap_all": 0.2},
    "deaths": {"namespace_death": 8, "nest": 3, "visit": 2, "die": 2},
    "reapers": {"reaper": 4, "no_reaper": 3, "orphan": 8, "session": 2, "visit": 2},
    "threads": {"thread": 15, "end_leading": 15, "end_thread": 8},
}
"""By how much each profile presses which acts."""


class Funnel:
    """A random history of a profile, with what is left of it on `stage`; equal seeds give equal histories.

    `survivors` is how many processes may be left; by default a handful.
    """

    def __init__(self, seed: int | str, profile: str = "mixture", survivors: int = 0) -> None:
        self.random = random = Random(f"{profile} {seed}")
        self.stage = Stage()
        self.press = PROFILES[profile]
        self.survivors = survivors or random.randint(3, 10)
        self.most = max(random.choice((8, 14, 25, 40)), 2 * survivors)
        self.levels = 8 if profile == "tower" else random.choice((1, 2, 2, 3, 3, 4, 6))
        self.reuse = random.choice((0, 0.3, 0.8))
        """How often a nested number is one of the low ones that are free, instead of the next."""
        self.wildness = random.choice((0.5, 1, 1.5))
        self.taste = random.choice((0, 0.3, 0.6, 0.9))
        """How often those die first that have nothing strange."""
        self.highest: dict[Namespace, int] = {}
        self.seats = 1
        self._look()
        self._clone(0, new=True)
        if random.random() < 0.8:
            self.stage.play("setsid", 1)
        self._live(max(random.choice((60, 120, 200, 300, 400)), 6 * survivors))

    # The course of a history.

    def _live(self, steps: int) -> None:
        random = self.random
        rounds = random.choice((1, 1, 2, 3))
        noise = random.choice((0, 0.1, 0.3))
        for left in reversed(range(rounds)):
            self._crowd(steps // rounds)
            self._die_down(random.randint(3, 10) if left else self.survivors, noise)
        self._settle()
        zombies = 0.9 if "die" in self.press else random.choice((0, 0, 0.1, 0.4))
        self._look()
        for seat in self._zombies():
            if random.random() >= zombies:
                self._wait_for(seat)
        for seat in self.inside:
            if self.cast[seat].subreaper and random.random() < 0.5:
                self.stage.play("subreaper", seat, False)
        self._settle()

    def _mood(self) -> list[float]:
        """Return weights of the acts for a while: some are out of the question, some have their day."""
        out = 0.15 * self.wildness
        return [
            0.0
            if self.random.random() < out and act != "fork"
            else weight * self.press.get(act, 1) * 2.718 ** self.random.gauss(0, self.wildness)
            for act, weight in ACTS.items()
        ]

    def _act(self, mood: list[float]) -> None:
        getattr(self, self.random.choices(tuple(ACTS), mood)[0])()

    def _crowd(self, steps: int) -> None:
        mood, lasts = self._mood(), 0
        for _ in range(steps):
            if not lasts:
                mood, lasts = self._mood(), self.random.randint(10, 70)
            lasts -= 1
            self._look()
            if not self.inside:
                return
            self._act(mood)

    def _die_down(self, survivors: int, noise: float) -> None:
        """Let processes die until few are left, with an act in between now and then."""
        random, mood = self.random, self._mood()
        leaders, inner, waited = random.random(), random.random(), random.choice((1, 1, 0.9, 0.6))
        for _ in range(10 * self.most):
            self._look()
            if len(self.inside) <= survivors:
                return
            if random.random() < noise:
                self._act(mood)
                continue
            inits = self._nested_inits()
            empty = [seat for seat in inits if len(self.cast[seat].namespace.numbers) == 1 or random.random() < 0.05]
            mortals = self._mortals() + empty or inits
            if not mortals:
                return
            if random.random() < self.taste:
                seat = min(random.sample(mortals, min(len(mortals), 4)), key=lambda seat: strangeness(self.cast[seat]))
            else:
                seat = random.choice(mortals)
            for _ in range(random.choice((0, 2))):
                process = self.cast[seat]
                leads = process.pid.members > 1 or process.pid.sessions > 1
                if (random.random() < leaders and not leads) or (random.random() < inner and not process.children):
                    seat = random.choice(mortals)
            line = self._line(seat)
            if line and random.random() < 0.15:
                self.stage.play("subreaper", random.choice(line), random.random() < 0.7)
            self._end(seat, random.random() < waited)
            if seat in inits:
                self._settle()

    # Who is there.

    def _look(self) -> None:
        """See who lives: `inside` are those who can act in the container."""
        self.cast = self.stage.cast
        self.inside = [seat for seat, process in self.cast.items() if seat and process.state == LIVING and not process.main_ended]
        self.seat_of = {process: seat for seat, process in self.cast.items()}

    def _anyone(self) -> Seat:
        """Choose the actor: now and then the process outside."""
        return 0 if self.random.random() < 0.1 else self._one()

    def _one(self) -> Seat:
        return self.random.choice(self.inside)

    def _mortals(self) -> list[Seat]:
        return [seat for seat in self.inside if not self.stage.kernel.is_init(self.cast[seat])]

    def _nested_inits(self) -> list[Seat]:
        return [seat for seat in self.inside if self.stage.kernel.is_init(self.cast[seat]) and self.cast[seat].namespace.level]

    def _zombies(self) -> list[Seat]:
        return [seat for seat, process in self.cast.items() if process.state == ZOMBIE and not self.stage.is_gone(process)]

    def _line(self, seat: Seat) -> list[Seat]:
        """Return the ancestors that might adopt a process's orphans."""
        process, line = self.cast[seat], []
        ancestor = process.parent
        while ancestor.namespace is process.namespace and process.namespace.level >= 0:
            line.append(self.seat_of[ancestor])
            ancestor = ancestor.parent
        return line

    def _doors(self, seat: Seat) -> list[Seat]:
        """Return who lives in a namespace that a process can enter."""
        own = self.cast[seat].namespace
        spaces = ((other, self.cast[other].namespace) for other in self.inside)
        return [other for other, space in spaces if space is not own and space.within(own)]

    def _children(self, seat: Seat) -> list[Seat]:
        """Return the children that a process might move to another group."""
        process = self.cast[seat]
        return [
            self.seat_of[child]
            for child in process.children or ()
            if child.state == LIVING and child.session is process.session and not child.leads_session
        ]

    def _groups(self, seat: Seat, moved: Seat) -> list[Seat]:
        """Return the leaders, dead ones too, of the groups that a process sees in its session and that do not trap `moved`."""
        process, target = self.cast[seat], self.cast[moved]
        groups = dict.fromkeys(other.group for other in self.stage.kernel.processes() if other.session is process.session)
        seats = {other.pid: at for at, other in self.cast.items()}
        own = target.namespace if self.stage.kernel.is_init(target) else None
        return [
            seats[group]
            for group in groups
            if group in seats and group.number_in(process.namespace) and (own is None or not group.namespace.within(own))
        ]

    # Numbers.

    def _clone(self, seat: Seat, new: bool = False, sibling: bool = False) -> Seat:
        """Let a process have a child, and return its seat; 0 where it has none."""
        process = self.cast[seat]
        if new and process.births is not process.namespace:
            self.stage.play("enter", seat, seat)
        space = process.births
        if len(self.inside) >= self.most or (new and space.level + 1 >= self.levels):
            return 0
        pids = self._vector(space) + ((Number(1),) if new else ())
        child, self.seats = self.seats, self.seats + 1
        return child if self.stage.play("clone", seat, child, pids, new, sibling) else 0

    def _vector(self, space: Namespace | None) -> Pids:
        pids: list[Number] = []
        while space is not None and space.level >= 0:
            pids.append(Number(self._number(space)))
            space = space.parent
        return tuple(reversed(pids))

    def _number(self, space: Namespace) -> int:
        used, random = space.numbers, self.random
        if space.level and random.random() < self.reuse:
            number = random.randint(2, 2 + 2 * len(used))
        else:
            number = self.highest.get(space, 1) + 1 + (random.randint(1, 5) if random.random() < 0.1 else 0)
        while number in used:
            number += 1
        self.highest[space] = max(number, self.highest.get(space, 1))
        return number

    # The acts.

    def fork(self) -> None:
        self._clone(self._one())

    def nest(self) -> None:
        self._clone(self._one(), new=True)

    def brother(self) -> None:
        self._clone(self._one(), sibling=True)

    def nested_brother(self) -> None:
        self._clone(self._one(), new=True, sibling=True)

    def enter(self) -> None:
        seat = self._anyone()
        if doors := self._doors(seat):
            self.stage.play("enter", seat, self.random.choice(doors))

    def leave(self) -> None:
        seat = self._one()
        self.stage.play("enter", seat, seat)

    def visit(self) -> None:
        """A child is made in a namespace further in, and its creator goes back, mostly."""
        seat = self._anyone()
        if doors := self._doors(seat):
            self.stage.play("enter", seat, self.random.choice(doors))
            self._clone(seat, sibling=self.random.random() < 0.2)
            if seat and self.random.random() < 0.8:
                self.stage.play("enter", seat, seat)

    def session(self) -> None:
        free = [seat for seat in self.inside if not self.cast[seat].leads_session and not self.cast[seat].pid.members]
        if free:
            seat = self.random.choice(free)
            self.stage.play("setsid", seat)
            if self.random.random() < 0.3:
                self._clone(seat)

    def own_group(self) -> None:
        seat = self._one()
        self.stage.play("group", seat, seat, seat)

    def join(self) -> None:
        free = [seat for seat in self.inside if not self.cast[seat].leads_session]
        if free:
            seat = self.random.choice(free)
            self._move(seat, seat)

    def child_to_own(self) -> None:
        seat = self._anyone()
        if children := self._children(seat):
            child = self.random.choice(children)
            self.stage.play("group", seat, child, child)

    def child_to_group(self) -> None:
        seat = self._anyone()
        if children := self._children(seat):
            self._move(seat, self.random.choice(children))

    def init_to_group(self) -> None:
        """A nested init comes into a group that it may not see, and has a child there, maybe."""
        inits = [seat for seat in self._nested_inits() if not self.cast[seat].leads_session]
        if inits:
            seat = self.random.choice(inits)
            self._move(self.seat_of[self.cast[seat].parent], seat)
            if self.random.random() < 0.5:
                self._clone(seat)

    def _move(self, seat: Seat, moved: Seat) -> None:
        if groups := self._groups(seat, moved):
            self.stage.play("group", seat, moved, self.random.choice(groups))

    def swap(self) -> None:
        """Two leaders change their groups, each of which a child holds meanwhile."""
        own = [seat for seat in self.inside if self.cast[seat].group is self.cast[seat].pid]
        if len(own) < 2:
            return
        pair = self.random.sample(own, 2)
        holders = [self._clone(seat) for seat in pair]
        self._look()
        for seat, leader in (pair, reversed(pair)):
            self.stage.play("group", seat, seat, leader)
        for holder in holders:
            if holder and self.random.random() < 0.7:
                self._end(holder, waited=True)

    def reaper(self) -> None:
        self.stage.play("subreaper", self._one(), True)

    def no_reaper(self) -> None:
        on = [seat for seat in self.inside if self.cast[seat].subreaper]
        if on:
            self.stage.play("subreaper", self.random.choice(on), False)

    def _end(self, seat: Seat, waited: bool) -> None:
        self.stage.play("exit", seat, self.random.choice(STATUSES))
        if waited:
            self._wait_for(seat)

    def _wait_for(self, seat: Seat) -> bool:
        return self.stage.play("wait", self.seat_of[self.cast[seat].parent], seat)

    def die(self) -> None:
        if mortals := self._mortals():
            self._end(self.random.choice(mortals), waited=False)

    def die_waited(self) -> None:
        if mortals := self._mortals():
            self._end(self.random.choice(mortals), waited=True)

    def orphan(self) -> None:
        """An ancestor is a subreaper for as long as a parent needs to die."""
        parents = [seat for seat in self._mortals() if self.cast[seat].children]
        if not parents:
            return
        seat = self.random.choice(parents)
        ancestor = self.random.choice(self._line(seat) or [0])
        if not ancestor or self.cast[ancestor].subreaper:
            self._end(seat, waited=True)
            return
        self.stage.play("subreaper", ancestor, True)
        self._end(seat, waited=self.random.random() < 0.8)
        if self.random.random() < 0.8:
            self.stage.play("subreaper", ancestor, False)

    def reap(self) -> None:
        if zombies := self._zombies():
            self._wait_for(self.random.choice(zombies))

    def reap_all(self) -> None:
        for seat in self._zombies():
            self._wait_for(seat)

    def thread(self) -> None:
        seat = self._one()
        if self.stage.play("thread", seat, self.seats, self._vector(self.cast[seat].namespace)):
            self.seats += 1

    def end_leading(self) -> None:
        if threads := list(self.stage.threads.values()):
            self.stage.play("end-leading", self.seat_of[self.random.choice(threads)[0]], 256)

    def end_thread(self) -> None:
        if threads := list(self.stage.threads.items()):
            thread, (process, _) = self.random.choice(threads)
            self.stage.play("end-thread", self.seat_of[process], thread)

    def exec(self) -> None:
        self.stage.play("exec", self._one())

    def namespace_death(self) -> None:
        if inits := self._nested_inits():
            self._end(self.random.choice(inits), waited=self.random.random() < 0.7)
            self._settle()

    def _settle(self) -> None:
        """Reap whatever keeps inits from ending."""
        moved = True
        while moved:
            self._look()
            dying = [process.namespace for process in self.stage.kernel.processes() if process.state == DYING]
            held = [seat for seat in self._zombies() if any(self.cast[seat].namespace.within(space) for space in dying)]
            moved = any(self._wait_for(seat) for seat in held)


class Garden:
    """Funnels' ends in one container: their stories are played again, each by a process that takes the place of the outside.

    A story's container is a pid namespace below its host, and hosts are found among those who were left of earlier stories, so
    that whatever a funnel leaves is there many times, at all levels, in sessions and groups from further out.
    """

    def __init__(self, seed: int | str, tasks: int, levels: int = 12) -> None:
        self.random = Random(f"garden {seed}")
        self.stage = Stage()
        self.levels = levels
        self.seats = 1
        self.highest: dict[Namespace, int] = {}
        self._clone(0, new=True)
        self.stage.play("setsid", 1)
        container = self.stage.kernel.container
        assert container is not None
        hosts = [1]
        profiles = tuple(PROFILES)
        for place in range(tasks):
            if len(container.numbers) >= tasks:
                break
            host = self.random.choice(hosts[-self.random.choice((20, 1000)) :])
            process = self.stage.cast[host]
            if process.state == LIVING and process.births is process.namespace and process.namespace.level < levels - 6:
                stage = Funnel(f"{seed} {place}", self.random.choice(profiles)).stage
                if stage.image():
                    hosts += self._plant(stage.story, host)

    def _plant(self, story: Sequence[Step], host: Seat) -> list[Seat]:
        """Play a story below a host, threads apart, and return the seats of those who live at its end."""
        seats = {0: host}
        for word, seat, *rest in story:
            actor = seats.get(seat)  # type: ignore[call-overload]
            if actor is None or (actor == host and word in ("setsid", "subreaper", "exec", "exit")):
                continue
            match word, rest:
                case "clone", (int(child), _, bool(new), bool(sibling)):
                    if found := self._clone(actor, new, sibling):
                        seats[child] = found
                case "group", (int(moved), int(leader)):
                    if moved in seats and leader in seats:
                        self.stage.play("group", actor, seats[moved], seats[leader])
                case "enter" | "wait", (int(other),):
                    if other in seats:
                        self.stage.play(word, actor, seats[other])
                case "setsid" | "exec", ():
                    self.stage.play(word, actor)
                case "subreaper" | "exit", (what,):
                    self.stage.play(word, actor, what)
        self.stage.play("enter", host, host)
        return [seat for seat in seats.values() if seat != host and self.stage.cast[seat].state == LIVING]

    def _clone(self, seat: Seat, new: bool = False, sibling: bool = False) -> Seat:
        process = self.stage.cast[seat]
        if new and process.births is not process.namespace:
            self.stage.play("enter", seat, seat)
        pids: list[Number] = [Number(1)] if new else []
        space: Namespace | None = process.births
        if space is not None and space.level + new >= self.levels:
            return 0
        while space is not None and space.level >= 0:
            number = self.highest[space] = self.highest.get(space, 1) + 1
            pids.insert(0, Number(number))
            space = space.parent
        child, self.seats = self.seats, self.seats + 1
        return child if self.stage.play("clone", seat, child, tuple(pids), new, sibling) else 0


def shrunk(story: Sequence[Step], fails: Callable[[list[AnyEvent]], bool]) -> list[Step]:
    """Leave out of a story whatever is not needed for `fails` to be true of its image, and add deaths that leave less to see."""

    def still(steps: list[Step]) -> list[Step]:
        stage = Stage(steps)
        image = stage.image()
        return stage.story if image and fails(image) else []

    return shrinking.shrunk(story, still, _endings)


def _endings(story: Sequence[Step]) -> Iterator[list[Step]]:
    stage = Stage(story)
    seats = {process: seat for seat, process in stage.cast.items()}
    for seat, process in stage.cast.items():
        if process.state == LIVING and not stage.kernel.is_init(process):
            yield [("exit", seat, 0), ("wait", seats[process.parent], seat)]


def shape(kernel: Kernel) -> int:
    """Return a number that is the same for forests that differ in numbers and order only, by refining colours."""
    processes = list(kernel.processes())
    pids = dict.fromkeys(pid for process in processes for pid in (process.pid, process.session, process.group))
    colours = {pid: hash((pid.namespace.level, pid.members, pid.sessions, _look_of(pid.owner))) for pid in pids}
    for _ in range(4):
        crowds: dict[Namespace | None, int] = {}
        borne = dict.fromkeys(pids, 0)
        for process in processes:
            colour = colours[process.pid]
            space: Namespace | None = process.namespace
            while space is not None:
                crowds[space] = crowds.get(space, 0) + hash((colour, process.namespace.level))
                space = space.parent
            for role, pid in enumerate((process.session, process.group, process.parent.pid)):
                borne[pid] = borne.get(pid, 0) + hash((role, colour))
        following: dict[Pid, int] = {}
        for pid in pids:
            owner = pid.owner
            above = (owner.parent.pid, owner.session, owner.group) if owner else ()
            following[pid] = hash(
                (colours[pid], borne[pid], crowds.get(pid.namespace), *(colours.get(other, 0) for other in above))
            )
        colours = following
    return hash(tuple(sorted(colours.values())))


def _look_of(process: Process | None) -> object:
    if process is None:
        return ()
    is_init = process.namespace.init is process
    return process.state == ZOMBIE, process.subreaper, is_init, len(process.threads or ()), process.main_ended


# The same forest in other words.


def in_another_order(image: Sequence[AnyEvent], random: Random) -> list[AnyEvent]:
    """Return an image whose tasks stand in any order, children before their parents too; each keeps what follows it, or not."""
    blocks: list[list[AnyEvent]] = []
    together = random.random() < 0.5
    for event in image[1:-1]:
        if isinstance(event, TaskRecorded | NamespaceRecorded | PidRecorded) or not together:
            blocks.append([event])
        else:
            blocks[-1].append(event)
    random.shuffle(blocks)
    return [image[0], *(event for block in blocks for event in block), image[-1]]


def with_other_identities(image: Sequence[AnyEvent], random: Random) -> list[AnyEvent]:
    """Return an image whose pid namespaces, but for the root's, have any numbers."""
    spaces = [event.id for event in image if isinstance(event, NamespaceRecorded) and event.kind == "pid"]
    names = {space: NamespaceId(name) for space, name in zip(spaces, random.sample(range(1, 1000), len(spaces)), strict=True)}
    told: list[AnyEvent] = []
    for event in image:
        if isinstance(event, NamespaceRecorded) and event.kind == "pid":
            told.append(msgspec.structs.replace(event, id=names[event.id], parent=names.get(event.parent, event.parent)))
        elif isinstance(event, TaskNamespacesRecorded):
            space = event.namespaces["pid"]
            told.append(msgspec.structs.replace(event, namespaces={**event.namespaces, "pid": names.get(space, space)}))
        else:
            told.append(event)
    return told


def without_identities(image: Sequence[AnyEvent], random: Random) -> list[AnyEvent]:
    """Return an image that names no pid namespace."""
    return [event for event in image if not isinstance(event, NamespaceRecorded | TaskNamespacesRecorded)]


def with_some_identities(image: Sequence[AnyEvent], random: Random) -> list[AnyEvent]:
    """Return an image that says only of some tasks which pid namespace they are in."""
    return [event for event in image if not isinstance(event, TaskNamespacesRecorded) or random.random() < 0.5]


def with_fewer_leaders(image: Sequence[AnyEvent], random: Random) -> list[AnyEvent]:
    """Return an image that knows dead leaders less deeply, only some of them, or none."""
    told: list[AnyEvent] = []
    unknown, shorter = random.choice(((1, 0), (0.5, 0), (0, 0.6)))
    for event in image:
        if isinstance(event, PidRecorded):
            if random.random() < unknown:
                continue
            if random.random() < shorter:
                known = event.numbers[: random.randint(1, len(event.numbers))]
                event = msgspec.structs.replace(event, numbers=known, complete=False)
        told.append(event)
    return told


def with_next_to_nothing(image: Sequence[AnyEvent], random: Random) -> list[AnyEvent]:
    """Return an image in any order that names no namespace and not all dead leaders."""
    return in_another_order(with_fewer_leaders(without_identities(image, random), random), random)


TELLINGS: dict[str, Callable[[Sequence[AnyEvent], Random], list[AnyEvent]]] = {
    telling.__name__.replace("_", " "): telling
    for telling in (
        in_another_order,
        with_other_identities,
        without_identities,
        with_some_identities,
        with_fewer_leaders,
        with_next_to_nothing,
    )
}


def tasks_in(image: Sequence[AnyEvent]) -> int:
    """Return how many processes an image holds."""
    closed = image[-1]
    assert isinstance(closed, ImageClosed)
    return closed.tasks
