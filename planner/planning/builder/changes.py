"""The changes of session and group that each process makes during the births."""

from planner.identity import ProcessId
from planner.planning.births.order import Change
from planner.planning.builder.clones import AS_BORN, LAST, Clone
from planner.planning.builder.spaces import Spaces
from planner.planning.solver.solution import Solution


def birth_parent(clones: dict[ProcessId, Clone], clone: Clone) -> ProcessId:
    """Return the parent at birth: the creator, or for a sibling the creator's own parent."""
    while clone.sibling:
        clone = clones[clone.creator]
    return clone.creator


def makers_of(clones: dict[ProcessId, Clone], solution: Solution) -> set[ProcessId]:
    """Return those that make a group by setpgid: leaders of groups that lead no session."""
    groups = {clone.group for clone in clones.values()} | {birth.group for birth in solution.births}
    return {pid for pid in groups if pid in clones and not clones[pid].leads_session}


def changes_of(spaces: Spaces, solution: Solution, clones: dict[ProcessId, Clone]) -> dict[ProcessId, list[Change]]:
    """Return the changes of session and group that each process makes during the births, the final one last."""
    makers = makers_of(clones, solution)
    births = {birth.pid: birth for birth in solution.births}
    changes: dict[ProcessId, list[Change]] = {}
    for clone in clones.values():
        creator = clones.get(clone.creator)
        if creator is not None and clone.stage not in (AS_BORN, LAST, creator.pid):
            kind = "visit" if spaces.covers(creator.namespace, clones[clone.stage].namespace) else "moved"
            visit = Change(kind, clone.stage)
            if visit not in changes.setdefault(creator.pid, []):
                changes[creator.pid].append(visit)
    for clone in clones.values():
        birth = births.get(clone.pid)
        if birth is not None and birth.moved_to is not None and not clone.leads_session:
            parent = clones.get(birth_parent(clones, clone))
            if parent is not None and parent.leads_session and parent.session != clone.session:
                changes.setdefault(clone.pid, []).append(Change("moved", birth.moved_to))
        final = None
        if clone.leads_session:
            final = Change("setsid", clone.pid)
        elif clone.pid in makers:
            final = Change("make", clone.pid)
        elif clone.ends and clone.group is not None:
            final = Change("join", clone.group)
        elif clone.group is not None and Change("visit", clone.group) in changes.get(clone.pid, ()):
            changes[clone.pid].remove(Change("visit", clone.group))
            final = Change("join", clone.group)
        if final is not None:
            changes.setdefault(clone.pid, []).append(final)
    return changes


def rings_of_leaders(clones: dict[ProcessId, Clone], makers: set[ProcessId]) -> list[ProcessId]:
    """Return one leader of each ring of those that each leave their group for the next one's."""
    target: dict[ProcessId, ProcessId] = {}
    for pid in sorted(makers, key=lambda pid: clones[pid].order):
        group = clones[pid].group
        if group is not None and group != pid:
            target[pid] = group
    found: list[ProcessId] = []
    met: dict[ProcessId, int] = {}
    for number, start in enumerate(target):
        here = start
        while here in target and here not in met:
            met[here] = number
            here = target[here]
        if met.get(here) == number:
            found.append(here)
    return found
