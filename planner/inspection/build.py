"""Builds an image's entry in the document from the folds of its events."""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

import msgspec

from planner.contents.fold import content_id, fold_contents
from planner.contents.model import Contents
from planner.events.contents import FileRecorded, SocketRecorded
from planner.events.records import AnyEvent
from planner.forest.digest import image_id
from planner.forest.fold import fold
from planner.forest.model import Forest, Task
from planner.identity import ProcessId
from planner.inspection.areas import areas_with_pages
from planner.inspection.document import (
    Descriptor,
    InspectedImage,
    InspectedTask,
    MappedFile,
    Memory,
    MemoryArea,
    Mount,
    OpenFile,
    Socket,
    Sums,
)

MOST_HOLDERS: Final = 20
"""Holders of a file that are named."""

KINDS: Final = {
    "files": "open files",
    "fdinfo": "descriptors",
    "fs": "working and root directories",
    "mm": "memory areas and mapped files",
    "pagemap": "sizes of memory pages",
    "pages": "memory pages",
    "mountpoints": "mounts",
    "cpuinfo": "the processor",
    "stats-dump": "statistics of the dump",
}
"""What an image of CRIU may lack, by the kind of file that would hold it."""

ACCESS: Final = ("read", "write", "read and write", "path")
FLAGS: Final = {0o2000: "append", 0o4000: "nonblocking", 0o40000: "direct", 0o10000000: "path"}
"""Flags of open(2) that are shown, by their value on most architectures."""


def inspected(image: str, events: Sequence[AnyEvent], *, areas: bool = False) -> InspectedImage:
    """Return the entry of an image whose log is given, with `areas` with every area of memory and its pages.

    Raises what the fold of its process tree raises.
    """
    forest = fold(events)
    contents = fold_contents(events)
    tree = image_id(forest)
    holders, facts = Holders(forest, contents), _facts(forest)
    tasks = tuple(_task(forest, contents, holders, task, facts.get(task.pid, {})) for task in forest.tasks.values())
    if areas:
        tasks = tuple(msgspec.structs.replace(task, areas=_areas(contents, ProcessId(task.pid))) for task in tasks)
    return InspectedImage(
        image=image,
        format=forest.format,
        generation=forest.generation,
        image_id=tree,
        content_id=content_id(events, tree),
        facts=forest.image_facts,
        sums=_sums(forest, contents),
        tasks=tasks,
        files=tuple(_file(contents, holders, file) for file in contents.files.values()),
        mounts=tuple(_mount(each) for each in contents.mounts),
        processors=tuple(dict.fromkeys(_processor(each) for each in contents.processors)),
        properties=_properties(facts.get(0, {}), contents),
        not_recorded=tuple(_not_recorded(forest, contents)),
    )


class Holders:
    """Which tasks hold which open file; tables that tasks share are looked through once."""

    def __init__(self, forest: Forest, contents: Contents) -> None:
        self.table_of: dict[ProcessId, int] = {
            pid: record.files for pid, record in forest.sharing.items() if record.files in contents.tables
        }
        self.users: dict[int, list[ProcessId]] = {}
        """Tasks that share a table, by its number."""
        for pid, table in self.table_of.items():
            self.users.setdefault(table, []).append(pid)
        self.tables: dict[int, set[int]] = {}
        """Tables that have a file, by its number."""
        for table, descriptors in contents.tables.items():
            for each in descriptors:
                self.tables.setdefault(each.file, set()).add(table)
        self.others: dict[int, set[ProcessId]] = {}
        """Tasks that hold a file without a descriptor."""
        for pid, each_task in contents.task_files.items():
            for file in (each_task.cwd, each_task.root, each_task.executable):
                self.others.setdefault(file, set()).add(pid)
        for pid, mapped in contents.mapped.items():
            for area in mapped:
                self.others.setdefault(area.file, set()).add(pid)
        self.inodes = {each.inode: each.file for each in contents.sockets.values() if each.inode}

    def of(self, file: int) -> list[ProcessId]:
        """Return the tasks that hold a file, by number."""
        found = set(self.others.get(file, ()))
        for table in self.tables.get(file, ()):
            found.update(self.users.get(table, ()))
        return sorted(found)


def _facts(forest: Forest) -> dict[int, dict[str, str]]:
    """Return the facts of each task by its number, those of the whole image under 0."""
    found: dict[int, dict[str, str]] = {}
    for _, fact in forest.facts:
        found.setdefault(fact.pid, {})[fact.property] = fact.value
    return found


