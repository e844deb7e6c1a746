"""The agent of a crplan script: it does what a shell cannot, one step at a time, and knows no plan.

It reads a step a line from descriptor 3 and answers a line on descriptor 4: "ok", or "no" with a sentence that ends in the
errno's name. It is the executor, outside the new pid namespace (task 0). Every process that it creates is a copy of it which
obeys orders that come through a socket; only this process holds the other ends, so whoever lives when it dies reads the end of
the stream and dies too. Python 3.8 or later, Linux 5.9 or later, nothing but the standard library.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import mmap
import os
import select
import signal
import socket
import struct
import time
from collections.abc import Callable
from typing import NoReturn

COMMANDS, ANSWERS, CHANNEL = 3, 4, 3
MACHINE = os.uname().machine if hasattr(os, "uname") else ""
CLONE3, PIDFD_OPEN, PIDFD_SEND_SIGNAL, CLOSE_RANGE, FSOPEN, FSCONFIG, FSMOUNT = 435, 434, 424, 436, 430, 431, 432
EXIT_THREAD = 93 if MACHINE == "aarch64" else 60
FLAGS = {"newpid": 0x20000000, "parent": 0x8000, "files": 0x400, "fs": 0x200, "sysv_undo": 0x40000}
CLONE_FILES, CLONE_THREAD, CLONE_PIDFD, CLONE_NEWPID, CLONE_NEWUSER, CLONE_NEWNS = (
    0x400,
    0x10000,
    0x1000,
    0x20000000,
    0x10000000,
    0x20000,
)
SAME_PROCESS = CLONE_THREAD | 0x100 | 0x200 | 0x400 | 0x800 | 0x40000
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER = 1, 36, 37
WALL = 0x40000000
OWN = -1
CORE_DUMPED, RLIMIT_CORE, CORE_MOST = 0x80, 4, 4096

# clone3(args, size), where the child never returns: it pauses, on no stack, until its process dies.
THREAD_CODE = {
    "x86_64": "b8b3010000 0f05 85c0 7401 c3 b822000000 0f05 ebf7",
    "aarch64": "683680d2 010000d4 400000b4 c0035fd6 000080d2 010080d2 020080d2 030080d2 280980d2 010000d4 faffff17",
}


class Libc:
    """System calls by number and by name; a failure raises OSError."""

    def __init__(self) -> None:
        self.library = ctypes.PyDLL(None, use_errno=True)
        self.thread_code: mmap.mmap | None = None
        self.clone_thread: Callable[[int, int], int] = self.library.syscall

    def call(self, name: str, *arguments: object) -> int:
        """Call a function of the C library."""
        ctypes.set_errno(0)
        result: int = getattr(self.library, name)(*[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
        if result < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return result

    def syscall(self, number: int, *arguments: object) -> int:
        """Make a system call."""
        return self.call("syscall", number, *arguments)

    def prepare_threads(self) -> None:
        """Load the machine code that starts a thread; raises OSError where that is not allowed."""
        code = bytes.fromhex(THREAD_CODE[MACHINE])
        page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        page.write(code)
        address = ctypes.addressof(ctypes.c_char.from_buffer(page))
        self.call("mprotect", address, 4096, 5)
        self.thread_code = page
        self.clone_thread = ctypes.PYFUNCTYPE(ctypes.c_long, ctypes.c_void_p, ctypes.c_size_t)(address)

    def clone(self, flags: int, vector: list[int], exit_signal: int) -> tuple[int, int]:
        """Call clone3 for the vector, outermost first; return the number (0 in the child) and the child's pidfd."""
        innermost_first = (ctypes.c_int32 * len(vector))(*reversed(vector))
        pidfd = ctypes.c_int32(-1)
        handle = 0 if flags & CLONE_THREAD else ctypes.addressof(pidfd)
        numbers = ctypes.addressof(innermost_first)
        flags |= CLONE_PIDFD if handle else 0
        arguments = (ctypes.c_uint64 * 11)(flags, handle, 0, 0, exit_signal, 0, 0, 0, numbers, len(vector), 0)
        if flags & CLONE_THREAD:
            result = self.clone_thread(ctypes.addressof(arguments), 88)
            if result < 0:
                raise OSError(-result, os.strerror(-result))
            return result, -1
        return self.syscall(CLONE3, arguments, 88), pidfd.value

    def enter(self, pid: int) -> None:
        """Let the next children be born in the pid namespace of process `pid`."""
        pidfd = self.syscall(PIDFD_OPEN, pid, 0)
        try:
            self.call("setns", pidfd, CLONE_NEWPID)
        finally:
            os.close(pidfd)

    def mount(self, kind: bytes) -> int:
        """Make a file system that no directory shows, and return a descriptor of its root."""
        context = self.syscall(FSOPEN, kind, 1)
        try:
            self.syscall(FSCONFIG, context, 6, None, None, 0)
            return self.syscall(FSMOUNT, context, 1, 0)
        finally:
            os.close(context)


