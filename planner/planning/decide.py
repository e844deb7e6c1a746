"""From a forest to decisions: the planner's own path, one function for each arrow.

    forest -> cast (who takes part) -> births (who creates whom) -> order -> steps

A plan that comes out is a proposal until the model kernel has run it; `planner.pipeline.resolve` hands out none that it refuses.

Why a plan is found for a tree that a history has led to. Take such a history, and its tree of births: who cloned whom. Let
nobody die who created anybody, but stay as a helper; then every change of parent is an adoption that can be put off to the end,
deepest helper first, since adoption only moves a task up to an ancestor, and the tree above is still as it was at birth. Let
every process that sees its final group join it after the births; the group is kept by its leader, by a stand-in, or by an
anchor. Let every zombie live until nothing more is asked of it. What cannot be put off is inherited at the clone: the session,
and a group that has no number in the task's namespace. So a plan exists exactly when there is a tree of births in which each
creator is in the right session and group at some moment, and in which each final parent is above its child, or the init of the
namespace that a dying helper was in. A moment can be stretched: a helper cloned in it keeps the creator's session and group for
as long as it is wanted. The modules follow this: `planner.planning.births.sessions` derives what sessions demand of births, and
every demand but one is forced; the one choice (a window before setsid, or a leader born below) is decided by taking leaders off
in reverse order of birth. `planner.planning.births.births` puts leaders where the demands can be met,
`planner.planning.births.groups` does the same for groups, and `planner.planning.births.order` finds an order or shows the
circle.

Least change. Few helpers come first: a helper is cast where nobody who is there anyway can do its work
(`planner.planning.births.takeover` for those who create others' children, `planner.planning.births.groups` for those who are in
a group for a moment or create beside themselves, and `planner.planning.births.order` for inits that come in time). That is
decided birth by birth, with a few candidates looked at for each, so that the cost stays linear; it is no search for the fewest,
and where a session's demand can be met in two ways, helpers do not weigh. An init is never put into a group that is led from
its own namespace, though that would spare an anchor now and then. Steps that wait are kept few by what needs none: a child
inherits its group where its creator can be in it in time, and image order is kept where it satisfies every rule; and waits for
what is known to be done are left out (`planner.planning.steps.waits`).

What is left out. When two demands on one leader lie on two branches of the tree, one branch is put below the other, and not
every other way to weave them is tried: one more is, where the first has led nowhere. Choices are not taken back once the order
of births is decided. A dead leader whose depth the image does not hold is put where it asks least of its members; where that
ends in a refusal, other places are tried, one after the other and a bounded number of them. A parent outside the image is
taken to stand in the executor's own session and group. Random histories and all small trees are held against this in the
tests.
"""

from contextlib import suppress
from typing import TYPE_CHECKING

from planner.errors import Contradiction
from planner.events.records import BirthDecided, DecisionEvent, ProcessPlanned
from planner.forest.laws_processes import undecided
from planner.forest.model import Forest
from planner.identity import ProcessId, Sequence
from planner.planning.births.cast import Cast
from planner.planning.births.manners import MANNERS, Manner
from planner.planning.regular import plan_regular
from planner.steps import Process

if TYPE_CHECKING:
    from planner.planning.births.order import Event


def decide(forest: Forest, first: Sequence, manners: tuple[Manner, ...] = MANNERS) -> list[DecisionEvent]:
    """Return the decisions that a rebuild of `forest` takes: births, processes and steps, in this order.

    `first` is the sequence number that the first decision will have. Raises Contradiction with the facts that exclude each other
    where the rules of births cannot be met, and "plan-undecided" where the search met its bound. Other `manners` than all of them
    cast more helpers: for a plan that came into a trap on the way.
    """
    from planner.forest.laws_status import refuse_faults_of_inits

    refuse_faults_of_inits(forest)
    if manners != MANNERS:
        return decisions_of(*_births_in_order(forest, manners))
    return decisions_of(*_built(forest))


def decisions_of(cast: Cast, order: "list[Event]") -> list[DecisionEvent]:
    """Return the decisions that a cast with its births in order comes to."""
    from planner.planning.steps.phases import write_steps

    forest = cast.forest
    decisions: list[DecisionEvent] = [
        BirthDecided(pid=actor.pid, creator=actor.creator, rule=actor.rule, because=actor.because)
        for actor in cast.actors.values()
        if actor.rule != "parent-creates" or actor.creator != actor.parent
    ]
    names = {pid: task.name for pid, task in forest.tasks.items()}
    for event in order:
        if event.change is None:
            actor = cast.actors[event.pid]
            decisions.append(
                ProcessPlanned(
                    process=Process(
                        pid=actor.pid,
                        pids=actor.pids,
                        role=actor.role,
                        namespace=cast.spaces[actor.space].init,
                        name=names.get(actor.pid, ""),
                    )
                )
            )
    for group, threads in forest.threads.items():
        namespace = cast.spaces[cast.actors[group].space].init
        decisions.extend(
            ProcessPlanned(
                process=Process(
                    pid=ProcessId(thread.pids[0]),
                    pids=thread.pids,
                    role="thread",
                    namespace=namespace,
                    name=thread.name,
                    thread_group=group,
                )
            )
            for thread in threads
        )
    steps, findings = write_steps(cast, order)
    return [*decisions, *steps, *findings]


