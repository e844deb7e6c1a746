"""The kernel's rules of id maps, which plans follow and puppets don't: each tried on the running kernel.

Puppets map themselves as soon as they have a user namespace; here every puppet waits for a command.
"""

import ctypes
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from planner.kernel.rules import KERNEL_RULES

pytestmark = pytest.mark.root

NEWUSER = 0x10000000
LIBC = ctypes.CDLL(None, use_errno=True)


class Child:
    """A process that makes user namespaces and writes maps when it is told to, each in a function that returns an errno."""

    def __init__(self) -> None:
        self.orders, orders = os.pipe()
        answers, self.answers = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            os.close(orders)
            os.close(answers)
            try:
                self._serve()
            finally:
                os._exit(0)
        os.close(self.orders)
        os.close(self.answers)
        self.orders, self.answers = orders, answers

    def _serve(self) -> None:
        while order := os.read(self.orders, 200).decode():
            word, *rest = order.split(" ", 1)
            error = unshare() if word == "unshare" else write(Path(word), rest[0])
            os.write(self.answers, bytes([error]))

    def does(self, order: str) -> int:
        """Have "unshare", or "PATH MAP", carried out; return the errno, 0 for success."""
        os.write(self.orders, order.encode())
        return os.read(self.answers, 1)[0]

    def end(self) -> None:
        """Let the process end; it stays a zombie."""
        if self.orders >= 0:
            os.close(self.orders)
            self.orders = -1
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)

    def map(self) -> Path:
        return Path(f"/proc/{self.pid}/uid_map")


def unshare() -> int:
    return ctypes.get_errno() if LIBC.unshare(NEWUSER) else 0


def write(path: Path, text: str) -> int:
    try:
        descriptor = os.open(path, os.O_WRONLY)
    except OSError as error:
        return error.errno or 0
    try:
        os.write(descriptor, text.encode())
    except OSError as error:
        return error.errno or 0
    finally:
        os.close(descriptor)
    return 0


@contextmanager
def child() -> Iterator[Child]:
    made = Child()
    try:
        yield made
    finally:
        made.end()
        os.close(made.answers)
        os.waitpid(made.pid, 0)


def number(rule: str) -> int:
    return int(getattr(errno, KERNEL_RULES[rule].errno))


def test_without_ids_nobody_makes_a_user_namespace() -> None:
    with child() as one:
        assert one.does("unshare") == 0
        assert one.does("unshare") == number("user-unmapped")
        for name in ("uid_map", "gid_map"):
            assert write(one.map().with_name(name), "0 0 1") == 0
        assert one.does("unshare") == 0


@pytest.mark.parametrize("name", ["uid_map", "gid_map"])
def test_users_alone_or_groups_alone_are_not_enough(name: str) -> None:
    with child() as one:
        one.does("unshare")
        assert write(one.map().with_name(name), "0 0 1") == 0
        assert one.does("unshare") == number("user-unmapped")


def test_a_map_is_written_once() -> None:
    with child() as one:
        one.does("unshare")
        assert write(one.map(), "0 100000 10") == 0
        assert write(one.map(), "0 100000 10") == number("map-once")


def test_a_map_is_written_from_the_user_namespace_above() -> None:
    with child() as one:
        one.does("unshare")
        assert one.does("/proc/self/uid_map 0 0 2") == number("map-from-above")
        assert one.does("/proc/self/uid_map 0 0 1") == 0, "from within a task maps itself"
        write(one.map().with_name("gid_map"), "0 0 1")
        assert one.does("unshare") == 0
        assert write(one.map(), "0 0 1") == number("map-from-above"), "two levels above"


def test_an_ended_process_has_no_map() -> None:
    with child() as one:
        one.does("unshare")
        path = one.map()
    assert write(path, "0 0 1") == number("map-gone")


def test_a_zombie_still_shows_its_user_namespace() -> None:
    with child() as one:
        one.does("unshare")
        one.end()
        assert write(one.map(), "0 100000 10") == 0
