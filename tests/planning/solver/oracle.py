"""The rules of births in a solver's language (`oracle.lp`): an oracle that shares no code with the planner."""

from collections.abc import Collection, Iterable
from pathlib import Path

import clingo

from planner.forest.model import Forest
from planner.planning.solver.solution import Birth, Solution

RULES = (Path(__file__).parent / "oracle.lp").read_text()


def is_reachable(forest: Forest, rows: Collection[int] | None = None) -> bool:
    """Return whether some births lead to a forest; its tasks must have been placed in pid namespaces.

    Given `rows` only what these tasks' rows say has to come out, and the parent, session and group of all others can be any.
    """
    return _has_answer(facts(forest, rows))


def allows(forest: Forest, solution: Solution) -> bool:
    """Return whether births that were found are some of those that lead to a forest, with nothing left open."""
    said = facts(forest)
    numbers = {space.id: f"gone({space.init})" for space in solution.lost}
    said += [f":- not outer(gone({space.init}),{space.parent})" for space in solution.lost]
    for birth in solution.births:
        atoms = [f"creator({birth.pid},{birth.creator})", f"born_of({birth.pid},{birth.session})"]
        atoms.append(f"lives({birth.pid},{numbers.get(birth.namespace, birth.namespace)})")
        atoms += [f"born_in({birth.pid},{birth.group})"] if birth.group is not None else []
        atoms += [f"may_be_moved({birth.pid},{birth.moved_to})"] if birth.moved_to is not None else []
        atoms += [f"visits({birth.pid},{group})" for group in birth.visits]
        if birth.parent is not None:
            atoms.append(f"parent({birth.pid},{birth.parent})")
            atoms.append(f"way({birth.pid},{'below' if birth.how == 'created' else birth.how})")
        said += [f":- not {atom}" for atom in atoms]
    return _has_answer(said)


def may_create(forest: Forest, rows: Collection[int], child: int, creator: int, given: Iterable[Birth]) -> bool:
    """Return whether births with some creator of a process, and others as `given`, lead to what the rows of some tasks say."""
    said = [*facts(forest, rows), f":- not creator({child},{creator})"]
    for birth in given:
        said += [f":- not creator({birth.pid},{birth.creator})", f":- not born_of({birth.pid},{birth.session})"]
        said.append(f":- not lives({birth.pid},{birth.namespace})")
        said += [f":- not way({birth.pid},sibling)"] if birth.how == "sibling" else []
    return _has_answer(said)


def _has_answer(said: list[str]) -> bool:
    control = clingo.Control(["--warn=none"])
    control.add("base", [], RULES)
    control.add("base", [], " ".join(f"{fact}." for fact in said))
    control.ground([("base", [])])
    return bool(control.solve().satisfiable)


def facts(forest: Forest, rows: Collection[int] | None = None) -> list[str]:
    """Return what a forest says, as facts; a subtree image gets an init above its root."""
    said = ["root(1)", "namespace(0)", "level(0,0)", "outer(0,-1)", "init(0,1)"]
    named = {number for task in forest.tasks.values() for number in (task.session, task.group)} - {0}
    if 1 not in forest.tasks:
        session = 1 if any(task.session == 1 for task in forest.tasks.values()) else 0
        group = 1 if 1 in named else 0
        said += ["task(1)", "lives(1,0)", "parent(1,0)"]
        said += ["row(1)", f"session(1,{session})", f"group(1,{group})"] if rows is None else []
    for space in forest.namespaces.values():
        if space.level > 0:
            said += [f"namespace({space.id})", f"level({space.id},{space.level})", f"outer({space.id},{space.parent})"]
            said += [f"init({space.id},{space.init})"] if space.init else []
    for pid, task in forest.tasks.items():
        parents = "(1;0)" if pid == forest.root != 1 else task.parent
        said += [f"task({pid})", f"lives({pid},{task.namespace})"]
        if rows is None or pid in rows:
            said += [f"row({pid})", f"1 {{ parent({pid},{parents}) }} 1"]
            said += [f"session({pid},{task.session})", f"group({pid},{task.group})"]
        elif pid == 1:
            said.append("parent(1,0)")
        threads = forest.threads.get(pid, [])
        if task.zombie and all(thread.state == "zombie" for thread in threads):
            said.append(f"zombie({pid})")
        for bearer in (task, *threads):
            said += [f"number({pid},{level},{number})" for level, number in enumerate(bearer.pids) if level]
    for pid in named - set(forest.tasks) - {1}:
        leader = forest.leaders.get(pid)
        said += [f"dead({pid})", f"known({pid},{len(leader.pids) - 1 if leader else 0})"]
        if leader:
            said += [f"number({pid},{level},{number})" for level, number in enumerate(leader.pids) if level]
            said += [f"exact({pid})"] if leader.complete else []
    return said
