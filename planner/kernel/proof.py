"""Run a plan on the model kernel, and prove that it ends in exactly the image's forest."""

from collections.abc import Callable, Iterable

from planner.errors import CrplanError
from planner.forest.model import SHARED_KINDS, Forest, Task
from planner.identity import OUTSIDE, ProcessId, StepNumber
from planner.kernel.deadlock_orders import first_unordered
from planner.kernel.deadlocks import Past, ring_of, words
from planner.kernel.model import LEVELS, PID_LIMIT, Kernel
from planner.kernel.namespaces import be_born_in_new_user, join, map_ids, unshare
from planner.kernel.objects import LIVING, ZOMBIE, Namespace, OtherNamespace, Pid, Process
from planner.kernel.rules import KERNEL_RULES, KernelError
from planner.kernel.sharing import keeps_sharing, object_of
from planner.plans.model import Plan
from planner.steps import (
    AnyStep,
    Create,
    CreateThread,
    Enter,
    Exit,
    Join,
    Kill,
    MapIds,
    Reap,
    SetGroup,
    SetSession,
    SetSubreaper,
    Unshare,
    Verify,
)
from planner.steps import Process as PlannedProcess


class ModelRefusal(CrplanError):
    """The model kernel refuses a step: `errno` is the error's name, "" where the step has no effect or the plan is at fault."""

    def __init__(self, step: StepNumber, rule: str, detail: str = "") -> None:
        self.step = step
        self.rule = rule
        self.errno = KERNEL_RULES[rule].errno
        words = detail or KERNEL_RULES[rule].sentence
        super().__init__(f"step {step} ({rule}): {self.errno + ': ' if self.errno else ''}{words}")


class ProofFailed(CrplanError):
    """The plan runs, and ends in another forest than the image's: `pid` is the task, `property` what differs of it."""

    def __init__(self, pid: ProcessId, property: str, expected: object, found: object) -> None:
        self.pid = pid
        self.property = property
        self.expected = expected
        self.found = found
        super().__init__(f"task {pid}: {property} is {found} at the end of the plan, and {expected} in the image")


class World:
    """What stands when a plan has run: the model kernel, and the targets of the plan's verify steps in their order."""

    __slots__ = ("kernel", "verified")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.verified: list[ProcessId] = []


def simulate(plan: Plan, steps: Iterable[AnyStep] | None = None, levels: int = LEVELS) -> World:
    """Run a plan's steps in plan order on the model kernel.

    `steps` gives another order of the same steps, to try what executors that run actors side by side may do; `levels` is how
    many levels the container may have. Raises `ModelRefusal` at the first step that fails.
    """
    return _Run(plan, levels).run(plan.steps if steps is None else steps, in_order=steps is None)


def walk(plan: Plan, watch: Callable[[Kernel], Iterable[AnyStep]], levels: int = LEVELS) -> World:
    """Run a plan under the eyes of `watch`: it gets the kernel and yields the plan's steps, each when it has seen enough.

    A step is done when the next one is asked for. Raises `ModelRefusal` at the first step that fails.
    """
    run = _Run(plan, levels)
    return run.run(watch(run.kernel), in_order=True)


def prove(plan: Plan, forest: Forest, levels: int = LEVELS, lost: frozenset[tuple[ProcessId, str]] = frozenset()) -> None:
    """Show on the model kernel that a plan ends in exactly the forest, with no helper left.

    `lost` are tasks and what they do not get, as findings have told: a kind of namespace, an exit signal, a shared object.
    Raises `ModelRefusal` when a step fails, and `ProofFailed` for the first difference.
    """
    world = simulate(plan, levels=levels)
    _Comparison(plan, forest, world, lost).run()


