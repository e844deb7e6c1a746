"""The fold of the image events: tasks, threads, dead leaders, namespaces and sharing, each with the event that it came from.

Facts that contradict each other raise `Contradiction`, which is exit code 3: the image could be read, and is impossible.
"""

from collections.abc import Callable, Iterable
from typing import Any

from planner.errors import Contradiction
from planner.events.records import (
    AnyEvent,
    CheckpointFailed,
    DefectRecorded,
    FactRecorded,
    ImageClosed,
    ImageOpened,
    NamespaceInferred,
    NamespaceRecorded,
    OuterNumberRecorded,
    PidRecorded,
    SharingRecorded,
    TaskNamespacesRecorded,
    TaskPlaced,
    TaskRecorded,
    TaskStateRecorded,
    ThreadRecorded,
    UnknownEvent,
)
from planner.findings.registry import KINDS
from planner.forest.laws import check
from planner.forest.laws_processes import MOST_LEVELS
from planner.forest.model import ROOT_NAMESPACE, UNPLACED, Forest, Leader, Task, Thread
from planner.forest.pid_namespaces.recorded import PidNamespaces
from planner.identity import OUTSIDE, EventNumber, NamespaceId, Number, Pids, ProcessId


def fold(events: Iterable[AnyEvent], *, partial: bool = False) -> Forest:
    """Return the forest that the image events add up to; sequence numbers are positions in `events`.

    Image events build it, `NamespaceInferred` and `TaskPlaced` place its tasks, other decisions and run events are passed over.
    Facts that exclude each other raise `Contradiction`. With `partial` the events are the beginning of a log: what shows only
    when all are there (a parent or a state that is missing, a cycle) is then not looked for.
    """
    folding = _Folding()
    handlers = folding.handlers()
    for seq, event in enumerate(events):
        handler = handlers.get(type(event))
        if handler is not None:
            handler(seq, event)
    return folding.finish(partial)


