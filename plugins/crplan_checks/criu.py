"""What `criu restore` makes of an image, by the facts of the image alone.

CRIU plans in passes: children of the root in foreign sessions are put below helpers; every other task must find its session's
leader above itself, and every task that it passes on the way must have been born in that session; members of a group wait for a
leader that makes it. The checks follow these passes, so that they refuse what CRIU refuses and for its reason. The cost is
linear in tasks. Source: CRIU 4.2, `prepare_pstree_ids`, `prepare_pstree_kobj_ids` and `restore_pgid`.

Held against 1,639 random trees of 1 to 13 tasks, dumped and restored by CRIU 4.2 below a pid 1 (401), below another root
(769) and below a subreaper (469), with up to eight tries where a hang was foretold: 1,429 came out right, 173 hung, 21 came
out wrong and 16 were refused, all as foretold. Four of those that hung, a race below pid 1, needed more than eight tries. Of
720 more, 240 in each place, 564 came out right, 133 hung, 13 were refused and 10 came out wrong, all as foretold; one of
those that hung needed more than eight tries. Of 286 restores of CRIU's own tests, on the host and in namespaces, all came out
as foretold but that of a watch whose path the dump did not record.
"""

from collections.abc import Iterator

from crplan_checks import criu_contents, criu_image, criu_options, criu_pages, kinds
from planner.findings.registry import Answer, Finding, Kind, Passed, Unknown
from planner.findings.verdicts import Invocation
from planner.forest.model import Forest, Task
from planner.hookspecs import Artefact
from planner.identity import OUTSIDE, NamespaceId, ProcessId

FORMAT = "criu"
NESTABLE = frozenset({"mnt", "net"})
"""Kinds of namespace that may differ below a root task that has its own."""

HIGHEST_EXIT_CODE = 127
CORE_DUMPED = 0x80


def check(artefact: Artefact, invocation: Invocation) -> Iterator[Answer]:
    """Yield the problems, and for every question that found nothing that it passed; nothing for an image of another format."""
    forest = artefact.forest
    if forest.format != FORMAT:
        return
    if forest.images:
        yield Unknown(code=kinds.CRIU_NAMESPACE_OF_ROOT.code, missing="which container is meant: criu restores each by itself")
        return
    if forest.generation == "vz":
        # Upstream stops at the first entry of the process tree, so there is nothing else to ask.
        yield kinds.CRIU_VIRTUOZZO.found(property="generation", recorded="vz")
        return
    asked = {kind.code for kind in kinds.CRIU}
    for answer in (*_answers(forest, invocation), *criu_pages.answers(artefact.events)):
        asked.discard(answer.code)
        yield answer
    for kind in kinds.CRIU:
        if kind.code in asked:
            yield Passed(code=kind.code)


def _answers(forest: Forest, invocation: Invocation) -> Iterator[Answer]:
    yield from _root(forest)
    yield from _namespaces(forest)
    yield from _sessions(forest)
    yield from _groups(forest)
    yield from _zombies(forest)
    yield from _facts(forest)
    yield from criu_image.answers(forest)
    yield from criu_options.answers(forest, invocation)
    yield from criu_contents.answers(forest, invocation)


def created(forest: Forest, kind: str) -> bool | None:
    """Say whether the root task's namespace of a kind is its own, not that of who took the dump; None where nothing says so."""
    for record in forest.namespace_records:
        if record.kind == kind and record.id == 0:
            return {"yes": True, "no": False}.get(record.facts.get("created", ""))
    return None


def _found(kind: Kind, task: Task, detail: str, property: str, recorded: object, target: str = "") -> Finding:
    return kind.found(detail, pid=task.pid, property=property, recorded=str(recorded), target=target)


def _root(forest: Forest) -> Iterator[Answer]:
    root = forest.tasks[forest.root]
    own = created(forest, "pid")
    kind = kinds.CRIU_NAMESPACE_OF_ROOT
    if own is None:
        yield Unknown(code=kind.code, missing="whether the root task's pid namespace is its own", pid=root.pid)
    elif own != (root.pid == 1) and not (own and criu_contents.external(forest)):
        words = "the pid namespace of the process that took the dump"
        if own:
            words = "a pid namespace of its own, as a member of a pod whose shared one is not marked external"
        yield _found(kind, root, f"the root task has pid {root.pid} and {words}", "number", root.pid, "1" if own else "not 1")
    if root.zombie:
        yield kinds.CRIU_ROOT_DEAD.found(pid=root.pid, property="state", recorded="zombie")


def _namespaces(forest: Forest) -> Iterator[Answer]:
    """A dead task has no namespaces to restore, and one that the image does not name is its parent's."""
    for task in forest.tasks.values():
        if task.pid == forest.root or task.zombie:
            continue
        mine, parents = _of(forest, task.pid), _of(forest, task.parent)
        for name in sorted(mine.keys() & parents.keys()):
            if mine[name] != parents[name] and not (name in NESTABLE and created(forest, name)):
                yield _found(
                    kinds.CRIU_NAMESPACE_OF_CHILD,
                    task,
                    f"task {task.pid} has another {name} namespace than its parent {task.parent}"
                    + (", and the root task has none of its own: Can't restore sub-task in NS" if name in NESTABLE else ""),
                    f"{name} namespace",
                    mine[name],
                    str(parents[name]),
                )


def _of(forest: Forest, pid: ProcessId) -> dict[str, NamespaceId]:
    task = forest.tasks.get(pid)
    own = {} if task is None or task.namespace < 0 else {"pid": task.namespace}
    return own | forest.other_namespaces.get(pid, {})


