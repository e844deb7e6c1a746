"""Prove on the model kernel that a plan ends in exactly the image's forest."""

from planner.errors import CrplanError
from planner.forest.model import SHARED_KINDS, Forest, Task
from planner.identity import OUTSIDE, ProcessId
from planner.kernel.model import LEVELS
from planner.kernel.objects import LIVING, ZOMBIE, Namespace, OtherNamespace, Pid, Process
from planner.kernel.sharing import object_of
from planner.kernel.simulation import World, process_words, simulate
from planner.plans.model import Plan


class ProofFailed(CrplanError):
    """The plan runs, and ends in another forest than the image's: `pid` is the task, `property` what differs of it."""

    def __init__(self, pid: ProcessId, property: str, expected: object, found: object) -> None:
        self.pid = pid
        self.property = property
        self.expected = expected
        self.found = found
        super().__init__(f"task {pid}: {property} is {found} at the end of the plan, and {expected} in the image")


def prove(plan: Plan, forest: Forest, levels: int = LEVELS, lost: frozenset[tuple[ProcessId, str]] = frozenset()) -> None:
    """Show on the model kernel that a plan ends in exactly the forest, with no helper left.

    `lost` are tasks and what they do not get, as findings have told: a kind of namespace, an exit signal, a shared object.
    Raises `ModelRefusal` when a step fails, and `ProofFailed` for the first difference.
    """
    world = simulate(plan, levels=levels)
    _Comparison(plan, forest, world, lost).run()