class _Folding:
    """The forest while it grows; facts about a task may come before the task."""

    def __init__(self) -> None:
        self.forest = Forest(complete=False)
        self.opened_images: list[ImageOpened] = []
        self.closed_images: list[ImageClosed] = []
        self.threads: dict[Number, Thread] = {}
        self.early_states: list[tuple[int, TaskStateRecorded]] = []
        self.pid_namespaces = PidNamespaces()

    def handlers(self) -> dict[type, Callable[[int, Any], None]]:
        """Return what is to be done with each type of event that builds the forest."""
        forest = self.forest
        return {
            ImageOpened: self.opened,
            TaskRecorded: self.task,
            ThreadRecorded: self.thread,
            PidRecorded: self.leader,
            TaskStateRecorded: self.state,
            SharingRecorded: lambda seq, event: forest.sharing.__setitem__(event.pid, event),
            NamespaceRecorded: self.namespace,
            TaskNamespacesRecorded: self.task_namespaces,
            OuterNumberRecorded: lambda seq, event: forest.outer_numbers.__setitem__(event.pid, event.number),
            FactRecorded: lambda seq, event: forest.facts.append((EventNumber(seq), event)),
            DefectRecorded: self.defect,
            CheckpointFailed: self.failed,
            ImageClosed: self.closed,
            NamespaceInferred: self.pid_namespaces.infer,
            TaskPlaced: self.pid_namespaces.place,
            UnknownEvent: self.unknown,
        }

    def opened(self, seq: int, event: ImageOpened) -> None:
        self.opened_images.append(event)

    def closed(self, seq: int, event: ImageClosed) -> None:
        self.closed_images.append(event)

    def unknown(self, seq: int, event: UnknownEvent) -> None:
        self.forest.unknown_events += 1

    def failed(self, seq: int, event: CheckpointFailed) -> None:
        raise Contradiction("checkpoint-failed", f"the image says that its checkpoint failed: {event.message}", (seq,))

    def defect(self, seq: int, event: DefectRecorded) -> None:
        """Keep a defect that a reader met, or refuse: some are contradictions that the vocabulary has no facts for."""
        kind = KINDS.get(event.code)
        if kind is not None and kind.severity == "error":
            raise Contradiction(event.code, event.detail, (seq,), event.pid)
        self.forest.defects.append((EventNumber(seq), event))

    def task(self, seq: int, event: TaskRecorded) -> None:
        pids = event.pids
        pid = self.number_free(pids, seq)
        self.forest.tasks[pid] = Task(
            pids=pids,
            parent=event.parent,
            group=event.group,
            session=event.session,
            namespace=ROOT_NAMESPACE if len(pids) == 1 else UNPLACED,
            recorded=EventNumber(seq),
        )

    def thread(self, seq: int, event: ThreadRecorded) -> None:
        thread = Thread(pids=event.pids, thread_group=event.thread_group, recorded=EventNumber(seq))
        self.threads[Number(self.number_free(event.pids, seq))] = thread
        self.forest.threads.setdefault(event.thread_group, []).append(thread)

    def leader(self, seq: int, event: PidRecorded) -> None:
        pid = self.number_free(event.numbers, seq)
        self.forest.leaders[pid] = Leader(pids=event.numbers, complete=event.complete, recorded=EventNumber(seq))

    def number_free(self, pids: Pids, seq: int) -> ProcessId:
        """Return the level-0 pid of a task, which no other may have."""
        if not pids or min(pids) < 1:
            raise Contradiction("impossible-number", f"pids {list(pids)} hold one that no task can have", (seq,))
        if len(pids) > MOST_LEVELS:
            raise Contradiction(
                "too-deep", f"task {pids[0]} has {len(pids)} pids; the kernel allows {MOST_LEVELS}", (seq,), pids[0]
            )
        pid = ProcessId(pids[0])
        holder: Task | Thread | Leader | None
        holder = self.forest.tasks.get(pid) or self.threads.get(pids[0]) or self.forest.leaders.get(pid)
        if holder is not None:
            raise Contradiction("duplicate-number", f"pid {pid} is used twice at level 0", (holder.recorded, seq), pid)
        return pid

    def state(self, seq: int, event: TaskStateRecorded) -> None:
        task = self.forest.tasks.get(event.pid)
        if task is not None:
            task.state = event.state
            task.exit_status = event.exit_status
            task.exit_signal = event.exit_signal
            task.name = event.name
            task.subreaper = event.subreaper
            task.state_recorded = EventNumber(seq)
            return
        thread = self.threads.get(Number(event.pid))
        if thread is None:
            self.early_states.append((seq, event))
            return
        thread.state = event.state
        thread.name = event.name
        thread.state_recorded = EventNumber(seq)

    def namespace(self, seq: int, event: NamespaceRecorded) -> None:
        self.forest.namespace_records.append(event)
        if event.kind == "pid":
            self.pid_namespaces.record(seq, event)

    def task_namespaces(self, seq: int, event: TaskNamespacesRecorded) -> None:
        namespaces = dict(event.namespaces)
        pid_namespace = namespaces.pop("pid", None)
        if pid_namespace is not None:
            self.pid_namespaces.say(seq, event.pid, pid_namespace)
        if namespaces:
            self.forest.other_namespaces[event.pid] = namespaces

    def finish(self, partial: bool) -> Forest:
        """Bring in what came before its task, settle namespaces, and look for contradictions."""
        forest = self.forest
        early, self.early_states = self.early_states, []
        for seq, event in early:
            self.state(seq, event)
        if self.early_states and not partial:
            seq, event = self.early_states[0]
            raise Contradiction("task-unknown", f"a state is recorded for {event.pid}, which is no task", (seq,), event.pid)
        self.settle_images()
        self.pid_namespaces.settle(forest)
        self.place_root()
        if not partial:
            for task in forest.tasks.values():
                if task.state_recorded < 0:
                    forest.defects.append((task.recorded, _state_missing(task)))
            try:
                check(forest)
            except Contradiction as refusal:
                from planner.forest.minimise import narrowed

                # The search for namespaces goes on from the evidence against the placing that it tries.
                raise (refusal if self.pid_namespaces.decided else narrowed(forest, refusal)) from None
        return forest

    def place_root(self) -> None:
        """Put the root into the namespaces of its own that were created for it, where the image does not say where it is.

        Namespace 0 of a kind is the root task's by definition (`planner.identity.NamespaceId`); others can be in it, too.
        """
        forest = self.forest
        if not any(task.parent == OUTSIDE for task in forest.tasks.values()):
            return
        root = forest.tasks[forest.root]
        if root.zombie:
            return
        created = {record.kind for record in forest.namespace_records if record.id == 0 and record.facts.get("created") == "yes"}
        met = {kind for kinds in forest.other_namespaces.values() for kind, identity in kinds.items() if identity == 0}
        for kind in sorted(created & met):
            own = forest.other_namespaces.setdefault(root.pid, {})
            if own.setdefault(kind, NamespaceId(0)) > 0:
                raise Contradiction(
                    "namespace-recorded-apart",
                    f"task {root.pid} is the root and in {kind} namespace {own[kind]}, and {kind} namespace 0 is the root's",
                    (root.recorded,),
                    root.pid,
                )
            own[kind] = NamespaceId(0)

    def settle_images(self) -> None:
        """Bring the headers together: there are several for the containers of a pod."""
        forest, opened, closed = self.forest, self.opened_images, self.closed_images
        forest.format = " and ".join(dict.fromkeys(event.format for event in opened))
        forest.generation = " and ".join(dict.fromkeys(event.generation for event in opened))
        forest.complete = len(closed) >= len(opened) and bool(closed) and all(event.complete for event in closed)
        if len(opened) < 2:
            forest.image_facts = opened[0].facts if opened else {}
            return
        forest.images = tuple(event.image for event in opened)
        common = {item for item in opened[0].facts.items() if all(item in event.facts.items() for event in opened)}
        forest.image_facts = {fact: value for fact, value in opened[0].facts.items() if (fact, value) in common}
        for event in opened:
            apart = {f"{event.image} {fact}": value for fact, value in event.facts.items() if (fact, value) not in common}
            forest.image_facts.update(apart)


def _state_missing(task: Task) -> DefectRecorded:
    return DefectRecorded(
        code="state-missing",
        detail=f"the image has no state and no name of task {task.pid}; it is taken to be running",
        pid=task.pid,
        at=f"event {task.recorded}",
    )
