"""The run of a checkpoint in parts: freeze, capture, mask, dump, unmask, thaw or kill, and what is left when it fails.

It runs in a process of its own, which `watch` starts: it goes on to a clean end where the command is killed. A criu that dumps is
never ended: the tasks that it has in hand would not survive that.
"""

import ctypes
import errno
import hashlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from typing import Final

import msgspec

from planner import __version__
from planner.checkpoint import freezer as cgroups
from planner.checkpoint import manifest as manifests
from planner.checkpoint.commands import LOG_FILE, Criu, Dump, Mask, dumps, entered, foreign_kinds, masks, numbers_of
from planner.checkpoint.journal import DIRECTORY, Journal, new, unmount
from planner.checkpoint.manifest import Manifest, PartRecord
from planner.checkpoint.parts import Part, parts_of
from planner.errors import CheckpointFailed
from planner.events import log
from planner.events.records import AnyEvent
from planner.forest.model import Forest
from planner.identity import ProcessId

CLONE_NEWNS: Final = 0x20000
MS_BIND: Final = 0x1000
MS_PRIVATE: Final = 1 << 18
LONGEST_ERROR: Final = 300
HARMLESS_ERROR: Final = "rlimit:"
"""What criu complains of and goes on."""


class Captured(msgspec.Struct, frozen=True, kw_only=True):
    """A tree as it was captured: its log, and the forest that this adds up to."""

    events: list[AnyEvent]
    forest: Forest


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done: `capture` reads the tree and raises what is refused, `directory` is where the image is to stand."""

    root: int
    directory: str
    capture: Callable[[], Captured]
    criu: Criu
    cgroup: str = ""
    leave_running: bool = False
    version: str = ""
    journals: str = DIRECTORY


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """What is being done, in words; the last one says how long the tree was frozen and how large the images are."""

    words: str
    frozen_milliseconds: int = -1
    size: int = 0


Tell = Callable[[Progress], None]
Wanted = Callable[[], None]
"""Raises `Abandoned` where the command that waits for the checkpoint has ended."""


class Abandoned(Exception):
    """The command that asked for the checkpoint has ended."""


def partial_of(directory: str) -> str:
    """Return the name under which a directory is filled before it takes its own."""
    parent, name = os.path.split(os.path.abspath(directory))
    return os.path.join(parent, f".{name}.crplan-unfinished")


def work(task: Work, tell: Tell, wanted: Wanted) -> None:
    """Take the checkpoint; raises CheckpointFailed, what `capture` raises, and `Abandoned`: then the tree runs on."""
    journal = new(task.journals)
    journal.partial = partial_of(task.directory)
    journal.write()
    with ExitStack() as undo:
        undo.callback(journal.undo)
        shutil.rmtree(journal.partial, ignore_errors=True)
        os.makedirs(journal.partial, 0o700)
        first = task.capture()
        wanted()
        _gather(task, journal, first)
        tell(Progress(words="freezing"))
        assert journal.freezer is not None
        began = time.monotonic()
        cgroups.freeze(journal.freezer)
        captured = task.capture()
        _refuse_growth(captured, journal.freezer)
        _dump(captured, task, journal, tell, wanted)
        while journal.masks:
            unmount(journal.masks.pop())
        if task.leave_running:
            cgroups.thaw(journal.freezer)
        frozen = int((time.monotonic() - began) * 1000)
        tell(Progress(words="writing the manifest"))
        size = _keep(captured, task, journal, frozen)
        wanted()
        _name(journal, task.directory)
        if not task.leave_running:
            _end(_processes(captured))
        tell(Progress(words="done", frozen_milliseconds=frozen, size=size))


def _gather(task: Work, journal: Journal, captured: Captured) -> None:
    """Choose the cgroup and have the whole tree in it; raises CannotEmit and CheckpointFailed."""
    numbers = _processes(captured)
    chosen = cgroups.choose(numbers, task.root, task.cgroup)
    journal.freezer = chosen
    journal.own = os.path.dirname(chosen.path)
    if not chosen.created:
        journal.write()
        return
    place = cgroups.hierarchy()
    journal.former = {number: cgroups.place_of(number, place) or journal.own for number in numbers}
    journal.write()
    with suppress(FileExistsError):
        os.mkdir(chosen.path)
    while numbers:
        cgroups.enter(chosen, numbers)
        # What was born meanwhile by a task that had not been moved yet is moved, too.
        numbers = _processes(task.capture()) - cgroups.members(chosen.path)
        journal.former |= {number: cgroups.place_of(number, place) or journal.own for number in numbers}
        journal.write()


def _processes(captured: Captured) -> set[int]:
    numbers = numbers_of(captured.events)
    return {numbers[pid] for pid, task in captured.forest.tasks.items() if not task.zombie}


def _refuse_growth(captured: Captured, freezer: cgroups.Freezer) -> None:
    """Raise CheckpointFailed where a task of the tree is not in the frozen cgroup."""
    outside = _processes(captured) - cgroups.members(freezer.path)
    if outside:
        raise CheckpointFailed(
            f"process {min(outside)} of the tree is not in the cgroup {freezer.path}: the tree grew; try again"
        )


def _dump(captured: Captured, task: Work, journal: Journal, tell: Tell, wanted: Wanted) -> None:
    """Hide the parts from each other and dump each; raises CheckpointFailed, and `Abandoned` between two dumps."""
    assert journal.freezer is not None
    parts, numbers = parts_of(captured.forest), numbers_of(captured.events)
    hiding = masks(parts, numbers, _children(parts, numbers))
    for position, mask in enumerate(hiding):
        copy = os.path.join(journal.partial, f".masked{position}")
        with open(mask.file, encoding="ascii") as stream, open(copy, "w", encoding="ascii") as masked:
            masked.write(mask.content(stream.read()))
    if hiding:
        _hide(hiding, journal, task.root)
    for position in range(len(hiding)):
        os.unlink(os.path.join(journal.partial, f".masked{position}"))
    planned = dumps(captured.forest, parts, numbers, journal.partial, journal.freezer.path, task.criu)
    for count, dump in enumerate(planned, start=1):
        wanted()
        tell(Progress(words=f"dumping {dump.part} ({count} of {len(planned)})"))
        os.mkdir(dump.directory, 0o700)
        _run(dump, journal)


def _children(parts: tuple[Part, ...], numbers: dict[ProcessId, int]) -> dict[tuple[int, int], str]:
    """Return the lists of children of all threads that a part's root is a child of."""
    found = {}
    for parent in {part.parent for part in parts[1:]}:
        process = numbers[parent]
        for thread in sorted(os.listdir(f"/proc/{process}/task"), key=int):
            with open(f"/proc/{process}/task/{thread}/children", encoding="ascii") as stream:
                found[process, int(thread)] = stream.read()
    return found


