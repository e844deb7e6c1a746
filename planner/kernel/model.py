"""The model kernel: processes, threads, sessions, groups and pid namespaces by the rules of `planner.kernel.rules`.

Each operation is one system call by a living process, with numbers as that process's pid namespace knows them, and raises
`KernelError` exactly when Linux fails, with the same errno. What the model leaves out: capabilities and limits of the machine,
memory, tracing, and signals beyond those that end a process. Where Linux leaves something to chance (which
thread of a dying init stays until its namespace is empty), it is the leading thread here.

`Kernel.outside` stands for the process that builds the container. It lives at level -1, which has no numbers of its own here: it
knows processes by their numbers at level 0.
"""

from planner.identity import OUTSIDE, Number, Pids
from planner.kernel.deaths import LAST_SIGNAL, SIGCHLD, Population
from planner.kernel.namespaces import USER, outermost
from planner.kernel.objects import LIVING, Namespace, Pid, Process
from planner.kernel.rules import KernelError
from planner.kernel.sharing import LEFT_BY_EXEC, check_share, leave, share

LEVELS = 32
"""Levels that a container can have on a machine whose outermost namespace is its parent (MAX_PID_NS_LEVEL)."""

PID_LIMIT = 4194304
"""No number reaches this (PID_MAX_LIMIT); a namespace may have a lower limit, which is the machine's matter."""