class _Comparison:
    """The end of a plan beside the image's forest."""

    def __init__(self, plan: Plan, forest: Forest, world: World, lost: frozenset[tuple[ProcessId, str]]) -> None:
        self.plan = plan
        self.forest = forest
        self.world = world
        self.kernel = world.kernel
        reapers = [process.pid for process in plan.processes if process.role == "reaper"]
        self.reaper = reapers[0] if reapers else OUTSIDE
        self.namespaces: dict[int, Namespace] = {}
        self.lost = lost

    def run(self) -> None:
        tasks = self.forest.tasks
        numbers = self.kernel.host.numbers
        for task in tasks.values():
            pid = numbers.get(task.pids[0])
            if pid is None or pid.owner is None or pid.thread:
                raise ProofFailed(task.pid, "process", "present", "missing")
            self._compare(task, pid, pid.owner)
        self._other_namespaces()
        self._sharing()
        self._nothing_else()
        self._leaders()
        verified = set(self.world.verified)
        for first in tasks:
            if first not in verified:
                raise ProofFailed(first, "verify step", "present", "missing")

    def _compare(self, task: Task, pid: Pid, process: Process) -> None:
        first = task.pid
        if pid.numbers != task.pids:
            raise ProofFailed(first, "vector", task.pids, pid.numbers)
        if process.parent.pid.first != task.parent:
            self._outside(first, "parent", task.parent, process.parent.pid.first)
        if process.session.first != task.session:
            self._outside(first, "session", task.session, process.session.first)
        if process.group.first != task.group:
            self._outside(first, "group", task.group, process.group.first)
        zombie = task.state == "zombie"
        if process.state != LIVING or process.main_ended or zombie:
            self._compare_end(task, process, zombie)
        elif process.stopped is not (task.state == "stopped"):
            raise ProofFailed(first, "state", task.state, "stopped" if process.stopped else "running")
        if task.exit_signal not in (process.exit_signal, -1) and (first, "exit_signal") not in self.lost:
            raise ProofFailed(first, "exit signal", task.exit_signal, process.exit_signal)
        if process.subreaper is not task.subreaper:
            raise ProofFailed(first, "subreaper flag", task.subreaper, process.subreaper)
        if task.namespace >= 0 and self.namespaces.setdefault(task.namespace, process.namespace) is not process.namespace:
            raise ProofFailed(first, "pid namespace", task.namespace, "another")
        if process.threads or first in self.forest.threads:
            expected = {thread.pids for thread in self.forest.threads.get(first, ())}
            found = {thread.numbers for thread in (process.threads or {}).values()}
            if expected != found:
                raise ProofFailed(first, "set of threads", sorted(expected), sorted(found))

    def _compare_end(self, task: Task, process: Process, zombie: bool) -> None:
        threads = bool(self.forest.threads.get(task.pid))
        state = "a zombie leading thread" if process.main_ended and process.state == LIVING else process.state
        expected = ("a zombie leading thread" if threads else ZOMBIE) if zombie else LIVING
        if state != expected:
            raise ProofFailed(task.pid, "state", expected, state)
        if process.status != task.exit_status:
            raise ProofFailed(task.pid, "exit status", task.exit_status, process.status)

    def _outside(self, first: ProcessId, property: str, expected: int, found: int) -> None:
        # The reaper of a subtree image stands in for the ancestors of the image's root, which the image does not hold.
        if expected == OUTSIDE and found == self.reaper:
            return
        raise ProofFailed(first, property, expected, found)

    def _other_namespaces(self) -> None:
        """Compare who is together in namespaces of other kinds, and what the root had made for itself."""
        forest = self.forest
        outer = self.kernel.outside.others
        found: dict[tuple[str, int], OtherNamespace] = {}
        meant: dict[OtherNamespace, int] = {}
        if not forest.other_namespaces or forest.tasks[forest.root].zombie:
            return
        for record in forest.namespace_records:
            if record.kind in outer and record.id == 0 and record.facts.get("created") == "yes":
                meant[outer[record.kind]] = -1
        for first, kinds in forest.other_namespaces.items():
            task = forest.tasks.get(first)
            pid = self.kernel.find(first)
            if task is None or task.zombie or pid is None or pid.owner is None:
                continue
            for kind, identity in kinds.items():
                if identity < 0 or kind not in outer or (first, kind) in self.lost:
                    continue
                space = pid.owner.others[kind]
                if found.setdefault((kind, identity), space) is not space or meant.setdefault(space, identity) != identity:
                    raise ProofFailed(first, f"{kind} namespace", identity, "another")

    def _sharing(self) -> None:
        """Compare which tasks share what: exactly those that have one object in the image."""
        found: dict[tuple[str, int], object] = {}
        meant: dict[tuple[str, object], int] = {}
        for first, record in self.forest.sharing.items():
            pid = self.kernel.find(first)
            # A leading thread that has ended has left what its process still shares.
            if pid is None or pid.owner is None or pid.owner.state != LIVING or pid.owner.main_ended:
                continue
            for kind in SHARED_KINDS:
                number: int = getattr(record, kind)
                if not number or (first, kind) in self.lost:
                    continue
                used = object_of(pid.owner, kind)
                if found.setdefault((kind, number), used) is not used or meant.setdefault((kind, used), number) != number:
                    raise ProofFailed(first, f"shared {kind.replace('_', ' ')}", number, "another")

    def _nothing_else(self) -> None:
        tasks = self.forest.tasks
        seen: set[Namespace] = set(self.namespaces.values())
        if len(seen) != len(self.namespaces):
            raise ProofFailed(OUTSIDE, "number of pid namespaces", len(self.namespaces), len(seen))
        for process in self.kernel.processes():
            first = process.pid.first
            if first in tasks or first == self.reaper:
                continue
            raise ProofFailed(first, "process", "absent", f"present ({process_words(process)})")

    def _leaders(self) -> None:
        for leader in self.forest.leaders.values():
            pid = self.kernel.find(leader.pids[0])
            if pid is None:
                # No process is in a session or group of this pid, which is verified of tasks: it holds no number.
                continue
            if pid.numbers[: len(leader.pids)] != leader.pids or (leader.complete and len(pid.numbers) != len(leader.pids)):
                raise ProofFailed(ProcessId(leader.pids[0]), "vector of a dead leader", leader.pids, pid.numbers)
