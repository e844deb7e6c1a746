"""The restore of plain images of criu, by criu alone: one tree, or the containers of a pod that share a pid namespace.

Of a pod, the container that makes the pid namespace comes first; the others join it by `--inherit-fd`. All stand still until each
has been compared with its image.
"""

import os
from collections.abc import Sequence

from planner.checkpoint import freezer as cgroups
from planner.checkpoint.bring_back import Restore, compare, run
from planner.checkpoint.freezer import Freezer
from planner.checkpoint.remains import Remains, end, guarded, new, remove
from planner.checkpoint.restoring import Places
from planner.errors import CannotEmit
from planner.forest.model import Forest


def shared(forest: Forest) -> str:
    """Return the key under which an image names the pid namespace that it joins, "" where it makes or needs none."""
    for record in forest.namespace_records:
        if record.kind == "pid" and record.id == 0:
            return record.facts.get("external", "")
    return ""


def in_order(tasks: Sequence[Restore]) -> list[Restore]:
    """Return restores with the one first whose pid namespace the others join; raises CannotEmit where there is none such."""
    makers = [task for task in tasks if not shared(task.forest)]
    if len(tasks) == 1 and not makers:
        raise CannotEmit(
            f"the image joins the pid namespace {shared(tasks[0].forest)!r}: give the images of the pod together, with that"
            " of the container which makes it"
        )
    if len(makers) != 1:
        raise CannotEmit(
            f"{len(makers)} of the images have a pid namespace of their own or none, expected 1: the others join it"
            " (criu dump --external pid[INODE]:KEY)"
        )
    return [*makers, *(task for task in tasks if shared(task.forest))]


def restore_plain(tasks: Sequence[Restore]) -> list[int]:
    """Restore the images and return the numbers of their roots, in the order in which they were made.

    Raises CannotEmit and CheckpointFailed, and then nothing is left.
    """
    ordered = in_order(tasks)
    place = cgroups.hierarchy()
    own = cgroups.place_of(os.getpid(), place)
    if not own:
        raise CannotEmit(f"the cgroup of this process is not below {place.mount}")
    remains = new()
    base = Freezer(path=os.path.join(own, f"crplan-restore-{os.getpid()}"), version=place.version, created=True)
    parts = [
        Freezer(path=os.path.join(base.path, f"image{at}"), version=place.version, created=True) for at in range(len(ordered))
    ]
    remains.base, remains.parts, remains.own = base, parts, own
    with guarded(remains):
        try:
            roots = _all(ordered, remains)
            compare(ordered, roots)
        except BaseException:
            end(base, parts)
            remove([*parts, base])
            raise
        remains.stands = True
        remains.write()
    return roots


def _all(ordered: Sequence[Restore], remains: Remains) -> list[int]:
    assert remains.base is not None
    os.makedirs(remains.work, 0o700)
    os.mkdir(remains.base.path)
    roots: list[int] = []
    joined = -1
    try:
        for task, part in zip(ordered, remains.parts, strict=True):
            work = os.path.join(remains.work, os.path.basename(part.path))
            os.makedirs(os.path.join(work, "root"))
            os.mkdir(part.path)
            given = (*task.options, "--inherit-fd", f"fd[{joined}]:{shared(task.forest)}") if roots else task.options
            places = Places(
                work=work,
                image=task.directory,
                cgroup=part.path,
                outside=remains.own,
                freeze_file=os.path.basename(part.file),
                freeze_word=part.words(True),
                criu=task.criu,
                options=given,
                plain=True,
            )
            roots.append(run(task, places, remains, keep=(joined,) if len(roots) else ()))
            if joined < 0 and len(ordered) > 1:
                joined = os.open(f"/proc/{roots[0]}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        if joined >= 0:
            os.close(joined)
    return roots
