"""Histories played on the model kernel: for comparison with the real one, and as forests with known pid namespaces."""

from collections.abc import Callable
from random import Random

from planner.events.records import (
    AnyEvent,
    ImageClosed,
    ImageOpened,
    NamespaceRecorded,
    PidRecorded,
    SharingRecorded,
    TaskNamespacesRecorded,
    TaskRecorded,
    TaskStateRecorded,
    ThreadRecorded,
)
from planner.forest.fold import fold
from planner.forest.model import Forest
from planner.identity import NamespaceId, Number, Pids
from planner.kernel.model import Kernel
from planner.kernel.namespaces import USER, join, unshare
from planner.kernel.objects import Namespace, OtherNamespace, Pid, Process, SharedObject
from planner.kernel.rules import KernelError
from planner.kernel.sharing import leave
from tests.generators.histories import SPACES, TABLES, Answer, Historian, Operation, Standing, World, named


class ModelPlayer:
    """Plays operations on the model kernel; `met` counts the rules that refused one."""

    def __init__(self, levels: int = 32, kernel: type[Kernel] = Kernel) -> None:
        self.kernel = kernel(levels)
        self.processes: dict[int, Process] = {0: self.kernel.outside}
        self.threads: dict[int, Pid] = {}
        self.met: dict[str, int] = {}

    def play(self, operation: Operation) -> Answer:
        """Carry one operation out; return a number, or the name of the errno."""
        word, actor, *rest = operation
        assert isinstance(actor, int)
        try:
            return WORDS[str(word)](self, actor, *rest) or 0
        except KernelError as error:
            self.met[error.rule] = self.met.get(error.rule, 0) + 1
            return error.errno

    def _clone(self, actor: int, seat: int, pids: Pids, new: int, sibling: int, signal: int, *shared: int) -> int:
        process = self.processes[actor]
        # The model speaks of leading threads; any other has never entered anything.
        entered = process.births
        if actor in self.threads:
            process.births = process.namespace
        try:
            child = self.kernel.clone(process, pids, bool(new), bool(sibling), signal, named(TABLES, *shared))
        finally:
            process.births = entered
        self.processes[seat] = child
        return child.pid.number_in(process.namespace) if process.namespace.level >= 0 else 0

    def _thread(self, actor: int, seat: int, pids: Pids) -> int:
        self.threads[seat] = self.kernel.clone_thread(self.processes[actor], pids)
        self.processes[seat] = self.processes[actor]
        return pids[-1]

    def _setpgid_other(self, actor: int, number: int, seat: int) -> None:
        process = self.processes[actor]
        target = self.kernel._moved_by(process, number or process.pid.number_in(process.namespace))
        self.kernel._move(process, target, self.processes.get(seat, process).group)

    def _enter_root(self, actor: int) -> None:
        assert self.kernel.container is not None
        self.kernel.enter_namespace(self.processes[actor], self.kernel.container)

    def _unshare(self, actor: int, bits: int) -> None:
        process = self.processes[actor]
        shared = dict(process.objects or {})
        kinds = named(SPACES, bits)
        unshare(process, kinds)
        # A puppet maps itself at once, as unshare(1) does with --map-root-user.
        process.others[USER].mapped |= USER in kinds
        if shared != (process.objects or {}):
            self.met["namespace-sharing"] = self.met.get("namespace-sharing", 0) + 1

    def _join(self, actor: int, number: int, bits: int) -> None:
        process = self.processes[actor]
        join(process, process.namespace.numbers.get(number) if number else process.pid, named(SPACES, bits)[0])

    def _kill(self, actor: int, number: int, signal: int) -> None:
        self.kernel.kill(self.processes[actor], number, signal)

    def _end(self, actor: int, code: int) -> None:
        if actor in self.threads:
            self.kernel.exit_thread(self.processes[actor], self.threads[actor], code << 8)
        else:
            self.kernel.exit_leading_thread(self.processes[actor], code << 8)

    def _outsider(self, actor: int, seat: int, how: int) -> None:
        """Make another process outside the container: 1 leads a session, 2 leads a group."""
        parent = self.processes[actor]
        child = self.processes[seat] = Process(parent.namespace, 17)
        child.parent = parent
        child.others = parent.others
        child.pid = Pid((Number(0),), parent.namespace, child, False)
        child.session, child.group = parent.session, parent.group
        child.session.sessions += 1
        child.group.members += 1
        if parent.children is None:
            parent.children = {}
        parent.children[child] = None
        if how == 1:
            self.kernel.setsid(child)
        elif how == 2:
            self.kernel.setpgid(child, 0, 0)

    def world(self) -> World:
        """Return all processes of the container by their level-0 numbers."""
        alike = _alike(list(self.kernel.processes()), self.kernel.outside)
        standing = [_standing(process, alike) for process in self.kernel.processes()]
        world = {process.pids[0]: process for process in standing}
        assert len(world) == len(standing)
        return world


