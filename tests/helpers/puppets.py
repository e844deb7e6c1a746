"""Histories played on the running kernel, by puppets in a pid namespace of their own.

An `Arena` is that namespace; seat 0 is a process in it, and the container is made by seat 0's first clone. What stands is read
from the arena's own instance of proc. Leaving the arena kills everything in it and checks that it is gone.
"""

import ctypes
import errno
import functools
import mmap
import os
import shutil
import signal
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import msgspec

from tests.generators.histories import SPACES, TABLES, Answer, Operation, Standing, World

SOURCE = Path(__file__).with_name("puppets.c")
HEAD = 4096
SLOT = 256
SEATS = 1024
PLACES = 48
"""How many numbers a slot holds."""
MINGLING = {"split", "unshare", "join"}
"""After these, and after a clone that shares, it is looked at who has what in common."""
WORDS = {
    word: code
    for code, word in enumerate(
        (
            *("clone", "thread", "setsid", "setpgid", "subreaper", "enter", "enter-root", "exec", "exit", "end", "kill", "wait"),
            *("outsider", "split", "unshare", "join", "alike", "setpgid-own", "setpgid-other"),
        ),
        1,
    )
}
FUTEX = {"x86_64": 202, "aarch64": 98}
FUTEX_WAIT, FUTEX_WAKE = 0, 1
PF_EXITING = 4
PATIENCE = 10.0


class Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


def available() -> str:
    """Return "" where puppets can play, else what is missing."""
    if os.uname().machine not in FUTEX:
        return "puppets know x86-64 and aarch64"
    if os.geteuid() != 0:
        return "the running kernel is asked as root"
    return "" if shutil.which("cc") else "puppets need a C compiler"


@functools.cache
def _compiled() -> tempfile.TemporaryDirectory[str]:
    directory = tempfile.TemporaryDirectory(prefix="puppets")
    subprocess.run(["cc", "-O1", "-Wall", "-Werror", "-o", f"{directory.name}/puppets", SOURCE], check=True)
    return directory


class Stuck(Exception):
    """A puppet does not answer, or something is still there that should be gone."""


