"""Limits of time and memory, so that one image never holds up the others.

Time is watched inside the worker, where the image's work is interrupted at its next instruction; a worker that does not react
to that is ended, and the engine finds out by which image. Memory is a limit of the worker's process.
"""

import contextlib
import ctypes
import os
import signal
import threading
import time
from collections.abc import Iterator
from multiprocessing import parent_process
from multiprocessing.connection import wait
from types import FrameType
from typing import Final

GRACE: Final = 30.0
"""Seconds beyond the limit after which a worker is ended that could not be interrupted."""


class TooLong(BaseException):
    """The time for an image is over. It is no Exception, so that nothing on the way takes it for a fault of a plugin."""


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise `TooLong` in the body when it has taken so many seconds."""
    _deadline[0] = time.monotonic() + seconds + GRACE
    try:
        if hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():
            with _by_signal(seconds):
                yield
        else:
            with _by_thread(seconds):
                yield
    finally:
        _deadline[0] = 0.0


@contextlib.contextmanager
def _by_signal(seconds: float) -> Iterator[None]:
    def over(number: int, frame: FrameType | None) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, over)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def _by_thread(seconds: float) -> Iterator[None]:
    thread, lock, running = ctypes.c_ulong(threading.get_ident()), threading.Lock(), [True]

    def over() -> None:
        with lock:
            if running[0]:
                running[0] = False
                ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(TooLong))

    timer = threading.Timer(seconds, over)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        with lock:
            running[0] = False
        timer.cancel()


_deadline = [0.0]
"""When this process is ended whatever it does, 0 for never; the one state that the watcher shares with the work."""


def prepare_worker(memory: int) -> None:
    """Make this process a worker of our own pool: an interrupt is for its parent, and it ends when that does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        limit = memory if hard == resource.RLIM_INFINITY else min(memory, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    threading.Thread(target=_watch, name="watcher", daemon=True).start()


def _watch() -> None:
    """End this process when its parent has ended, and when it does not come back from an image."""
    parent = parent_process()
    while True:
        if parent is not None and wait([parent.sentinel], 1.0):
            os._exit(1)
        if 0 < _deadline[0] < time.monotonic():
            os._exit(1)
        if parent is None:
            time.sleep(1.0)
