"""Histories made of scenes: what programs usually do with processes, what no sane program does, and both at once.

It is another generator than `tests.generators.histories`, with another idea: a history is not a row of operations but of scenes.
A daemon, a pipeline, groups that are swapped, a process that enters a container and leaves children there, a chain of
subreapers that collapses: each is begun by a random living process, and cut short now and then. Numbers are given densely, so
that they are used again, or sparsely. Operations are those of `tests.generators.histories`, so that both kernels play them.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from random import Random
from typing import Final

from planner.kernel.deadlocks import ring_of
from planner.kernel.objects import LIVING, ZOMBIE, Namespace, Process
from tests.generators.histories import Answer, Operation
from tests.generators.histories_model import ModelPlayer

DEEPEST: Final = 6


class Cut(Exception):
    """A scene ends early."""


class Stage:
    """Plays scenes on the model kernel, and keeps what was done."""

    def __init__(self, random: Random, most: int = 30) -> None:
        self.random = random
        self.most = most
        self.player = ModelPlayer()
        self.history: list[Operation] = []
        self.seats: dict[Process, int] = {self.player.kernel.outside: 0}
        self.made = 0
        self.numbering = random.choice(("dense", "rising", "sparse", "tiny"))
        self.cuts = random.choice((0.0, 0.02, 0.1))
        self.kinds = random.sample(SCENES, random.randrange(2, len(SCENES) + 1))
        self.do("clone", 0, self._seat(), (1,), 1, 0, 17)
        self.root = self.player.processes[1]
        self.seats[self.root] = 1

    def run(self, operations: int) -> list[Operation]:
        """Play scenes until there are about so many operations."""
        idle = 0
        while len(self.history) < operations and idle < 200:
            before = len(self.history)
            scene = self.random.choice(self.kinds)
            with suppress(Cut):
                scene(self, self.any_process())
            idle = 0 if len(self.history) > before else idle + 1
        return self.history

    # One operation each; what the kernel refuses stays in the history.

    def do(self, *operation: object) -> Answer:
        made: Operation = operation  # type: ignore[assignment]
        self.history.append(made)
        return self.player.play(made)

    def _seat(self) -> int:
        self.made += 1
        return self.made

    def fork(self, actor: Process, *, nest: bool = False, sibling: bool = False, signal: int = 17) -> Process:
        """Let a process create a child where its children are born; the scene is cut where that fails."""
        if len(self.standing()) >= self.most or not self.acts(actor):
            raise Cut
        space = actor.births
        if space.level < 0 or (nest and space.level >= DEEPEST):
            raise Cut
        pids = self.vector(space)
        if nest:
            pids = (*pids, 1)
        seat = self._seat()
        answer = self.do("clone", self.seats[actor], seat, pids, int(nest), int(sibling), 0 if sibling else signal)
        if isinstance(answer, str):
            raise Cut
        child = self.player.processes[seat]
        self.seats[child] = seat
        if self.random.random() < self.cuts:
            raise Cut
        return child

    def vector(self, space: Namespace) -> tuple[int, ...]:
        """Choose free numbers for a child in a namespace."""
        pids: list[int] = []
        here: Namespace | None = space
        while here is not None and here.level >= 0:
            taken = here.numbers
            if self.numbering == "dense":
                number = next(number for number in range(2, 400) if number not in taken)
            elif self.numbering == "rising":
                number = max(max(taken, default=1), 1) + 1 + (self.random.random() < 0.2)
            else:
                most = 3 * self.most + 2 * len(taken) if self.numbering == "tiny" else 30000
                number = self.random.randrange(2, most)
                while number in taken:
                    number = self.random.randrange(2, most)
            pids.append(number)
            here = here.parent
        return tuple(pids[::-1])

    def setsid(self, actor: Process) -> None:
        if self.acts(actor) and actor is not self.player.kernel.outside:
            self.do("setsid", self.seats[actor])

    def group(self, actor: Process, target: Process, leader: Process | None = None, number: int = 0) -> None:
        """Let a process move itself or its child into the group of `leader`, of a number, or into its own."""
        if not self.acts(actor):
            return
        space = actor.namespace
        moved = target.pid.number_in(space)
        pid = target.pid if leader is None else leader.pid
        led = number or pid.number_in(space)
        found = space.numbers.get(led)
        if moved <= 0 or led <= 0 or found is None:
            return
        if ring_of(target, found):
            return  # The trap of the real kernel, which cannot be undone.
        self.do("setpgid", self.seats[actor], moved, led)

    def join(self, actor: Process, target: Process, member: Process) -> None:
        """Let a process move itself or its child into the group that another process is in, with any leader."""
        number = member.group.number_in(actor.namespace)
        if number > 0:
            self.group(actor, target, number=number)

    def flag(self, actor: Process, on: bool = True) -> None:
        if self.acts(actor) and actor is not self.player.kernel.outside:
            self.do("subreaper", self.seats[actor], int(on))

    def enter(self, actor: Process, space: Namespace) -> None:
        """Let a process's children be born in a namespace below."""
        init = space.init
        if not self.acts(actor) or init is None or init.state != LIVING or not space.within(actor.namespace):
            raise Cut
        if space is actor.namespace:
            self.do("enter", self.seats[actor], 0)
        else:
            self.do("enter", self.seats[actor], init.pid.number_in(actor.namespace))

    def back(self, actor: Process) -> None:
        if self.acts(actor) and actor.namespace.level >= 0:
            self.do("enter", self.seats[actor], 0)

    def end(self, process: Process, reaped: bool | None = None) -> None:
        """Let a process end, and its parent wait for it or not."""
        if not self.acts(process) or process is self.root or process is self.player.kernel.outside:
            return
        self.do("exit", self.seats[process], self.random.choice((0, 0, 0, 3, 255)))
        if reaped is None:
            reaped = self.random.random() < 0.75
        if reaped:
            self.reap(process)

    def reap(self, child: Process) -> None:
        parent = child.parent
        if child.state == ZOMBIE and child.pid.owner is child and self.acts(parent):
            self.do("wait", self.seats[parent], child.pid.number_in(parent.namespace))

    def kill(self, actor: Process, target: Process, signal: int = 9) -> None:
        number = target.pid.number_in(actor.namespace)
        if self.acts(actor) and number > 0 and target is not self.root:
            self.do("kill", self.seats[actor], number, signal)

    # Who there is.

    def standing(self) -> list[Process]:
        return list(self.player.kernel.processes())

    def acts(self, process: Process) -> bool:
        return process.state == LIVING and not process.main_ended

    def living(self) -> list[Process]:
        return [process for process in self.standing() if self.acts(process)]

    def any_process(self) -> Process:
        """Choose who begins a scene: mostly young people, now and then old ones."""
        living = self.living()
        if self.random.random() < 0.08 or not living:
            return self.player.kernel.outside
        if self.random.random() < 0.4:
            return self.random.choice(living[-4:])
        return self.random.choice(living)

    def spaces(self, actor: Process) -> list[Namespace]:
        """The namespaces with a living init that a process may enter, the own one left out."""
        inits = [process for process in self.living() if self.player.kernel.is_init(process)]
        return [
            init.namespace for init in inits if init.namespace is not actor.namespace and init.namespace.within(actor.namespace)
        ]

    def children(self, actor: Process) -> list[Process]:
        return [child for child in actor.children or () if child.namespace.level >= 0]

    def some(self, processes: list[Process], most: int = 3) -> list[Process]:
        return self.random.sample(processes, min(len(processes), self.random.randrange(1, most + 1)))

    def place(self, actor: Process) -> Iterator[Namespace]:
        """Yield a namespace to enter, if there is one; deep ones as likely as all others together."""
        spaces = self.spaces(actor)
        if spaces:
            yield max(spaces, key=lambda space: space.level) if self.random.random() < 0.5 else self.random.choice(spaces)


