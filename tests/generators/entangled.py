"""Histories that entangle sessions and groups: leaders with children from before their setsid, moved about by deaths.

The scenes of `tests.generators.scenes` are what programs do. The ones here have one aim: that few processes lean on each other in
many ways. A leader to be is left by a helper that dies, so that leaders come to stand beside each other; between birth and setsid
it has children, and some of those are leaders to be themselves; leaders die and are adopted away by ancestors that are subreapers
for that moment; others enter a namespace and leave children there. What comes out is reached by construction.
"""

from collections.abc import Callable
from contextlib import suppress
from random import Random

import msgspec

from planner.events.records import AnyEvent, TaskRecorded
from planner.kernel.objects import Process
from tests.generators.histories import Operation
from tests.generators.scenes import Cut, Stage


class Shape(msgspec.Struct, frozen=True):
    """How large a tangle is to be, and what it is made of."""

    leaders: int = 4
    most: int = 14
    """Processes that stand at once."""
    levels: int = 1
    groups: bool = False
    zombies: bool = False
    dead: bool = False
    outside: bool = False
    """Whether the executor's session and group are the init's, too."""


SHAPES = {
    "chains": Shape(leaders=5, most=16),
    "many leaders": Shape(leaders=9, most=28, dead=True),
    "dead leaders": Shape(leaders=5, most=16, dead=True),
    "two levels": Shape(leaders=4, most=14, levels=2, dead=True),
    "three levels": Shape(leaders=4, most=14, levels=3),
    "groups": Shape(leaders=3, most=13, levels=2, groups=True, outside=True),
    "zombies": Shape(leaders=4, most=14, levels=2, zombies=True, dead=True),
    "all": Shape(leaders=5, most=17, levels=3, groups=True, zombies=True, dead=True, outside=True),
}


class Tangle(Stage):
    """Plays a tangle on the model kernel."""

    def __init__(self, random: Random, shape: Shape) -> None:
        super().__init__(random, most=shape.most)
        self.shape = shape
        self.cuts = 0.0
        self.led = 0
        if not (shape.outside and random.random() < 0.6):
            self.setsid(self.root)

    def tangle(self) -> list[Operation]:
        """Play scenes until all leaders have been led and a few more operations are done."""
        scenes = [*SCENES, *([group_child] * 2 if self.shape.groups else []), *([nest, visit] if self.shape.levels > 1 else [])]
        for _ in range(12 * self.shape.leaders):
            if self.led >= self.shape.leaders or len(self.standing()) >= self.most:
                break
            with suppress(Cut):
                self.random.choice(scenes)(self, self.random.choice(self.living()))
        self.close()
        return self.history

    def close(self) -> None:
        """Let some die last: those in between, a leader where leaders may be dead, zombies where there may be some."""
        for process in self.living():
            if self.random.random() < 0.25 and (self.shape.dead or not process.leads_session):
                adopted_away(self, process)
        if self.shape.zombies:
            for process in self.some(self.living(), 2):
                if not self.player.kernel.is_init(process):
                    self.end(process, reaped=False)

    def line(self, process: Process) -> list[Process]:
        """Return those above a process who may adopt what it leaves."""
        line: list[Process] = []
        here = process.parent
        while here.namespace is process.namespace:
            line.append(here)
            here = here.parent
        return line


def hands_on(stage: Tangle, actor: Process) -> Process:
    """Leave a grandchild to an ancestor, or to the init, and return it; half the time it stays with the actor."""
    if stage.random.random() < 0.4:
        return stage.fork(actor)
    between = stage.fork(actor)
    child = stage.fork(between)
    adopted_away(stage, between)
    return child


def adopted_away(stage: Tangle, process: Process) -> None:
    """End a process; some ancestor is a subreaper just then."""
    if process is stage.root or stage.player.kernel.is_init(process) or process not in stage.living():
        return
    line = stage.line(process)
    adopter = stage.random.choice(line) if line and stage.random.random() < 0.6 else None
    if adopter is not None:
        stage.flag(adopter)
    stage.end(process, reaped=True)
    if adopter is not None:
        stage.flag(adopter, on=False)


