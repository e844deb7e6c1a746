"""A part of an entry: the tasks and files that a question is about."""

from collections.abc import Callable
from fnmatch import fnmatchcase

import msgspec

from planner.inspection.document import InspectedImage, InspectedTask, OpenFile


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for; of several all must hold. `pids` are tasks by number, `paths` are patterns as a shell has them.

    `ports` are of local or remote ends, `holds` are paths that must be the same, below which directories count, too.
    """

    pids: tuple[int, ...] = ()
    paths: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    holds: tuple[str, ...] = ()

    @property
    def of_files(self) -> bool:
        """Whether files are chosen by what they are."""
        return bool(self.paths or self.ports or self.holds)


def selected(image: InspectedImage, wanted: Selection) -> InspectedImage:
    """Return the entry with what was asked for alone: files that match, and the tasks that hold them; all without a question.

    Mounts are left where a path is asked for and they stand on it. Sums stay those of the whole image.
    """
    if not (wanted.pids or wanted.of_files):
        return image
    files = {file.id: file for file in image.files if not wanted.of_files or _matches(file, wanted)}
    shared = {task.descriptors_of for task in image.tasks if task.descriptors_of}
    tables = {task.pid: {each.file for each in task.descriptors} for task in image.tasks if task.pid in shared}
    tasks = []
    for task in image.tasks:
        if wanted.pids and task.pid not in wanted.pids:
            continue
        if wanted.of_files and not _holds(task, files.__contains__, tables.get(task.descriptors_of, set())):
            continue
        tasks.append(_reduced(task, files.__contains__) if wanted.of_files else task)
    if wanted.pids:
        held = {file for task in image.tasks if task.pid in wanted.pids for file in _held(task)}
        held |= {file for task in tasks if task.descriptors_of for file in tables.get(task.descriptors_of, ())}
        files = {number: file for number, file in files.items() if number in held}
    mounts = tuple(each for each in image.mounts if _path_matches(each.mountpoint, wanted) or _path_matches(each.source, wanted))
    return msgspec.structs.replace(image, tasks=tuple(tasks), files=tuple(files.values()), mounts=mounts)


def _held(task: InspectedTask) -> set[int]:
    """Return the files that a task names."""
    found = {each.file for each in task.descriptors} | {each.file for each in task.mapped}
    return found | ({task.executable, task.cwd, task.root} - {0})


def _holds(task: InspectedTask, wanted: Callable[[int], bool], shared: set[int]) -> bool:
    return any(map(wanted, _held(task))) or any(map(wanted, shared))


def _reduced(task: InspectedTask, wanted: Callable[[int], bool]) -> InspectedTask:
    return msgspec.structs.replace(
        task,
        descriptors=tuple(each for each in task.descriptors if wanted(each.file)),
        mapped=tuple(each for each in task.mapped if wanted(each.file)),
        areas=tuple(each for each in task.areas if wanted(each.file)),
        executable=task.executable if wanted(task.executable) else 0,
        cwd=task.cwd if wanted(task.cwd) else 0,
        root=task.root if wanted(task.root) else 0,
    )


def _matches(file: OpenFile, wanted: Selection) -> bool:
    paths = [path for path in (file.path, file.socket.local if file.socket else "") if path]
    if (wanted.paths or wanted.holds) and not any(_path_matches(path, wanted) for path in paths):
        return False
    socket = file.socket
    return not wanted.ports or (socket is not None and bool({socket.local_port, socket.remote_port} & {*wanted.ports} - {0}))


def _path_matches(path: str, wanted: Selection) -> bool:
    if wanted.paths and not any(fnmatchcase(path, pattern) for pattern in wanted.paths):
        return False
    if wanted.holds and not any(path == held or path.startswith(f"{held.rstrip('/')}/") for held in wanted.holds):
        return False
    return bool(path and (wanted.paths or wanted.holds))
