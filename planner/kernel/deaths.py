"""How processes of the model end: orphans and their reapers, zombies, namespaces that close, and numbers that become free."""

from collections.abc import Iterator

from planner.kernel.objects import DYING, LIVING, ZOMBIE, Namespace, Pid, Process
from planner.kernel.rules import KernelError
from planner.kernel.sharing import ignore_children, ignores_children, leave
from planner.kernel.stopping import SIGHUP, hung_up, stop

SIGCHLD = 17
SIGKILL = 9
LAST_SIGNAL = 64


class Population:
    """The processes of one container, by their numbers in `host`, and how they come to an end."""

    def __init__(self, host: Namespace) -> None:
        self.host = host
        self.container: Namespace | None = None
        self._emptied: list[Namespace] = []
        self._any_stopped = False

    def processes(self) -> Iterator[Process]:
        """Yield every process of the container that is not gone, in the order in which level 0 got their numbers."""
        if self.container is not None:
            for pid in self.container.numbers.values():
                if pid.owner is not None and not pid.thread:
                    yield pid.owner

    def find(self, number: int) -> Pid | None:
        """Return the pid object that has this number at level 0, None where it is free."""
        return self.host.numbers.get(number)

    def exit(self, caller: Process, status: int = 0) -> None:
        """End the caller with all its threads; `status` is in wait(2)'s format."""
        self._end(caller, status)
        self._settle()

    def exit_leading_thread(self, caller: Process, status: int = 0) -> None:
        """End the caller's leading thread; the process ends too where it has no other."""
        caller.main_ended = True
        caller.status = status
        if not caller.threads:
            self.exit(caller, status)

    def exit_thread(self, caller: Process, thread: Pid, status: int = 0) -> None:
        """End a thread that leads no thread group; a process ends with its last thread, and with that thread's status."""
        assert caller.threads is not None
        del caller.threads[thread.first]
        thread.owner = None
        self._unpin(thread)
        if caller.main_ended and not caller.threads:
            self._end(caller, status)
        self._settle()

    def kill(self, caller: Process, number: int, signal: int) -> bool:
        """Send a signal whose default action is to end the process; False where it has no effect."""
        pid = caller.namespace.numbers.get(number)
        if pid is None or pid.owner is None:
            raise KernelError("kill-gone")
        if not 0 <= signal <= LAST_SIGNAL:
            raise KernelError("kill-signal")
        target = pid.owner
        if target.state != LIVING or not signal:
            return False
        if target.namespace.init is target and (signal != SIGKILL or caller.namespace is target.namespace):
            return False
        self._end(target, signal)
        self._settle()
        return True

    def stop(self, number: int) -> None:
        """Stop the task with a number at level 0 from outside, by SIGSTOP, which no init is shielded from there."""
        stop(self.find(number))
        self._any_stopped = True

    def wait(self, caller: Process, number: int) -> int:
        """Reap the child `number` of the caller and return its status."""
        pid = caller.namespace.numbers.get(number)
        if pid is None or pid.owner is None or pid.thread or pid.owner.parent is not caller:
            raise KernelError("reap-stranger")
        child = pid.owner
        if child.state != ZOMBIE:
            raise KernelError("reap-living")
        self._release(child)
        self._settle()
        return child.status

    def _end(self, process: Process, status: int) -> None:
        if process.threads:
            for thread in process.threads.values():
                thread.owner = None
                self._unpin(thread)
            process.threads = None
        process.status = status
        if process.subreaper:
            process.namespace.subreapers -= 1
        namespace = process.namespace
        if namespace.init is process:
            ignore_children(process)
            leave(process)
            self._close(namespace, process)
        else:
            leave(process)
            process.state = ZOMBIE
            orphans = tuple(process.children or ()) if self._any_stopped else ()
            self._orphan(process)
            self._notify(process)
            if self._any_stopped:
                for member in hung_up(process, orphans, self.processes):
                    if member.namespace.init is not member:
                        self._end(member, SIGHUP)

    def _close(self, namespace: Namespace, init: Process) -> None:
        # The recursion of namespaces within namespaces is bounded by the number of levels.
        namespace.closed = True
        init.state = DYING
        for pid in list(namespace.numbers.values()):
            owner = pid.owner
            if owner is not None and owner.state == LIVING:
                self._end(owner, SIGKILL)
        for child in list(init.children or ()):
            if child.state == ZOMBIE:
                self._release(child)
        if len(namespace.numbers) == 1:
            self._emptied.append(namespace)

    def _orphan(self, process: Process) -> None:
        orphans, process.children = process.children, None
        if not orphans:
            return
        reaper = self._reaper_for(process)
        if reaper.children is None:
            reaper.children = {}
        for child in orphans:
            child.parent = reaper
            child.exit_signal = SIGCHLD
            reaper.children[child] = None
            if child.state == ZOMBIE:
                self._notify(child)

    def _notify(self, zombie: Process) -> None:
        """Release a zombie whose parent ignores SIGCHLD."""
        if zombie.exit_signal == SIGCHLD and ignores_children(zombie.parent):
            self._release(zombie)

    def _reaper_for(self, process: Process) -> Process:
        # Linux goes up only where has_child_subreaper is set. A process that lacks it has no subreaper above at its own level,
        # so the flag saves a search and never changes its end; a count of the namespace's subreapers saves as much.
        namespace = process.namespace
        if namespace.subreapers:
            ancestor = process.parent
            while ancestor.namespace is namespace:
                if ancestor.subreaper:
                    return ancestor
                ancestor = ancestor.parent
        assert namespace.init is not None
        return namespace.init

    def _settle(self) -> None:
        """End the inits whose namespaces have become empty; one may empty the next."""
        while self._emptied:
            init = self._emptied.pop().init
            assert init is not None
            if init.state == DYING:
                init.state = ZOMBIE
                # A dying init keeps no zombie among its children.
                if init.parent.state == DYING:
                    self._release(init)
                else:
                    self._notify(init)

    def _release(self, process: Process) -> None:
        assert process.parent.children is not None
        del process.parent.children[process]
        group, session, pid = process.group, process.session, process.pid
        group.members -= 1
        session.sessions -= 1
        pid.owner = None
        self._unpin(pid)
        if group is not pid:
            self._unpin(group)
        if session is not group:
            self._unpin(session)

    def _unpin(self, pid: Pid) -> None:
        """Free the numbers of a pid object that no task, group or session has any more."""
        if pid.owner is not None or pid.members or pid.sessions:
            return
        space: Namespace | None = pid.namespace
        for number in reversed(pid.numbers):
            assert space is not None
            del space.numbers[number]
            if len(space.numbers) == 1:
                self._emptied.append(space)
            space = space.parent
