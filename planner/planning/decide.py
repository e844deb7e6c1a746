"""From a forest to decisions: the planner's own path, one function for each arrow.

    forest -> regular (one pass) or solver (the creator of each process) -> builder (helpers, order) -> steps

A plan that comes out is a proposal until the model kernel has run it; `planner.pipeline.resolve` hands out none that it refuses.

Why a plan is found for a tree that a history has led to. Take such a history, and its tree of births: who cloned whom. Let
nobody die who created anybody, but stay as a helper; then every change of parent is an adoption that can be put off to the end,
deepest helper first, since adoption only moves a task up to an ancestor, and the tree above is still as it was at birth. Let
every process that sees its final group join it after the births; the group is kept by its leader, by a placeholder, or by an
anchor. Let every zombie live until nothing more is asked of it. What cannot be put off is inherited at the clone: the session,
and a group that has no number in the task's namespace. So a plan exists exactly when there is a tree of births in which each
creator is in the right session and group at some moment, and in which each final parent is above its child, or the init of the
namespace that a dying helper was in. A moment can be stretched: a helper cloned in it keeps the creator's session and group for
as long as it is wanted. `planner.planning.solver` states this as rules and searches for births that keep them, and
`planner.planning.builder` makes processes, helpers and an order of them. `planner.planning.regular` does the same in one pass
where every task is simply created by its parent.

Which plan. The search prefers a task's parent as its creator, and image order. The builder changes births where processes that
are there anyway do a helper's work, birth by birth, with a few candidates looked at for each: the cost stays linear, and it is no
search for the fewest helpers. Waits for what is known to be done are left out (`planner.planning.steps.waits`).

What is left of an older path. `planner.planning.births` decides births by a greedy path, in one manner after the other. It plans
large components before the search is asked, and what the search leaves undecided at its bound. It tells why a tree is refused:
with a sentence, and the facts that it met. Where the search is undecided and no births are found this way either, the refusal is
"plan-undecided" and proves nothing.
"""

from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from planner.errors import Contradiction
from planner.events.records import BirthDecided, DecisionEvent, ProcessPlanned
from planner.forest.laws_processes import undecided
from planner.forest.model import Forest
from planner.identity import ProcessId, Sequence
from planner.planning.births.cast import ANY, Actor, Cast
from planner.planning.births.manners import MANNERS
from planner.planning.regular import plan_regular
from planner.planning.solver.solution import Excluded
from planner.steps import Process

if TYPE_CHECKING:
    from planner.planning.births.order import Event


SEARCHED_AT_ONCE: Final = 16
"""How many processes may be entangled with each other for the exact search to come first: the rules of a component are cubic in
them, and an image that does not name its pid namespaces is decided once a placing."""


def decide(forest: Forest, first: Sequence, *, thrift: bool = True, exactly: bool = False) -> list[DecisionEvent]:
    """Return the decisions that a rebuild of `forest` takes: births, processes and steps, in this order.

    `first` is the sequence number that the first decision will have. Raises Contradiction with the facts that exclude each other
    where the rules of births cannot be met, and "plan-undecided" where the search met its bound, or where many
    processes are entangled and the greedy path found no births for them; `exactly` has the search come first for those as well.
    Without `thrift` more helpers are cast: for a plan that came into a trap on the way.
    """
    from planner.forest.laws_status import refuse_faults_of_inits

    refuse_faults_of_inits(forest)
    return decisions_of(*_built(forest, thrift=thrift, exactly=exactly))


def decisions_of(cast: Cast, order: "list[Event]") -> list[DecisionEvent]:
    """Return the decisions that a cast with its births in order comes to."""
    from planner.planning.steps.phases import write_steps

    forest = cast.forest
    decisions: list[DecisionEvent] = [
        _birth(actor, cast.excluded.get(actor.pid))
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


def _birth(actor: Actor, excluded: Excluded | None) -> BirthDecided:
    """Return the decision about a birth, with what excludes the parent as the creator where that is known."""
    birth = BirthDecided(pid=actor.pid, creator=actor.creator, rule=actor.rule, because=actor.because)
    if excluded is None or excluded.parent in (actor.creator, ANY):
        return birth
    return msgspec.structs.replace(birth, instead_of=excluded.parent, because_not=excluded.facts, given=excluded.given)


def _built(forest: Forest, *, thrift: bool, exactly: bool) -> "tuple[Cast, list[Event]]":
    """Return a cast with its births in order: a regular forest in one pass, any other from what the exact search finds.

    Raises as `decide` does.
    """
    if regular := plan_regular(forest):
        return regular
    from planner.planning.builder.build import build
    from planner.planning.builder.order import Unordered
    from planner.planning.solver.births import MOST_PROCESSES, solve
    from planner.planning.solver.solution import Refusal, Solution

    answer = solve(forest, most_processes=MOST_PROCESSES if exactly else SEARCHED_AT_ONCE, explained=False)
    if isinstance(answer, Solution):
        with suppress(Unordered):
            return build(forest, answer, thrift=thrift)
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


def _births_in_order(forest: Forest) -> "tuple[Cast, list[Event]]":
    """Return a cast with its births decided, and in order; raises Contradiction, the first that was met.

    Where a choice may have been wrong all is tried again with more caution: of two branches whoever may join them is put in its
    own place first, and leaders are born after the leaders of all who stand above them.
    """
    try:
        return _places_tried(forest, cautious=False)
    except Contradiction as refusal:
        if refusal.code in DOUBTED:
            with suppress(Contradiction):
                return _places_tried(forest, cautious=True)
        raise


def _places_tried(forest: Forest, *, cautious: bool) -> "tuple[Cast, list[Event]]":
    """Return a cast with its births decided, and in order; raises Contradiction, the first that was met.

    Helpers are cast in one manner after the other. A session or group that tasks cannot have come by, or only in a circle, may
    have been led elsewhere if its leader is dead.
    """
    from planner.planning.births.standins import Misplaced

    passed_over: dict[ProcessId, int] = {}
    refusal: Contradiction | None = None
    for _ in range(max(1, min(MOST_PLACES, MOST_PLANNED_AGAIN // max(1, len(forest.tasks))))):
        elsewhere: list[ProcessId] = []
        for manner in MANNERS:
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