Scene = Callable[[Stage, Process], None]


def inside(stage: Stage, actor: Process) -> Process:
    """The actor, or a process in the container where the actor is outside."""
    return stage.root if actor is stage.player.kernel.outside else actor


def family(stage: Stage, actor: Process) -> None:
    """Some children, some of which have children."""
    actor = inside(stage, actor)
    for _ in range(stage.random.randrange(1, 4)):
        child = stage.fork(actor, signal=stage.random.choice((17, 17, 17, 0, 28)))
        if stage.random.random() < 0.4:
            stage.fork(child)


def generation(stage: Stage, actor: Process) -> None:
    """Every process has a child, the oldest first or last."""
    people = stage.living()
    if stage.random.random() < 0.5:
        people.reverse()
    for parent in people[: stage.random.randrange(1, 8)]:
        stage.fork(parent, sibling=parent is not stage.root and stage.random.random() < 0.2)


def daemon(stage: Stage, actor: Process) -> None:
    """Fork, setsid, fork again, and the parents leave in some order."""
    first = stage.fork(inside(stage, actor))
    if stage.random.random() < 0.3:
        stage.fork(first)
    stage.setsid(first)
    second = stage.fork(first)
    if stage.random.random() < 0.3:
        stage.setsid(second)
    for leaving in stage.random.sample([first, second], stage.random.randrange(0, 3)):
        stage.end(leaving)


