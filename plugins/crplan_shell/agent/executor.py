"""The executor: takes the script's lines one by one, outside the new namespace, and ends everything when anything is wrong."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import socket
import time

from crplan_shell.agent.actor import OWN, obey, spawn
from crplan_shell.agent.crowd import COMMANDS, Crowd
from crplan_shell.agent.kernel import (
    CLONE_FILES,
    CLONE_FS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    CLONE_PARENT,
    CLONE_SYSVSEM,
    MACHINE,
    NAMESPACES,
    PIDFD_SEND_SIGNAL,
    PR_SET_PDEATHSIG,
    THREAD_CODE,
    WALL,
    Libc,
    Refused,
    name_of,
)
from crplan_shell.agent.proc import Proc, bytes_of, numbers_in, slashed

ANSWERS, COMPLAINTS = 4, 8
SAID = 7
"""The exit code that tells the shell that what failed has been said, and that it failed."""

AT_THE_END = 5.0
"""Seconds that what was killed may take to end, at least."""

FLAGS = {
    "newpid": CLONE_NEWPID,
    "newuser": CLONE_NEWUSER,
    "parent": CLONE_PARENT,
    "files": CLONE_FILES,
    "fs": CLONE_FS,
    "sysv_undo": CLONE_SYSVSEM,
}


class Executor:
    """Takes the steps, hands each to the process whose step it is, and notices a process that dies before its time."""

    def __init__(self, libc: Libc, timeout: float, output: int) -> None:
        self.libc = libc
        self.output = output
        self.timeout = timeout
        self.crowd = Crowd(libc, timeout)
        self.proc: Proc | None = None
        self.places: dict[tuple[str, int], tuple[int, int]] = {}
        self.init = -1
        self.done = 0
        self.root = 0
        self.announced = False
        self.threaded: set[int] = set()
        self.verified: list[int] = []
        self.reapers: set[int] = set()
        """Who stays without being of the image, whether it is verified or not."""

    def create(self, task: int, words: dict[str, str]) -> None:
        """Create a process and check every number that it got."""
        actor, vector = int(words["by"]), numbers_in(words["as"])
        if task in self.crowd.vectors or vector[0] != task:
            raise Refused(task, "the number is used twice", "EEXIST")
        if words.get("role") == "reaper":
            self.reapers.add(task)
        flags = 0
        for name in (words.get("flags", "") + "," + words.get("share", "")).strip(",").split(","):
            flags |= FLAGS[name] if name else 0
        exit_signal = int(words.get("signal", "17"))
        called = bytes_of(words.get("named", ""))
        if actor:
            number, rights = self.crowd.order(actor, task, "create", [flags, exit_signal, len(vector), *vector, *called])
            channel, pidfd = socket.socket(fileno=rights[0]), rights[1]
        else:
            number, channel, pidfd = self.create_here(task, flags, exit_signal, vector, called)
        self.crowd.settle(task, actor, bool(flags & CLONE_NEWPID))
        self.crowd.welcome(task, vector, channel, pidfd)
        expected = self.crowd.seen_by(actor, task)
        if number != expected:
            raise Refused(task, f"create: it got number {number} and not {expected}", "EINVAL")
        self.proc = self.proc or self.open_proc(task, bool(flags & CLONE_NEWUSER))
        got = self.proc.vector(self.proc.name(task), task)
        if got != vector:
            raise Refused(task, f"create: it got numbers {slashed(got)} and not {slashed(vector)}", "EINVAL")

    def create_here(
        self, task: int, flags: int, exit_signal: int, vector: list[int], name: bytes
    ) -> tuple[int, socket.socket, int]:
        """Create a process as the executor's own child."""
        if self.init < 0 and not os.getpgrp():
            # Its group has no number in this pid namespace, and children may have to be put back into it.
            os.setpgid(0, 0)
        try:
            number, channel, pidfd = spawn(self.libc, flags, exit_signal, vector, name)
        except OSError as error:
            raise Refused(task, "create", name_of(error)) from None
        if not number:
            settle_outside(self.libc)
            obey(self.libc, channel)
        if self.init < 0:
            self.init = os.dup(pidfd)
        return number, channel, pidfd

    def open_proc(self, init: int, new_user: bool) -> Proc:
        """Let the init open a proc of its namespace, which shows level-0 numbers; where that is forbidden, take the host's.

        In a user namespace of its own it takes a mount namespace of its own for that.
        """
        try:
            return Proc(self.crowd.order(init, init, "proc", [int(new_user)])[1][0])
        except Refused:
            return Proc(os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), self.crowd.hosts)

    def step(self, verb: str, task: int, words: dict[str, str]) -> None:
        """Carry out one step other than create and verify."""
        actor = int(words.get("by", task))
        known = self.crowd.seen_by(actor, task)
        if verb == "thread":
            self.crowd.vectors[task] = numbers_in(words["as"])
            expected = self.crowd.vectors[task][-1]
            number, _ = self.crowd.order(actor, task, verb, self.crowd.vectors[task])
            self.threaded.add(actor)
            if number != expected:
                raise Refused(task, f"thread: it got number {number} and not {expected}", "EINVAL")
        elif verb == "setsid":
            self.crowd.order(task, task, verb, [])
        elif verb == "setpgid":
            group = int(words["to"])
            seen = self.crowd.seen_by(actor, group) if group else os.getpgrp()
            if not seen:
                raise Refused(task, verb, "ESRCH")
            self.crowd.order(actor, task, verb, [known, seen])
        elif verb == "subreaper":
            self.crowd.order(task, task, verb, [int(words["turn"] == "on")])
        elif verb == "enter":
            self.enter(task, words["namespace"])
        elif verb == "unshare":
            self.crowd.order(task, task, verb, [sum(NAMESPACES[kind] for kind in words["kinds"].split(","))])
        elif verb == "map":
            self.map_ids(actor, task, words)
        elif verb == "join":
            self.crowd.order(task, task, verb, [self.crowd.seen_by(task, int(words["of"])), NAMESPACES[words["kind"]]])
        elif verb == "exit":
            self.exit(task, int(words["status"]), words.get("only") == "leader")
        elif verb == "kill":
            if task not in self.crowd.living:
                raise Refused(task, verb, "ESRCH")
            ending = [self.crowd.release(each) for each in dict.fromkeys((task, *self.crowd.below(task)))]
            self.crowd.order(actor, task, verb, [known, int(words["signal"])])
            self.crowd.gone(ending, task, verb)
        elif verb == "stop":
            self.crowd.stop(task, self.there())
        elif verb == "reap":
            if actor:
                self.crowd.order(actor, task, verb, [known])
            else:
                self.reap_here(task, known)
        else:
            raise Refused(task, f"{verb} is no step", "EINVAL")

    def reap_here(self, task: int, number: int) -> None:
        """Reap a child of the executor's own; raises Refused. A tracer may keep it although it has ended."""
        if task in self.crowd.living:
            self.crowd.wait(self.crowd.living[task].pidfd, task, "reap")
        deadline = time.monotonic() + self.timeout
        while not os.waitpid(number, os.WNOHANG | WALL)[0]:
            self.crowd.look_around(0.001)
            if time.monotonic() > deadline:
                raise Refused(task, "reap", "ETIMEDOUT")

    def map_ids(self, actor: int, task: int, words: dict[str, str]) -> None:
        """Have the actor write the id maps of a task's user namespace; without any, those of its own ids, as far as may be."""
        proc = self.there()
        for name in ("uid", "gid"):
            lines = words[name].replace(":", ",").split(",") if name in words else []
            if lines or "own" in words:
                numbers = [int(proc.name(task)), int(name == "uid"), *map(int, lines)]
                try:
                    self.crowd.order(actor, task, "map", numbers, [proc.top])
                except Refused:
                    if "own" not in words:
                        raise

    def enter(self, task: int, namespace: str) -> None:
        """Turn a process to a namespace, named by its init, or back to its own.

        Without root the executor is not allowed back to its own. It need not be: it creates nothing more there, and it enters
        other namespaces from wherever it is turned to.
        """
        try:
            self.crowd.order(task, task, "enter", [OWN if namespace == "own" else self.crowd.seen_by(task, int(namespace))])
        except Refused as refused:
            if task or namespace != "own" or refused.error != "EPERM":
                raise
        self.crowd.turned[task] = self.crowd.home[task] if namespace == "own" else int(namespace)

    def exit(self, task: int, status: int, leader_only: bool) -> None:
        """End a process, or its leading thread alone, and wait until /proc would say so; without others, that is the process."""
        self.crowd.send_order(task, task, "exit", [status, int(leader_only)])
        if not leader_only or task not in self.threaded:
            ending = [self.crowd.release(each) for each in dict.fromkeys((task, *self.crowd.below(task)))]
            return self.crowd.gone(ending, task, "exit")
        self.crowd.living[task].leaderless = True
        deadline = time.monotonic() + self.timeout
        while self.there().shown(task)["state"] != "zombie":
            self.crowd.look_around(0.001)
            if time.monotonic() > deadline:
                raise Refused(task, "exit", "ETIMEDOUT")
        return None

    def there(self) -> Proc:
        """Return the opened proc; raises Refused when there is no namespace yet."""
        if not self.proc:
            raise Refused(0, "there is no pid namespace yet", "ENOENT")
        return self.proc

    def verify(self, task: int, words: dict[str, str]) -> None:
        """Compare a task with /proc."""
        found = self.there().shown(task)
        found["subreaper"] = "off"
        if task in self.crowd.living and not self.crowd.living[task].leaderless and self.crowd.order(task, task, "ask", [])[0]:
            found["subreaper"] = "on"
        wanted = {"status": "0", "threads": "", "subreaper": "off", "signal": found["signal"], **words}
        for key, value in found.items():
            if wanted[key] != value:
                raise Refused(task, f"verify: {key} is {value or 'none'} and not {wanted[key] or 'none'}", "differs")
        for place in words["namespaces"].split(",") if "namespaces" in words else ():
            kind, _, holder = place.partition(":")
            self.verify_place(task, kind, int(holder))
        self.verified.append(task)

    def verify_place(self, task: int, kind: str, holder: int) -> None:
        """Check that a task is in the namespace that `holder` made, which differs from all that others made and from ours."""
        space = self.there().place(self.there().name(task), kind, task)
        if (kind, 0) not in self.places:
            self.places[kind, 0] = self.there().place("/proc/self", kind, task)
        known = self.places.setdefault((kind, holder), space)
        if space != known or (holder and space == self.places[kind, 0]):
            raise Refused(task, f"verify: the {kind} namespace is not that of {holder}", "differs")

    def ready(self, after: int, root: int) -> None:
        """Check that nothing was left out and nothing is too much; raises Refused."""
        if after != self.done:
            raise Refused(root, f"step {self.done + 1} of {after} is missing", "EINVAL")
        present = self.there().present()
        for task in sorted(set(present).symmetric_difference(self.verified) - (self.reapers & set(present))):
            raise Refused(task, "is there and was not verified" if task in present else "was verified and is gone", "differs")
        if root not in self.verified:
            raise Refused(root, "the root is not there", "ESRCH")
        self.crowd.look_around(0)
        self.root = root

    def announce(self) -> None:
        """Say that all is ready, for which a full pipe has the time of a step; raises Refused, EOFError when the shell goes."""
        poll = select.poll()
        poll.register(self.output, select.POLLOUT)
        poll.register(COMMANDS, 0)
        try:
            events = dict(poll.poll(self.timeout * 1000))
            if COMMANDS in events:
                raise EOFError
            if not events:
                raise TimeoutError(errno.ETIMEDOUT, "")
            os.write(self.output, f"ready {self.crowd.hosts[self.root]}\n".encode())
        except OSError as error:
            raise Refused(self.root, "the ready line cannot be written to standard output", name_of(error)) from None

    def say(self, words: str) -> int:
        """Say something on standard error, where it can be read in time; return the exit code that says so."""
        poll = select.poll()
        poll.register(COMPLAINTS, select.POLLOUT)
        with contextlib.suppress(OSError):
            if poll.poll(self.timeout * 1000):
                os.write(COMPLAINTS, f"crplan: {words}\n".encode("ascii", "replace"))
        return SAID

    def end(self, code: int) -> int:
        """Kill the namespace's init, with which everything dies, and reap; return `code`, or SAID where it does not end.

        A process that traces a member can keep it, and with it the init, for as long as it likes.
        """
        if self.init < 0:
            return code
        self.libc.syscall(PIDFD_SEND_SIGNAL, self.init, signal.SIGKILL, None, 0)
        deadline, pause = time.monotonic() + max(self.timeout, AT_THE_END), 0.0002
        while time.monotonic() < deadline:
            try:
                if os.waitpid(-1, os.WNOHANG | WALL)[0]:
                    continue
            except ChildProcessError:
                return code
            time.sleep(pause)
            pause = min(pause * 2, 0.02)
        return self.say("step 0 (executor): task 1: the namespace's init does not end: ETIMEDOUT")

    def take(self, line: str) -> str:
        """Carry out one line of the script and return the answer."""
        verb, *words = line.split()
        if verb == "need":
            return need(self.libc, words[0], words[1])
        if verb == "ready":
            self.ready(int(words[1]), int(words[3]))
            return "ok"
        if verb == "announce" and self.root:
            self.announce()
            self.announced = True
            return "ready"
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

    def serve(self) -> int:
        """Take lines until the script ends, and return the exit code: SAID when what failed has been said."""
        answer = "ok"
        try:
            while not self.announced:
                self.crowd.wait_for_line()
                line = read_line()
                if line.startswith("say "):
                    return max(self.end(SAID), self.say(line[4:].rstrip("\n")))
                try:
                    answer = self.take(line)
                except (ValueError, IndexError, KeyError) as error:
                    raise Refused(0, f"the line is not understood ({type(error).__name__} {error})", "EINVAL") from None
                os.write(ANSWERS, answer.encode() + b"\n")
            self.crowd.hold(self.root)
            return self.end(0)
        except EOFError:
            return self.end(1)
        except (Refused, OSError) as error:
            answer = f"no {error}" if isinstance(error, Refused) else f"no task 0: {error.strerror}: {name_of(error)}"
        code = self.end(1)
        with contextlib.suppress(OSError, EOFError):
            os.write(ANSWERS, answer.encode() + b"\n")
            line = read_line()
            if line.startswith("say "):
                code = self.say(line[4:].rstrip("\n"))
        return code