class Arena:
    """A player on the running kernel; a context manager."""

    def __init__(self) -> None:
        self._memory = os.memfd_create("puppets")
        os.ftruncate(self._memory, HEAD + SEATS * SLOT)
        self._map = mmap.mmap(self._memory, HEAD + SEATS * SLOT)
        self._base = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        self._futex = ctypes.CDLL(None, use_errno=True).syscall
        self._number = FUTEX[os.uname().machine]
        self._program = f"{_compiled().name}/puppets"
        self._requests = 0
        self._numbers: dict[int, int] = {}
        """The arena's number of each task of the container, by level-0 number."""
        self._dying: set[int] = set()
        self._outside = {0}
        self._mingled = False

    def __enter__(self) -> "Arena":
        memory = self._memory

        def hand_over() -> None:
            if memory == 3:
                os.set_inheritable(3, True)
            else:
                os.dup2(memory, 3)

        self._launcher = subprocess.Popen([self._program, self._program], preexec_fn=hand_over, close_fds=False)
        if not (self._wait(HEAD + 4, lambda value: value == 0xFFFFFFFF) and self._wait(0, lambda value: value != 0)):
            raise Stuck("the arena does not start")
        self.arena = struct.unpack_from("i", self._map, 0)[0]
        self._proc = os.open(f"/proc/{self.arena}/fd/4", os.O_RDONLY | os.O_DIRECTORY)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.kill(self.arena, signal.SIGKILL)
        try:
            self._launcher.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise Stuck("the arena cannot die") from error
        left = [name for name in os.listdir(self._proc) if name.isdigit()]
        os.close(self._proc)
        os.close(self._memory)
        if left:
            raise Stuck(f"processes are left: {left}")

    # Commands.

    def play(self, operation: Operation) -> Answer:
        """Carry one operation out; return a number, or the name of the errno."""
        word, actor, *rest = operation
        assert isinstance(actor, int)
        if actor in self._outside and word in ("kill", "wait", "enter", "setpgid", "setpgid-own", "setpgid-other"):
            self._settle()
            for place in range(2 if word == "setpgid" else 1):
                number = rest[place]
                assert isinstance(number, int)
                rest[place] = self._numbers.get(number, 99999) if number > 0 else number
        arguments = [0, 0, 0]
        vector: tuple[int, ...] = ()
        match word, rest:
            case "clone", (int(seat), tuple(pids), new, sibling, int(signal_number), *shared):
                tables = shared[0] if shared else 0
                assert isinstance(tables, int)
                self._mingled |= bool(tables)
                arguments = [seat, int(bool(new)) | 2 * int(bool(sibling)) | tables << 2, signal_number]
                vector = pids[::-1]
            case "thread", (int(seat), tuple(pids)):
                arguments[0] = seat
                vector = pids[::-1]
            case _:
                for index, argument in enumerate(rest):
                    assert isinstance(argument, int)
                    arguments[index] = argument
        result = self._command(actor, str(word), arguments, vector)
        self._mingled |= word in MINGLING
        if word == "outsider" and result == 0:
            self._outside.add(arguments[0])
        if result == -errno.EEXIST:
            # A number is free only a moment after its task has left proc (release_task: free_pids).
            time.sleep(0.02)
            result = self._command(actor, str(word), arguments, vector)
        if word in ("exit", "end", "kill", "wait") or self._dying:
            self._settle()
        if result < 0:
            return errno.errorcode[-result]
        if word in ("clone", "thread", "wait") and (actor not in self._outside or word == "wait"):
            return result
        return 0

    def _command(self, seat: int, word: str, arguments: list[int], vector: tuple[int, ...]) -> int:
        at = HEAD + seat * SLOT
        if word in ("clone", "thread", "outsider"):
            # The seat may have been another process's before.
            struct.pack_into("=III", self._map, HEAD + arguments[0] * SLOT, 0, 0, 0)
        self._requests += 1
        request = self._requests
        numbers = [*vector, *[0] * PLACES][:PLACES]
        struct.pack_into(f"=iiiiiq{PLACES}i", self._map, at + 12, WORDS[word], *arguments, len(vector), 0, *numbers)
        struct.pack_into("=I", self._map, at, request)
        self._futex(self._number, ctypes.c_void_p(self._base + at), FUTEX_WAKE, 1, None, None, 0)
        if not self._wait(at + 4, lambda value: value == request, wake=False):
            raise Stuck(f"seat {seat} does not take {word}")
        if word in ("exit", "end"):
            return 0
        if word == "kill":
            # A process that kills itself gives no answer.
            for _ in range(400):
                if self._wait(at + 8, lambda value: value == request, patience=0.005):
                    break
                if not self._waits(seat):
                    return 0
        elif not self._wait(at + 8, lambda value: value == request):
            raise Stuck(f"seat {seat} does not answer {word}")
        return int(struct.unpack_from("=q", self._map, at + 32)[0])

    def _waits(self, seat: int) -> bool:
        self._settle()
        at = HEAD + seat * SLOT
        return bool(struct.unpack_from("=I", self._map, at + 4)[0] == struct.unpack_from("=I", self._map, at + 8)[0])

    def _wait(self, at: int, wanted: Callable[[int], bool], patience: float = PATIENCE, wake: bool = True) -> bool:
        """Wait until a word of the shared memory is as wanted; `wake` says that the writer wakes the sleepers."""
        end = time.monotonic() + patience
        while True:
            value = struct.unpack_from("=I", self._map, at)[0]
            if wanted(value):
                return True
            if time.monotonic() > end:
                return False
            if wake:
                pause = Timespec(0, 2_000_000)
                self._futex(self._number, ctypes.c_void_p(self._base + at), FUTEX_WAIT, value, ctypes.byref(pause), None, 0)
            else:
                os.sched_yield()

    # What stands.

    def world(self) -> World:
        """Return all processes of the container by their level-0 numbers, once nothing moves any more."""
        world = self._settle()
        return self._with_common(world) if self._mingled else world

    def _with_common(self, world: World) -> World:
        """Add to all living tasks what they share with which others, by kcmp and by the links of their namespaces."""
        living = sorted(first for first, standing in world.items() if standing.state == "living" and standing.leading)
        assert len(living) < PLACES
        common: dict[int, list[tuple[str, int]]] = {first: [] for first in living}
        # The arena's init shares nothing; without undo lists of their own all would look like sharers.
        numbers = (1, *(self._numbers[first] for first in living))
        for kind, name in enumerate(TABLES):
            if self._command(0, "alike", [kind, 0, 0], numbers) < 0:
                raise Stuck("processes cannot be compared")
            places = struct.unpack_from(f"={PLACES}i", self._map, HEAD + 40)
            for place, first in enumerate(living, 1):
                if places[place] not in (0, place):
                    common[first].append((name, living[places[place] - 1]))
        for name in SPACES:
            met = {os.readlink(f"2/ns/{name}", dir_fd=self._proc): 0}
            for first in living:
                same = met.setdefault(os.readlink(f"{self._numbers[first]}/ns/{name}", dir_fd=self._proc), first)
                if same:
                    common[first].append((name, same))
        return {
            first: msgspec.structs.replace(standing, common=tuple(common.get(first, ()))) for first, standing in world.items()
        }

    def _settle(self) -> World:
        """Look until two looks are the same, and every process sleeps or has ended; a dying init is looked at for longer."""
        end = time.monotonic() + PATIENCE
        before: World | None = None
        since = 0.0
        while time.monotonic() < end:
            looked = self._look()
            if looked is None or looked != before:
                before, since = looked, time.monotonic()
                continue
            dying = {first for first, standing in looked.items() if standing.state == "dying"}
            if dying <= self._dying or time.monotonic() > since + 0.03:
                self._dying = dying
                return looked
        raise Stuck("the container does not come to rest")

    def _look(self) -> World | None:
        """One look at all processes; None where something is on the move."""
        self._numbers = {}
        try:
            looked = [self._process(name) for name in os.listdir(self._proc) if name.isdigit() and name not in ("1", "2")]
            found = [process for process in looked if process is not None]
        except (FileNotFoundError, ProcessLookupError):
            return None
        names = {number: standing.pids[0] for number, _, standing in found}
        self._numbers |= {first: number for number, first in names.items()}
        if any(standing.state == "moving" for _, _, standing in found):
            return None
        return {standing.pids[0]: msgspec.structs.replace(standing, parent=names.get(parent, 0)) for _, parent, standing in found}

    def _process(self, name: str) -> tuple[int, int, Standing] | None:
        """A process: its number in the arena, its parent's, and what stands but for the parent; None outside the container."""
        fields, state, code, exit_signal = self._task(name)
        if len(fields["NSpid"].split()) == 1:
            return None
        for field in ("NSpgid", "NSsid"):
            arena, first = _vector(fields[field])[:2]
            if first:
                self._numbers[first] = arena
        threads = []
        leading = True
        if fields["Threads"] != "1":
            tasks = os.open(f"{name}/task", os.O_RDONLY, dir_fd=self._proc)
            try:
                others = [thread for thread in os.listdir(tasks) if thread != name]
            finally:
                os.close(tasks)
            for thread in others:
                thread_fields, thread_state, _, _ = self._task(f"{name}/task/{thread}")
                if thread_state == "living":
                    threads.append(_vector(thread_fields["NSpid"])[1:])
                    self._numbers[threads[-1][0]] = int(thread)
                elif state != "moving":
                    state = thread_state
            leading = state != "zombie" or not threads
        standing = Standing(
            pids=_vector(fields["NSpid"])[1:],
            parent=0,
            group=_vector(fields["NSpgid"])[1],
            session=_vector(fields["NSsid"])[1],
            state=state if leading else "living",
            leading=leading,
            status=code if state == "zombie" else 0,
            threads=tuple(sorted(threads)),
            exit_signal=exit_signal,
        )
        return int(name), int(fields["PPid"]), standing

    def _task(self, name: str) -> tuple[dict[str, str], str, int, int]:
        """A task's status, its state ("moving" where it is about to change), its exit code and its exit signal."""
        fields = dict(line.split(":\t", 1) for line in self._read(f"{name}/status").splitlines() if ":\t" in line)
        stat = self._read(f"{name}/stat").rpartition(")")[2].split()
        exiting = int(stat[6]) & PF_EXITING
        letter = stat[0]
        state = "zombie" if letter == "Z" else "moving" if letter != "S" else "dying" if exiting else "living"
        return fields, state, int(stat[-1]), int(stat[35])

    def _read(self, name: str) -> str:
        fd = os.open(name, os.O_RDONLY, dir_fd=self._proc)
        try:
            return os.read(fd, 8192).decode()
        finally:
            os.close(fd)


def _vector(field: str) -> tuple[int, ...]:
    return tuple(map(int, field.split()))