def pipeline(stage: Stage, actor: Process) -> None:
    """A shell puts children into a group of the first; the first leaves, or ends, or is waited for later."""
    shell = inside(stage, actor)
    jobs = [stage.fork(shell) for _ in range(stage.random.randrange(2, 5))]
    leader = stage.random.choice(jobs)
    stage.group(stage.random.choice((shell, leader)), leader)
    for job in jobs:
        if job is not leader:
            stage.group(stage.random.choice((shell, job)), job, leader)
    for job in jobs:
        if stage.random.random() < 0.4:
            stage.fork(job)
    choice = stage.random.random()
    if choice < 0.3:
        stage.end(leader)
    elif choice < 0.6:
        stage.join(leader, leader, shell)
        if stage.random.random() < 0.5:
            stage.end(shell)


def swap(stage: Stage, actor: Process) -> None:
    """Leaders of groups swap them, or go around in a ring; others stay behind as anchors and leave."""
    shell = inside(stage, actor)
    ring = [stage.fork(shell) for _ in range(stage.random.randrange(2, 4))]
    anchors = []
    for one in ring:
        stage.group(stage.random.choice((one, shell)), one)
        anchors.append(stage.fork(one))
    for one, other in zip(ring, ring[1:] + ring[:1], strict=True):
        stage.group(stage.random.choice((one, shell)), one, other)
    for anchor in anchors:
        if stage.random.random() < 0.6:
            stage.end(anchor)
    for one in ring:
        if stage.random.random() < 0.3:
            stage.end(one, reaped=stage.random.random() < 0.5)


def trip(stage: Stage, actor: Process) -> None:
    """A process goes from group to group and has a child in each."""
    actor = inside(stage, actor)
    fellows = [other for other in stage.standing() if other.session is actor.session]
    for fellow in stage.some(fellows, 4):
        stage.join(actor, actor, fellow)
        if stage.random.random() < 0.6:
            stage.fork(actor)
    if stage.random.random() < 0.5:
        stage.group(actor, actor)
    if stage.random.random() < 0.3:
        stage.setsid(actor)
        stage.fork(actor)


def parents_hand(stage: Stage, actor: Process) -> None:
    """A parent, who may stand outside, puts its children into groups of the others' or into one's own."""
    children = [child for child in stage.children(actor) if child.state == LIVING]
    fellows = [other for other in stage.standing() if other.session is actor.session]
    for child in stage.some(children) if children else ():
        if stage.random.random() < 0.5 or not fellows:
            stage.group(actor, child)
        else:
            stage.join(actor, child, stage.random.choice(fellows))
        if stage.random.random() < 0.4:
            stage.fork(child)