class Kernel(Population):
    """One container's processes; `levels` bounds how deep its pid namespaces nest."""

    def __init__(self, levels: int = LEVELS) -> None:
        others = outermost()
        super().__init__(Namespace(None, others[USER]))
        self.levels = levels
        self.outside = Process(self.host, 0)
        self.outside.others = others
        self.outside.parent = self.outside
        self.outside.pid = Pid((Number(OUTSIDE),), self.host, self.outside, False)
        self.outside.session = self.outside.group = self.outside.pid.session = self.outside.pid
        self.outside.pid.members = self.outside.pid.sessions = 1
        self.outside.leads_session = True
        self.host.init = self.outside

    def is_init(self, process: Process) -> bool:
        """Whether the process is the init of a pid namespace."""
        return process.namespace.init is process

    # Births.

    def clone(
        self,
        caller: Process,
        pids: Pids,
        new_namespace: bool = False,
        sibling: bool = False,
        exit_signal: int = SIGCHLD,
        shared: tuple[str, ...] = (),
    ) -> Process:
        """Create a process with the vector `pids` (outermost first); `new_namespace` is CLONE_NEWPID, `sibling` CLONE_PARENT.

        `shared` names the tables that it has in common with the caller.
        """
        if shared:
            check_share(shared)
        parent = self._parent_of_sibling(caller, exit_signal) if sibling else caller
        if sibling:
            exit_signal = caller.exit_signal
        elif not 0 <= exit_signal <= LAST_SIGNAL:
            raise KernelError("exit-signal-range")
        space = caller.births
        if new_namespace:
            if space is not caller.namespace:
                raise KernelError("own-namespace-nests")
            if space.level + 1 >= self.levels:
                raise KernelError("level-limit")
            space = Namespace(space, caller.others[USER])
        child = Process(space, exit_signal)
        child.parent = parent
        child.others = caller.others
        child.pid = self._allocate(space, pids, child, False)
        if shared or caller.objects:
            share(caller, child, shared)
        if space.init is None:
            space.init = child
            if self.container is None:
                self.container = space
                self.host.numbers = space.numbers
        session = child.session = caller.session
        session.sessions += 1
        group = child.group = caller.group
        group.members += 1
        if parent.children is None:
            parent.children = {child: None}
        else:
            parent.children[child] = None
        return child

    @staticmethod
    def _parent_of_sibling(caller: Process, exit_signal: int) -> Process:
        if exit_signal:
            raise KernelError("sibling-signal")
        if caller.namespace.init is caller:
            raise KernelError("sibling-of-init")
        return caller.parent

    def clone_thread(self, caller: Process, pids: Pids) -> Pid:
        """Create a thread of the caller with the vector `pids`, CLONE_THREAD."""
        if caller.births is not caller.namespace:
            raise KernelError("thread-own-namespace")
        pid = self._allocate(caller.namespace, pids, caller, True)
        if caller.threads is None:
            caller.threads = {}
        caller.threads[pid.first] = pid
        return pid

    def _allocate(self, space: Namespace, pids: Pids, owner: Process, thread: bool) -> Pid:
        if len(pids) != space.level + 1 or not pids:
            raise KernelError("vector-length")
        level: Namespace | None = space
        for number in reversed(pids):
            assert level is not None
            if not 0 < number < PID_LIMIT:
                raise KernelError("number-range")
            if number != 1 and level.init is None:
                raise KernelError("init-first")
            if not level.user.within(owner.others[USER]):
                raise KernelError("numbers-need-rights")
            if number in level.numbers:
                raise KernelError("number-taken")
            level = level.parent
        if space.closed:
            raise KernelError("namespace-closed")
        pid = Pid(pids, space, owner, thread)
        level = space
        for number in reversed(pids):
            assert level is not None
            level.numbers[number] = pid
            level = level.parent
        return pid

    # Sessions, groups, flags, entry.

    def setsid(self, caller: Process) -> None:
        """Make the caller the leader of a new session and of a new group."""
        pid = caller.pid
        if caller.leads_session:
            raise KernelError("setsid-leader")
        if pid.members:
            raise KernelError("setsid-group")
        caller.leads_session = True
        old = caller.session
        caller.session = pid
        pid.sessions += 1
        self._join(caller, pid)
        old.sessions -= 1
        self._unpin(old)
        self._settle()

    def setpgid(self, caller: Process, number: int, group: int) -> None:
        """Put the caller or its child `number` into a group; 0 stands for the caller, and for the target's own number."""
        numbers = caller.namespace.numbers
        number = number or caller.pid.number_in(caller.namespace)
        group = group or number
        if group < 0:
            raise KernelError("setpgid-negative")
        target = self._moved_by(caller, number)
        self._move(caller, target, target.pid if group == number else numbers.get(group))

    def setpgid_to_own(self, caller: Process, number: int) -> None:
        """Put a child into the caller's own group, which has no number in the container where the caller stands outside."""
        self._move(caller, self._moved_by(caller, number), caller.group)

    def _moved_by(self, caller: Process, number: int) -> Process:
        # A process outside has no pid here, but knows itself.
        pid = caller.pid if number == caller.pid.number_in(caller.namespace) else caller.namespace.numbers.get(number)
        if pid is None or pid.owner is None:
            raise KernelError("setpgid-gone")
        if pid.thread:
            raise KernelError("setpgid-thread")
        target = pid.owner
        if target.parent is caller:
            if target.session is not caller.session:
                raise KernelError("setpgid-child-session")
            if target.ran:
                raise KernelError("setpgid-child-ran")
        elif target is not caller:
            raise KernelError("setpgid-stranger")
        if target.leads_session:
            raise KernelError("setpgid-leader")
        return target

    def _move(self, caller: Process, target: Process, group: Pid | None) -> None:
        if group is not target.pid and (group is None or not group.members or group.session is not caller.session):
            raise KernelError("setpgid-group")
        assert group is not None
        self._join(target, group)
        self._settle()

    def _join(self, process: Process, group: Pid) -> None:
        old = process.group
        process.group = group
        group.members += 1
        group.session = process.session
        old.members -= 1
        self._unpin(old)

    def set_subreaper(self, caller: Process, on: bool) -> None:
        """Turn the caller's subreaper flag on or off, PR_SET_CHILD_SUBREAPER."""
        if caller.subreaper is not on:
            caller.subreaper = on
            caller.namespace.subreapers += 1 if on else -1

    def enter(self, caller: Process, number: int) -> None:
        """Let the caller's children be born in the namespace of the task `number`; 0 is the caller's own namespace."""
        if not number:
            self.enter_namespace(caller, caller.namespace)
            return
        pid = caller.namespace.numbers.get(number)
        if pid is None or pid.owner is None:
            raise KernelError("enter-gone")
        if pid.thread:
            raise KernelError("enter-thread")
        if not pid.owner.others[USER].within(caller.others[USER]):
            raise KernelError("enter-rights")
        if pid.owner.state != LIVING or pid.owner.main_ended:
            raise KernelError("enter-gone")
        self.enter_namespace(caller, pid.namespace)

    def enter_namespace(self, caller: Process, namespace: Namespace) -> None:
        """Let the caller's children be born in `namespace`, held by a descriptor; it may be closed by now."""
        if not namespace.user.within(caller.others[USER]):
            raise KernelError("enter-rights")
        if not namespace.within(caller.namespace):
            raise KernelError("enter-upwards")
        caller.births = namespace

    def run(self, caller: Process) -> None:
        """Note that the caller has called execve: its exit signal is SIGCHLD, and its memory, files and handlers are its own."""
        caller.ran = True
        caller.exit_signal = SIGCHLD
        leave(caller, LEFT_BY_EXEC)
