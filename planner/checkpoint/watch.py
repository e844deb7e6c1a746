"""The two processes of a checkpoint, each of which ends it cleanly where the other is killed.

The worker is in a session of its own and learns from a pipe that the command has ended. The command is the subreaper of
the worker: where that is killed, it waits for a criu that still dumps, and undoes what the journal tells of.
"""

import ctypes
import os
import select
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec

from planner.checkpoint.journal import repair
from planner.checkpoint.worker import Abandoned, Progress, Work, work
from planner.errors import CheckpointFailed, CrplanError

PR_SET_CHILD_SUBREAPER: Final = 36
STAYS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE)
"""Signals that the worker does not end by: the command does, and then the worker."""


class Ended(msgspec.Struct, frozen=True, kw_only=True, tag="ended"):
    """How the worker ended: `message` is "" where all went well."""

    message: str = ""
    exit_code: int = 0


class Going(msgspec.Struct, frozen=True, kw_only=True, tag="going"):
    """What the worker is doing."""

    progress: Progress


def watched(task: Work, tell: Callable[[Progress], None]) -> None:
    """Take a checkpoint in a process of its own; raises CheckpointFailed and what was refused, as `work` does.

    Where this process is interrupted, the worker undoes what it has begun before the interruption is passed on.
    """
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    life, hold = os.pipe()
    news, report = os.pipe()
    worker = os.fork()
    if not worker:
        os.close(hold)
        os.close(news)
        _work(task, life, report)
    os.close(life)
    os.close(report)
    ended: Ended | None = None
    try:
        ended = _listen(news, tell)
    finally:
        os.close(hold)
        if ended is None:
            with suppress(OSError):
                ended = _listen(news, lambda progress: None)
        os.close(news)
        os.waitpid(worker, 0)
        if ended is None:
            _collect()
            for _ in repair(task.journals):
                pass
    if ended is None:
        raise CheckpointFailed("the process that took the checkpoint was killed; what it had begun was undone")
    if ended.message:
        error = CheckpointFailed(ended.message)
        error.exit_code = ended.exit_code
        raise error


def _collect() -> None:
    """Wait for what the worker has left: a criu that dumps is not ended halfway."""
    with suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


def _listen(news: int, tell: Callable[[Progress], None]) -> Ended | None:
    """Pass on what the worker says until it ends; None where it was killed."""
    rest = b""
    while data := os.read(news, 1 << 16):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            message = msgspec.json.decode(line, type=Ended | Going)
            if isinstance(message, Ended):
                return message
            tell(message.progress)
    return None


def _work(task: Work, life: int, report: int) -> None:
    """Be the worker; does not return."""
    code = 1
    try:
        os.setsid()
        for number in STAYS:
            signal.signal(number, signal.SIG_IGN)

        def say(message: Ended | Going) -> None:
            with suppress(OSError):  # the command has ended
                os.write(report, msgspec.json.encode(message) + b"\n")

        def wanted() -> None:
            if select.select([life], [], [], 0)[0]:
                raise Abandoned

        try:
            work(task, lambda progress: say(Going(progress=progress)), wanted)
            say(Ended())
            code = 0
        except Abandoned:
            say(Ended(message="interrupted; the tree runs on", exit_code=1))
        except CrplanError as error:
            say(Ended(message=error.message, exit_code=error.exit_code))
        except OSError as error:
            say(Ended(message=f"{error.filename or 'the checkpoint'}: {error.strerror or error}", exit_code=1))
        except Exception as error:  # a defect of our own is one line, too; everything is undone by then
            say(Ended(message=f"defect of crplan: {type(error).__name__}: {error}", exit_code=1))
    finally:
        os._exit(code)