def sessions_ring(stage: Stage, actor: Process) -> None:
    """Children are created in one session and then the parents lead one of their own; some are adopted by the other."""
    actor = inside(stage, actor)
    one = stage.fork(actor)
    if stage.random.random() < 0.5:
        stage.fork(one)
    stage.setsid(one)
    two = stage.fork(one)
    if stage.random.random() < 0.5:
        stage.fork(two)
    stage.setsid(two)
    stage.fork(two)
    if stage.random.random() < 0.5:
        stage.flag(actor)
        middle = stage.fork(one)
        three = stage.fork(middle)
        stage.setsid(three)
        stage.end(middle, reaped=True)
    if stage.random.random() < 0.5:
        stage.flag(two)
        helper = stage.fork(two)
        stage.fork(helper)
        stage.end(helper)
        stage.flag(two, on=False)


def nest(stage: Stage, actor: Process) -> None:
    """A new pid namespace with some people in it, or several, one in the other."""
    maker = inside(stage, actor)
    for _ in range(stage.random.randrange(1, 4)):
        sibling = maker is not stage.root and stage.random.random() < 0.2
        init = stage.fork(maker, nest=True, sibling=sibling)
        if stage.random.random() < 0.3:
            stage.setsid(init)
        for _ in range(stage.random.randrange(0, 3)):
            child = stage.fork(init)
            if stage.random.random() < 0.3:
                stage.setsid(child)
        maker = init if stage.random.random() < 0.6 else maker


def visit(stage: Stage, actor: Process) -> None:
    """A process enters a namespace below, has children there, perhaps goes back, perhaps ends; they have siblings."""
    for space in stage.place(actor):
        if stage.random.random() < 0.5 and actor.namespace.level >= 0:
            actor = stage.fork(actor)
        stage.enter(actor, space)
        children = [stage.fork(actor) for _ in range(stage.random.randrange(1, 3))]
        for child in children:
            choice = stage.random.random()
            if choice < 0.25:
                stage.fork(child, sibling=True, nest=stage.random.random() < 0.3)
            elif choice < 0.45:
                stage.setsid(child)
                stage.fork(child)
            elif choice < 0.6:
                stage.fork(child, nest=True)
            elif choice < 0.7:
                stage.group(actor, child)
        if actor.namespace.level >= 0 and stage.random.random() < 0.2:
            stage.fork(actor, sibling=True)
        choice = stage.random.random()
        if choice < 0.5 or actor is stage.player.kernel.outside:
            if actor.namespace.level >= 0:
                stage.back(actor)
        elif choice < 0.8:
            stage.end(actor)


def walk_down(stage: Stage, actor: Process) -> None:
    """One enters, its child enters from there further down, and so on; those above end."""
    walkers = []
    for _ in range(3):
        for space in stage.place(actor):
            stage.enter(actor, space)
            walkers.append(actor)
            actor = stage.fork(actor)
    stage.random.shuffle(walkers)
    for walker in walkers:
        if stage.random.random() < 0.5:
            stage.end(walker)


def moved_init(stage: Stage, actor: Process) -> None:
    """A nested init is put into groups by its parent above, and has children in each of them."""
    maker = inside(stage, actor)
    init = stage.fork(maker, nest=True)
    fellows = [other for other in stage.standing() if other.session is maker.session]
    for fellow in stage.some(fellows):
        stage.join(maker, init, fellow)
        stage.fork(init)
    if stage.random.random() < 0.4:
        stage.group(maker, init)
        stage.fork(init)
    if stage.random.random() < 0.4:
        stage.end(maker)


def collapse(stage: Stage, actor: Process) -> None:
    """A chain, some of it subreapers, of which the middle ends in any order."""
    chain = [inside(stage, actor)]
    for _ in range(stage.random.randrange(3, 7)):
        chain.append(stage.fork(chain[-1]))
        choice = stage.random.random()
        if choice < 0.3:
            stage.setsid(chain[-1])
        elif choice < 0.4:
            stage.group(chain[-1], chain[-1])
        if stage.random.random() < 0.35:
            stage.flag(chain[-1], on=stage.random.random() < 0.8)
    middle = chain[1:-1]
    stage.random.shuffle(middle)
    for one in middle[: stage.random.randrange(1, len(middle) + 1)]:
        stage.end(one)


