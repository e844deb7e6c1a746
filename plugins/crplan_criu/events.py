"""From a collected dump to image events, task by task in the order of the process tree.

What CRIU does not record is said so: the exit signal is -1, a thread's name is empty before CRIU 3.11, a dead leader is known by
what its members' vectors say of it. The thread list of a dead task is uninitialised memory in upstream dumps and is not read.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from crplan_criu import engine_files, facts, trust
from crplan_criu.dump import Core, Dump, Entry, text
from crplan_criu.images import place
from crplan_criu.namespaces import Namespaces
from crplan_criu.wire import Fields, number, octets
from planner.errors import BadImage
from planner.events.contents import PropertyRecorded
from planner.events.records import (
    AnyEvent,
    DefectRecorded,
    FactRecorded,
    ImageClosed,
    ImageOpened,
    PidRecorded,
    SharingRecorded,
    TaskNamespacesRecorded,
    TaskRecorded,
    TaskState,
    TaskStateRecorded,
    ThreadRecorded,
)
from planner.identity import NamespaceId, Number, Pids, ProcessId

STATES: Final[dict[int, TaskState]] = {1: "running", 2: "zombie", 3: "stopped", 6: "zombie"}
"""`task_state` of a core image; 6 is a zombie inside CRIU's own machinery and harmless to know."""


def events(dump: Dump, where: str = "", commands: Iterable[AnyEvent] = ()) -> Iterator[AnyEvent]:
    """Yield the image events of a whole dump; raises BadImage where files are missing or do not belong together.

    `where` is the directory of the input that was chosen, "" where the images stand where they are expected. `commands` are
    the events of command lines, which are asked for when they are wanted.
    """
    if dump.inventory is None:
        raise BadImage(place("inventory.img"), "is missing; without it this is no CRIU image directory")
    if dump.tree is None:
        raise BadImage(
            place("pstree.img"),
            "is missing, so nothing is known of the tasks: a pre-dump (criu pre-dump, podman --pre-checkpoint) holds memory only;"
            " give the final dump that was taken after it",
        )
    if not dump.tree:
        raise BadImage(place("pstree.img"), "is cut short: it holds no entry")
    root_at, root = _root(dump.tree)
    root_core, root_ids = _core(dump, root.pids[0], root_at), _ids(dump, root.pids[0])
    if root_ids is None:
        raise BadImage(place(f"ids-{root.pids[0]}.img"), "is missing: the root task's namespaces are unknown")
    header = facts.header(dump, root_core, root_ids) | ({"found_in": where} if where else {})
    yield ImageOpened(format="criu", generation=facts.generation(dump), facts=header, at=place("inventory.img"))
    namespaces = Namespaces(dump, root_ids, place(f"ids-{root.pids[0]}.img"), _inits(dump))
    body: list[AnyEvent] = []
    for position, entry in enumerate(dump.tree):
        body += _task(dump, namespaces, root_core, position, entry)
    yield from namespaces.events()
    yield from body
    yield from _dead_leaders(dump.tree)
    yield from facts.of_image(dump)
    yield from _left_over(dump)
    yield from facts.defects(dump)
    if dump.holdings is not None:
        dump.add_statistics()
        yield from dump.holdings.events(dump.contents.sizes)
        yield from commands
        container = dump.container
        yield from engine_files.properties(container.specification, container.network)
        if container.made_from:
            yield PropertyRecorded(property="container image", value=container.made_from, at=place("config.dump"))
        if container.root_difference >= 0:
            at = place(engine_files.ROOT_DIFFERENCE)
            yield PropertyRecorded(property="changed files of the root (bytes)", value=str(container.root_difference), at=at)
        yield from trust.risks(container)
    yield ImageClosed(tasks=len(dump.tree), complete=True, at=place("pstree.img", len(dump.tree)))


def _root(tree: list[Entry]) -> tuple[int, Entry]:
    """Return the root's entry with its position: the first whose parent has no entry, wherever it stands."""
    pids = {entry.pids[0] for entry in tree}
    return next(((at, entry) for at, entry in enumerate(tree) if entry.parent not in pids), (0, tree[0]))


def evidence(dump: Dump) -> Iterator[AnyEvent]:
    """Yield what says with which other containers this one shares a pid namespace: its header, that namespace, its root.

    Raises BadImage where the process tree is not there.
    """
    if dump.inventory is None or not dump.tree:
        raise BadImage(place("pstree.img"), "is missing")
    position, root = _root(dump.tree)
    header = dump.container.facts | ({"run_id": run} if (run := text(octets(dump.inventory, "dump_criu_run_id"))) else {})
    yield ImageOpened(format="criu", generation="", facts=header, at=place("inventory.img"))
    at = place(f"ids-{root.pids[0]}.img")
    for event in Namespaces(dump, dump.ids.get(root.pids[0], {}), at, {}).events():
        if event.kind == "pid" and event.id == 0:
            yield event
    yield TaskRecorded(
        pids=_pids(root.pids),
        parent=ProcessId(root.parent),
        group=ProcessId(root.groups[0]),
        session=ProcessId(root.sessions[0]),
        at=place("pstree.img", position),
    )


def _inits(dump: Dump) -> dict[int, NamespaceId]:
    """Return the level-0 pids of the inits of nested pid namespaces by CRIU's ids of these."""
    inits: dict[int, NamespaceId] = {}
    for entry in dump.tree or ():
        if len(entry.pids) > 1 and entry.pids[-1] == 1 and (ids := _ids(dump, entry.pids[0])) is not None:
            inits.setdefault(number(ids, "pid"), NamespaceId(entry.pids[0]))
    return inits


