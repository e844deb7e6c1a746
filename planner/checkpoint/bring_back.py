"""The restore of a checkpoint in parts, and what is ended again where it fails or differs. Experimental.

All parts are frozen until they stand and have been compared with the image; then they run on together.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from planner.checkpoint import freezer as cgroups
from planner.checkpoint import manifest as manifests
from planner.checkpoint.freezer import Freezer
from planner.checkpoint.journal import started
from planner.checkpoint.manifest import Manifest
from planner.checkpoint.parts import parts_of
from planner.checkpoint.remains import Remains, end, guarded, new, remove
from planner.checkpoint.restoring import FAILED, GO, INIT, LOWEST_CRIU, Places, differences_of_pod, files, outermost, version
from planner.checkpoint.worker import what_criu_said
from planner.errors import CannotEmit, CheckpointFailed
from planner.forest.model import Forest

LIBRARY: Final = Path(__file__).with_name("numbers.c")
TRIES: Final = 3
"""Restores before a difference is told."""
PATIENCE: Final = 120.0
"""Seconds that criu has to restore everything."""
PF_EXITING: Final = 0x4
"""A task's flag in /proc/PID/stat that it ends (linux/sched.h)."""


class Differs(CheckpointFailed):
    """What stands is another tree than that of the image."""


class Restore(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be restored; `capture` reads the tree of a process as it stands. Plain images of criu have no manifest."""

    directory: str
    manifest: Manifest | None
    forest: Forest
    capture: Callable[[int], Forest]
    criu: str
    criu_version: str
    options: tuple[str, ...] = ()


def restore(task: Restore) -> int:
    """Restore the tree and return the number of its root; raises CannotEmit and CheckpointFailed, and then nothing is left."""
    assert task.manifest is not None
    _check_digests(task.directory, task.manifest)
    if version(task.criu_version) < LOWEST_CRIU:
        raise CannotEmit(f"{task.criu} is CRIU {task.criu_version or 'of an unknown version'}, expected 3.14 or later")
    remains = new()
    with guarded(remains):
        os.makedirs(f"{remains.work}/root", 0o700)
        compile_library(remains.work)
        prove_reached(remains.work, task.criu)
        for _ in range(TRIES - 1):
            # Nothing of it has run: what came by a race for a number may be tried again.
            with suppress(Differs):
                return _within_cgroups(task, remains)
        return _within_cgroups(task, remains)


def _check_digests(directory: str, manifest: Manifest) -> None:
    for part in manifest.parts:
        digest, _ = manifests.digest_of(os.path.join(directory, part.name), part.name)
        if digest != part.digest:
            raise CheckpointFailed(f"the images of {part.name} are not those that {manifests.FILE} names: their digest differs")


def compile_library(work: str) -> None:
    """Compile the library into a directory; raises CannotEmit where that cannot be done."""
    command = ["cc", "-O2", "-shared", "-fPIC", "-o", f"{work}/numbers.so", os.fspath(LIBRARY)]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except OSError:
        raise CannotEmit("a restore of nested pid namespaces takes a C compiler (cc), and there is none") from None
    if done.returncode:
        raise CannotEmit(f"the library cannot be compiled here: {done.stderr.decode(errors='replace').splitlines()[0][:200]}")


def prove_reached(work: str, criu: str) -> None:
    """Restore a throw-away process under the library; raises CannotEmit where the library does not meet criu's clone3."""
    images = f"{work}/proof"
    os.mkdir(images)
    sleeper = subprocess.Popen(
        ["/bin/sleep", "600"],
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    environment = {**os.environ, "LD_PRELOAD": f"{work}/numbers.so", "CRPLAN_SEEN": f"{work}/seen"}
    try:
        dumped = _quiet([criu, "dump", "--tree", str(sleeper.pid), "--images-dir", images, "--log-file", "dump.log"])
    finally:
        sleeper.kill()
        sleeper.wait()
    if dumped:
        raise CannotEmit(
            f"{criu} cannot dump a throw-away process here: {what_criu_said(f'{images}/dump.log') or 'see criu check'}"
        )
    pidfile = f"{images}/pid"
    command = [criu, "restore", "--images-dir", images, "--restore-detached", "--manage-cgroups=ignore", "--pidfile", pidfile]
    restored = _quiet(command, environment)
    with suppress(OSError, ValueError):
        os.kill(int(Path(pidfile).read_text()), signal.SIGKILL)
    if restored or not os.path.exists(f"{work}/seen"):
        raise CannotEmit(f"the clone3 of {criu} is not reached by a preloaded library (a static build?); give another by --criu")


def _quiet(command: list[str], environment: dict[str, str] | None = None) -> int:
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, env=environment, timeout=PATIENCE, check=False
        ).returncode
    except subprocess.TimeoutExpired:
        return 1


def _within_cgroups(task: Restore, remains: Remains) -> int:
    place = cgroups.hierarchy()
    own = cgroups.place_of(os.getpid(), place)
    if not own:
        raise CannotEmit(f"the cgroup of this process is not below {place.mount}")
    base = Freezer(path=os.path.join(own, f"crplan-restore-{os.getpid()}"), version=place.version, created=True)
    parts = [
        Freezer(path=os.path.join(base.path, part.name), version=place.version, created=True) for part in parts_of(task.forest)
    ]
    places = Places(
        work=remains.work,
        image=task.directory,
        cgroup=base.path,
        outside=own,
        freeze_file=os.path.basename(base.file),
        freeze_word=base.words(True),
        criu=task.criu,
        options=task.options,
    )
    remains.base, remains.parts, remains.own, remains.criu = base, parts, own, 0
    remains.write()
    try:
        os.mkdir(base.path)
        for each in parts:
            os.mkdir(each.path)
        root = run(task, places, remains)
        compare((task,), (root,))
    except BaseException:
        end(base, parts)
        remove([*parts, base])
        raise
    remains.stands = True
    remains.write()
    return root


def run(task: Restore, places: Places, remains: Remains, keep: tuple[int, ...] = ()) -> int:
    """Run criu to its end and return the number of the root, which stands still; raises CheckpointFailed.

    `keep` are open files that criu inherits.
    """
    for name, content in files(task.forest, places).items():
        with open(os.open(f"{places.work}/{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o700), "w") as stream:
            stream.write(content)
    names = [part.name for part in parts_of(task.forest)]
    mounts = any(name.startswith("mountpoints-") for name in os.listdir(places.images_of("part0")))
    first = places.cgroup_of("part0")
    # What an earlier try has left: criu does not write over a pidfile, and would hold its frozen tasks for ever.
    if places.plain:
        os.mkfifo(f"{places.work}/{GO}", 0o600)
    for name in ("root.pid", FAILED, *(f"{name}.born" for name in names)):
        with suppress(FileNotFoundError):
            os.unlink(f"{places.work}/{name}")

    def enter() -> None:
        with open(f"{first}/cgroup.procs", "w", encoding="ascii") as stream:
            stream.write("0")

    running = subprocess.Popen(
        outermost(places, mounts=mounts),
        preexec_fn=enter,
        pass_fds=keep,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    remains.criu, remains.criu_since = running.pid, started(running.pid)
    remains.write()
    if _awaited(running, places):
        said = [(name, what_criu_said(f"{places.work}/{name}.log")) for name in reversed(names)]
        words = next((f"{name}: {words}" for name, words in said if words), "it said nothing")
        raise CheckpointFailed(f"criu restore failed: {words}")
    try:
        return int(Path(f"{places.work}/root.pid").read_text())
    except (OSError, ValueError):
        raise CheckpointFailed("criu restore did not say which process the root is") from None


def _awaited(running: "subprocess.Popen[bytes]", places: Places) -> int:
    """Return with what criu ends, or 1 once it cannot end well: its init cannot die while an inner part of it is frozen."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with suppress(subprocess.TimeoutExpired):
            return running.wait(cgroups.PAUSE * 4)
        if places.plain:
            hold(running.pid, places)
        if os.path.exists(f"{places.work}/{FAILED}") or _an_init_dies(places):
            return 1
    raise CheckpointFailed(f"criu did not restore the tree within {PATIENCE:g} seconds")


def hold(criu: int, places: Places) -> None:
    """Freeze what criu has restored of plain images, but not criu and its helpers, once its action script waits for that."""
    try:
        go = os.open(f"{places.work}/{GO}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return
    try:
        root = int(Path(f"{places.work}/{INIT}").read_text())
        for number in cgroups.members(places.cgroup) - {root}:
            if number == criu or _parent(number) == criu:
                with suppress(OSError):
                    Path(f"{places.outside}/cgroup.procs").write_text(str(number))
        Path(f"{places.cgroup}/{places.freeze_file}").write_text(places.freeze_word)
        os.write(go, b"\n")
    finally:
        os.close(go)


def _parent(process: int) -> int:
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as stream:
            return int(stream.read().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _an_init_dies(places: Places) -> bool:
    """Whether an init of the restore ends. A cgroup does not list it any more, but what it waits for has it as a parent."""
    inside = cgroups.members(places.cgroup)
    return any(map(_dies_as_init, inside | {_parent(number) for number in inside} - {0}))


def _dies_as_init(process: int) -> bool:
    """Whether a process is the init of a pid namespace and about to end, which takes all of the namespace with it."""
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as stream:
            flags = int(stream.read().rpartition(")")[2].split()[6])
        with open(f"/proc/{process}/status", encoding="utf-8", errors="replace") as stream:
            return bool(flags & PF_EXITING) and any(line.split()[-1] == "1" for line in stream if line.startswith("NSpid:"))
    except (OSError, ValueError):
        return False


def compare(tasks: Sequence[Restore], roots: Sequence[int]) -> None:
    """Raise Differs where the trees that stand are others than those of the images."""
    found = [task.capture(root) for task, root in zip(tasks, roots, strict=True)]
    if different := differences_of_pod([task.forest for task in tasks], found):
        more = f", and {len(different) - 1} more differences" if len(different) > 1 else ""
        raise Differs(f"what criu has restored differs from the image, and was ended: {different[0]}{more}")
