"""From a forest to decisions: the planner's own path, one function for each arrow.

    forest -> cast (who takes part) -> births (who creates whom) -> order -> steps

A plan that comes out is a proposal until the model kernel has run it; `planner.pipeline` hands out none that it refuses.
"""

from planner.cast import Cast
from planner.events import BirthDecided, DecisionEvent, ProcessPlanned
from planner.forest import Forest
from planner.identity import ProcessId, Sequence
from planner.plans import Process


def decide(forest: Forest, first: Sequence) -> list[DecisionEvent]:
    """Return the decisions that a rebuild of `forest` takes: births, processes and steps, in this order.

    `first` is the sequence number that the first decision will have. Raises Contradiction for a forest that no history of
    processes leads to, as far as the planner can tell, with the facts that exclude each other.
    """
    from planner.births import decide_births
    from planner.order import Order
    from planner.steps import Steps

    cast = Cast(forest)
    decide_births(cast)
    order = Order(cast).find()
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
    steps = Steps(cast)
    decisions += steps.write(order)
    return decisions + steps.findings
