"""Run a plan's steps on the model kernel: what stands when they are done, or the first step that Linux would refuse."""

from collections.abc import Callable, Iterable
from typing import Any, Final

from planner import steps as kinds
from planner.errors import CrplanError
from planner.identity import OUTSIDE, ProcessId, StepNumber
from planner.kernel.deadlock_orders import first_unordered
from planner.kernel.deadlocks import Past, ring_of, words
from planner.kernel.model import LEVELS, PID_LIMIT, Kernel
from planner.kernel.namespaces import be_born_in_new_user, join, map_ids, unshare
from planner.kernel.objects import LIVING, ZOMBIE, Process
from planner.kernel.rules import KERNEL_RULES, KernelError
from planner.kernel.sharing import keeps_sharing
from planner.plans.model import Plan
from planner.steps import AnyStep, Create, CreateThread, Exit, Kill, SetGroup, Verify
from planner.steps import Process as PlannedProcess


class ModelRefusal(CrplanError):
    """The model kernel refuses a step: `errno` is the error's name, "" where the step has no effect or the plan is at fault."""

    def __init__(self, step: StepNumber, rule: str, detail: str = "") -> None:
        self.step = step
        self.rule = rule
        self.errno = KERNEL_RULES[rule].errno
        words = detail or KERNEL_RULES[rule].sentence
        super().__init__(f"step {step} ({rule}): {self.errno + ': ' if self.errno else ''}{words}")


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
            if in_order and (step.waits or step.number != position):
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
        if pid.owner.stopped:
            raise ModelRefusal(step.number, "stopped-acts", f"actor {step.actor} is stopped at this step")
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
            raise ModelRefusal(
                step.number, "plan-verify", f"{step.target} is not as the step says: it has {process_words(process)}"
            )
        self.world.verified.append(step.target)

    def _other(self, step: AnyStep) -> None:
        deed = _DEEDS.get(type(step))
        if deed is None:
            raise ModelRefusal(step.number, "plan-process", f"unknown step {type(step).__name__}")
        deed(self, step, self._actor(step))

    def _set_session(self, step: kinds.SetSession, actor: Process) -> None:
        self.kernel.setsid(actor)

    def _set_subreaper(self, step: kinds.SetSubreaper, actor: Process) -> None:
        self.kernel.set_subreaper(actor, step.on)

    def _create_thread(self, step: CreateThread, actor: Process) -> None:
        self.kernel.clone_thread(actor, self._planned(step).pids)

    def _exit(self, step: Exit, actor: Process) -> None:
        if step.status & 0x7F and self.kernel.is_init(actor):
            raise ModelRefusal(step.number, "init-shield", f"{actor.pid.first} is an init and cannot kill itself")
        if actor is self.kernel.outside:
            raise ModelRefusal(step.number, "actor-gone", "the executor must not end")
        if step.thread_only:
            self.kernel.exit_leading_thread(actor, step.status)
        else:
            self.kernel.exit(actor, step.status)

    def _kill(self, step: Kill, actor: Process) -> None:
        if not self.kernel.kill(actor, self._number(actor, step.target), step.signal):
            raise ModelRefusal(step.number, "init-shield", f"the signal {step.signal} to {step.target} has no effect")

    def _stop(self, step: kinds.Stop, actor: Process) -> None:
        self.kernel.stop(step.target)

    def _reap(self, step: kinds.Reap, actor: Process) -> None:
        self.kernel.wait(actor, self._number(actor, step.child))

    def _unshare(self, step: kinds.Unshare, actor: Process) -> None:
        keeps_sharing(actor, step.kinds)
        unshare(actor, step.kinds)

    def _map_ids(self, step: kinds.MapIds, actor: Process) -> None:
        map_ids(actor, self.kernel.find(step.target), step.own or bool(step.uid_map and step.gid_map))

    def _join(self, step: kinds.Join, actor: Process) -> None:
        keeps_sharing(actor, (step.kind,))
        join(actor, actor.namespace.numbers.get(self._number(actor, step.target)), step.kind)

    def _set_group(self, step: SetGroup, actor: Process) -> None:
        target = self._number(actor, step.target)
        if step.group == OUTSIDE and actor is self.kernel.outside:
            self.kernel.setpgid_to_own(actor, target)
        else:
            self.kernel.setpgid(actor, target, self._number(actor, step.group))
        self._look_for_traps(step)

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

    def _enter(self, step: kinds.Enter, actor: Process) -> None:
        own = actor.namespace.init
        assert own is not None
        if step.namespace == own.pid.first:
            self.kernel.enter(actor, 0)
            return
        pid = self.kernel.host.numbers.get(step.namespace)
        if pid is not None and pid.namespace.init is not pid.owner:
            raise ModelRefusal(step.number, "plan-process", f"{step.namespace} is not the init of a pid namespace")
        self.kernel.enter(actor, self._number(actor, step.namespace))


_DEEDS: Final[dict[type, Callable[[_Run, Any, Process], None]]] = {
    kinds.SetSession: _Run._set_session,
    SetGroup: _Run._set_group,
    kinds.SetSubreaper: _Run._set_subreaper,
    kinds.Enter: _Run._enter,
    CreateThread: _Run._create_thread,
    Exit: _Run._exit,
    Kill: _Run._kill,
    kinds.Reap: _Run._reap,
    kinds.Stop: _Run._stop,
    kinds.Unshare: _Run._unshare,
    kinds.MapIds: _Run._map_ids,
    kinds.Join: _Run._join,
}
"""What each kind of step asks of the model, but for births and looks at the end, which `_Run.run` does itself."""


def process_words(process: Process) -> str:
    """Return what a process of the model has, in one line."""
    threads = f", threads {sorted(process.threads)}" if process.threads else ""
    flag = ", subreaper" if process.subreaper else ""
    state = "zombie" if process.main_ended or process.state == ZOMBIE else "stopped" if process.stopped else process.state
    return (
        f"parent {process.parent.pid.first}, session {process.session.first}, group {process.group.first}, {state}, "
        f"status {process.status}, exit signal {process.exit_signal}{threads}{flag}"
    )