def _task(forest: Forest, contents: Contents, holders: Holders, task: Task, facts: dict[str, str]) -> InspectedTask:
    pid = task.pid
    held, memory = contents.task_files.get(pid), contents.memory.get(pid)
    table = holders.table_of.get(pid, 0)
    first = holders.users[table][0] if table else pid
    limits, registers, command = contents.limits.get(pid), contents.registers.get(pid), contents.commands.get(pid)
    return InspectedTask(
        pid=pid,
        pids=task.pids,
        parent=task.parent,
        group=task.group,
        session=task.session,
        name=task.name,
        state=task.state,
        threads=len(forest.threads.get(pid, ())),
        executable=held.executable if held is not None else 0,
        cwd=held.cwd if held is not None else 0,
        root=held.root if held is not None else 0,
        umask=f"{held.umask:04o}" if held is not None and held.umask >= 0 else "",
        descriptors_of=0 if first == pid else first,
        descriptors=tuple(
            Descriptor(number=each.number, file=each.file, close_on_exec=each.close_on_exec)
            for each in sorted(contents.tables.get(table, ()), key=lambda each: each.number)
        )
        if first == pid
        else (),
        mapped=tuple(
            MappedFile(file=each.file, bytes=each.bytes, areas=each.areas, executable=each.executable, shared=each.shared)
            for each in contents.mapped.get(pid, ())
        ),
        memory=None
        if memory is None
        else Memory(
            areas=_known(memory.areas),
            mapped=_known(memory.mapped),
            shared=memory.shared,
            stored=_known(memory.stored),
            in_parent=memory.in_parent,
        ),
        limits=limits.limits if limits is not None else {},
        registers=registers.state if registers is not None else (),
        command=command.arguments if command is not None else (),
        variables=command.variables if command is not None else None,
        values=command.values if command is not None else {},
        facts=facts,
    )


def _areas(contents: Contents, pid: ProcessId) -> tuple[MemoryArea, ...]:
    return tuple(areas_with_pages(contents.areas.get(pid, ()), contents.pages.get(pid, ())))


def _known(size: int) -> int | None:
    return None if size < 0 else size


@lru_cache(1024)
def access_words(flags: int) -> str:
    """Return the flags of open(2) in words."""
    words = [ACCESS[flags & 3]] + [word for bit, word in FLAGS.items() if flags & bit]
    return ", ".join(words)


def _file(contents: Contents, holders: Holders, file: FileRecorded) -> OpenFile:
    pids = holders.of(file.id)
    deleted, socket = contents.deleted.get(file.id), contents.sockets.get(file.id)
    return OpenFile(
        id=file.id,
        kind=file.kind,
        path=contents.path(file.id),
        access=access_words(file.flags),
        flags=file.flags,
        position=file.position,
        size=_known(file.size),
        mode=f"{file.mode:06o}" if file.mode >= 0 else "",
        mount=_known(file.mount),
        deleted=deleted.remap if deleted is not None else "",
        external=file.external,
        build_id=file.build_id,
        facts=file.facts,
        socket=_socket(socket, holders) if socket is not None else None,
        held_by=tuple(pids[:MOST_HOLDERS]),
        holders=len(pids),
    )


def _socket(socket: SocketRecorded, holders: Holders) -> Socket:
    given = msgspec.structs.asdict(socket)
    fields = {name: given[name] for name in Socket.__struct_fields__ if name in given}
    return Socket(**fields, peer_file=holders.inodes.get(socket.peer, 0) if socket.peer else 0)


def _mount(mount: msgspec.Struct) -> Mount:
    given = msgspec.structs.asdict(mount)
    return Mount(**{name: given[name] for name in Mount.__struct_fields__})


def _processor(each: msgspec.Struct) -> str:
    given = msgspec.structs.asdict(each)
    return f"{given['vendor']} family {given['family']} model {given['model']} {given['name']}".strip()


def _properties(facts: dict[str, str], contents: Contents) -> dict[str, str]:
    """Return what belongs to no task, and what tasks hold beside files with the number of the task in front."""
    found: dict[str, str] = {}
    for each in contents.properties:
        name = f"{each.pid}: {each.property}" if each.pid else each.property
        found[name] = f"{found[name]}; {each.value}" if name in found and len(found[name]) < 4096 else each.value
    return facts | found


def _sums(forest: Forest, contents: Contents) -> Sums:
    memory = contents.memory.values()
    return Sums(
        tasks=len(forest.tasks),
        threads=sum(map(len, forest.threads.values())),
        descriptors=sum(map(len, contents.tables.values())),
        files=dict(sorted(Counter(file.kind for file in contents.files.values()).items())),
        mapped=sum(max(each.mapped, 0) for each in memory),
        stored=sum(max(each.stored, 0) for each in memory),
        in_parent=sum(each.in_parent for each in memory),
        images=contents.sizes,
    )


def _not_recorded(forest: Forest, contents: Contents) -> Iterable[str]:
    if not contents.recorded:
        yield "what the processes hold: the log was written of the process tree alone, or the image holds nothing else"
        return
    for kind, words in KINDS.items():
        if kind == "mountpoints" and not any(
            each.kind == "mnt" and each.id == 0 and each.facts.get("created") == "yes" for each in forest.namespace_records
        ):
            continue
        if not contents.has(kind):
            yield words
    if not contents.commands:
        yield "command lines and environment"
