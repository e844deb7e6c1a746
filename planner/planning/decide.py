"""The planner: from a forest to decisions, with one function for each arrow.

    forest -> regular (one pass) or solver (the creator of each process) -> builder (helpers, order) -> steps

A plan that comes out is a proposal until the model kernel has run it; `planner.pipeline.resolve` hands out none that it refuses.

Why a plan is found for a tree that a history has led to. Take such a history, and its tree of births: which process cloned which.
Let no process die that has created another one, but stay as a helper; then every change of parent is an adoption that can be put
off to the end, deepest helper first, since adoption only moves a task up to an ancestor, and the tree above is still as it was at
birth. Let every process that sees its final group join it after the births; the group is kept by its leader, by a placeholder, or
by a keep-alive helper. Let every zombie live until nothing more is asked of it. What cannot be put off is inherited at the clone:
the session, and a group that has no number in the task's namespace. So a plan exists exactly when there is a tree of births in
which each creator is in the right session and group at some moment, and in which each final parent is above its child, or the
init of the namespace that a dying helper was in. A moment can be stretched: a helper cloned in it keeps the creator's session and
group for as long as it is wanted. `planner.planning.solver` states this as rules and searches for births that keep them, and
`planner.planning.builder` makes processes, helpers and an order of them. `planner.planning.regular` does the same in one pass
where every task is simply created by its parent.

Which plan. The search prefers a task's parent as its creator, and image order. The builder changes births where processes that
are there anyway do a helper's work, birth by birth, with a few candidates looked at for each: the cost stays linear, and it is no
search for the fewest helpers. Waits for what is known to be done are left out (`planner.planning.steps.waits`).
"""

from contextlib import suppress

import msgspec

from planner.errors import Contradiction
from planner.events.records import BirthDecided, DecisionEvent, ProcessPlanned
from planner.forest.laws_status import refuse_faults_of_inits
from planner.forest.model import Forest
from planner.identity import ProcessId, Sequence
from planner.planning.cast import Cast, Event
from planner.planning.clones import Clone
from planner.planning.regular import plan_regular
from planner.planning.solver.solution import Excluded
from planner.steps import Process


def decide(forest: Forest, first: Sequence, *, thrift: bool = True, exactly: bool = False) -> list[DecisionEvent]:
    """Return the decisions that a rebuild of `forest` takes: births, processes and steps, in this order.

    `first` is the sequence number that the first decision will have. Raises Contradiction with facts from which it was derived
    that the rules of births cannot be met, and "plan-undecided" where the search met its bound. `exactly` lifts the bound that
    keeps a search short where many processes are entangled. Without `thrift` there are more helpers: for a plan that came into a
    trap on the way.
    """
    refuse_faults_of_inits(forest)
    refuse_taken_reaper(forest)
    return decisions_of(*_built(forest, thrift=thrift, exactly=exactly))


def decisions_of(cast: Cast, order: list[Event]) -> list[DecisionEvent]:
    """Return the decisions that follow from the processes of a rebuild and their births in order."""
    from planner.planning.steps.phases import write_steps

    forest, clones = cast.forest, cast.clones
    decisions: list[DecisionEvent] = [
        _birth(clone, cast.excluded.get(clone.pid))
        for clone in clones.values()
        if clone.rule != "parent-creates" or clone.creator != clone.parent
    ]
    decisions.extend(ProcessPlanned(process=_process(cast, clones[event.pid])) for event in order if event.change is None)
    for group, threads in forest.threads.items():
        namespace = cast.init(clones[group])
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


def _birth(clone: Clone, excluded: Excluded | None) -> BirthDecided:
    """Return the decision about a birth, with what excludes the parent as the creator where that is known."""
    birth = BirthDecided(pid=clone.pid, creator=clone.creator, rule=clone.rule, because=clone.because)
    if excluded is None or excluded.parent == clone.creator:
        return birth
    return msgspec.structs.replace(birth, instead_of=excluded.parent, because_not=excluded.facts, given=excluded.given)


def _process(cast: Cast, clone: Clone) -> Process:
    """Return the record of a process in a plan."""
    task = cast.forest.tasks.get(clone.pid)
    name = "" if task is None else task.name
    return Process(pid=clone.pid, pids=clone.pids, role=clone.role, namespace=cast.init(clone), name=name)


def _built(forest: Forest, *, thrift: bool, exactly: bool) -> tuple[Cast, list[Event]]:
    """Return the processes with their births in order: of a regular forest in one pass, of any other by the exact search.

    Raises as `decide` does.
    """
    if regular := plan_regular(forest):
        return regular
    from planner.planning.builder.build import build
    from planner.planning.builder.order import Unordered
    from planner.planning.solver.births import solve
    from planner.planning.solver.solution import Solution

    answer = solve(forest, exactly=exactly)
    if not isinstance(answer, Solution):
        from planner.planning.refusals import refused  # and with it what words a refusal

        raise refused(forest, answer)
    with suppress(Unordered):
        return build(forest, answer, thrift=thrift)
    try:
        return build(forest, answer, thrift=False)
    except Unordered as error:
        raise Contradiction("plan-undecided", f"births were found, and no order of them: {error}", (), 0) from None


def refuse_taken_reaper(forest: Forest) -> None:
    """Raise Contradiction for a subtree in which another task has the number that the init above it needs."""
    taken = forest.tasks.get(ProcessId(1))
    if forest.root != 1 and taken is not None:
        raise Contradiction(
            "reaper-taken",
            f"the root is {forest.root}, and number 1 is another task: no init is left to be its reaper",
            (forest.tasks[forest.root].recorded, taken.recorded),
            forest.root,
        )