def _built(forest: Forest) -> "tuple[Cast, list[Event]]":
    """Return a cast with its births in order: a regular forest in one pass, any other from what the exact search finds.

    Raises as `decide` does.
    """
    if regular := plan_regular(forest):
        return regular
    from planner.planning.builder.build import build
    from planner.planning.builder.order import Unordered
    from planner.planning.solver.births import solve
    from planner.planning.solver.solution import Refusal, Solution

    answer = solve(forest, explained=False)
    if isinstance(answer, Solution):
        with suppress(Unordered):
            return build(forest, answer)
    try:
        return _births_in_order(forest)
    except Contradiction as refusal:
        if isinstance(answer, Refusal) or refusal.code in (*PROOFS, "plan-undecided"):
            raise
        raise undecided(refusal, "order of births") from None


PROOFS = frozenset({"init-trap", "init-signal"})
"""Refusals of what no rebuild may make, whatever the rules of births allow."""

MOST_PLACES = 32
"""How many places of dead leaders are given up before it stays undecided whether there is a plan."""

MOST_PLANNED_AGAIN = 400_000
"""How many tasks are planned again for that: of a large image fewer places are given up, so that a refusal comes in time."""


DOUBTED = frozenset({"session-not-below", "birth-circle", "order-circle", "two-birth-sessions", "plan-undecided"})
"""Refusals that may come of a choice between two ways to be born, or of one branch having been put below another."""

MOST_EXCUSED = 6
"""How many times births are decided anew to find out who cannot do a helper's work, before everybody is excused."""


def _births_in_order(forest: Forest, manners: tuple[Manner, ...] = MANNERS) -> "tuple[Cast, list[Event]]":
    """Return a cast with its births decided, and in order; raises Contradiction, the first that was met.

    Where a choice may have been wrong all is tried again with more caution: of two branches whoever may join them is put in its
    own place first, and leaders are born after the leaders of all who stand above them.
    """
    try:
        return _places_tried(forest, manners, cautious=False)
    except Contradiction as refusal:
        if refusal.code in DOUBTED:
            with suppress(Contradiction):
                return _places_tried(forest, manners, cautious=True)
        raise


def _places_tried(forest: Forest, manners: tuple[Manner, ...], *, cautious: bool) -> "tuple[Cast, list[Event]]":
    """Return a cast with its births decided, and in order; raises Contradiction, the first that was met.

    Whoever does a helper's work has something else to wait for, too: where that ends in a circle, those on it are excused, and
    in the end everybody is, so that helpers are cast after all, in one manner after the other. A session or group that tasks
    cannot have come by, or only in a circle, may have been led elsewhere if its leader is dead.
    """
    from planner.planning.births.standins import Misplaced

    passed_over: dict[ProcessId, int] = {}
    refusal: Contradiction | None = None
    excused: set[ProcessId] = set()
    tries = MOST_EXCUSED if "thrifty" in manners else 0
    for _ in range(max(1, min(MOST_PLACES, MOST_PLANNED_AGAIN // max(1, len(forest.tasks))))):
        while tries:
            cast = Cast(forest, passed_over, excused)
            cast.cautious = cautious
            try:
                return cast, _in_order(cast)
            except Contradiction:
                tries -= 1
                if cast.entangled <= excused:
                    break
                excused |= cast.entangled
        elsewhere: list[ProcessId] = []
        for manner in manners:
            if manner == "thrifty":
                continue
            cast = Cast(forest, passed_over, manner=manner)
            cast.cautious = cautious
            try:
                return cast, _in_order(cast)
            except Contradiction as error:
                refusal = refusal or error
                refusal.met_last = error
                elsewhere = [number for number in _named(cast, error) if passed_over.get(number, 0) + 1 < cast.places[number]]
                if not isinstance(error, Misplaced):
                    break
        if not elsewhere:
            break
        passed_over[elsewhere[0]] = passed_over.get(elsewhere[0], 0) + 1
    else:
        assert refusal is not None
        raise undecided(refusal, "place of the dead leaders")
    assert refusal is not None
    raise refusal


def _named(cast: Cast, refusal: Contradiction) -> list[ProcessId]:
    """Return the dead leaders with several places whom a refusal names, and then those of the tasks in its evidence."""
    from planner.planning.births.standins import Misplaced

    named = list(refusal.leaders) if isinstance(refusal, Misplaced) else []
    if cast.places:
        facts = set(refusal.because)
        for actor in cast.actors.values():
            if not facts.isdisjoint(actor.because):
                named += (actor.session, actor.group)
    return [number for number in dict.fromkeys(named) if number in cast.places]


def _in_order(cast: Cast) -> "list[Event]":
    """Decide all births and return them in order; raises Contradiction."""
    from planner.planning.births.births import decide_births
    from planner.planning.births.order import Order

    decide_births(cast)
    return Order(cast).find()
