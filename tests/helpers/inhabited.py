"""Pid namespaces with inhabitants of chosen numbers, for rebuilds that go into them."""

import contextlib
import os
import signal
from collections.abc import Iterator, Sequence

from planner.host import probes


class Container:
    """A pid namespace that lives while its fixture does; `init` is the number of its init here."""

    def __init__(self, init: int) -> None:
        self.init = init
        self.inode = os.stat(f"/proc/{init}/ns/pid").st_ino
        self.level = len(_vector(init)) - 1

    def inhabitants(self) -> dict[int, int]:
        """Return every task in the namespace and below it: the number there, and the number here."""
        found = {}
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            vector = _vector(int(name))
            if len(vector) > self.level and self._holds(int(name), len(vector)):
                found[vector[self.level]] = int(name)
        return found

    def _holds(self, pid: int, levels: int) -> bool:
        """Follow the parents of the process's namespace; a zombie has none any more, and is counted by its parent."""
        import fcntl

        try:
            current = os.open(f"/proc/{pid}/ns/pid", os.O_RDONLY)
        except OSError:
            status = _status(pid)
            parent = int(status.get("PPid", "0"))
            return bool(parent) and self._holds(parent, len(_vector(parent)))
        try:
            for _ in range(levels - self.level - 1):
                above = fcntl.ioctl(current, 0xB702)
                os.close(current)
                current = above
            return os.fstat(current).st_ino == self.inode
        except OSError:
            return False
        finally:
            os.close(current)


@contextlib.contextmanager
def container(numbers: Sequence[int] = (), *, levels: int = 1, pid_max: int = 0) -> Iterator[Container]:
    """Make `levels` pid namespaces, each in the one before; in the last one live an init and tasks of these numbers."""
    read, write = os.pipe()
    outer = os.fork()
    if outer == 0:
        os.close(read)
        _inhabit(write, numbers, levels, pid_max)
    os.close(write)
    with os.fdopen(read, "rb") as stream:
        line = stream.readline()
    assert line, "the container does not come to be"
    innermost = max(_below(outer), key=lambda pid: (len(_vector(pid)), -_vector(pid)[-1]))
    try:
        yield Container(innermost)
    finally:
        os.kill(next(iter(_children(outer))), signal.SIGKILL)
        os.waitpid(outer, 0)


def _inhabit(write: int, numbers: Sequence[int], levels: int, pid_max: int) -> None:
    """Be the creator of the namespaces, and in the children their inits; never returns."""
    kernel = probes._Kernel()
    try:
        kernel.prctl(1, signal.SIGKILL)
        for _ in range(levels):
            kernel.unshare(probes.NEW["pid"])
            child = os.fork()
            if child:
                os.close(write)
                os.waitpid(child, 0)
                os._exit(0)
            kernel.prctl(1, signal.SIGKILL)
        # An init reaps every orphan that it adopts.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        if pid_max:
            with open("/proc/sys/kernel/pid_max", "w", encoding="ascii") as file:
                file.write(str(pid_max))
        for number in numbers:
            if kernel.clone3(0, (number,)) == 0:
                os.setsid()
                signal.pause()
        os.write(write, b"ready\n")
        os.close(write)
        while True:
            signal.pause()
    finally:
        os._exit(1)


def _children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


def _below(pid: int) -> list[int]:
    found = _children(pid)
    for child in found:
        found += _children(child)
    return found


def _status(pid: int) -> dict[str, str]:
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    except OSError:
        return {}


def _vector(pid: int) -> list[int]:
    return [int(word) for word in _status(pid).get("NSpid", "").split()]