def _of_process(does: Callable[..., int | None]) -> Callable[..., int | None]:
    """Return what carries out a word that needs only the model and the process that acts."""
    return lambda player, actor, *rest: does(player.kernel, player.processes[actor], *rest)


WORDS: dict[str, Callable[..., int | None]] = {
    "clone": ModelPlayer._clone,
    "outsider": ModelPlayer._outsider,
    "thread": ModelPlayer._thread,
    "setsid": _of_process(lambda kernel, process: kernel.setsid(process)),
    "setpgid": _of_process(lambda kernel, process, number, group: kernel.setpgid(process, number, group)),
    "setpgid-own": _of_process(lambda kernel, process, number: kernel.setpgid_to_own(process, number)),
    "setpgid-other": ModelPlayer._setpgid_other,
    "subreaper": _of_process(lambda kernel, process, on: kernel.set_subreaper(process, bool(on))),
    "enter": _of_process(lambda kernel, process, number: kernel.enter(process, number)),
    "enter-root": ModelPlayer._enter_root,
    "split": _of_process(lambda kernel, process, bits: leave(process, named(TABLES, bits))),
    "unshare": ModelPlayer._unshare,
    "join": ModelPlayer._join,
    "exec": _of_process(lambda kernel, process: kernel.run(process)),
    "exit": _of_process(lambda kernel, process, code: kernel.exit(process, code << 8)),
    "end": ModelPlayer._end,
    "kill": ModelPlayer._kill,
    "wait": _of_process(lambda kernel, process, number: kernel.wait(process, number)),
}
"""What each word of an operation does."""


def _alike(processes: list[Process], outside: Process) -> dict[int, tuple[tuple[str, int], ...]]:
    """Return for each living process which table or namespace it shares with which process, the first sharer being named.

    Nothing is said of tables that are its own, nor of the namespaces that every process begins with.
    """
    first: dict[object, int] = {}
    found: dict[int, tuple[tuple[str, int], ...]] = {}
    for process in sorted(processes, key=lambda process: process.pid.first):
        if process.state != "living" or process.main_ended:
            continue
        number = process.pid.first
        tables = [(kind, process.objects[kind]) for kind in TABLES if process.objects and kind in process.objects]
        common = [(kind, first.setdefault(table, number)) for kind, table in tables]
        spaces = [(kind, process.others[kind]) for kind in SPACES if process.others[kind] is not outside.others[kind]]
        found[number] = tuple(
            [(kind, other) for kind, other in common if other != number]
            + [(kind, first.setdefault(space, number)) for kind, space in spaces]
        )
    return found


def _standing(process: Process, alike: dict[int, tuple[tuple[str, int], ...]]) -> Standing:
    leading = not (process.main_ended and process.state == "living")
    return Standing(
        pids=process.pid.numbers,
        parent=process.parent.pid.first,
        group=process.group.first,
        session=process.session.first,
        state=process.state,
        leading=leading,
        status=process.status if process.state == "zombie" or not leading else 0,
        threads=tuple(sorted(thread.numbers for thread in (process.threads or {}).values())),
        exit_signal=process.exit_signal,
        common=alike.get(process.pid.first, ()),
    )


def random_events(seed: int, profile: str = "mixture", steps: int = 60, most: int = 40) -> list[AnyEvent]:
    """Return what a checkpoint would record after a random history of about `steps` operations.

    It is taken at the last moment at which every task was either alive or a zombie. Pid namespaces are recorded with their
    identity, namespace 0 being the root. A dead session leader's vector is complete; of a dead group leader there is the longest
    prefix that a member sees.
    """
    player = ModelPlayer()
    historian = Historian(Random(f"{profile} {seed}"), profile, player, most)
    events = image_events(player.kernel)
    for _ in range(steps):
        historian.step()
        if all(standing.state != "dying" for standing in historian.view.values()):
            events = image_events(player.kernel)
    return events


def random_forest(seed: int, profile: str = "mixture", steps: int = 60, most: int = 40) -> Forest:
    """Return the forest of `random_events`."""
    return fold(random_events(seed, profile, steps, most))


