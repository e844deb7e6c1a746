"""What a checkpoint in parts runs: the masks, and one `criu dump` a part, deepest first; pure functions over the capture."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from planner.checkpoint.parts import Part, deepest_first
from planner.errors import BadImage
from planner.events.records import AnyEvent, TaskRecorded, ThreadRecorded
from planner.forest.model import Forest
from planner.identity import ProcessId

LOG_FILE: Final = "dump.log"
ENTERABLE: Final = {"net": "--net", "uts": "--uts", "ipc": "--ipc"}
"""Kinds of namespace in which the dump of an inner part is run where it shares them with its parent, with nsenter's option."""


class Mask(msgspec.Struct, frozen=True, kw_only=True):
    """A copy of a thread's list of children without the inits of other parts, mounted over the list.

    CRIU finds processes through these lists alone (criu/seize.c, collect_children). Numbers are the caller's.
    """

    process: int
    thread: int
    hidden: tuple[int, ...]

    @property
    def file(self) -> str:
        """The file that is covered."""
        return f"/proc/{self.process}/task/{self.thread}/children"

    def content(self, children: str) -> str:
        """Return the masked copy of the list."""
        return "".join(f"{number} " for number in children.split() if int(number) not in self.hidden)


class Dump(msgspec.Struct, frozen=True, kw_only=True):
    """One run of `criu dump`; `argv` holds the whole command, `directory` is where the images go."""

    part: str
    directory: str
    argv: tuple[str, ...]


class Criu(msgspec.Struct, frozen=True, kw_only=True):
    """How criu is called: the program, and the options that the user gives to each dump."""

    program: str = "criu"
    options: tuple[str, ...] = ()


def numbers_of(events: Iterable[AnyEvent]) -> dict[ProcessId, int]:
    """Return the number in the caller's pid namespace of every task and thread of a capture, by its level-0 number.

    Raises BadImage for a log that is none of a capture.
    """
    found = {}
    for event in events:
        if isinstance(event, (TaskRecorded, ThreadRecorded)):
            parts = str(event.at).split("/")
            word = parts[4] if len(parts) > 5 and parts[3] == "task" else parts[2] if len(parts) > 3 else ""
            if not word.isdecimal():
                raise BadImage(event.at, "is no place below /proc: the log is none of a running tree")
            found[ProcessId(event.pids[0])] = int(word)
    return found


def entered(forest: Forest, part: Part, foreign: frozenset[str]) -> tuple[str, ...]:
    """Return the kinds of namespace that a part shares with its parent; `foreign` are those that are not the host's."""
    mine = forest.other_namespaces.get(part.root, {})
    others = forest.other_namespaces.get(part.parent, {})
    return tuple(kind for kind in ENTERABLE if kind in foreign and kind in mine and mine[kind] == others.get(kind))


def foreign_kinds(forest: Forest, part: Part) -> frozenset[str]:
    """Return the kinds of namespace in which a part's root is in another than the process that captured it."""
    mine = forest.other_namespaces.get(part.root, {})
    return frozenset(
        record.kind
        for record in forest.namespace_records
        if record.facts.get("created") == "yes" and mine.get(record.kind) == record.id
    )


def masks(parts: Sequence[Part], numbers: Mapping[ProcessId, int], children: Mapping[tuple[int, int], str]) -> tuple[Mask, ...]:
    """Return the masks by which no dump sees another part; `children` are the lists by process and thread."""
    inits = {numbers[part.root] for part in parts[1:]}
    found = []
    for (process, thread), listed in sorted(children.items()):
        hidden = tuple(number for number in map(int, listed.split()) if number in inits)
        if hidden:
            found.append(Mask(process=process, thread=thread, hidden=hidden))
    return tuple(found)


def dumps(
    forest: Forest, parts: tuple[Part, ...], numbers: Mapping[ProcessId, int], directory: str, cgroup: str, criu: Criu
) -> tuple[Dump, ...]:
    """Return the dumps in the order in which they are run, deepest first; all leave the tree as it is."""
    found = []
    for part in deepest_first(parts):
        images = f"{directory}/{part.name}"
        kinds = entered(forest, part, foreign_kinds(forest, part)) if part.parent else ()
        inside = ("nsenter", f"--target={numbers[part.root]}", *(ENTERABLE[kind] for kind in kinds)) if kinds else ()
        found.append(
            Dump(
                part=part.name,
                directory=images,
                argv=(
                    *inside,
                    *(criu.program, "dump", "--tree", str(numbers[part.root]), "--images-dir", images),
                    *("--log-file", LOG_FILE, "-v2", "--leave-running"),
                    *("--freeze-cgroup", cgroup, "--manage-cgroups=ignore"),
                    *criu.options,
                ),
            )
        )
    return tuple(found)


def script(
    masked: Sequence[Mask], dumped: Sequence[Dump], freezer: Sequence[str], numbers: Iterable[int], *, leave_running: bool
) -> list[str]:
    """Return the commands as a shell would be given them, one a line; `freezer` are those that freeze, and then that thaw."""
    freeze, thaw = list(freezer[:-1]), freezer[-1]
    lines = [*freeze]
    for mask in masked:
        hidden = "|".join(map(str, mask.hidden))
        lines.append(
            f"sed -E 's/\\b({hidden}) //g' {mask.file} > masked-{mask.thread}; mount --bind masked-{mask.thread} {mask.file}"
        )
    lines += [shlex.join(dump.argv) for dump in dumped]
    lines += [f"umount {mask.file}" for mask in reversed(masked)]
    if not leave_running:
        lines.append(f"kill -KILL {' '.join(map(str, numbers))}")
    return [*lines, thaw]