def leader(stage: Tangle, actor: Process) -> None:
    """A child or an adopted orphan has children before its setsid and after it; some become leaders, too."""
    new = hands_on(stage, actor)
    waiting = [new]
    while waiting and stage.random.random() < 0.75:
        young = hands_on(stage, stage.random.choice(waiting))
        if stage.random.random() < 0.6:
            waiting.append(young)
    stage.random.shuffle(waiting)
    for one in waiting:
        if stage.led < stage.shape.leaders and stage.random.random() < 0.8:
            stage.setsid(one)
            stage.led += 1
        if stage.random.random() < 0.5:
            hands_on(stage, one)


def member(stage: Tangle, actor: Process) -> None:
    """A member of a session comes to stand somewhere else."""
    hands_on(stage, actor)


def sibling(stage: Tangle, actor: Process) -> None:
    """A process creates its own sibling."""
    if stage.player.kernel.is_init(actor):
        raise Cut
    stage.fork(actor, sibling=True)


def late_leader(stage: Tangle, actor: Process) -> None:
    """One that has children by now leads a session of its own."""
    if actor.leads_session or stage.led >= stage.shape.leaders or actor is stage.root:
        raise Cut
    stage.setsid(actor)
    stage.led += 1


def death(stage: Tangle, actor: Process) -> None:
    """One with children dies, leaders only where they may be dead."""
    if actor.children and (stage.shape.dead or not actor.leads_session):
        adopted_away(stage, actor)


def nest(stage: Tangle, actor: Process) -> None:
    """An init of a new namespace, as a child or as a sibling, with a child or two."""
    if actor.namespace.level + 1 >= stage.shape.levels or actor.births is not actor.namespace:
        raise Cut
    init = stage.fork(actor, nest=True, sibling=not stage.player.kernel.is_init(actor) and stage.random.random() < 0.2)
    if stage.random.random() < 0.3:
        stage.setsid(init)
    for _ in range(stage.random.randrange(0, 3)):
        hands_on(stage, init)


def visit(stage: Tangle, actor: Process) -> None:
    """A helper enters a namespace below and has children there, who stay its own, come to the init, or come to its parent."""
    helper = stage.fork(actor)
    for space in stage.place(helper):
        stage.enter(helper, space)
        child = stage.fork(helper)
        if stage.random.random() < 0.5:
            stage.fork(child)
            adopted_away(stage, child)
        if stage.random.random() < 0.3:
            stage.setsid(child)
    if stage.random.random() < 0.6:
        adopted_away(stage, helper)


def group_child(stage: Tangle, actor: Process) -> None:
    """A process, or its child, makes a group or comes into another one of the session, and has a child there."""
    target = actor if stage.random.random() < 0.6 else stage.random.choice(stage.children(actor) or [actor])
    fellows = [other for other in stage.standing() if other.session is actor.session]
    if stage.random.random() < 0.5 or not fellows:
        stage.group(actor, target)
    else:
        stage.join(actor, target, stage.random.choice(fellows))
    if stage.random.random() < 0.6:
        hands_on(stage, target)


SCENES: list[Callable[[Tangle, Process], None]] = [leader, leader, leader, member, member, sibling, late_leader, death]


def entangled(seed: int | str, shape: Shape) -> list[Operation]:
    """Return a history that entangles; equal seeds give equal ones."""
    return Tangle(Random(f"tangle {seed}"), shape).tangle()


def changed(image: list[AnyEvent], random: Random) -> list[AnyEvent]:
    """Return an image in which a few tasks have another parent, session or group; whether a history reaches it is open."""
    events = list(image)
    places = [place for place, event in enumerate(events) if isinstance(event, TaskRecorded)]
    tasks = [event for event in events if isinstance(event, TaskRecorded)]
    led = {task.session for task in tasks}
    for _ in range(random.choice((1, 2, 3, 5))):
        place = random.choice(places[1:] or places)
        task = events[place]
        assert isinstance(task, TaskRecorded)
        other = random.choice(tasks)
        match random.choice(("parent", "session", "session", "session", "group")):
            case "parent" if other.pids != task.pids and len(other.pids) <= len(task.pids):
                events[place] = msgspec.structs.replace(task, parent=other.pids[0])
            case "session" if task.pids[0] not in led:
                events[place] = msgspec.structs.replace(task, session=other.session, group=other.group)
            case "group":
                group = random.choice([one.group for one in tasks if one.session == task.session])
                events[place] = msgspec.structs.replace(task, group=group)
    return events