def _sessions(forest: Forest) -> Iterator[Answer]:
    """Follow CRIU's two passes: children of the root below helpers, then all others up to the leader of the session."""
    tasks, root = forest.tasks, forest.tasks[forest.root]
    parent = {task.pid: task.parent for task in tasks.values()}
    session = {task.pid: task.session for task in tasks.values()}
    helper = -1
    for task in tasks.values():
        if task.session == OUTSIDE:
            detail = f"task {task.pid} is in a session whose leader is outside of its pid namespace"
            yield _found(kinds.CRIU_NO_SESSION_LEADER, task, detail, "session", "outside")
    for task in tasks.values():
        if task.parent != root.pid or task.session in (root.session, task.pid):
            continue
        if root.pid != 1:
            yield _found(
                kinds.CRIU_ADOPTED_BY_ROOT,
                task,
                f"task {task.pid} is a child of the root {root.pid} and in session {task.session}; restored, it has another "
                f"parent",
                "parent",
                root.pid,
                "a reaper outside of the tree",
            )
        if task.session in tasks:
            parent[ProcessId(helper)], session[ProcessId(helper)] = task.session, task.session
            parent[task.pid] = ProcessId(helper)
            helper -= 1
        else:
            parent[task.session], session[task.session] = root.pid, task.session
            parent[task.pid] = task.session
    born: dict[ProcessId, ProcessId] = {}
    for task in tasks.values():
        if task.pid != root.pid and task.session != OUTSIDE and task.session not in (task.pid, session.get(parent[task.pid])):
            yield from _walk(task, parent, born)


def _walk(task: Task, parent: dict[ProcessId, ProcessId], born: dict[ProcessId, ProcessId]) -> Iterator[Answer]:
    """Go up to the leader of the task's session; a task passed for that session before ends the walk."""
    above = parent[task.pid]
    while above != OUTSIDE and above != task.session:
        before = born.setdefault(above, task.session)
        if before != task.session:
            yield _found(
                kinds.CRIU_TWO_BIRTH_SESSIONS,
                task,
                f"task {above} would have been born in session {before} and, for its descendant {task.pid}, in {task.session}",
                "session",
                task.session,
            )
            return
        above = parent.get(above, OUTSIDE)
    if above == OUTSIDE:
        yield _found(
            kinds.CRIU_NO_SESSION_LEADER,
            task,
            f"task {task.pid} is in session {task.session}, and no ancestor leads it: Can't find a session leader",
            "session",
            task.session,
        )


def _groups(forest: Forest) -> Iterator[Answer]:
    for task in forest.tasks.values():
        if task.group == OUTSIDE:
            yield Unknown(
                code=kinds.CRIU_GROUP_LEADER_MOVED.code, missing="who leads the group outside of the image", pid=task.pid
            )
        leader = forest.tasks.get(task.group)
        if leader is not None and leader.group != leader.pid:
            yield _found(
                kinds.CRIU_GROUP_LEADER_MOVED,
                task,
                f"task {task.pid} is in group {task.group}, whose leader is in group {leader.group} itself: the restore is "
                "refused (Can't restore pgid) or never ends",
                "group",
                task.group,
            )


def _zombies(forest: Forest) -> Iterator[Answer]:
    for task in forest.tasks.values():
        if not task.zombie:
            continue
        yield from _waited_for(forest, task)
        signal, code = task.exit_status & 0x7F, task.exit_status >> 8 & 0xFF
        if not signal and code > HIGHEST_EXIT_CODE:
            detail = f"zombie {task.pid} ended with code {code}, and a restored one with {code & HIGHEST_EXIT_CODE}"
            yield _found(kinds.CRIU_EXIT_STATUS, task, detail, "exit code", code, str(code & HIGHEST_EXIT_CODE))
        if signal and task.exit_status & CORE_DUMPED:
            yield Unknown(code=kinds.CRIU_ZOMBIE_CORE.code, missing="whether the host lets a zombie dump core", pid=task.pid)


def _waited_for(forest: Forest, zombie: Task) -> Iterator[Answer]:
    """A zombie that CRIU creates below a helper is waited for by the root, which may never get it as a child."""
    root = forest.tasks[forest.root]
    if zombie.parent != root.pid or zombie.session in (root.session, zombie.pid):
        return
    leader = forest.tasks.get(zombie.session)
    if root.pid != 1 or (leader is not None and leader.zombie):
        why = "whose leader is a zombie itself" if root.pid == 1 else "and the root is no init"
        detail = f"zombie {zombie.pid} is a child of the root in session {zombie.session}, {why}: the restore may wait for ever"
        yield _found(kinds.CRIU_ZOMBIE_HANG, zombie, detail, "session", zombie.session)


def _facts(forest: Forest) -> Iterator[Answer]:
    recorded = False
    for _, fact in forest.facts:
        if fact.property == "clear_child_tid":
            recorded = recorded or not fact.pid
            if fact.pid and fact.pid != forest.root:
                yield Unknown(code=kinds.CRIU_EXIT_SIGNAL.code, missing="the exit signal: not made by fork(3)", pid=fact.pid)
        elif fact.property == "pid_for_children" and fact.pid:
            detail = f"task {fact.pid} has pid namespace {fact.value} for its children, which a restore forgets"
            yield kinds.CRIU_PID_FOR_CHILDREN.found(
                detail, pid=fact.pid, property="pid_for_children", recorded=fact.value, at=fact.at
            )
        elif fact.property == "subreaper" and not fact.pid:
            yield Unknown(code=kinds.CRIU_SUBREAPER.code, missing="which tasks are subreapers")
    alive = any(not task.zombie for task in forest.tasks.values() if task.pid != forest.root)
    if alive and not recorded:
        yield Unknown(code=kinds.CRIU_EXIT_SIGNAL.code, missing="how the tasks were made: the image has no clear_child_tid")