def _hide(hiding: tuple[Mask, ...], journal: Journal, root: int) -> None:
    """Mount the masks: in a mount namespace of this process alone, where the tree has one of its own; raises CheckpointFailed.

    CRIU compares the tree's mount namespace with its own, so for a tree in that of the host the masks are mounted there.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if os.stat(f"/proc/{root}/ns/mnt").st_ino != os.stat("/proc/self/ns/mnt").st_ino:
        _checked(libc.unshare(CLONE_NEWNS), "a mount namespace cannot be made")
        _checked(libc.mount(None, b"/proc", None, MS_PRIVATE, None), "/proc cannot be made private")
        keep = False
    else:
        keep = True
    for position, mask in enumerate(hiding):
        if keep:
            journal.masks.append(mask.file)
            journal.write()
        copy = os.fsencode(os.path.join(journal.partial, f".masked{position}"))
        _checked(libc.mount(copy, os.fsencode(mask.file), None, MS_BIND, None), f"{mask.file} cannot be covered")


def _checked(result: int, words: str) -> None:
    if result < 0:
        raise CheckpointFailed(f"{words}: {os.strerror(ctypes.get_errno())}")


def _run(dump: Dump, journal: Journal) -> None:
    """Run one dump to its end; raises CheckpointFailed with what criu said."""
    try:
        running = subprocess.Popen(dump.argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except OSError as error:
        raise CheckpointFailed(f"{dump.argv[0]} cannot be run: {error.strerror}") from None
    journal.criu = running.pid
    journal.write()
    code = running.wait()
    journal.criu = 0
    if code:
        said = what_criu_said(os.path.join(dump.directory, LOG_FILE))
        raise CheckpointFailed(f"criu dump of {dump.part} ended with {code}: {said or 'it said nothing'}")


def what_criu_said(file: str) -> str:
    """Return the first error in a log of criu, "" where there is none."""
    try:
        with open(file, encoding="utf-8", errors="backslashreplace") as stream:
            for line in stream:
                _, found, rest = line.partition("Error (")
                if found and HARMLESS_ERROR not in rest:
                    return rest.partition("): ")[2].strip()[:LONGEST_ERROR]
    except OSError:
        return ""
    return ""


def _keep(captured: Captured, task: Work, journal: Journal, frozen: int) -> int:
    """Write the log and the manifest into the unfinished directory, and return the bytes of the images."""
    forest = captured.forest
    data = b"".join(log.lines(captured.events))
    records = []
    for part in parts_of(forest):
        digest, size = manifests.digest_of(os.path.join(journal.partial, part.name))
        records.append(
            PartRecord(
                name=part.name,
                root=tuple(map(int, forest.tasks[part.root].pids)),
                level=part.level,
                tasks=len(part.tasks),
                digest=digest,
                size=size,
                parent=int(part.parent),
                enclosing=part.enclosing,
                entered=entered(forest, part, foreign_kinds(forest, part)) if part.parent else (),
            )
        )
    document = Manifest(
        crplan=__version__,
        criu=task.version,
        kernel=os.uname().release,
        architecture=os.uname().machine,
        log_digest=hashlib.sha256(data).hexdigest(),
        frozen_milliseconds=frozen,
        left_running=task.leave_running,
        options=task.criu.options,
        parts=tuple(records),
    )
    for name, content in ((manifests.LOG, data), (manifests.FILE, manifests.encode(document))):
        with open(os.path.join(journal.partial, name), "wb") as stream:
            stream.write(content)
            os.fsync(stream.fileno())
    return sum(record.size for record in records)


def _name(journal: Journal, directory: str) -> None:
    """Give the finished directory its name; raises CheckpointFailed where another has taken it."""
    if not _synced(journal.partial):
        raise CheckpointFailed(f"{directory} cannot be written to its disk")
    try:
        os.rename(journal.partial, directory)
    except OSError as error:
        raise CheckpointFailed(f"{directory} cannot be made: {error.strerror}") from None
    journal.partial = ""
    journal.write()


def _synced(directory: str) -> bool:
    """Have every file of the directory on its disk before the tree may be ended."""
    for top, _, names in os.walk(directory):
        for name in names:
            descriptor = os.open(os.path.join(top, name), os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    return False
            finally:
                os.close(descriptor)
    return True


def _end(numbers: Iterable[int]) -> None:
    """End every process of the tree, which is frozen: no number can be another's yet."""
    for number in numbers:
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
