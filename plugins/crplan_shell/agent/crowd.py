"""The created processes as the executor sees them: their channels, their numbers, and who has died before its time."""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
import time

from crplan_shell.agent.actor import perform, send
from crplan_shell.agent.kernel import PIDFD_SEND_SIGNAL, Libc, Refused, name_of
from crplan_shell.agent.proc import Proc

COMMANDS = 3


class Process:
    """A created process, as the executor knows it; `host` is the number by which the executor itself knows it."""

    __slots__ = ("channel", "host", "leaderless", "pidfd")

    def __init__(self, host: int, channel: socket.socket, pidfd: int) -> None:
        self.host = host
        self.channel = channel
        self.pidfd = pidfd
        self.leaderless = False


class Crowd:
    """Everybody who was created, watched for deaths together with the shell."""

    def __init__(self, libc: Libc, timeout: float) -> None:
        self.libc = libc
        self.timeout = timeout
        self.living: dict[int, Process] = {}
        self.vectors: dict[int, list[int]] = {}
        self.hosts: dict[int, int] = {}
        self.handles: dict[int, int] = {}
        self.home: dict[int, int] = {0: 0}
        self.turned: dict[int, int] = {}
        self.above: dict[int, int] = {}
        self.poller = select.epoll()
        self.poller.register(COMMANDS, 0)

    def wait(self, descriptor: int, task: int, what: str) -> None:
        """Wait until the descriptor can be read; a process that dies meanwhile, or the shell, ends everything."""
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

    def look_around(self, seconds: float) -> None:
        """Let a little time pass; a process that dies meanwhile ends everything."""
        self.mourn([event for event, _ in self.poller.poll(seconds)])

    def wait_for_line(self) -> None:
        """Wait until the shell has written something; a process that dies meanwhile ends everything."""
        self.poller.modify(COMMANDS, select.EPOLLIN)
        while True:
            events = [event for event, _ in self.poller.poll()]
            if COMMANDS in events:
                break
            self.mourn(events)
        self.poller.modify(COMMANDS, 0)

    def hold(self, root: int) -> None:
        """Stay until the shell or the root ends.

        A dying init closes its channel and waits for zombies that only this process can reap: so its pidfd would be too late.
        """
        while True:
            for event, _ in self.poller.poll():
                if event == COMMANDS or self.handles.get(event) == root:
                    return
                self.poller.unregister(event)

    def watch(self, descriptor: int, task: int) -> None:
        """Watch a descriptor of a process."""
        self.poller.register(descriptor, select.EPOLLIN)
        self.handles[descriptor] = task

    def welcome(self, task: int, vector: list[int], channel: socket.socket, pidfd: int) -> None:
        """Wait until a process says that it is there, and know it from now on."""
        self.watch(channel.fileno(), task)
        self.watch(pidfd, task)
        _, _, host = self.hear(channel.fileno(), task, "create")
        self.living[task] = Process(host, channel, pidfd)
        self.vectors[task] = vector
        self.hosts[task] = host

    def settle(self, task: int, actor: int, new_namespace: bool) -> None:
        """Note in which namespace a child is born, each named by its init."""
        born = self.turned.get(actor, self.home[actor])
        if new_namespace:
            self.above[task] = born
        self.home[task] = task if new_namespace else born

    def below(self, init: int) -> list[int]:
        """Return who lives in an init's namespace, or below it, and so dies with it; nobody for a task that is no init."""
        return [task for task in self.living if init in self.above and init in self.namespaces(task)]

    def namespaces(self, task: int) -> list[int]:
        """Return a task's namespace and those above it."""
        found = [self.home[task]]
        while found[-1] in self.above:
            found.append(self.above[found[-1]])
        return found

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

    def order(
        self, actor: int, task: int, verb: str, numbers: list[int], given: list[int] | None = None
    ) -> tuple[int, list[int]]:
        """Let the actor do something, with descriptors of ours; return the number and the descriptors that it answers with."""
        if not actor:
            try:
                return perform(self.libc, verb, numbers, given or []), []
            except OSError as error:
                raise Refused(task, verb, name_of(error)) from None
        self.send_order(actor, task, verb, numbers, given or [])
        answer, rights, _ = self.hear(self.living[actor].channel.fileno(), actor, verb)
        good, _, value = answer.partition(" ")
        if good != "ok":
            raise Refused(task, verb, value)
        return int(value), rights

    def send_order(self, actor: int, task: int, verb: str, numbers: list[int], given: list[int] | None = None) -> None:
        """Send an order to the actor, who must be alive and have its leading thread."""
        if actor not in self.living or self.living[actor].leaderless:
            raise Refused(task, f"{verb} by task {actor}, which is not there", "ESRCH")
        try:
            send(self.living[actor].channel, " ".join([verb, *map(str, numbers)]), given or [])
        except OSError as error:
            raise Refused(actor, f"{verb}: died before its time", name_of(error)) from None

    def seen_by(self, actor: int, task: int) -> int:
        """Return the number by which the actor knows a task; 0 where it does not."""
        if not actor:
            return self.hosts.get(task, 0)
        level = len(self.vectors[actor]) - 1 if actor in self.vectors else 0
        vector = self.vectors.get(task, [task])
        return vector[level] if level < len(vector) else 0

    def gone(self, processes: list[Process], task: int, what: str) -> None:
        """Wait until released processes have ended and their children are adopted: a pidfd says so, a channel is too early."""
        for process in processes:
            self.poller.register(process.pidfd, select.EPOLLIN)
            self.wait(process.pidfd, task, what)
            os.close(process.pidfd)
            process.channel.close()

    def stop(self, task: int, proc: Proc) -> None:
        """Stop a process from outside, where no init is shielded from it, and wait until /proc says so."""
        if task not in self.living:
            raise Refused(task, "stop", "ESRCH")
        self.libc.syscall(PIDFD_SEND_SIGNAL, self.living[task].pidfd, signal.SIGSTOP, None, 0)
        deadline = time.monotonic() + self.timeout
        while not proc.is_stopped(task):
            self.look_around(0.001)
            if time.monotonic() > deadline:
                raise Refused(task, "stop", "ETIMEDOUT")