class Refused(Exception):
    """A step failed, or something happened that must not; the text goes to the shell."""

    def __init__(self, task: int, what: str, error: str) -> None:
        super().__init__(f"task {task}: {what}: {error}")


def name_of(error: OSError) -> str:
    """Return the errno's name."""
    return errno.errorcode.get(error.errno or 0, "EIO")


def perform(libc: Libc, verb: str, numbers: list[int]) -> int:
    """Make the one call of a step, in the process whose step it is, with the numbers that this process knows."""
    if verb == "setsid":
        os.setsid()
    elif verb == "setpgid":
        os.setpgid(numbers[0], numbers[1])
    elif verb == "subreaper":
        libc.call("prctl", PR_SET_CHILD_SUBREAPER, numbers[0], 0, 0, 0)
    elif verb == "enter":
        libc.enter(os.getpid() if numbers[0] == OWN else numbers[0])
    elif verb == "kill":
        os.kill(numbers[0], numbers[1])
    elif verb == "reap":
        os.waitpid(numbers[0], WALL)
    elif verb == "thread":
        return libc.clone(SAME_PROCESS, numbers, 0)[0]
    elif verb == "ask":
        flag = ctypes.c_int32()
        libc.call("prctl", PR_GET_CHILD_SUBREAPER, ctypes.byref(flag), 0, 0, 0)
        return flag.value
    return 0


def leave(libc: Libc, status: int, leader_only: int) -> NoReturn:
    """End this process with a status in wait's format, or only its leading thread."""
    if leader_only:
        libc.syscall(EXIT_THREAD, status >> 8)
    if not status & 0x7F:
        os._exit(status >> 8)
    if status & CORE_DUMPED:
        # The core file goes to a file system that nobody has mounted. Below 4096 bytes the kernel writes none.
        os.fchdir(libc.mount(b"tmpfs"))
        libc.call("prlimit", 0, RLIMIT_CORE, struct.pack("2Q", CORE_MOST, CORE_MOST), None)
    if status & 0x7F == signal.SIGSEGV:
        # A fault ends an init too, which a signal of its own does not.
        ctypes.string_at(0)
    if status & 0x7F != signal.SIGKILL:
        signal.signal(status & 0x7F, signal.SIG_DFL)
    os.kill(os.getpid(), status & 0x7F)
    os._exit(1)


def spawn(libc: Libc, flags: int, exit_signal: int, vector: list[int]) -> tuple[int, socket.socket, int]:
    """Create a process; return its number, the creator's end of its channel and its pidfd; in the child 0 and its own end."""
    if exit_signal not in (0, signal.SIGCHLD):
        # The child's end must not end its parent; SIGCHLD stays as it is, because to ignore it means to reap.
        signal.signal(exit_signal, signal.SIG_IGN)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    try:
        number, pidfd = libc.clone(flags, vector, exit_signal)
    except OSError:
        ours.close()
        theirs.close()
        raise
    if number:
        if flags & CLONE_FILES:
            theirs.detach()
        else:
            theirs.close()
        return number, ours, pidfd
    ours.detach()
    if flags & CLONE_FILES:
        return 0, theirs, -1
    os.dup2(theirs.detach(), CHANNEL)
    libc.syscall(CLOSE_RANGE, CHANNEL + 1, 0x7FFFFFFF, 0)
    return 0, socket.socket(fileno=CHANNEL), -1