def reparent(stage: Stage, actor: Process) -> None:
    """Parents of people in other namespaces end, with subreapers above them or without."""
    strangers = [
        other for other in stage.living() if other.parent.namespace is not other.namespace and other.parent.namespace.level >= 0
    ]
    for stranger in stage.some(strangers) if strangers else ():
        parent = stranger.parent
        if stage.random.random() < 0.5:
            above = parent.parent
            if above.namespace.level >= 0:
                stage.flag(above)
        if not stage.player.kernel.is_init(parent):
            stage.end(parent)


def flags(stage: Stage, actor: Process) -> None:
    """Subreapers come and go."""
    for one in stage.some(stage.living(), 4):
        stage.flag(one, on=stage.random.random() < 0.6)


def die(stage: Stage, actor: Process) -> None:
    """Some people end in any order, waited for or not."""
    people = [other for other in stage.living() if not stage.player.kernel.is_init(other)]
    for one in stage.some(people, 5) if people else ():
        stage.end(one)


def massacre(stage: Stage, actor: Process) -> None:
    """Half of all end; who leads goes first, or last."""
    people = [other for other in stage.living() if stage.random.random() < 0.5]
    people.sort(key=lambda other: other.leads_session, reverse=stage.random.random() < 0.5)
    for one in people:
        if not stage.player.kernel.is_init(one):
            stage.end(one, reaped=stage.random.random() < 0.8)


def ruin(stage: Stage, actor: Process) -> None:
    """A namespace dies, by its init or a signal from above; tasks with parents in ancestor namespaces are waited for or not."""
    inits = [other for other in stage.living() if stage.player.kernel.is_init(other) and other is not stage.root]
    if not inits:
        return
    init = stage.random.choice(inits)
    if stage.random.random() < 0.5:
        stage.end(init, reaped=False)
    else:
        stage.kill(stage.root, init)
    for zombie in [other for other in stage.standing() if other.state == ZOMBIE]:
        # A namespace that cannot die, for lack of a process that waits, cannot be checkpointed.
        if stage.random.random() < 0.95:
            stage.reap(zombie)


def burial(stage: Stage, actor: Process) -> None:
    """Zombies are waited for."""
    for zombie in [other for other in stage.standing() if other.state == ZOMBIE]:
        if stage.random.random() < 0.5:
            stage.reap(zombie)


def threads(stage: Stage, actor: Process) -> None:
    """A process gets threads; its leading one ends, or another; a thread has children or makes its process a subreaper."""
    actor = inside(stage, actor)
    if not stage.acts(actor) or actor.births is not actor.namespace or len(actor.threads or ()) > 3:
        return
    seats = []
    for _ in range(stage.random.randrange(1, 3)):
        seat = stage._seat()
        if not isinstance(stage.do("thread", stage.seats[actor], seat, stage.vector(actor.namespace)), str):
            seats.append(seat)
    for seat in seats:
        choice = stage.random.random()
        if choice < 0.2 and len(stage.standing()) < stage.most:
            child = stage._seat()
            if not isinstance(stage.do("clone", seat, child, stage.vector(actor.namespace), 0, 0, 17), str):
                stage.seats[stage.player.processes[child]] = child
        elif choice < 0.3:
            stage.do("subreaper", seat, 1)
        elif choice < 0.5:
            stage.do("end", seat, 0)
    if actor is not stage.root and stage.random.random() < 0.2:
        stage.do("end", stage.seats[actor], 5)


SCENES: Final[list[Scene]] = [
    family, generation, daemon, pipeline, swap, trip, parents_hand, sessions_ring, nest, visit, walk_down, moved_init,
    collapse, reparent, flags, die, massacre, ruin, burial, threads,
]  # fmt: skip


def scenes(seed: int | str, operations: int = 60, most: int = 30) -> list[Operation]:
    """Return the operations of a history made of scenes; equal seeds give equal histories."""
    return Stage(Random(f"scenes {seed}"), most).run(operations)
