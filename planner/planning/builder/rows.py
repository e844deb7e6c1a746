"""What each process of a solution must be when all is done: a task, the reaper of a subtree image, or a placeholder."""

from planner.forest.model import Forest
from planner.identity import OUTSIDE, NamespaceId, Number, ProcessId
from planner.planning.builder.clones import Clone
from planner.planning.builder.spaces import Spaces
from planner.planning.solver.solution import Birth, Solution

GAP = 64
"""Distance in order between two tasks of the image."""

BEFORE_MEMBER = 8
"""How far a placeholder stands before the first member of what it leads."""


def clones_of(forest: Forest, spaces: Spaces, solution: Solution) -> dict[ProcessId, Clone]:
    """Return all processes of a solution by pid, in image order and then the placeholders, each cloned by its creator."""
    births = {birth.pid: birth for birth in solution.births}
    found: dict[ProcessId, Clone] = {}
    reaper = births.get(ProcessId(1))
    if reaper is not None and forest.root != 1:
        found[reaper.pid] = _reaper(forest, reaper)
    for place, task in enumerate(forest.tasks.values(), 2):
        birth = births[task.pid]
        found[task.pid] = Clone(
            pid=task.pid,
            pids=task.pids,
            namespace=task.namespace,
            parent=birth.parent,
            session=task.session,
            group=task.group,
            zombie=task.zombie,
            order=place * GAP,
            creator=birth.creator,
            birth_session=birth.session,
            rule="root-first" if task.pid == 1 else "parent-creates",
            because=(task.recorded,),
        )
    members = _first_members(found)
    for number, member in members.items():
        if number not in found:
            found[number] = _placeholder(forest, spaces, births[number], member)
    return found


def _reaper(forest: Forest, birth: Birth) -> Clone:
    """Return the init above a root that is not number 1; it leads session or group 1 where the image names them."""
    led = {task.session for task in forest.tasks.values()}, {task.group for task in forest.tasks.values()}
    session = group = OUTSIDE
    if birth.pid in led[0]:
        session = group = birth.pid
    elif birth.pid in led[1]:
        group = birth.pid
    return Clone(
        pid=birth.pid,
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
