"""Signals that ask for the end, and failures: what may cut a rebuild short."""

from __future__ import annotations

import select
import signal
import socket

END_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
"""Signals that ask for the end."""


def asking_signals() -> set[signal.Signals]:
    """Return which signals end the rebuild: SIGTERM always, the others unless they were ignored from the start.

    `nohup`, and a shell's `&` where there is no job control, ignore signals on purpose.
    """
    return {number for number in END_SIGNALS if number == signal.SIGTERM or signal.getsignal(number) != signal.SIG_IGN}


class Failed(Exception):
    """A step that failed: its index (-1 is the executor itself), the task, what happened and the errno's name or a word."""

    def __init__(self, index: int, task: int, what: str, error: str) -> None:
        super().__init__(what)
        self.index = index
        self.task = task
        self.what = what
        self.error = error


def has_ended(descriptor: int) -> bool:
    """Tell whether the process behind a pidfd has ended."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def hung_up(link: socket.socket) -> bool:
    """Tell whether the other end has no reader."""
    poll = select.poll()
    poll.register(link, 0)
    return bool(poll.poll(0))