def _core(dump: Dump, number_in_name: int, position: int) -> Core:
    core = dump.cores.get(number_in_name)
    if core is None:
        raise BadImage(
            place(f"core-{number_in_name}.img"),
            f"is missing: pstree.img#{position} names this task; the files are incomplete or of different dumps",
        )
    return core


def _ids(dump: Dump, pid: int) -> Fields | None:
    ids = dump.ids.get(pid)
    if ids is None and pid in dump.cores:
        return dump.cores[pid].ids
    return ids


def _task(dump: Dump, namespaces: Namespaces, root: Core, position: int, entry: Entry) -> Iterator[AnyEvent]:
    """Yield everything about one entry of the process tree."""
    pid = ProcessId(entry.pids[0])
    at, core_at, ids_at = place("pstree.img", position), place(f"core-{pid}.img"), place(f"ids-{pid}.img")
    core = _core(dump, pid, position)
    if core.task is None:
        raise BadImage(core_at, f"holds no task: it is that of a thread, and pstree.img#{position} names a process")
    state = STATES.get(number(core.task, "task_state"))
    if state is None:
        raise BadImage(
            core_at, f"has task state {number(core.task, 'task_state')}; 1 (alive), 2 (dead) and 3 (stopped) are known"
        )
    yield TaskRecorded(
        pids=_pids(entry.pids),
        parent=ProcessId(entry.parent),
        group=ProcessId(entry.groups[0]),
        session=ProcessId(entry.sessions[0]),
        at=at,
    )
    yield TaskStateRecorded(
        pid=pid,
        state=state,
        exit_status=number(core.task, "exit_code") if state == "zombie" else 0,
        name=text(octets(core.task, "comm")),
        subreaper=entry.subreaper or bool(number(core.task, "child_subreaper")),
        at=core_at,
    )
    if state != "zombie":
        yield from _threads(dump, entry, position, state)
    ids = _ids(dump, pid)
    if ids is None and state != "zombie":
        raise BadImage(ids_at, f"is missing: pstree.img#{position} names this task, and it is alive")
    if ids is not None and state != "zombie":
        yield SharingRecorded(
            pid=pid,
            memory=number(ids, "vm"),
            files=number(ids, "files"),
            fs=number(ids, "fs"),
            signal_handlers=number(ids, "sighand"),
            at=ids_at,
        )
        for_children = number(ids, "pid_for_children")
        if for_children and for_children != number(ids, "pid"):
            value = str(namespaces.renumber("pid", for_children))
            yield FactRecorded(pid=pid, property="pid_for_children", value=value, at=ids_at)
    known = namespaces.of_task(ids, len(entry.pids), ids_at if ids is not None else at)
    if known:
        yield TaskNamespacesRecorded(pid=pid, namespaces=known, at=ids_at if ids is not None else at)
    yield from facts.of_task(dump, pid, core, root, core_at)


def _threads(dump: Dump, entry: Entry, position: int, state: TaskState) -> Iterator[AnyEvent]:
    """Yield the threads beside the leader; CRIU refuses to dump threads that are stopped or dead apart from their group."""
    for vector in entry.threads:
        if not vector:
            raise BadImage(place("pstree.img", position), "has a thread without a number")
        core = _core(dump, vector[0], position)
        yield ThreadRecorded(pids=_pids(vector), thread_group=ProcessId(entry.pids[0]), at=place("pstree.img", position))
        yield TaskStateRecorded(
            pid=ProcessId(vector[0]), state=state, name=text(octets(core.thread, "comm")), at=place(f"core-{vector[0]}.img")
        )


def _pids(vector: tuple[int, ...]) -> Pids:
    return tuple(map(Number, vector))


def _dead_leaders(tree: list[Entry]) -> Iterator[PidRecorded]:
    """Yield the numbers of dead leaders as far as a member of the group or session sees them (nested dumps alone tell more)."""
    living = {vector[0] for entry in tree for vector in (entry.pids, *entry.threads) if vector}
    seen: dict[int, tuple[tuple[int, ...], int]] = {}
    for position, entry in enumerate(tree):
        if not entry.nested:
            continue
        for vector in (entry.groups, entry.sessions):
            visible = vector[: vector.index(0)] if 0 in vector else vector
            if visible and visible[0] not in living and len(visible) > len(seen.get(visible[0], ((), 0))[0]):
                seen[visible[0]] = (visible, position)
    for visible, position in seen.values():
        yield PidRecorded(numbers=_pids(visible), complete=False, at=place("pstree.img", position))


def _left_over(dump: Dump) -> Iterator[FactRecorded | DefectRecorded]:
    """Yield how many core images no entry names: left behind by an earlier dump into the same directory."""
    named = {vector[0] for entry in dump.tree or () for vector in (entry.pids, *entry.threads) if vector}
    extra = sorted(dump.cores.keys() - named)
    if extra:
        value = f"{len(extra)}: {', '.join(f'core-{pid}.img' for pid in extra[:5])}{', ...' if len(extra) > 5 else ''}"
        at = place(f"core-{extra[0]}.img")
        yield FactRecorded(property="images that no task names", value=value, at=at)
        detail = f"the process tree does not name the tasks of {len(extra)} core images ({extra[0]}{', ...' * (len(extra) > 1)})"
        yield DefectRecorded(
            code="images-of-another-dump", detail=f"{detail}: files of another dump lie there, e.g. {at[:-2]}", at=at
        )
