"""Trials of the planner: a history gives a forest, the forest a plan, and the plan must hold in every order that it allows.

A history is a list of operations (`tests.generators.histories`), so that a forest which the planner fails on comes with the
history that leads to it, and both can be made small. Nothing here but `trial` uses the planner.
"""

import heapq
from collections.abc import Callable, Sequence
from random import Random

import msgspec

from planner.errors import Contradiction, NotProved
from planner.events.records import AnyEvent
from planner.forest.fold import fold
from planner.forest.model import Forest
from planner.identity import ProcessId, StepNumber
from planner.kernel.objects import DYING, LIVING
from planner.kernel.proof import ProofFailed, prove
from planner.kernel.simulation import ModelRefusal
from planner.pipeline.resolve import Resolved, resolve
from planner.plans.fold import lost_properties
from planner.plans.model import Plan
from planner.steps import AT_THE_END, AnyStep, Create, Wait
from planner.testing.forests import notation
from tests.generators.histories import PROFILES, Historian, Operation
from tests.generators.histories_model import ModelPlayer, image_events
from tests.generators.scenes import scenes
from tests.helpers import shrinking

SCENES = "scenes"
ALL_PROFILES = (*PROFILES, SCENES)
"""The profiles of single operations, and the histories made of scenes."""


def random_history(seed: int | str, profile: str = "mixture", steps: int = 60, most: int = 40) -> list[Operation]:
    """Return the operations of a random history; wrong ones, which the kernel refuses, are among them."""
    if profile == SCENES:
        return scenes(seed, steps, most)
    historian = Historian(Random(f"{profile} {seed}"), profile, ModelPlayer(), most)
    return [operation for operation, _ in historian.run(steps)]


def image_of(operations: Sequence[Operation]) -> list[AnyEvent]:
    """Play a history on the model, and return what a checkpoint would record of its end.

    An ended process does nothing, so that any part of a history that makes a container is a history too. Of a process that
    is dying no checkpoint can be taken: the end of the history is left out as far as one is there.
    """
    player = ModelPlayer()
    played: list[Operation] = []
    for operation in operations:
        if can_act(player, operation):
            player.play(operation)
            played.append(operation)
    while any(process.state == DYING for process in player.kernel.processes()):
        played.pop()
        player = ModelPlayer()
        for operation in played:
            player.play(operation)
    return image_events(player.kernel)


def can_act(player: ModelPlayer, operation: Operation) -> bool:
    """Tell whether the seat that acts is a living process or thread."""
    actor = operation[1]
    assert isinstance(actor, int)
    process = player.processes.get(actor)
    if process is None or process.state != LIVING:
        return False
    thread = player.threads.get(actor)
    return not process.main_ended if thread is None else thread.owner is not None


def shrunk(operations: Sequence[Operation], fails: Callable[[list[AnyEvent]], bool]) -> list[Operation]:
    """Leave out of a history, its first operation apart, whatever is not needed for `fails` to be true of its image."""
    return shrinking.shrunk(operations, lambda fewer: fewer if fails(image_of(fewer)) else [])


def reordered(plan: Plan, random: Random) -> Plan:
    """Return the plan in another order that it allows: steps of one actor in order, each after what it waits for.

    A process acts after it was created, and verify steps stand last; the steps are numbered anew. Half of the orders run always
    the hastiest actor that can go on, the others mix the actors step by step.
    """
    before: dict[StepNumber, int] = {}
    unlocks: dict[StepNumber, list[StepNumber]] = {}
    last: dict[int, StepNumber] = {}
    created = {step.child: step.number for step in plan.steps if isinstance(step, Create)}
    doing = [step for step in plan.steps if not isinstance(step, AT_THE_END)]
    for step in doing:
        earlier = {wait.step for wait in step.waits}
        earlier.update(number for number in (last.get(step.actor) or created.get(step.actor),) if number)
        before[step.number] = len(earlier)
        for number in earlier:
            unlocks.setdefault(number, []).append(step.number)
        last[step.actor] = step.number
    mixed = random.random() < 0.5
    haste: dict[int, float] = {}

    def place(number: StepNumber) -> float:
        return random.random() if mixed else haste.setdefault(plan.steps[number - 1].actor, random.random())

    ready = [(place(number), number) for number, count in before.items() if not count]
    heapq.heapify(ready)
    order: list[AnyStep] = []
    while ready:
        _, number = heapq.heappop(ready)
        order.append(plan.steps[number - 1])
        for later in unlocks.get(number, ()):
            before[later] -= 1
            if not before[later]:
                heapq.heappush(ready, (place(later), later))
    assert len(order) == len(doing), "steps wait for each other"
    order += [step for step in plan.steps if isinstance(step, AT_THE_END)]
    places = {step.number: StepNumber(place) for place, step in enumerate(order, 1)}
    return msgspec.structs.replace(plan, steps=tuple(_moved(step, places) for step in order))


def _moved(step: AnyStep, places: dict[StepNumber, StepNumber]) -> AnyStep:
    waits = tuple(Wait(places[wait.step], wait.rule) for wait in step.waits)
    return msgspec.structs.replace(step, number=places[step.number], waits=waits)


def planned(events: Sequence[AnyEvent]) -> Resolved:
    """Plan and prove an image; the events are left as they are."""
    return resolve(list(events))


def trial(events: Sequence[AnyEvent], random: Random, orders: int = 2) -> str:
    """Return what is wrong with the planner's work on a reachable image, "" when nothing is.

    The first word is a code: that of the contradiction that the planner claims, "not-proved", "order" when the plan does not
    hold in another order that it allows, or the name of the exception.
    """
    try:
        outcome = planned(events)
    except Contradiction as error:
        return f"{error.code}: {error.message}"
    except NotProved as error:
        return f"not-proved: {error}"
    except Exception as error:  # a trial reports whatever the planner does
        return f"{type(error).__name__}: {error}"
    lost = lost_properties(outcome.events)
    for _ in range(orders):
        found = holds(reordered(outcome.plan, random), outcome.forest, lost)
        if found:
            return f"order: {found}"
    return ""


def holds(plan: Plan, forest: Forest, lost: frozenset[tuple[ProcessId, str]] = frozenset()) -> str:
    """Return why a plan does not end in a forest, "" when it does but for what is `lost`."""
    try:
        prove(plan, forest, lost=lost)
    except (ModelRefusal, ProofFailed) as error:
        return str(error)
    return ""


def code(found: str) -> str:
    """Return the code of what a trial found, with the rule of the kernel where it names one."""
    head, _, rest = found.partition(":")
    if head in ("order", "not-proved") and "(" in rest:
        return f"{head} {rest[rest.index('(') + 1 : rest.index(')')]}"
    return head


def story(operations: Sequence[Operation]) -> str:
    """Write a failing history for people: the forest in the notation, then the operations."""
    return "\n".join([notation(fold(image_of(operations))), *map(repr, operations)])
