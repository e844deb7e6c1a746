"""What a restore of a checkpoint in parts runs: files and commands, by the log and the manifest; pure functions.

The part of the root is restored by criu under a preloaded library (`numbers.c`). The library gives each task its numbers in all
pid namespaces and, in the child that is the parent of an inner part's root, runs that part's script: criu again, as a sibling.
"""

import shlex
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from planner.checkpoint.manifest import Manifest
from planner.checkpoint.parts import Part, number_in, parts_of
from planner.errors import CannotEmit
from planner.forest.model import Forest
from planner.identity import ProcessId

SPARE: Final = 100
"""Numbers between the highest of the tree and those of helpers, and between one helper and the next."""
LOG_FILE: Final = "restore.log"
FAILED: Final = "failed"
"""The file that is made where an inner part does not come to stand."""
INIT: Final = "init"
"""The file that has the number of the root of plain images."""
GO: Final = "go"
"""The fifo from which the action script of plain images learns that all is frozen."""
LOWEST_CRIU: Final = (3, 14)
"""The first version of CRIU whose clone3 takes numbers."""


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """Where a restore works: its private directory, the image, the cgroup, that which criu leaves for, and how that is frozen.

    `plain` says that the image is a directory of criu's, without parts, which needs no library.
    """

    work: str
    image: str
    cgroup: str
    outside: str
    freeze_file: str
    freeze_word: str
    criu: str
    options: tuple[str, ...] = ()
    plain: bool = False

    def images_of(self, part: str) -> str:
        """Return the directory of a part's images."""
        return self.image if self.plain else f"{self.image}/{part}"

    def cgroup_of(self, part: str) -> str:
        """Return the cgroup of a part."""
        return self.cgroup if self.plain else f"{self.cgroup}/{part}"


def refuse_plain(forest: Forest) -> None:
    """Raise CannotEmit for images without a manifest that are of several pid namespaces."""
    if len(parts_of(forest)) > 1:
        raise CannotEmit("the image has nested pid namespaces and no manifest of `crplan checkpoint`: criu restores no such tree")


def refuse(manifest: Manifest, forest: Forest) -> None:
    """Raise CannotEmit for what a restore does not bring back."""
    refuse_parts(forest, {record.name: record.entered for record in manifest.parts}, manifest.criu)


def refuse_parts(forest: Forest, entered: Mapping[str, tuple[str, ...]], criu: str) -> None:
    """Raise the same, by the kinds of namespace that parts share with their parents and the version of criu that dumped them."""
    for name, shared in entered.items():
        if shared:
            kinds = ", ".join(shared)
            raise CannotEmit(f"{name} shares a namespace with its parent that is not the host's ({kinds}): not restored yet")
    parts = parts_of(forest)
    roots = {part.name: part.root for part in parts}
    for part in parts[1:]:
        mine = forest.other_namespaces.get(part.root, {})
        theirs = forest.other_namespaces.get(roots[part.enclosing], {})
        if "mnt" in mine and mine["mnt"] == theirs.get("mnt"):
            raise CannotEmit(f"{part.name} has no mount namespace of its own: not restored yet")
    if "." in criu and version(criu) < LOWEST_CRIU:
        raise CannotEmit(f"the images are of CRIU {criu}, expected 3.14 or later")


def version(text: str) -> tuple[int, ...]:
    """Return a version as numbers, as far as it has some."""
    return tuple(int(word) for word in text.split(".") if word.isdecimal())


def helper_number(forest: Forest, position: int) -> int:
    """Return a number that no task, session or group of the tree has in any pid namespace, for the helper of a part."""
    numbers = [*forest.tasks, *forest.leaders, *(thread.pids[0] for threads in forest.threads.values() for thread in threads)]
    return max(map(int, numbers)) + SPARE * position


