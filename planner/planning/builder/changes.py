"""The changes of session and group that each process makes during the births."""

from collections.abc import Mapping

from planner.identity import ProcessId
from planner.planning.cast import Change
from planner.planning.clones import AS_BORN, LAST, Clone, makers_of
from planner.planning.solver.solution import Birth, Solution
from planner.planning.spaces import Spaces


def birth_parent(clones: Mapping[ProcessId, Clone], clone: Clone) -> ProcessId:
    """Return the parent at birth: the creator, or for a sibling the creator's own parent."""
    while clone.sibling:
        clone = clones[clone.creator]
    return clone.creator


def changes_of(spaces: Spaces, solution: Solution, clones: Mapping[ProcessId, Clone]) -> dict[ProcessId, list[Change]]:
    """Return the changes of session and group that each process makes during the births, the final one last."""
    makers = makers_of(clones)
    births = {birth.pid: birth for birth in solution.births}
    saving = {
        clone.creator
        for clone in clones.values()
        if clone.creator in clones and clones[clone.creator].group == clone.group != clone.pid
    }
    changes = _visits(spaces, clones)
    for clone in clones.values():
        own = changes.get(clone.pid, [])
        if (moved_to := _moved_in_time(births.get(clone.pid), clones, clone)) is not None:
            own.append(Change("moved", moved_to))
        joins_early = clone.pid in saving and clone.pid in births and _joins_in_time(spaces, clones, births, clone)
        if clone.leads_session:
            own.append(Change("setsid", clone.pid))
        elif clone.pid in makers:
            own.append(Change("make", clone.pid))
        elif clone.group is not None and (clone.ends or joins_early or Change("visit", clone.group) in own):
            own = [change for change in own if change != Change("visit", clone.group)] + [Change("join", clone.group)]
        if own:
            changes[clone.pid] = own
    return changes


def _visits(spaces: Spaces, clones: Mapping[ProcessId, Clone]) -> dict[ProcessId, list[Change]]:
    """Return the groups that each process is in for a while, to create others: it joins those that it sees."""
    changes: dict[ProcessId, list[Change]] = {}
    for clone in clones.values():
        creator = clones.get(clone.creator)
        if creator is not None and clone.stage not in (AS_BORN, LAST, creator.pid):
            kind = "visit" if spaces.covers(creator.namespace, clones[clone.stage].namespace) else "moved"
            visit = Change(kind, clone.stage)
            if visit not in changes.setdefault(creator.pid, []):
                changes[creator.pid].append(visit)
    return changes


def _moved_in_time(birth: Birth | None, clones: Mapping[ProcessId, Clone], clone: Clone) -> ProcessId | None:
    """Return the final group that a parent must move a process to before it has its own session; None where there is none."""
    if birth is None or birth.moved_to is None or clone.leads_session:
        return None
    parent = clones.get(birth_parent(clones, clone))
    return birth.moved_to if parent is not None and parent.leads_session and parent.session != clone.session else None


def _joins_in_time(spaces: Spaces, clones: Mapping[ProcessId, Clone], births: Mapping[ProcessId, Birth], clone: Clone) -> bool:
    """Tell whether a process can join its final group before it creates others, so that they inherit it.

    It sees the group, the leader comes first, and it does not inherit the group anyway.
    """
    group, creator = clone.group, clones.get(clone.creator)
    if not group or births[clone.pid].group is not None or creator is None:
        return False
    if creator.group == group or group == creator.pid or clones[group].order > clone.order:
        return False
    return spaces.covers(clone.namespace, clones[group].namespace)


def rings_of_leaders(clones: Mapping[ProcessId, Clone], makers: set[ProcessId]) -> list[ProcessId]:
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