def obey(libc: Libc, channel: socket.socket) -> NoReturn:
    """Live as a created process: do what comes through the channel, and end with it."""
    channel.send(b"born")
    while True:
        order = channel.recv(4096)
        if not order:
            os._exit(1)
        verb, *words = order.decode().split()
        numbers = [int(word) for word in words]
        answer, rights = "ok 0", []
        try:
            if verb == "create":
                number, other, pidfd = spawn(libc, numbers[0], numbers[1], numbers[2:])
                if not number:
                    channel.detach()
                    channel = other
                    answer = "born"
                else:
                    answer, rights = f"ok {number}", [other.detach(), pidfd]
            elif verb == "proc":
                rights = [libc.mount(b"proc")]
            elif verb == "exit":
                leave(libc, numbers[0], numbers[1])
            else:
                answer = f"ok {perform(libc, verb, numbers)}"
        except OSError as error:
            answer = f"no {name_of(error)}"
        channel.sendmsg([answer.encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack(f"{len(rights)}i", *rights))])
        for descriptor in rights:
            os.close(descriptor)


class Process:
    """A created process, as the executor knows it; `host` is the number by which the executor itself knows it."""

    __slots__ = ("channel", "host", "leaderless", "pidfd", "pids")

    def __init__(self, pids: list[int], host: int, channel: socket.socket, pidfd: int) -> None:
        self.pids = pids
        self.host = host
        self.channel = channel
        self.pidfd = pidfd
        self.leaderless = False


