"""What a checkpoint has changed in the kernel, written down before each change, so that another run can undo it.

A checkpoint undoes everything itself, also where its own command is killed. What this file is for is the end of both processes
of a checkpoint at once. A journal lies below `/run`, which a reboot empties together with what it tells of.
"""

import ctypes
import os
import shutil
import time
from collections.abc import Iterator
from typing import Final

import msgspec

from planner.checkpoint import freezer as cgroups
from planner.checkpoint.freezer import Freezer
from planner.errors import CrplanError

DIRECTORY: Final = "/run/crplan"
PREFIX: Final = "checkpoint-"
LONGEST_DUMP: Final = 600.0
"""Seconds for which a criu is waited for that outlived its checkpoint: the tree must not run while it is dumped."""
PAUSE: Final = 0.05
MNT_DETACH: Final = 2


class Journal(msgspec.Struct, kw_only=True):
    """What is to be undone: the mask mounts, the frozen cgroup with where its members came from, and the unfinished directory.

    `owner` and `started` are the process that keeps the journal, `criu` the dump that runs, 0 for none.
    """

    file: str
    owner: int
    started: int
    freezer: Freezer | None = None
    former: dict[int, str] = {}
    own: str = ""
    masks: list[str] = []
    partial: str = ""
    criu: int = 0

    def write(self) -> None:
        """Keep the journal as it is now, whole or not at all."""
        temporary = f"{self.file}.new"
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as stream:
            stream.write(msgspec.json.encode(self))
        os.replace(temporary, self.file)

    def undo(self) -> list[str]:
        """Undo what is written down, and return what that was in words; the journal is removed when all is undone."""
        words = []
        _await(self.criu)
        for mask in reversed(self.masks):
            if unmount(mask):
                words.append(f"the mask over {mask} was taken away")
        self.masks = []
        if self.freezer is not None:
            if os.path.exists(self.freezer.file) and not cgroups.running(self.freezer):
                words.append(f"the cgroup {self.freezer.path} was thawed")
            cgroups.thaw(self.freezer)
            if self.freezer.created and os.path.isdir(self.freezer.path):
                cgroups.give_back(self.freezer, self.former, self.own)
                words.append(f"the cgroup {self.freezer.path} was removed")
        if self.partial and os.path.isdir(self.partial):
            shutil.rmtree(self.partial)
            words.append(f"the unfinished {self.partial} was removed")
        os.unlink(self.file)
        return words


def new(directory: str = DIRECTORY) -> Journal:
    """Return a journal of this process that is not written yet."""
    os.makedirs(directory, 0o700, exist_ok=True)
    return Journal(file=os.path.join(directory, f"{PREFIX}{os.getpid()}.json"), owner=os.getpid(), started=started(os.getpid()))


def repair(directory: str = DIRECTORY) -> Iterator[str]:
    """Undo what checkpoints have left behind that no longer run, and yield in words what that was; raises CheckpointFailed."""
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return
    for name in names:
        if not name.startswith(PREFIX) or not name.endswith(".json"):
            continue
        try:
            with open(os.path.join(directory, name), "rb") as stream:
                journal = msgspec.json.decode(stream.read(), type=Journal)
        except (OSError, msgspec.DecodeError) as error:
            yield f"{os.path.join(directory, name)} cannot be read: {error}"
            continue
        if started(journal.owner) == journal.started:
            continue
        try:
            yield from journal.undo()
        except (OSError, CrplanError) as error:
            yield f"what {journal.file} tells of could not be undone: {error}"


def unmount(file: str) -> bool:
    """Take the last mount away from a file, whether one was there."""
    result: int = ctypes.CDLL(None).umount2(os.fsencode(file), MNT_DETACH)
    return result == 0


def started(process: int) -> int:
    """Return when a process began, in clock ticks, -1 where it has ended."""
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as stream:
            fields = stream.read().rpartition(")")[2].split()
    except OSError:
        return -1
    return -1 if fields[0] in "ZX" else int(fields[19])


def _await(criu: int) -> None:
    """Wait until a dump has ended that outlived its checkpoint: ended halfway, it would leave its tasks broken."""
    end = time.monotonic() + LONGEST_DUMP
    while criu and time.monotonic() < end:
        try:
            with open(f"/proc/{criu}/comm", encoding="utf-8", errors="replace") as stream:
                if stream.read().strip() != "criu":
                    return
        except OSError:
            return
        if started(criu) < 0:
            return
        time.sleep(PAUSE)
