"""The board: shared memory that says which step is in work, and wakes the process whose turn it is.

Steps are carried out one after the other in plan order, which satisfies every wait between processes. Each process sleeps on a
semaphore of its own until the one before hands on to it. The executor listens on a pipe instead, so that it can watch.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import time

from crplan_runtime.parts.kernel import checked, error_name, libc
from crplan_runtime.parts.tables import Plan

SEMAPHORE_SIZE = 32
"""Bytes of a sem_t on 64-bit Linux, and more than elsewhere."""

HEADER_SIZE = 1024
TEXT_AT = 64
CLOCK_SIZE = 8
CURRENT, HANDED_ON, FAILED, TEXT_LENGTH = range(4)


class Board:
    """Shared by every process by inheritance; all fields are indexes and flags.

    `current` is the index of the step in work. `handed_on` says that its actor is ending by it and has woken the next.
    """

    def __init__(self, plan: Plan) -> None:
        self._steps = plan.steps
        self._places = {pid: place for place, pid in enumerate(plan.last_step) if pid}
        clocks_at = HEADER_SIZE + SEMAPHORE_SIZE * (len(self._places) + 2)
        self._memory = mmap.mmap(-1, clocks_at + CLOCK_SIZE * (len(self._steps) + 1))
        self._base = ctypes.addressof(ctypes.c_char.from_buffer(self._memory)) + HEADER_SIZE
        self._fields = memoryview(self._memory)[:TEXT_AT].cast("i")
        self._clocks = memoryview(self._memory)[clocks_at:].cast("q")
        for place in self._places.values():
            checked(libc.sem_init(ctypes.c_void_p(self._base + SEMAPHORE_SIZE * place), 1, 0))
        self.bell, self._rope = os.pipe()

    @property
    def descriptors(self) -> list[int]:
        """The descriptors that an actor needs."""
        return [self._rope]

    @property
    def current(self) -> int:
        """The index of the step in work; the number of steps when all are done."""
        return self._fields[CURRENT]

    @property
    def handed_on(self) -> bool:
        """Whether the step in work is its actor's end, and the actor has done all but die."""
        return bool(self._fields[HANDED_ON])

    @property
    def all_done(self) -> bool:
        """Whether no step is left."""
        return self.current >= len(self._steps)

    def holder(self) -> int:
        """Return the process whose turn it is; 0 is the executor."""
        index = self.current + self.handed_on
        return self._steps[index].actor if index < len(self._steps) else 0

    def advance(self) -> None:
        """Say that the step in work is done."""
        self._clocks[self._fields[CURRENT]] = time.monotonic_ns()
        self._fields[HANDED_ON] = 0
        self._fields[CURRENT] += 1

    def clocks(self, first: int, after: int) -> list[int]:
        """Return when steps were done, by index, in nanoseconds of the executor's CLOCK_MONOTONIC.

        A process in a time namespace has another clock; where what it wrote cannot be, the step before it counts.
        """
        now, last = time.monotonic_ns(), self._clocks[first - 1] if first else 0
        for index in range(first, after):
            clock = self._clocks[index]
            self._clocks[index] = last = clock if last <= clock <= now else last or now
        return self._clocks[first:after].tolist()

    def hand_on_before_ending(self) -> None:
        """Say that the actor is about to end, and wake the next, who waits for that end."""
        self._fields[HANDED_ON] = 1
        self.wake()

    def wake(self) -> None:
        """Wake the process whose turn it is; once too often does no harm."""
        place = self._places.get(self.holder(), 0)
        if place and not self._fields[FAILED]:
            libc.sem_post(ctypes.c_void_p(self._base + SEMAPHORE_SIZE * place))
        else:
            os.write(self._rope, b"!")

    def nudge(self, pid: int) -> None:
        """Wake a process whose turn it is not, if it ever sleeps."""
        if pid in self._places:
            libc.sem_post(ctypes.c_void_p(self._base + SEMAPHORE_SIZE * self._places[pid]))

    def sleep(self, me: int) -> None:
        """Wait until another process wakes `me`."""
        libc.sem_wait(ctypes.c_void_p(self._base + SEMAPHORE_SIZE * self._places[me]))

    def fail(self, error: Exception) -> None:
        """Record that the step in work failed, and ring for the executor."""
        name = error_name(error) if isinstance(error, OSError) else type(error).__name__
        detail = str(error.strerror or error) if isinstance(error, OSError) and error.errno in errno.errorcode else str(error)
        text = (name + " " + detail).encode("ascii", "replace")[: HEADER_SIZE - TEXT_AT]
        self._memory[TEXT_AT : TEXT_AT + len(text)] = text
        self._fields[TEXT_LENGTH] = len(text)
        self._fields[FAILED] = 1
        self.wake()

    def failure(self) -> tuple[str, str] | None:
        """Return the errno's name and the explanation when a step failed."""
        if not self._fields[FAILED]:
            return None
        name, _, detail = self._memory[TEXT_AT : TEXT_AT + self._fields[TEXT_LENGTH]].decode("ascii").partition(" ")
        return name, detail