class Executor:
    """Takes the steps, hands each to the process whose step it is, and notices whoever dies before its time."""

    def __init__(self, libc: Libc, timeout: float) -> None:
        self.libc = libc
        self.timeout = timeout
        self.done = 0
        self.root = 0
        self.init = -1
        self.proc = -1
        self.levels_above = 0
        self.host_proc = False
        self.living: dict[int, Process] = {}
        self.vectors: dict[int, list[int]] = {}
        self.hosts: dict[int, int] = {}
        self.handles: dict[int, int] = {}
        self.verified: list[int] = []
        self.poller = select.epoll()
        self.poller.register(COMMANDS, 0)

    # Talking to the processes.

    def wait(self, descriptor: int, task: int, what: str) -> None:
        """Wait until the descriptor can be read; whoever dies meanwhile, or the shell, ends everything."""
        deadline = time.monotonic() + self.timeout
        while True:
            events = [event for event, _ in self.poller.poll(max(0.0, deadline - time.monotonic()))]
            if descriptor in events:
                return
            self.mourn(events)
            if not events:
                raise Refused(task, what, "ETIMEDOUT")

    def mourn(self, events: list[int]) -> None:
        """Raise Refused when one of the descriptors says that a process, or the shell, is gone."""
        for event in events:
            if event in self.handles:
                raise Refused(self.handles[event], "died before its time", "ESRCH")
            if event == COMMANDS:
                raise EOFError

    def watch(self, descriptor: int, task: int) -> None:
        """Watch a descriptor of a process."""
        self.poller.register(descriptor, select.EPOLLIN)
        self.handles[descriptor] = task

    def release(self, task: int) -> Process:
        """Watch a process no longer, because it is to end."""
        process = self.living.pop(task)
        for descriptor in (process.channel.fileno(), process.pidfd):
            del self.handles[descriptor]
            self.poller.unregister(descriptor)
        return process

    def hear(self, channel: int, task: int, what: str) -> tuple[str, list[int], int]:
        """Return what a process says, the descriptors that came along, and its number here."""
        self.wait(channel, task, what)
        message, rights, sender = b"", [], 0
        with socket.socket(fileno=channel) as line:
            try:
                message, ancillary, _, _ = line.recvmsg(256, 128)
            except ConnectionError:
                ancillary = []
            line.detach()
        for _, kind, data in ancillary:
            if kind == socket.SCM_RIGHTS:
                rights = list(struct.unpack(f"{len(data) // 4}i", data))
            else:
                sender = struct.unpack("3i", data)[0]
        if not message:
            raise Refused(task, f"{what}: died before its time", "ESRCH")
        return message.decode(), rights, sender

    def order(self, actor: int, task: int, verb: str, numbers: list[int]) -> tuple[int, list[int]]:
        """Let the actor do something; return the number and the descriptors that it answers with."""
        if not actor:
            try:
                return perform(self.libc, verb, numbers), []
            except OSError as error:
                raise Refused(task, verb, name_of(error)) from None
        self.tell(actor, task, verb, numbers)
        answer, rights, _ = self.hear(self.living[actor].channel.fileno(), actor, verb)
        good, _, value = answer.partition(" ")
        if good != "ok":
            raise Refused(task, verb, value)
        return int(value), rights

    def tell(self, actor: int, task: int, verb: str, numbers: list[int]) -> None:
        """Send an order to the actor, who must be alive and have its leading thread."""
        if actor not in self.living or self.living[actor].leaderless:
            raise Refused(task, f"{verb} by task {actor}, which is not there", "ESRCH")
        try:
            self.living[actor].channel.send(" ".join([verb, *map(str, numbers)]).encode())
        except OSError as error:
            raise Refused(actor, f"{verb}: died before its time", name_of(error)) from None

    def seen_by(self, actor: int, task: int) -> int:
        """Return the number by which the actor knows a task; 0 where it does not."""
        if not actor:
            return self.hosts.get(task, 0)
        level = len(self.vectors[actor]) - 1 if actor in self.vectors else 0
        vector = self.vectors.get(task, [task])
        return vector[level] if level < len(vector) else 0

    def gone(self, process: Process, task: int, what: str) -> None:
        """Wait until a released process has ended and its children are adopted: its pidfd says so, its channel is too early."""
        self.poller.register(process.pidfd, select.EPOLLIN)
        self.wait(process.pidfd, task, what)
        os.close(process.pidfd)
        process.channel.close()

    # The steps.

    def create(self, task: int, words: dict[str, str]) -> None:
        """Create a process and check every number that it got."""
        actor, vector = int(words["by"]), numbers_in(words["as"])
        if task in self.vectors or vector[0] != task:
            raise Refused(task, "the number is used twice", "EEXIST")
        flags = 0
        for name in (words.get("flags", "") + "," + words.get("share", "")).strip(",").split(","):
            flags |= FLAGS[name] if name else 0
        exit_signal = int(words.get("signal", "17"))
        if actor:
            number, rights = self.order(actor, task, "create", [flags, exit_signal, *vector])
            channel, pidfd = socket.socket(fileno=rights[0]), rights[1]
        else:
            number, channel, pidfd = self.create_here(task, flags, exit_signal, vector)
        self.watch(channel.fileno(), task)
        self.watch(pidfd, task)
        _, _, host = self.hear(channel.fileno(), task, "create")
        self.living[task] = Process(vector, host, channel, pidfd)
        self.vectors[task] = vector
        self.hosts[task] = host
        expected = self.seen_by(actor, task)
        if number != expected:
            raise Refused(task, f"create: it got number {number} and not {expected}", "EINVAL")
        if self.proc < 0:
            self.open_proc(task)
        got = self.inside(self.status(str(self.name(task)), task)["NSpid"])
        if got != vector:
            raise Refused(task, f"create: it got numbers {slashed(got)} and not {slashed(vector)}", "EINVAL")

    def create_here(self, task: int, flags: int, exit_signal: int, vector: list[int]) -> tuple[int, socket.socket, int]:
        """Create a process as the executor's own child."""
        try:
            number, channel, pidfd = spawn(self.libc, flags, exit_signal, vector)
            if not number:
                self.libc.call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
                for ignored in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
                    signal.signal(ignored, signal.SIG_DFL)
                os.dup2(0, 2)
                obey(self.libc, channel)
        except OSError as error:
            raise Refused(task, "create", name_of(error)) from None
        if self.init < 0:
            self.init = os.dup(pidfd)
        return number, channel, pidfd

    def open_proc(self, init: int) -> None:
        """Let the init open a proc of its namespace, which shows level-0 numbers; where that is forbidden, take the host's."""
        try:
            self.proc = self.order(init, init, "proc", [])[1][0]
        except Refused:
            self.proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self.host_proc = True
            self.levels_above = len(self.status(str(self.hosts[init]), init)["NSpid"]) - 1

    def step(self, verb: str, task: int, words: dict[str, str]) -> None:
        """Carry out one step other than create and verify."""
        actor = int(words.get("by", task))
        known = self.seen_by(actor, task)
        if verb == "thread":
            self.vectors[task] = numbers_in(words["as"])
            expected = self.vectors[task][-1]
            number, _ = self.order(actor, task, verb, self.vectors[task])
            if number != expected:
                raise Refused(task, f"thread: it got number {number} and not {expected}", "EINVAL")
        elif verb == "setsid":
            self.order(task, task, verb, [])
        elif verb == "setpgid":
            self.order(actor, task, verb, [known, self.seen_by(actor, int(words["to"]))])
        elif verb == "subreaper":
            self.order(task, task, verb, [int(words["turn"] == "on")])
        elif verb == "enter":
            target = words["namespace"]
            self.order(task, task, verb, [OWN if target == "own" else self.seen_by(task, int(target))])
        elif verb == "exit":
            self.exit(task, int(words["status"]), words.get("only") == "leader")
        elif verb == "kill":
            if task not in self.living:
                raise Refused(task, verb, "ESRCH")
            process = self.release(task)
            self.order(actor, task, verb, [known, int(words["signal"])])
            self.gone(process, task, verb)
        elif verb == "reap":
            if not actor and task in self.living:
                self.wait(self.living[task].pidfd, task, verb)
            self.order(actor, task, verb, [known])
        else:
            raise Refused(task, f"{verb} is no step", "EINVAL")

    def exit(self, task: int, status: int, leader_only: bool) -> None:
        """End a process, or only its leading thread, and wait until /proc would say so."""
        self.tell(task, task, "exit", [status, int(leader_only)])
        if not leader_only:
            return self.gone(self.release(task), task, "exit")
        self.living[task].leaderless = True
        deadline = time.monotonic() + self.timeout
        while self.status(str(self.name(task)), task)["State"][0] != "Z":
            self.mourn([event for event, _ in self.poller.poll(0.001)])
            if time.monotonic() > deadline:
                raise Refused(task, "exit", "ETIMEDOUT")
        return None

    # Checking against /proc.

    def name(self, task: int) -> int:
        """Return the number by which the opened proc knows a process."""
        return self.hosts.get(task, 0) if self.host_proc else task

    def status(self, path: str, task: int) -> dict[str, list[str]]:
        """Return the words of a status file, by field."""
        lines = self.read(f"{path}/status", task).splitlines()
        return {name: rest.split() for name, _, rest in (line.partition(":") for line in lines)}

    def read(self, path: str, task: int) -> str:
        """Read a file of the opened proc."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self.proc)
            with open(descriptor, "rb") as file:
                return file.read().decode("ascii", "replace")
        except OSError as error:
            raise Refused(task, "is not in /proc", name_of(error)) from None

    def numbers_under(self, path: str, task: int) -> list[int]:
        """Return the numbers that a directory of the opened proc lists."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self.proc)
        except OSError as error:
            raise Refused(task, "is not in /proc", name_of(error)) from None
        try:
            return [int(entry) for entry in os.listdir(descriptor) if entry.isdigit()]
        finally:
            os.close(descriptor)

    def inside(self, words: list[str]) -> list[int]:
        """Return the numbers from level 0 on."""
        return [int(word) for word in words[self.levels_above :]]

    def verify(self, task: int, words: dict[str, str]) -> None:
        """Compare a task with /proc."""
        path = str(self.name(task))
        status = self.status(path, task)
        outside = [0]
        parent = int(status["PPid"][0])
        if self.host_proc:
            parent = next((number for number, host in self.hosts.items() if host == parent), 0)
        state = "zombie" if status["State"][0] in "ZX" else "alive"
        code = self.read(f"{path}/stat", task).rpartition(")")[2].split()[49] if state == "zombie" else "0"
        others = [thread for thread in self.numbers_under(f"{path}/task", task) if str(thread) != path]
        vectors = [self.inside(self.status(f"{path}/task/{thread}", task)["NSpid"]) for thread in others]
        flag = "off"
        if task in self.living and not self.living[task].leaderless:
            flag = "on" if self.order(task, task, "ask", [])[0] else "off"
        found = {
            "as": slashed(self.inside(status["NSpid"])),
            "parent": str(parent),
            "group": str((self.inside(status["NSpgid"]) or outside)[0]),
            "session": str((self.inside(status["NSsid"]) or outside)[0]),
            "state": state,
            "status": code,
            "threads": ",".join(slashed(vector) for vector in sorted(vectors)),
            "subreaper": flag,
        }
        wanted = {"status": "0", "threads": "", "subreaper": "off", **words}
        for key, value in found.items():
            if wanted[key] != value:
                raise Refused(task, f"verify: {key} is {value or 'none'} and not {wanted[key] or 'none'}", "differs")
        self.verified.append(task)

    def ready(self, after: int, root: int) -> int:
        """Check that nothing was left out and nothing is too much; return the root's number here."""
        if after != self.done:
            raise Refused(root, f"step {self.done + 1} of {after} is missing", "EINVAL")
        present = self.descendants() if self.host_proc else self.numbers_under(".", root)
        for task in sorted(set(present).symmetric_difference(self.verified)):
            raise Refused(task, "is there and was not verified" if task in present else "was verified and is gone", "differs")
        if root not in self.hosts or root not in self.verified:
            raise Refused(root, "the root is not there", "ESRCH")
        self.mourn([event for event, _ in self.poller.poll(0)])
        self.root = root
        return self.hosts[root]

    def descendants(self) -> list[int]:
        """Return the level-0 numbers of everything below this process, for a machine whose own /proc must do."""
        children: dict[int, list[int]] = {}
        for number in self.numbers_under(".", 0):
            try:
                children.setdefault(int(self.status(str(number), 0)["PPid"][0]), []).append(number)
            except Refused:
                continue
        found, queue = [], list(children.get(os.getpid(), []))
        while queue:
            number = queue.pop()
            queue += children.get(number, [])
            found += self.inside(self.status(str(number), 0)["NSpid"])[:1]
        return found

    # From the first line to the last.

    def end(self) -> None:
        """Kill the namespace's init, with which everything dies, and reap; SIGALRM ends this process if the kernel hangs."""
        if self.init < 0:
            return
        self.libc.syscall(PIDFD_SEND_SIGNAL, self.init, signal.SIGKILL, None, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(10)
        while True:
            try:
                os.waitpid(-1, WALL)
            except ChildProcessError:
                signal.alarm(0)
                return

    def take(self, line: str) -> str:
        """Carry out one line of the script and return the answer."""
        verb, *words = line.split()
        if verb == "need":
            return need(self.libc, words)
        if verb == "ready":
            return f"ready {self.ready(int(words[1]), int(words[3]))}"
        if verb != "step":
            raise ValueError(verb)
        number, verb, subject = int(words[0]), words[1], int(words[2])
        options = {words[place]: words[place + 1] for place in range(3, len(words), 2)}
        if number != self.done + 1:
            raise Refused(subject, f"step {self.done + 1} was to come", "EINVAL")
        if verb == "create":
            self.create(subject, options)
        elif verb == "verify":
            self.verify(subject, options)
        else:
            self.step(verb, subject, options)
        self.done = number
        return "ok"

    def next_line(self) -> str:
        """Return the shell's next line; raise EOFError when it has gone, Refused when a process has died meanwhile."""
        self.poller.modify(COMMANDS, select.EPOLLIN)
        while True:
            events = [event for event, _ in self.poller.poll()]
            if COMMANDS in events:
                break
            self.mourn(events)
        self.poller.modify(COMMANDS, 0)
        line = read_line()
        if not line:
            raise EOFError
        return line

    def hold(self) -> None:
        """Stay until the shell or the root ends."""
        while True:
            for event, _ in self.poller.poll():
                task = self.handles.get(event)
                if event == COMMANDS or (task == self.root and event == self.living[self.root].pidfd):
                    return
                self.poller.unregister(event)

    def serve(self) -> int:
        """Take lines until the script ends, and return the exit code."""
        answer = "ok"
        try:
            while not self.root:
                line = self.next_line()
                try:
                    answer = self.take(line)
                except (ValueError, IndexError, KeyError) as error:
                    raise Refused(0, f"the line is not understood ({type(error).__name__} {error})", "EINVAL") from None
                os.write(ANSWERS, answer.encode() + b"\n")
            self.hold()
            self.end()
            return 0
        except EOFError:
            self.end()
            return 1
        except (Refused, OSError) as error:
            answer = f"no {error}" if isinstance(error, Refused) else f"no task 0: {error.strerror}: {name_of(error)}"
        self.end()
        os.write(ANSWERS, answer.encode() + b"\n")
        return 1


def numbers_in(word: str) -> list[int]:
    """Return the numbers of a vector that is written with slashes."""
    return [int(number) for number in word.split("/")]


def slashed(vector: list[int]) -> str:
    """Write a vector as the script does."""
    return "/".join(map(str, vector))


def read_line() -> str:
    """Read a line from the shell, which sends one at a time and waits."""
    line = b""
    while not line.endswith(b"\n"):
        block = os.read(COMMANDS, 65536)
        if not block:
            return ""
        line += block
    return line.decode("ascii", "replace")


def need(libc: Libc, words: list[str]) -> str:
    """Say whether this agent can do what the plan needs: threads, for a task."""
    what, task = words
    if what == "cores":
        with open("/proc/sys/kernel/core_pattern") as file:
            pattern = file.read(1)
        return f"no task {task} left a core file, and this machine hands those on" if pattern in "|@/" else "ok"
    if MACHINE not in THREAD_CODE:
        return f"no task {task} has threads, and those can be created on x86_64 and aarch64 only, not on {MACHINE}"
    try:
        if what == "threads":
            libc.prepare_threads()
    except OSError as error:
        return f"no task {task} is a thread, and this system forbids machine code in memory: {name_of(error)}"
    return "ok"


def probe(libc: Libc) -> str:
    """Try clone3 with numbers of one's own choice, for a child that ends at once; return the errno's name or nothing."""
    try:
        number, pidfd = libc.clone(CLONE_NEWPID, [1], signal.SIGCHLD)
    except OSError as error:
        return name_of(error)
    if not number:
        os._exit(0)
    os.close(pidfd)
    os.waitpid(number, 0)
    return ""


def become_root_of_a_user_namespace(libc: Libc) -> None:
    """Get the capabilities that choosing numbers needs, in a user namespace of our own."""
    user, group = os.geteuid(), os.getegid()
    libc.call("unshare", CLONE_NEWUSER | CLONE_NEWNS)
    for file, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        with open(f"/proc/self/{file}", "w") as out:
            out.write(text)


def missing(libc: Libc) -> str:
    """Return a sentence on what this machine lacks, or nothing."""
    error = probe(libc)
    if error == "EPERM":
        try:
            become_root_of_a_user_namespace(libc)
        except OSError as forbidden:
            return (
                "choosing process numbers is not permitted: it needs root (CAP_SYS_ADMIN), or user namespaces, "
                f"which are forbidden here: {name_of(forbidden)}"
            )
        error = probe(libc)
    if error in ("ENOSYS", "E2BIG", "EINVAL"):
        return f"this kernel has no clone3 with set_tid (Linux 5.5), or a filter forbids it: {error}"
    return f"a process with a number of our choice cannot be created: {error}" if error else ""


def main() -> None:
    """Prepare this process, tell the shell what is missing, and serve."""
    gc.disable()
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if number < 32:
            signal.signal(number, signal.SIG_DFL)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    try:
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, CORE_MOST))
        timeout = float(os.environ.get("CRPLAN_TIMEOUT") or 30)
        if not 0 < timeout < 1e6:
            raise ValueError
        libc = Libc()
        lack = missing(libc)
    except ValueError:
        lack = "CRPLAN_TIMEOUT is no number of seconds"
    os.write(ANSWERS, f"no {lack}\n".encode() if lack else b"ok\n")
    if lack:
        os._exit(1)
    gc.freeze()
    os._exit(Executor(libc, timeout).serve())


if __name__ == "__main__":
    main()
