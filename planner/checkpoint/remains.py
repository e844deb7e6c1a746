"""A record of what a restore is about to make, so that the guard or the next run can end what a killed restore leaves.

The guard is a process that learns from a pipe that the restore has ended. The file is for the end of both at once.
"""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import msgspec

from planner.checkpoint import freezer as cgroups
from planner.checkpoint.freezer import Freezer
from planner.checkpoint.journal import DIRECTORY, started
from planner.errors import CrplanError

PREFIX: Final = "restore-"
STAYS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE)
DONE: Final = b"."


class Remains(msgspec.Struct, kw_only=True):
    """What is to be undone: the private directory, the cgroups with all in them, and the criu that runs, 0 for none.

    Once the tree `stands` as the image says, it is let run in the cgroup `own` and not ended.
    """

    file: str
    owner: int
    since: int
    work: str
    base: Freezer | None = None
    parts: list[Freezer] = []
    own: str = ""
    criu: int = 0
    criu_since: int = 0
    stands: bool = False

    def write(self) -> None:
        """Keep this as it is now, whole or not at all."""
        with open(os.open(f"{self.file}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as stream:
            stream.write(msgspec.json.encode(self))
        os.replace(f"{self.file}.new", self.file)

    def undo(self) -> list[str]:
        """End or let go what was made, and return in words what that was; the file is removed when all is undone."""
        words = []
        if self.criu and started(self.criu) == self.criu_since:
            with suppress(ProcessLookupError):
                os.killpg(self.criu, signal.SIGKILL)
        if self.base is not None and os.path.isdir(self.base.path):
            if not self.stands:
                end(self.base, self.parts)
            for each in reversed(self.parts):
                cgroups.thaw(each)
                if self.stands and os.path.isdir(each.path):
                    cgroups.give_back(each, {}, self.own)
            remove([*self.parts, self.base])
            words.append(f"the cgroup {self.base.path} was {'emptied' if self.stands else 'ended'} and removed")
        shutil.rmtree(self.work, ignore_errors=True)
        with suppress(FileNotFoundError):
            os.unlink(self.file)
        return words


def new(directory: str = DIRECTORY) -> Remains:
    """Return what a restore by this process has made: nothing yet. Its private directory is named, and not there."""
    os.makedirs(directory, 0o700, exist_ok=True)
    owner = os.getpid()
    file = os.path.join(directory, f"{PREFIX}{owner}.json")
    return Remains(file=file, owner=owner, since=started(owner), work=os.path.join(directory, f"{PREFIX}{owner}"))


@contextmanager
def guarded(remains: Remains) -> Iterator[None]:
    """Have a guard undo what was made where this process is killed in the body of a `with`; otherwise it is undone behind it."""
    remains.write()
    life, hold = os.pipe()
    guard = os.fork()
    if not guard:
        os.close(hold)
        _guard(remains.file, life)
    os.close(life)
    try:
        yield
    finally:
        remains.undo()
        os.write(hold, DONE)
        os.close(hold)
        os.waitpid(guard, 0)


def _guard(file: str, life: int) -> None:
    """Be the guard; does not return."""
    try:
        os.setsid()
        for number in STAYS:
            signal.signal(number, signal.SIG_IGN)
        if os.read(life, 1) != DONE:
            _read(file).undo()
    finally:
        os._exit(0)


def _read(file: str) -> Remains:
    with open(file, "rb") as stream:
        return msgspec.json.decode(stream.read(), type=Remains)


def repair(directory: str = DIRECTORY) -> Iterator[str]:
    """Undo what restores have left behind that no longer run, and yield in words what that was."""
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return
    for name in names:
        if not name.startswith(PREFIX) or not name.endswith(".json"):
            continue
        try:
            remains = _read(os.path.join(directory, name))
            if started(remains.owner) != remains.since:
                yield from remains.undo()
        except (OSError, msgspec.DecodeError, CrplanError) as error:
            yield f"what {os.path.join(directory, name)} tells of could not be undone: {error}"


def end(base: Freezer, parts: list[Freezer]) -> None:
    """End every process of the restore: those in its cgroups, again and again until none is left."""
    limit = time.monotonic() + cgroups.PATIENCE
    while (inside := cgroups.members(base.path)) and time.monotonic() < limit:
        for number in inside:
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        for each in parts:
            with suppress(OSError):
                cgroups.thaw(each)
        time.sleep(cgroups.PAUSE)


def remove(made: list[Freezer]) -> None:
    """Remove cgroups, once they are empty."""
    limit = time.monotonic() + cgroups.PATIENCE
    for each in made:
        while os.path.isdir(each.path) and time.monotonic() < limit:
            try:
                os.rmdir(each.path)
            except OSError:
                time.sleep(cgroups.PAUSE)
