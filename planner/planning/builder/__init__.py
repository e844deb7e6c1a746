"""The builder: from a solution (who creates each process, in which session and group) to processes, helpers and an order.

    solution -> `thrift` (fewer helpers) -> `rows` (what each process must be) -> `cloning` (helpers) -> `order` -> `casting`

Why the steps do what a solution says. Its births are in an order of events: when a process is born, its creator is there, and
is or was in the session and group that the process inherits. No process ends before all are born, so that what was possible
stays possible. A creator that has to go on before all its children are there leaves a keeper, a helper in the session and group
that it leaves; a child that the keeper clones with CLONE_PARENT has the same parent as one of the creator. So the order never
stops (`order`): of the processes that are not there yet, the first one in the solution can always be born next, by its creator
or by a keeper of it, and what holds the creator back is a child that another keeper can clone later. Every change of parent is
an adoption that is put off to the end, the last helper created first. Every process that sees its final group joins it after
the births.

Helpers come of three needs (`cloning`): a group that a creator does not go to itself, a final parent that is not the creator,
and an init that is not directly below its creator's pid namespace. Processes with the same needs share one. Before that,
`thrift` changes a solution where processes that are there anyway can do the work: parents in the right session, siblings,
processes that end. It changes one birth at a time, each to one that keeps the rules, and never one that others rely on.
"""