def image_events(kernel: Kernel) -> list[AnyEvent]:
    """Return the image events of a checkpoint of the whole container, parents first."""
    assert kernel.container is not None
    spaces: dict[Namespace, NamespaceId] = {kernel.container: NamespaceId(0)}
    events: list[AnyEvent] = [ImageOpened(format="history", generation="", at=0)]
    leaders: dict[Pid, int] = {}
    objects: dict[SharedObject, int] = {}
    processes = _parents_first(kernel)
    outermost = kernel.outside.others
    mixed = any(process.others is not outermost for process in processes)
    others = _Others(processes[0])
    for process in processes:
        pid = process.pid
        first = pid.first
        at = len(events)
        events.append(
            TaskRecorded(
                pids=pid.numbers,
                parent=process.parent.pid.first,
                group=process.group.first,
                session=process.session.first,
                at=at,
            )
        )
        ended = process.state == "zombie" or process.main_ended
        events.append(
            TaskStateRecorded(
                pid=first,
                state="zombie" if ended else "running",
                exit_status=process.status if ended else 0,
                subreaper=process.subreaper,
                at=at,
            )
        )
        space = _record_space(process.namespace, spaces, events)
        namespaces = {"pid": space}
        if mixed and not ended:
            namespaces |= others.record(process, events)
        events.append(TaskNamespacesRecorded(pid=first, namespaces=namespaces, at=at))
        if process.objects and not ended:
            numbers = {kind: objects.setdefault(table, len(objects) + 1) for kind, table in process.objects.items()}
            events.append(SharingRecorded(pid=first, **numbers, at=at))
        for thread in (process.threads or {}).values():
            events.append(ThreadRecorded(pids=thread.numbers, thread_group=first, at=at))
            events.append(TaskStateRecorded(pid=thread.first, state="running", at=at))
        if process.session.owner is None:
            leaders[process.session] = len(process.session.numbers)
        if process.group.owner is None:
            leaders[process.group] = max(leaders.get(process.group, 0), _shared_levels(process.group, process))
    for pid, known in sorted(leaders.items(), key=lambda item: item[0].first):
        complete = bool(pid.sessions)
        events.append(PidRecorded(numbers=_prefix(pid, known), complete=complete, at=len(events)))
    events.append(ImageClosed(tasks=len(processes), complete=True, at=len(events)))
    return events


class _Others:
    """Namespaces of other kinds than pid as an image numbers them: 0 of a kind is the first task's."""

    def __init__(self, root: Process) -> None:
        self.ids: dict[OtherNamespace, NamespaceId] = {space: NamespaceId(0) for space in root.others.values()}
        self.met: set[OtherNamespace] = set()

    def record(self, process: Process, events: list[AnyEvent]) -> dict[str, NamespaceId]:
        """Return the namespaces of a process, and record those that are new."""
        return {kind: self._record(space, events) for kind, space in process.others.items()}

    def _record(self, space: OtherNamespace, events: list[AnyEvent]) -> NamespaceId:
        number = self.ids.setdefault(space, NamespaceId(len(self.ids)))
        if space not in self.met:
            self.met.add(space)
            owner = NamespaceId(-1) if space.owner is None else self._record(space.owner, events)
            above = {"parent": owner} if space.kind == "user" else {"owner": owner}
            events.append(NamespaceRecorded(kind=space.kind, id=number, **above, at=len(events)))
        return number


def _parents_first(kernel: Kernel) -> list[Process]:
    order = [kernel.outside]
    for process in order:
        order += process.children or ()
    return [process for process in order if process.namespace.level >= 0]


def _record_space(space: Namespace, spaces: dict[Namespace, NamespaceId], events: list[AnyEvent]) -> NamespaceId:
    if space not in spaces:
        assert space.parent is not None
        parent = _record_space(space.parent, spaces, events)
        spaces[space] = NamespaceId(len(spaces))
        events.append(NamespaceRecorded(kind="pid", id=spaces[space], parent=parent, at=len(events)))
    return spaces[space]


def _shared_levels(pid: Pid, member: Process) -> int:
    """How many of a leader's numbers a member sees: one for each namespace that both are in."""
    space: Namespace | None = member.namespace
    while space is not None and not pid.namespace.within(space):
        space = space.parent
    return 0 if space is None else space.level + 1


def _prefix(pid: Pid, known: int) -> Pids:
    return tuple(Number(number) for number in pid.numbers[:known])