def files(forest: Forest, places: Places) -> dict[str, str]:
    """Return the content of each file of the private directory by its name."""
    parts = parts_of(forest)
    found = {}
    for position, part in enumerate(parts):
        found[f"{part.name}.table"] = table(forest, part, parts, places)
        found[f"{part.name}.action"] = action(part, places)
        if position:
            found[f"{part.name}.sh"] = script(forest, part, places, helper_number(forest, position) + SPARE // 2)
            found[f"{part.name}.threads"] = threads(forest, part)
    return found


def table(forest: Forest, part: Part, parts: tuple[Part, ...], places: Places) -> str:
    """Return the library's table for a part: the numbers of its tasks, and the inner parts that are born in it."""
    lines = []
    if part.level:
        for pid in part.tasks:
            inwards = forest.tasks[pid].pids
            lines.append(f"pid {inwards[-1]} {' '.join(map(str, reversed(inwards)))}\n")
    for position, inner in enumerate(parts):
        if inner.enclosing == part.name:
            parent = number_in(part, forest.tasks[inner.parent].pids)
            helper = " ".join([str(helper_number(forest, position))] * (part.level + 1))
            if threads(forest, inner):
                tracer = " ".join([str(helper_number(forest, position) + 1)] * (part.level + 1))
                mine = f"{places.work}/{inner.name}"
                lines.append(f"threads {parent} {mine}.threads {mine}.born {len(inner.tasks)} {tracer}\n")
            lines.append(f"birth {parent} {places.work}/{inner.name}.sh {helper}\n")
    return "".join(lines)


def action(part: Part, places: Places) -> str:
    """Return the action script of a part: it freezes all before anything runs.

    criu and its own helpers leave the cgroup before: it would freeze itself. The script of plain images has the command do it: it
    may be born in the pid namespace of a pod, from where criu has no number.
    """
    cgroup = places.cgroup_of(part.name)
    if places.plain:
        return f"""#!/bin/sh
if [ "$CRTOOLS_SCRIPT_ACTION" = pre-resume ]; then
    echo "$CRTOOLS_INIT_PID" > {places.work}/{INIT}
    read -r word < {places.work}/{GO}
fi
exit 0
"""
    return f"""#!/bin/sh
case $CRTOOLS_SCRIPT_ACTION in
pre-resume)
    for number in $(cat {cgroup}/cgroup.procs); do
        parent=$(sed -n 's/^PPid:[[:blank:]]*//p' /proc/$number/status)
        if [ $number = $PPID ] || [ $number = $$ ] || {{ [ "$parent" = $PPID ] && [ $number != "$CRTOOLS_INIT_PID" ]; }}; then
            echo $number > {places.outside}/cgroup.procs
        fi
    done
    echo {places.freeze_word} > {cgroup}/{places.freeze_file} || exit 1
    ;;
esac
exit 0
"""


def threads(forest: Forest, part: Part) -> str:
    """Return a line for each thread of an inner part: its task's number in the namespace around, its numbers innermost first."""
    return "".join(
        f"{forest.tasks[pid].pids[part.level - 1]} {' '.join(map(str, reversed(thread.pids)))}\n"
        for pid in part.tasks
        for thread in forest.threads.get(pid, ())
    )


def script(forest: Forest, part: Part, places: Places, last: int) -> str:
    """Return the script by which a helper restores an inner part; numbers that criu itself takes begin behind `last`."""
    return f"""echo {last} > /proc/sys/kernel/ns_last_pid || exit 1
echo 0 > {places.cgroup_of(part.name)}/cgroup.procs || exit 1
exec unshare -m --propagation private /bin/sh -c {shlex.quote(_inside(forest, part, places))}
"""


def _inside(forest: Forest, part: Part, places: Places) -> str:
    under = environment(part.name, places, late=bool(threads(forest, part)))
    return f"""mount -t proc proc /proc || exit 1
mount --bind / {places.work}/root && mount --make-private {places.work}/root || exit 1
exec {shlex.join(under)} {shlex.join(command(part.name, places, "--restore-sibling"))}"""


def environment(part: str, places: Places, *, late: bool = False) -> tuple[str, ...]:
    """Return the words that run a command under the library; `late` is whether threads of the part's root are seen to."""
    mine = f"{places.work}/{part}"
    return (
        *("env", f"LD_PRELOAD={places.work}/numbers.so", f"CRPLAN_TABLE={mine}.table"),
        *(f"CRPLAN_BORN={mine}.born", f"CRPLAN_FAILED={places.work}/{FAILED}", f"CRPLAN_LATE={int(late)}"),
    )


def command(part: str, places: Places, *more: str) -> tuple[str, ...]:
    """Return the restore of one part."""
    return (
        *(places.criu, "restore", "--images-dir", places.images_of(part), "--work-dir", places.work),
        *("--log-file", f"{part}.log", "-v2", "--restore-detached"),
        *(() if places.plain else ("--root", f"{places.work}/root")),
        *("--manage-cgroups=ignore", "--action-script", f"{places.work}/{part}.action"),
        *more,
        *places.options,
    )


def outermost(places: Places, *, mounts: bool) -> tuple[str, ...]:
    """Return the command that restores everything: criu for the part of the root, in a mount namespace of its own.

    Plain images without mounts are restored in the mount namespace of the command, as criu does it.
    """
    words = command("part0", places, "--pidfile", f"{places.work}/root.pid", *_root(places, mounts=mounts))
    if places.plain and not mounts:
        return words
    under = () if places.plain else environment("part0", places)
    bind = f"mount --bind / {places.work}/root && mount --make-private {places.work}/root || exit 1\n" if mounts else ""
    return ("unshare", "-m", "--propagation", "private", "/bin/sh", "-c", f"{bind}exec {shlex.join((*under, *words))}")


def _root(places: Places, *, mounts: bool) -> tuple[str, ...]:
    given = any(word == "--root" or word == "-r" or word.startswith("--root=") for word in places.options)
    return ("--root", f"{places.work}/root") if places.plain and mounts and not given else ()


Standing = tuple[tuple[int, ...], int, int, int, bool, int, tuple[tuple[int, ...], ...]]


def led_from_outside(forest: Forest) -> frozenset[ProcessId]:
    """Return the leaders of the root's session and group that are none of its tree: a restore gives it those of its command."""
    root = forest.tasks[forest.root]
    return frozenset((root.session, root.group)) - forest.tasks.keys()


def standing(forest: Forest, outside: frozenset[ProcessId] = frozenset()) -> dict[ProcessId, Standing]:
    """Return what a restore has to bring back of each task: numbers, parent, group, session, state, threads.

    Leaders `outside` are all the same.
    """
    return {
        task.pid: (
            tuple(map(int, task.pids)),
            int(task.parent),
            0 if task.group in outside else int(task.group),
            0 if task.session in outside else int(task.session),
            task.zombie,
            task.exit_status,
            tuple(sorted(tuple(map(int, thread.pids)) for thread in forest.threads.get(task.pid, ()))),
        )
        for task in forest.tasks.values()
    }


WORDS: Final = ("pids", "parent", "group", "session", "state", "exit status", "threads")


def differences(wanted: Forest, found: Forest) -> list[str]:
    """Return in words where a restored tree is another than that of the image; nothing where it is the same."""
    return differences_of_pod((wanted,), (found,))


def differences_of_pod(wanted: Sequence[Forest], found: Sequence[Forest]) -> list[str]:
    """Return the same for several images of one pid namespace; a capture of its init shows the tasks of all."""
    before: dict[ProcessId, Standing] = {}
    after: dict[ProcessId, Standing] = {}
    for forests, all_of_them in ((wanted, before), (found, after)):
        for forest in forests:
            all_of_them.update(standing(forest, led_from_outside(forest)))
    lines = [f"task {pid} is missing" for pid in before if pid not in after]
    lines += [f"task {pid} is none of the image" for pid in after if pid not in before]
    for pid, facts in before.items():
        for word, old, new in zip(WORDS, facts, after.get(pid, facts), strict=True):
            if old != new:
                lines.append(f"task {pid}: {word} {new}, expected {old}")
    return lines
