"""What each process of a solution must be when all is done: a task, the reaper of a subtree image, or a placeholder."""

from collections.abc import Mapping

from planner.forest.model import Forest
from planner.identity import OUTSIDE, NamespaceId, Number, ProcessId
from planner.planning.clones import Clone
from planner.planning.solver.solution import Birth, Solution
from planner.planning.spaces import Spaces

GAP = 64
"""Distance in order between two tasks of the image."""

BEFORE_MEMBER = 8
"""How far a placeholder stands before the first member of what it leads."""


def clones_of(forest: Forest, spaces: Spaces, solution: Solution) -> dict[ProcessId, Clone]:
    """Return all processes of a solution by pid, in image order and then the placeholders, each cloned by its creator."""
    births = {birth.pid: birth for birth in solution.births}
    found = tasks_of(forest, births)
    members = _first_members(found)
    for number, member in members.items():
        if number not in found:
            found[number] = _placeholder(forest, spaces, births[number], member)
    return found


def tasks_of(forest: Forest, births: Mapping[ProcessId, Birth] | None = None) -> dict[ProcessId, Clone]:
    """Return the tasks of a forest in image order, behind the reaper of a subtree image, each cloned as its birth says.

    Where none is given, each is cloned by its parent in its final session.
    """
    found: dict[ProcessId, Clone] = {}
    root = forest.root
    if root != 1:
        found[ProcessId(1)] = _reaper(forest)
    for place, (pid, task) in enumerate(forest.tasks.items(), 2):
        parent = ProcessId(1) if pid == root != 1 else task.parent
        birth = births[pid] if births is not None else None
        found[pid] = Clone(
            pid=pid,
            pids=task.pids,
            namespace=task.namespace,
            parent=parent if birth is None else birth.parent,
            session=task.session,
            group=task.group,
            zombie=task.zombie,
            order=place * GAP,
            creator=parent if birth is None else birth.creator,
            birth_session=task.session if birth is None else birth.session,
            rule="root-first" if pid == 1 else "parent-creates",
            because=(task.recorded,),
        )
    return found


def _reaper(forest: Forest) -> Clone:
    """Return the init above a root that is not number 1; it leads session or group 1 where the image names them."""
    led = {task.session for task in forest.tasks.values()}, {task.group for task in forest.tasks.values()}
    session = group = OUTSIDE
    one = ProcessId(1)
    if one in led[0]:
        session = group = one
    elif one in led[1]:
        group = one
    return Clone(
        pid=one,
        pids=(Number(1),),
        namespace=NamespaceId(0),
        parent=OUTSIDE,
        session=session,
        group=group,
        role="reaper",
        order=0,
        creator=OUTSIDE,
        birth_session=OUTSIDE,
        rule="reaper-for-subtree",
    )


def _first_members(clones: dict[ProcessId, Clone]) -> dict[ProcessId, Clone]:
    """Return the first member of every session and group, sessions first, by its leader."""
    members: dict[ProcessId, Clone] = {}
    for clone in clones.values():
        members.setdefault(clone.session, clone)
    for clone in clones.values():
        if clone.group is not None:
            members.setdefault(clone.group, clone)
    members.pop(OUTSIDE, None)
    return members


def _placeholder(forest: Forest, spaces: Spaces, birth: Birth, member: Clone) -> Clone:
    leader = forest.leaders.get(birth.pid)
    leads_session = member.session == birth.pid
    pids = spaces.free_pids(birth.namespace, (Number(birth.pid),) if leader is None else leader.pids)
    return Clone(
        pid=birth.pid,
        pids=pids,
        namespace=birth.namespace,
        parent=birth.parent,
        session=member.session,
        group=birth.pid,
        role="helper",
        order=member.order - BEFORE_MEMBER,
        creator=birth.creator,
        birth_session=birth.session,
        rule="dead-session-leader" if leads_session else "dead-group-leader",
        because=member.because if leader is None else (*member.because, leader.recorded),
    )