def settle_outside(libc: Libc) -> None:
    """As a child of the executor: die with it, take signals as any process does, and keep none of its streams."""
    try:
        libc.call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        for ignored in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE):
            signal.signal(ignored, signal.SIG_DFL)
        os.dup2(0, 2)
    except OSError:
        os._exit(1)


def read_line() -> str:
    """Read a line from the shell, which sends one at a time and waits; raises EOFError when it has gone."""
    line = b""
    while not line.endswith(b"\n"):
        block = os.read(COMMANDS, 65536)
        if not block:
            raise EOFError
        line += block
    return line.decode("ascii", "replace")


def need(libc: Libc, what: str, task: str) -> str:
    """Say whether this machine can do what the plan needs for a task: threads, a core file, namespaces of other kinds."""
    if what == "namespaces":
        return "ok"
    if what == "cores":
        with open("/proc/sys/kernel/core_pattern") as file:
            pattern = file.read(1)
        return f"no task {task} left a core file, and this machine hands those on" if pattern in "|@/" else "ok"
    if MACHINE not in THREAD_CODE:
        return f"no task {task} has threads, and those can be created on x86_64 and aarch64 only, not on {MACHINE}"
    try:
        libc.prepare_threads()
    except OSError as error:
        return f"no task {task} is a thread, and this system forbids machine code in memory: {name_of(error)}"
    return "ok"
