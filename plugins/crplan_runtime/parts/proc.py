"""What /proc says: a proc instance of the container's own, which only this program's descriptors know, or the machine's."""

from __future__ import annotations

import ctypes
import os
import signal

from crplan_runtime.parts.kernel import NR_FSCONFIG, NR_FSMOUNT, NR_FSOPEN, NR_PIDFD_SEND_SIGNAL, syscall
from crplan_runtime.parts.tables import Plan, Step

FSCONFIG_CMD_CREATE = 6
PF_EXITING = 4
"""The flag in stat's ninth field of a task that has begun to end."""


class Mismatch(Exception):
    """What stands is not what the plan says."""


def mount(kind: bytes) -> int:
    """Mount a file system of the caller's pid namespace nowhere, and return a descriptor of its top; raises OSError."""
    name = ctypes.create_string_buffer(kind)
    context = syscall(NR_FSOPEN, ctypes.addressof(name), 1)
    try:
        syscall(NR_FSCONFIG, context, FSCONFIG_CMD_CREATE, 0, 0, 0)
        return syscall(NR_FSMOUNT, context, 1, 0)
    finally:
        os.close(context)


class Proc:
    """Reads tasks by their level-0 numbers through the descriptor `top`."""

    def __init__(self, top: int) -> None:
        self.top = top

    def path(self, path: str) -> str:
        """Return where the file of a task is that is named by its level-0 number; raises OSError."""
        return path

    def open(self, path: str, mode: int = os.O_RDONLY) -> int:
        """Open a file; raises OSError."""
        return os.open(self.path(path), mode | os.O_CLOEXEC, dir_fd=self.top)

    def identity(self, path: str) -> tuple[int, int]:
        """Return what tells a namespace from all others; raises OSError."""
        status = os.stat(self.path(path), dir_fd=self.top)
        return status.st_dev, status.st_ino

    def read(self, path: str) -> str:
        """Return the text of a file; raises OSError."""
        descriptor = self.open(path)
        try:
            return os.read(descriptor, 65536).decode("utf-8", "replace")
        finally:
            os.close(descriptor)

    def status(self, path: str) -> dict[str, list[str]]:
        """Return the fields of a status file as lists of words; raises OSError."""
        return {name: rest.split() for name, _, rest in (line.partition(":") for line in self.read(path + "/status").split("\n"))}

    def stat(self, pid: int) -> list[str]:
        """Return the fields of stat from the third on, the state; empty when there is no such task. Raises OSError."""
        try:
            return self.read(f"{pid}/stat").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return []

    def is_ending(self, pid: int) -> bool:
        """Tell whether a task has ended or is about to: an init stays for a while until its namespace is empty."""
        words = self.stat(pid)
        return not words or words[0] in "ZX" or bool(int(words[6]) & PF_EXITING)

    def stop(self, pid: int) -> None:
        """Stop a process by its directory, which is a pidfd too, from wherever the caller is; raises OSError."""
        directory = self.open(str(pid), os.O_RDONLY | os.O_DIRECTORY)
        try:
            syscall(NR_PIDFD_SEND_SIGNAL, directory, signal.SIGSTOP, 0, 0)
        finally:
            os.close(directory)

    def is_stopped(self, pid: int) -> bool:
        """Tell whether a process is stopped; raises OSError, and ProcessLookupError where there is none."""
        words = self.stat(pid)
        if not words:
            raise ProcessLookupError(3, f"task {pid} has ended")
        return words[0] == "T"

    def list(self, path: str) -> set[int]:
        """Return the numbers in a directory; raises OSError."""
        descriptor = self.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            return {int(name) for name in os.listdir(descriptor) if name.isdigit()}
        finally:
            os.close(descriptor)

    def namespace(self, init: int) -> int:
        """Open the pid namespace of `init`; raises OSError."""
        return self.open(f"{init}/ns/pid")

    def has_ended(self, pid: int, thread_only: bool = False) -> bool:
        """Tell whether a process is a zombie or gone: by then its children have been adopted.

        As long as another thread of a process is still ending, its children go to that thread, unless the leader ends alone.
        """
        words = self.stat(pid)
        return not words or (words[0] in "ZX" and (thread_only or int(words[17]) <= 1))


def numbers(words: list[str]) -> tuple[int, ...]:
    """Turn the words of a field into numbers."""
    return tuple(int(word) for word in words)


def compare(what: str, found: object, wanted: object) -> None:
    """Raise Mismatch when the two differ."""
    if found != wanted:
        raise Mismatch(f"{what} is {shown(found)}, the plan says {shown(wanted)}")


def shown(value: object) -> str:
    """Write a value for people."""
    if isinstance(value, (list, tuple, set)):
        return " ".join(str(item) for item in (sorted(value) if isinstance(value, set) else value)) or "empty"
    return str(value)


def check_vector(proc: Proc, plan: Plan, pid: int, path: str) -> dict[str, list[str]]:
    """Check a task's numbers at every level and return its status; raises Mismatch and OSError."""
    status = proc.status(path)
    compare(f"the vector of task {pid}", numbers(status["NSpid"]), plan.processes[pid].pids)
    return status


def verify(proc: Proc, plan: Plan, step: Step) -> None:
    """Check all that /proc says about the target of a verify step; raises Mismatch and OSError."""
    pid = step.target
    zombie = "zombie" in step.words
    threads = step.numbers("threads")
    status = check_vector(proc, plan, pid, str(pid))
    compare("the thread group", numbers(status["Tgid"]), (pid,))
    compare("the state", "zombie" if status["State"][0] in "ZX" else "living", "zombie" if zombie else "living")
    compare("the parent", int(status["PPid"][0]), step.value("parent"))
    compare("the process group", int(status["NSpgid"][0]), step.value("group"))
    compare("the session", int(status["NSsid"][0]), step.value("session"))
    if threads or not zombie:
        compare("the list of threads", proc.list(f"{pid}/task") - {pid}, set(threads))
    for thread in threads:
        check_vector(proc, plan, thread, f"{pid}/task/{thread}")
    stat = proc.stat(pid) if zombie or step.has("exit_signal") else []
    if zombie:
        compare("the exit status", int(stat[49]), step.value("status"))
    if step.has("exit_signal"):
        compare("the exit signal", int(stat[35]), step.value("exit_signal"))


def verify_nothing_else(proc: Proc, plan: Plan) -> None:
    """Check that no process is left that the plan does not want to stay; raises Mismatch and OSError."""
    wanted = {step.target for step in plan.steps if step.op == "verify"}
    wanted.update(pid for pid, process in plan.processes.items() if process.role == "reaper")
    extra = proc.list(".") - wanted
    if extra:
        raise Mismatch(f"there are processes that should not be left: {shown(extra)}")
