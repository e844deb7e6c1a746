"""A created process: a copy of the agent that makes the calls which it is told to make, and waits."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import socket
import struct
from typing import NoReturn

from crplan_shell.agent.kernel import (
    CLONE_FILES,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    CLOSE_RANGE,
    EXIT_THREAD,
    NAMESPACES,
    PR_GET_CHILD_SUBREAPER,
    PR_SET_CHILD_SUBREAPER,
    PR_SET_DUMPABLE,
    PR_SET_NAME,
    RLIMIT_CORE,
    SAME_PROCESS,
    WALL,
    Libc,
    name_of,
)

CHANNEL = 3
LONGEST_ORDER = 16384
"""Bytes; an id map has less than 4096 as text."""
OWN = -1
CORE_DUMPED, CORE_MOST = 0x80, 4096


def perform(libc: Libc, verb: str, numbers: list[int], given: list[int]) -> int:
    """Make the one call of a step, in the process whose step it is, with the numbers and descriptors that this process knows."""
    if verb == "setsid":
        os.setsid()
    elif verb == "setpgid":
        os.setpgid(numbers[0], numbers[1])
    elif verb == "subreaper":
        libc.call("prctl", PR_SET_CHILD_SUBREAPER, numbers[0], 0, 0, 0)
    elif verb == "enter":
        libc.enter(os.getpid() if numbers[0] == OWN else numbers[0], CLONE_NEWPID)
    elif verb == "unshare":
        unshare(libc, numbers[0])
    elif verb == "map":
        map_ids(given[0], numbers[0], "uid_map" if numbers[1] else "gid_map", numbers[2:])
    elif verb == "join":
        libc.enter(numbers[0], numbers[1])
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


def unshare(libc: Libc, kinds: int) -> None:
    """Make namespaces for this process; /proc is the host's, which shows this process too."""
    try:
        libc.call("unshare", kinds)
    except PermissionError:
        if not kinds & CLONE_NEWUSER:
            raise
        take_mapped_ids(libc)
        libc.call("unshare", kinds)
    if kinds & NAMESPACES["time"]:
        # The new one is for the children only; this process enters it itself.
        libc.set_namespace(os.open("/proc/self/ns/time_for_children", os.O_RDONLY | os.O_CLOEXEC), NAMESPACES["time"])


def take_mapped_ids(libc: Libc) -> None:
    """Take the first ids that this process's user namespace maps, without which it can make none below."""
    first = []
    for name in ("gid_map", "uid_map"):
        with open(f"/proc/self/{name}") as file:
            first.append(int((file.read().split() or ["-1"])[0]))
    os.setresgid(first[0], first[0], first[0])
    os.setresuid(first[1], first[1], first[1])
    # With other ids its files in /proc are root's until it may be looked at again.
    libc.call("prctl", PR_SET_DUMPABLE, 1, 0, 0, 0)


def map_ids(proc: int, number: int, name: str, lines: list[int]) -> None:
    """Write an id map of another process's user namespace, root as its own user where there are no lines, and read it back."""
    file = os.open(f"{number}/{name}", os.O_RDWR | os.O_CLOEXEC, dir_fd=proc)
    try:
        status = os.fstat(file)
        lines = lines or [0, status.st_uid if name == "uid_map" else status.st_gid, 1]
        text = "".join("{} {} {}\n".format(*lines[place : place + 3]) for place in range(0, len(lines), 3))
        os.write(file, text.encode())
        if [int(word) for word in os.pread(file, 65536, 0).split()] != lines:
            raise OSError(errno.ERANGE, "the map reads otherwise than it was written")
    finally:
        os.close(file)


def send(channel: socket.socket, text: str, given: list[int]) -> None:
    """Send a text, and descriptors with it."""
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack(f"{len(given)}i", *given))] if given else []
    channel.sendmsg([text.encode()], rights)


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


def spawn(libc: Libc, flags: int, exit_signal: int, vector: list[int], name: bytes) -> tuple[int, socket.socket, int]:
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
    if name:
        libc.call("prctl", PR_SET_NAME, name, 0, 0, 0)
    if flags & CLONE_FILES:
        return 0, theirs, -1
    try:
        os.dup2(theirs.detach(), CHANNEL)
        libc.syscall(CLOSE_RANGE, CHANNEL + 1, 0x7FFFFFFF, 0)
        return 0, socket.socket(fileno=CHANNEL), -1
    except OSError:
        os._exit(1)


def obey(libc: Libc, channel: socket.socket) -> NoReturn:
    """Live as a created process: do what comes through the channel, and end with it, whatever happens."""
    try:
        channel.send(b"born")
        while True:
            order, ancillary, _, _ = channel.recvmsg(LONGEST_ORDER, 64, socket.MSG_CMSG_CLOEXEC)
            if not order:
                break
            given = [number for _, _, data in ancillary for number in struct.unpack(f"{len(data) // 4}i", data)]
            channel = carry_out(libc, channel, order.decode(), given)
            for descriptor in given:
                os.close(descriptor)
    finally:
        os._exit(1)


def carry_out(libc: Libc, channel: socket.socket, order: str, given: list[int]) -> socket.socket:
    """Carry out an order, with the descriptors that came along, and answer it; return the channel, a new child's own in that."""
    verb, *words = order.split()
    numbers = [int(word) for word in words]
    answer, rights = "ok 0", []
    try:
        if verb == "create":
            name = 3 + numbers[2]
            number, other, pidfd = spawn(libc, numbers[0], numbers[1], numbers[3:name], bytes(numbers[name:]))
            if number:
                answer, rights = f"ok {number}", [other.detach(), pidfd]
            else:
                channel.detach()
                channel = other
                answer = "born"
        elif verb == "proc":
            if numbers[0]:
                libc.call("unshare", CLONE_NEWNS)
            rights = [libc.mount(b"proc")]
        elif verb == "exit":
            leave(libc, numbers[0], numbers[1])
        else:
            answer = f"ok {perform(libc, verb, numbers, given)}"
    except OSError as error:
        answer = f"no {name_of(error)}"
    send(channel, answer, rights)
    for descriptor in rights:
        os.close(descriptor)
    return channel
