"""Random plans that work on the model kernel: every step was tried there, and the end is what the model says.

They need no image and no planner. Each step waits for the one before it, since a random history says nothing about which of
its steps could be done side by side.
"""

import copy
from random import Random
from typing import Final

from planner.kernel.objects import LIVING, ZOMBIE, Namespace
from planner.kernel.simulation import ModelRefusal, World, simulate
from planner.plans.model import Plan
from planner.testing.drafts import Draft, with_init

HIGHEST: Final = 400
"""The highest number at level 0; nested ones stay below 60, so that some are taken and refused by the model."""

STATUSES: Final = (0, 3 << 8, 255 << 8, 2, 9, 15, 36)
"""Wait statuses of zombies; inits end by a code alone."""


def random_plan(seed: int, tries: int = 120) -> Plan:
    """Return a plan of up to `tries` steps, of which the model refused some; equal seeds give equal plans."""
    random = Random(seed)
    draft = with_init(f"random {seed}")
    world = simulate(draft.plan(1))
    for _ in range(tries):
        attempt = copy.deepcopy(draft)
        try:
            _propose(random, attempt, world, after=attempt.last)
            next_world = simulate(attempt.plan(1))
        except (ModelRefusal, ValueError, KeyError):
            continue
        processes = list(next_world.kernel.processes())
        if any(process.state not in (LIVING, ZOMBIE) for process in processes):
            continue
        draft, world = attempt, next_world
    for process in world.kernel.processes():
        zombie = process.state == ZOMBIE or process.main_ended
        draft.verify(
            process.pid.first,
            max(process.parent.pid.first, 0),
            max(process.group.first, 0),
            max(process.session.first, 0),
            zombie=zombie,
            status=process.status if process.state == ZOMBIE else 0,
            threads=tuple(process.threads or ()),
            subreaper=process.subreaper,
        )
    return draft.plan(1)


def _propose(random: Random, draft: Draft, world: World, after: tuple[int, ...]) -> None:
    """Add one step of a random living actor; the model may refuse it."""
    all_processes = list(world.kernel.processes())
    living = [process for process in all_processes if process.state == LIVING and not process.main_ended]
    actor = random.choice(living)
    me, init = actor.pid.first, actor.namespace.init is actor
    chance = random.random()
    if chance < 0.08:
        inside = random.choice([process for process in living if process.namespace.init is process])
        draft.enter(0, inside.pid.first, after)
        draft.create(0, *_vector(random, inside.namespace), after=draft.last)
        draft.enter(0, 0, draft.last)
    elif chance < 0.30:
        draft.create(me, *_vector(random, actor.births), sibling=random.random() < 0.2, after=after)
    elif chance < 0.42:
        draft.create(me, *_vector(random, actor.births), 1, new_namespace=True, sibling=random.random() < 0.3, after=after)
    elif chance < 0.50:
        draft.setsid(me, after)
    elif chance < 0.62:
        target = random.choice([actor, *(child for child in actor.children or ())])
        group = random.choice([target, *all_processes])
        draft.setpgid(me, target.pid.first, group.pid.first, after)
    elif chance < 0.68:
        draft.subreaper(me, not actor.subreaper, after)
    elif chance < 0.78:
        inits = [process for process in living if process.namespace.init is process]
        draft.enter(me, random.choice([actor.namespace.init or actor, *inits]).pid.first, after)
    elif chance < 0.82:
        draft.thread(me, *_vector(random, actor.namespace), after=after)
    elif chance < 0.84 and me != 1:
        draft.exit(me, 0, thread_only=True, after=after)
    elif chance < 0.94 and me != 1:
        draft.exit(me, random.choice(STATUSES[:3] if init else STATUSES), after=after)
    else:
        zombies = [child for child in actor.children or () if child.state == ZOMBIE]
        draft.reap(me, random.choice(zombies or [actor]).pid.first, after)


def _vector(random: Random, namespace: Namespace) -> tuple[int, ...]:
    """Return random numbers for a child of the namespace, one for each level."""
    return (random.randrange(2, HIGHEST), *(random.randrange(2, 60) for _ in range(namespace.level)))
