"""The cgroup in which a tree is frozen: of version 1 (`freezer.state`) or of version 2 (`cgroup.freeze`)."""

import os
import time
from collections.abc import Collection, Iterable, Mapping
from typing import Final

import msgspec

from planner.errors import CannotEmit, CheckpointFailed

PATIENCE: Final = 10.0
"""Seconds in which a cgroup has to be frozen, and to become empty."""
PAUSE: Final = 0.005
ROUNDS: Final = 200
"""Readings of a cgroup's members before it is given up that it keeps still."""
NAME: Final = "crplan-checkpoint-"
"""How the name of a cgroup begins that crplan makes."""


class Freezer(msgspec.Struct, frozen=True, kw_only=True):
    """A cgroup by its directory; `created` says that it is to be made, for members that are moved into it."""

    path: str
    version: int
    created: bool = False

    @property
    def file(self) -> str:
        """The file that freezes and thaws."""
        return os.path.join(self.path, "freezer.state" if self.version == 1 else "cgroup.freeze")

    def words(self, frozen: bool) -> str:
        """Return what is written to that file."""
        return ("FROZEN" if frozen else "THAWED") if self.version == 1 else "1" if frozen else "0"

    def commands(self, numbers: Iterable[int]) -> list[str]:
        """Return the shell's commands that move and freeze, and as the last the one that thaws."""
        moves = [f"mkdir {self.path}", *(f"echo {number} > {self.path}/cgroup.procs" for number in numbers)]
        return [
            *(moves if self.created else ()),
            f"echo {self.words(True)} > {self.file}",
            f"echo {self.words(False)} > {self.file}",
        ]


class Hierarchy(msgspec.Struct, frozen=True):
    """A mounted hierarchy of cgroups that can freeze: where, which directory of it is mounted there, and its version."""

    mount: str
    root: str
    version: int


def hierarchy() -> Hierarchy:
    """Return the hierarchy that freezes here; raises CannotEmit where none does."""
    found: dict[int, Hierarchy] = {}
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as stream:
        for line in stream:
            fields, _, rest = line.partition(" - ")
            words, behind = fields.split(), rest.split()
            if behind[0] == "cgroup" and "freezer" in behind[2].split(","):
                found[1] = Hierarchy(words[4], words[3], 1)
            elif behind[0] == "cgroup2":
                found.setdefault(2, Hierarchy(words[4], words[3], 2))
    for version in (1, 2):
        if version in found:
            return found[version]
    raise CannotEmit("no cgroup hierarchy that can freeze is mounted (cgroup2, or freezer of version 1)")


def place_of(number: int, place: Hierarchy) -> str:
    """Return the cgroup of a process as a directory, "" where it has gone or lies outside of what is mounted."""
    try:
        with open(f"/proc/{number}/cgroup", encoding="utf-8", errors="surrogateescape") as stream:
            for line in stream:
                _, controllers, path = line.rstrip("\n").split(":", 2)
                if "freezer" in controllers.split(",") if place.version == 1 else not controllers:
                    below = os.path.relpath(path, place.root)
                    return place.mount if below == "." else "" if below.startswith("..") else os.path.join(place.mount, below)
    except OSError:
        return ""
    return ""


def choose(numbers: Collection[int], root: int, given: str = "") -> Freezer:
    """Return the cgroup to freeze: the one that is given, the one that holds exactly the tree, or one to be made below its own.

    Raises CannotEmit where there is none, and for one that holds other processes.
    """
    place = hierarchy()
    if given:
        version = 2 if os.path.exists(os.path.join(given, "cgroup.freeze")) else 1
        found = Freezer(path=given.rstrip("/"), version=version)
        if not os.path.exists(found.file):
            raise CannotEmit(f"{given} is no cgroup that can freeze: it has neither freezer.state nor cgroup.freeze")
        strangers = members(given) - set(numbers)
        if missing := set(numbers) - members(given):
            raise CannotEmit(f"process {min(missing)} of the tree is not in the cgroup {given}; move the whole tree there")
        if strangers:
            raise CannotEmit(f"process {min(strangers)} is in the cgroup {given} and none of the tree; it would be frozen, too")
        return found
    places = {place_of(number, place) for number in numbers} - {""}
    own = place_of(root, place)
    if len(places) == 1 and own != place.mount and members(own) <= set(numbers):
        return Freezer(path=own, version=place.version)
    if not own:
        raise CannotEmit(f"the cgroup of process {root} is not below {place.mount}")
    return Freezer(path=os.path.join(own, f"{NAME}{root}"), version=place.version, created=True)


def members(path: str) -> set[int]:
    """Return the processes of a cgroup and of all below it; nothing where it has gone."""
    found: set[int] = set()
    for directory, _, files in os.walk(path):
        if "cgroup.procs" in files:
            try:
                with open(os.path.join(directory, "cgroup.procs"), encoding="ascii") as stream:
                    found.update(int(line) for line in stream)
            except OSError:
                continue
    return found


def enter(freezer: Freezer, numbers: Collection[int]) -> None:
    """Move processes into the cgroup, which is there; those that have ended are passed over. Raises CheckpointFailed."""
    for number in numbers:
        _move(number, freezer.path)


def _move(number: int, path: str) -> None:
    try:
        _write(os.path.join(path, "cgroup.procs"), str(number))
    except ProcessLookupError:
        return
    except OSError as error:
        raise CheckpointFailed(f"process {number} cannot be moved to the cgroup {path}: {error.strerror}") from None


def freeze(freezer: Freezer) -> None:
    """Freeze the cgroup and wait until it is; raises CheckpointFailed where it does not come to a standstill."""
    _write(freezer.file, freezer.words(True))
    end = time.monotonic() + PATIENCE
    while not frozen(freezer):
        if time.monotonic() > end:
            _write(freezer.file, freezer.words(False))
            raise CheckpointFailed(f"the cgroup {freezer.path} did not freeze within {PATIENCE:g} seconds")
        time.sleep(PAUSE)


def frozen(freezer: Freezer) -> bool:
    """Whether every task of the cgroup stands still."""
    if freezer.version == 1:
        with open(freezer.file, encoding="ascii") as stream:
            return stream.read().strip() == "FROZEN"
    with open(os.path.join(freezer.path, "cgroup.events"), encoding="ascii") as stream:
        return "frozen 1" in stream.read().splitlines()


def thaw(freezer: Freezer) -> None:
    """Let the cgroup run again; one that has gone is passed over."""
    try:
        _write(freezer.file, freezer.words(False))
    except FileNotFoundError:
        return


def give_back(freezer: Freezer, former: Mapping[int, str], own: str) -> None:
    """Move the members of a cgroup that crplan made to where they came from, and remove it; `own` is for those born since.

    Raises CheckpointFailed where members keep coming.
    """
    for _ in range(ROUNDS):
        inside = members(freezer.path)
        if not inside:
            break
        for number in inside:
            _move(number, former.get(number, own))
    end = time.monotonic() + PATIENCE
    while os.path.isdir(freezer.path):
        try:
            os.rmdir(freezer.path)
        except OSError as error:
            if time.monotonic() > end:
                raise CheckpointFailed(f"the cgroup {freezer.path} cannot be removed: {error.strerror}") from None
            time.sleep(PAUSE)


def _write(file: str, words: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, words.encode())
    finally:
        os.close(descriptor)


def running(freezer: Freezer) -> bool:
    """Whether nothing asks the cgroup to stand still."""
    with open(freezer.file, encoding="ascii") as stream:
        return stream.read().strip() == freezer.words(False)