class _Run:
    """One run of a plan; processes are found by their number at level 0, as the plan names them.

    At no step may an init be trapped (`planner.kernel.deadlocks`), since a rebuild can fail and end everything at any moment.
    `wary` looks for rings at every step that can close one, which is only done of a plan that is not free of them at a first
    look.
    """

    def __init__(self, plan: Plan, levels: int, wary: bool = False) -> None:
        self.plan = plan
        self.kernel = Kernel(levels)
        self.planned = plan.process_table()
        self.world = World(self.kernel)
        self.past = None if wary else Past()

    def run(self, steps: Iterable[AnyStep], in_order: bool) -> World:
        done: list[AnyStep] = []
        for position, step in enumerate(steps, 1):
            done.append(step)
            if in_order:
                if step.number != position:
                    raise ModelRefusal(step.number, "plan-order")
                for wait in step.waits:
                    if wait.step >= position:
                        raise ModelRefusal(step.number, "plan-order")
            try:
                kind = type(step)
                if kind is Create:
                    self._create(step)  # type: ignore[arg-type]  # type() is faster than isinstance and does not narrow
                elif kind is Verify:
                    self._verify(step)  # type: ignore[arg-type]  # as above
                else:
                    self._other(step)
            except KernelError as error:
                raise ModelRefusal(step.number, error.rule) from None
        if self.past is not None and (ring := self.past.rings()):
            _Run(self.plan, self.kernel.levels, wary=True).run(done, in_order)
            if in_order:
                self._refuse_other_orders(done, {init.pid.first: joined for init, joined in ring.items()})
        return self.world

    def _refuse_other_orders(self, steps: list[AnyStep], joined: dict[ProcessId, set[int]]) -> None:
        inits = {step.child for step in steps if isinstance(step, Create) and step.new_namespace}
        step = first_unordered(steps, joined, inits)
        if step is not None:
            detail = "the plan leaves open when this is done, and inits could wait for each other and never finish dying"
            raise ModelRefusal(step, "init-trap", detail)

    def _actor(self, step: AnyStep) -> Process:
        if step.actor == OUTSIDE:
            return self.kernel.outside
        pid = self.kernel.host.numbers.get(step.actor)
        if pid is None or pid.owner is None or pid.thread or pid.owner.state != LIVING or pid.owner.main_ended:
            raise ModelRefusal(step.number, "actor-gone", f"actor {step.actor} does not live at this step")
        return pid.owner

    def _planned(self, step: Create | CreateThread) -> PlannedProcess:
        planned = self.planned.get(step.child)
        if planned is None:
            raise ModelRefusal(step.number, "plan-process", f"{step.child} is no process of the plan")
        return planned

    def _create(self, step: Create) -> None:
        planned = self._planned(step)
        actor = self._actor(step)
        if step.sibling:
            child = self.kernel.clone(actor, planned.pids, step.new_namespace, True, 0, step.share)
        else:
            child = self.kernel.clone(actor, planned.pids, step.new_namespace, False, step.exit_signal, step.share)
        if step.new_user:
            be_born_in_new_user(child)
        init = child.namespace.init
        if init is None or init.pid.first != planned.namespace:
            raise ModelRefusal(step.number, "plan-process", f"{step.child} is born in another pid namespace than planned")
        if self.past is not None and step.new_namespace:
            self.past.note(child, step.number)

    def _verify(self, step: Verify) -> None:
        pid = self.kernel.host.numbers.get(step.target)
        if pid is None or pid.owner is None or pid.thread:
            raise ModelRefusal(step.number, "plan-verify", f"{step.target} does not exist")
        process = pid.owner
        zombie = process.state == ZOMBIE or process.main_ended
        if (
            step.parent != process.parent.pid.first
            or step.group != process.group.first
            or step.session != process.session.first
            or step.zombie != zombie
            or (zombie and step.status != process.status)
            or step.subreaper != process.subreaper
            or step.exit_signal not in (process.exit_signal, -1)
            or (process.state != LIVING and process.state != ZOMBIE)
            or (step.namespaces and not self._is_in(process, step.namespaces))
            or ((step.threads or process.threads) and set(step.threads) != set(process.threads or ()))
        ):
            raise ModelRefusal(step.number, "plan-verify", f"{step.target} is not as the step says: it has {_words(process)}")
        self.world.verified.append(step.target)

    def _other(self, step: AnyStep) -> None:
        kernel = self.kernel
        actor = self._actor(step)
        match step:
            case SetSession():
                kernel.setsid(actor)
            case SetGroup(target=target, group=group):
                if group == OUTSIDE and actor is kernel.outside:
                    kernel.setpgid_to_own(actor, self._number(actor, target))
                else:
                    kernel.setpgid(actor, self._number(actor, target), self._number(actor, group))
                self._look_for_traps(step)
            case SetSubreaper(on=on):
                kernel.set_subreaper(actor, on)
            case Enter(namespace=namespace):
                self._enter(step, actor, namespace)
            case CreateThread():
                kernel.clone_thread(actor, self._planned(step).pids)
            case Exit(status=status, thread_only=thread_only):
                if status & 0x7F and kernel.is_init(actor):
                    raise ModelRefusal(step.number, "init-shield", f"{actor.pid.first} is an init and cannot kill itself")
                if actor is kernel.outside:
                    raise ModelRefusal(step.number, "actor-gone", "the executor must not end")
                if thread_only:
                    kernel.exit_leading_thread(actor, status)
                else:
                    kernel.exit(actor, status)
            case Kill(target=target, signal=signal):
                if not kernel.kill(actor, self._number(actor, target), signal):
                    raise ModelRefusal(step.number, "init-shield", f"the signal {signal} to {target} has no effect")
            case Reap(child=child):
                kernel.wait(actor, self._number(actor, child))
            case Unshare(kinds=kinds):
                keeps_sharing(actor, kinds)
                unshare(actor, kinds)
            case MapIds(target=target):
                whole = step.own or bool(step.uid_map and step.gid_map)
                map_ids(actor, kernel.find(target), whole)
            case Join(kind=kind, target=target):
                keeps_sharing(actor, (kind,))
                join(actor, actor.namespace.numbers.get(self._number(actor, target)), kind)
            case _:
                raise ModelRefusal(step.number, "plan-process", f"unknown step {type(step).__name__}")

    def _look_for_traps(self, step: SetGroup) -> None:
        pid = self.kernel.find(step.target)
        moved = self.kernel.outside if pid is None or pid.owner is None else pid.owner
        if self.past is not None:
            self.past.note(moved, step.number)
        elif ring := ring_of(moved):
            raise ModelRefusal(step.number, "init-trap", words([(init.pid.first, init.group.first) for init in ring]))

    def _is_in(self, process: Process, namespaces: dict[str, ProcessId]) -> bool:
        """Tell whether a process is in the namespaces of the tasks that a verify step names."""
        outside = self.kernel.outside
        for kind, holder in namespaces.items():
            pid = self.kernel.host.numbers.get(holder) if holder else outside.pid
            if pid is None or pid.owner is None or kind not in outside.others:
                return False
            found = process.others[kind]
            if pid.owner.others[kind] is not found or (holder != OUTSIDE and found is outside.others[kind]):
                return False
        return True

    def _number(self, actor: Process, first: int) -> int:
        """The number by which an actor knows a process; where it cannot see it, one that no process has."""
        pid = self.kernel.host.numbers.get(first)
        return (0 if pid is None else pid.number_in(actor.namespace)) or PID_LIMIT

    def _enter(self, step: Enter, actor: Process, namespace: int) -> None:
        own = actor.namespace.init
        assert own is not None
        if namespace == own.pid.first:
            self.kernel.enter(actor, 0)
            return
        pid = self.kernel.host.numbers.get(namespace)
        if pid is not None and pid.namespace.init is not pid.owner:
            raise ModelRefusal(step.number, "plan-process", f"{namespace} is not the init of a pid namespace")
        self.kernel.enter(actor, self._number(actor, namespace))


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
        # The reaper of a subtree image stands in for whatever the image has above its root.
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
            raise ProofFailed(first, "process", "absent", f"present ({_words(process)})")

    def _leaders(self) -> None:
        for leader in self.forest.leaders.values():
            pid = self.kernel.find(leader.pids[0])
            if pid is None:
                # No process is in a session or group of this pid, which is verified of tasks: it holds no number.
                continue
            if pid.numbers[: len(leader.pids)] != leader.pids or (leader.complete and len(pid.numbers) != len(leader.pids)):
                raise ProofFailed(ProcessId(leader.pids[0]), "vector of a dead leader", leader.pids, pid.numbers)


def _words(process: Process) -> str:
    threads = f", threads {sorted(process.threads)}" if process.threads else ""
    flag = ", subreaper" if process.subreaper else ""
    state = "zombie" if process.main_ended or process.state == ZOMBIE else process.state
    return (
        f"parent {process.parent.pid.first}, session {process.session.first}, group {process.group.first}, {state}, "
        f"status {process.status}, exit signal {process.exit_signal}{threads}{flag}"
    )
