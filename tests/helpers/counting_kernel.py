"""A model kernel that counts which of its rules came to bear, those that refuse nothing included."""

from collections import Counter

from planner.identity import Pids
from planner.kernel.model import SIGCHLD, Kernel
from planner.kernel.objects import DYING, LIVING, Namespace, Pid, Process


class CountingKernel(Kernel):
    """`met` is how often each rule that refuses nothing decided something."""

    def __init__(self, levels: int) -> None:
        super().__init__(levels)
        self.met: Counter[str] = Counter()
        self.late: set[Process] = set()
        """Those who became subreapers when they had children already."""

    def clone(
        self,
        caller: Process,
        pids: Pids,
        new_namespace: bool = False,
        sibling: bool = False,
        exit_signal: int = SIGCHLD,
        shared: tuple[str, ...] = (),
    ) -> Process:
        """Count births that inherit from a creator that is not the parent, or that has left its parent's session or group."""
        child = super().clone(caller, pids, new_namespace, sibling, exit_signal, shared)
        if sibling or (caller.session, caller.group) != (caller.parent.session, caller.parent.group):
            self.met["birth"] += 1
        return child

    def set_subreaper(self, caller: Process, on: bool) -> None:
        """Remember whose descendants were there before."""
        if on and not caller.subreaper and caller.children:
            self.late.add(caller)
        super().set_subreaper(caller, on)

    def exit_leading_thread(self, caller: Process, status: int = 0) -> None:
        """Count leading threads that end before others, and their children, which stay."""
        if caller.threads:
            self.met["leading-thread"] += 1
            self.met["adoption-thread"] += bool(caller.children)
        super().exit_leading_thread(caller, status)

    def kill(self, caller: Process, number: int, signal: int) -> bool:
        """Count signals that an init does not get."""
        effect = super().kill(caller, number, signal)
        pid = caller.namespace.numbers.get(number)
        if not effect and signal and pid is not None and pid.owner is not None and pid.owner.state == LIVING:
            self.met["init-shield"] += 1
        return effect

    def wait(self, caller: Process, number: int) -> int:
        """Count zombies whose wait frees numbers or lets others go on, which they had kept."""
        pid = caller.namespace.numbers.get(number)
        zombie = None if pid is None else pid.owner
        status = super().wait(caller, number)
        if zombie is not None and zombie.pid.first not in self.host.numbers:
            self.met["zombie-pins"] += 1
        return status

    def _reaper_for(self, process: Process) -> Process:
        reaper = super()._reaper_for(process)
        self.met["adoption-init" if self.is_init(reaper) and not reaper.subreaper else "adoption-subreaper"] += 1
        self.met["subreaper-reach"] += reaper in self.late
        return reaper

    def _close(self, namespace: Namespace, init: Process) -> None:
        others = [pid for pid in namespace.numbers.values() if pid.owner is not None and pid.owner is not init]
        self.met["namespace-death"] += bool(others)
        super()._close(namespace, init)

    def _settle(self) -> None:
        super()._settle()
        self.met["init-waits"] += any(process.state == DYING for process in self.processes())

    def _notify(self, zombie: Process) -> None:
        before: Pid = zombie.pid
        super()._notify(zombie)
        self.met["init-ignores"] += before.owner is None
