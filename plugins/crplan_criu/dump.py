"""A dump while it is collected: each image file is decoded when it comes, in whatever order, into small records.

A directory gives its files by name, an archive in the order in which they were packed; both end in the same `Dump`. Nothing of
an image file is kept but what the events need, so the memory needed is that of the tasks and not that of the images.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from crplan_criu import messages
from crplan_criu.container import Container
from crplan_criu.contents import Contents
from crplan_criu.holdings import READERS, Holdings
from crplan_criu.images import OTHERS, PRESENCE, WANTED, WANTED_ALL, entries, place, shown, split_name
from crplan_criu.wire import UNBOUNDED, Budget, Fields, Message, WireError, decode, number, numbers, octets, parts
from planner.errors import BadImage
from planner.identity import MOST_TASKS

KINDS: Final = ("pid", "net", "ipc", "uts", "mnt", "user", "cgroup", "time")
"""Kinds of namespace, in the order of their fields in the ids image."""


class Entry(msgspec.Struct, gc=False):
    """An entry of pstree.img; vectors are outermost first, those of an upstream dump have one number."""

    pids: tuple[int, ...]
    parent: int
    groups: tuple[int, ...]
    sessions: tuple[int, ...]
    threads: tuple[tuple[int, ...], ...]
    nested: bool
    subreaper: bool


CIPHER: Final = "cipher.img"
"""The image that CRIU adds when it encrypts the others."""

THREAD_INFO: Final = tuple(f"thread_info_{number}" for number in messages.THREAD_INFO_NUMBERS)


class Core(msgspec.Struct, gc=False):
    """What a core image says about a task or thread."""

    machine: int
    task: Fields | None
    thread: Fields
    credentials: Fields
    ids: Fields | None
    clear_child_tid: int | None = None
    """Where the kernel clears the task's number when it ends; None where the image does not say, as of a dead task."""


MOST_REPEATED: Final = 16
"""Numbers that may occur a second time: a few are facts that contradict each other and are reported as such; where there are
more, the entries are copies that only cost time."""


class _Numbers:
    """The numbers of the tasks and threads of a tree while it is decoded."""

    def __init__(self) -> None:
        self.seen: set[tuple[int, ...]] = set()
        self.repeated = 0

    def add(self, entry: Entry, at: str) -> None:
        """Take an entry; raises BadImage where too many numbers are there twice, or there are more than can be."""
        vectors = (entry.pids, *entry.threads)
        before = len(self.seen)
        self.seen.update(vectors)
        self.repeated += before + len(vectors) - len(self.seen)
        if self.repeated > MOST_REPEATED:
            raise BadImage(at, f"names tasks or threads again: more than {MOST_REPEATED} numbers occur twice")
        if len(self.seen) > MOST_TASKS:
            raise BadImage(at, f"is beyond the {MOST_TASKS} tasks and threads that an image can have")


class Dump:
    """All that was found of one dump; `add` takes the image files."""

    def __init__(self, wanted: frozenset[str] = WANTED, budget: Budget = UNBOUNDED) -> None:
        self.wanted = wanted
        self._budget = budget
        self.inventory: Fields | None = None
        self.root_ids: Fields = {}
        self.tree: list[Entry] | None = None
        self.cores: dict[int, Core] = {}
        self.ids: dict[int, Fields] = {}
        self.nested_namespaces: list[Fields] | None = None
        """Entries of Virtuozzo's ns.img, None where there is no such file."""
        self.namespace_facts: dict[tuple[str, int], dict[str, str]] = {}
        self.cgroup_sets: dict[int, str] = {}
        self.terminals: list[tuple[int, int]] = []
        """Session and foreground group of each controlling terminal."""
        self.container = Container()
        self.parent = ""
        """Where the link `parent` leads, to the earlier dump that holds the memory pages which this one does not repeat."""
        self.parent_found = False
        self.unknown_fields: dict[str, int] = {}
        self.unknown_images: list[str] = []
        self.contents = Contents()
        self.holdings = Holdings() if wanted >= WANTED_ALL else None
        """What the tasks hold beside the tree, where it is read."""
        self._once: dict[bytes, Fields] = {}
        self._seen: set[str] = set()

    @property
    def named(self) -> bool:
        """Whether an image was met whose content is needed."""
        return bool(self._seen)

    def wants(self, name: str) -> bool:
        """Whether the content of this file is needed; what is not is noted by name alone."""
        kind, _ = split_name(name)
        return kind in self.wanted

    def note(self, name: str, size: int = -1) -> None:
        """Note a file whose content is not needed; raises BadImage for the one that says that the others are encrypted."""
        if name == CIPHER:
            raise BadImage(place(name), "says that the images are encrypted; decrypt them with criu's key, and give those")
        kind, identifier = split_name(name)
        self.contents.note(kind, identifier, size)
        if kind in WANTED:
            return
        if kind in PRESENCE and identifier >= 0:
            self._facts(kind, identifier).setdefault("image", name)
        elif kind and kind not in OTHERS:
            self.unknown_images.append(shown(name))

    def add(self, name: str, data: bytes) -> None:
        """Decode a wanted image; raises BadImage."""
        kind, identifier = split_name(name)
        if name in self._seen:
            raise BadImage(place(name), "occurs twice")
        self._seen.add(name)
        self.contents.note(kind, identifier, len(data))
        if kind in PRESENCE and identifier >= 0:
            self._facts(kind, identifier).setdefault("image", name)
        if kind in _ADD:
            _ADD[kind](self, name, kind, identifier, data)
        if self.holdings is not None and kind in READERS:
            try:
                self.holdings.add(name, kind, identifier, data, self._budget)
            except BadImage as error:
                self.contents.damaged[name] = error.message

    def add_statistics(self) -> None:
        """Take the statistics of the dump, which stand beside the images and bear no ending."""
        name = "stats-dump"
        if self.holdings is not None and self.container.statistics:
            self.contents.note(name, -1, len(self.container.statistics))
            try:
                self.holdings.add(name, name, -1, self.container.statistics, self._budget)
            except BadImage as error:
                self.contents.damaged[name] = error.message

    def decode(self, message: Message, data: bytes, at: str) -> Fields:
        """Decode a message; raises BadImage with the place."""
        try:
            return decode(message, data, self.unknown_fields, self._budget)
        except WireError as error:
            raise BadImage(at, f"is damaged: {error} ({message.name})") from None

    def repeated(self, message: Message, data: bytes, at: str) -> Fields:
        """Decode a message that is the same for many tasks (credentials, namespaces) once for all of them."""
        fields = self._once.get(data)
        if fields is None:
            fields = self.decode(message, data, at)
            if len(self._once) < 4096 and len(data) < 1024:
                self._once[data] = fields
        return fields

    def first(self, name: str, kind: str, message: Message, data: bytes) -> Fields:
        """Decode the one entry of an image that has one; raises BadImage when it is missing."""
        for entry in entries(name, kind, data):
            return self.decode(message, entry, place(name))
        raise BadImage(place(name), "is cut short: it holds no entry")

    def _facts(self, kind: str, identifier: int) -> dict[str, str]:
        return self.namespace_facts.setdefault((PRESENCE.get(kind, kind), identifier), {})

    def add_inventory(self, name: str, kind: str, identifier: int, data: bytes) -> None:
        self.inventory = self.first(name, kind, messages.INVENTORY, data)
        version = number(self.inventory, "img_version")
        if version not in (1, 2):
            raise BadImage(place(name), f"image version {version} is not known; versions 1 and 2 are")
        self.root_ids = self.decode(messages.KOBJ_IDS, octets(self.inventory, "root_ids"), place(name))

    def add_tree(self, name: str, kind: str, identifier: int, data: bytes) -> None:
        self.tree = []
        numbers_seen = _Numbers()
        for position, data_of_entry in enumerate(entries(name, kind, data)):
            entry = self._entry(data_of_entry, place(name, position))
            numbers_seen.add(entry, place(name, position))
            self.tree.append(entry)

    def _entry(self, data: bytes, at: str) -> Entry:
        fields = self.decode(messages.PSTREE, data, at)
        pids = numbers(fields, "vz_ns_pid")
        parent = fields.get("ppid")
        if not isinstance(parent, int):
            raise BadImage(at, "has no parent (ppid)")
        if not pids:
            if not {"pid", "pgid", "sid"} <= fields.keys():
                raise BadImage(at, "has neither pid, pgid and sid nor a vector of them (vz_ns_pid)")
            return Entry(
                pids=(number(fields, "pid"),),
                parent=parent,
                groups=(number(fields, "pgid"),),
                sessions=(number(fields, "sid"),),
                threads=tuple((tid,) for tid in numbers(fields, "threads")[1:]),
                nested=False,
                subreaper=False,
            )
        groups, sessions = numbers(fields, "vz_ns_pgid"), numbers(fields, "vz_ns_sid")
        if not len(pids) == len(groups) == len(sessions):
            raise BadImage(at, f"has {len(pids)} pids, {len(groups)} groups and {len(sessions)} sessions; they must be as many")
        threads = [numbers(self.decode(messages.NS_TID, part, at), "tid") for part in parts(fields, "vz_tids")[1:]]
        return Entry(
            pids=tuple(pids),
            parent=parent,
            groups=tuple(groups),
            sessions=tuple(sessions),
            threads=tuple(map(tuple, threads)),
            nested=True,
            subreaper=bool(number(fields, "vz_child_subreaper")),
        )

    def add_core(self, name: str, kind: str, identifier: int, data: bytes) -> None:
        at = place(name)
        fields = self.first(name, kind, messages.CORE, data)
        task, thread, ids = octets(fields, "tc"), octets(fields, "thread_core"), octets(fields, "ids")
        info = next((octets(fields, name) for name in THREAD_INFO if name in fields), b"")
        thread_fields = self.decode(messages.THREAD_CORE, thread, at)
        credentials = thread_fields.pop("creds", b"")
        assert isinstance(credentials, bytes)
        self.cores[identifier] = Core(
            number(fields, "mtype"),
            self.decode(messages.TASK_CORE, task, at) if task else None,
            thread_fields,
            self.repeated(messages.CREDS, credentials, at),
            self.decode(messages.KOBJ_IDS, ids, at) if ids else None,
            self.decode(messages.THREAD_INFO, info, at).get("clear_tid_addr") if info else None,  # type: ignore[arg-type]  # u64
        )

    def add_ids(self, name: str, kind: str, identifier: int, data: bytes) -> None:
        self.ids[identifier] = self.first(name, kind, messages.KOBJ_IDS, data)

    def add_nested(self, name: str, kind: str, identifier: int, data: bytes) -> None:
        self.nested_namespaces = [
            self.decode(messages.NS, entry, place(name, at)) for at, entry in enumerate(entries(name, kind, data))
        ]

    def add_uts(self, name: str, kind: str, identifier: int, data: bytes) -> None:
        fields = self.first(name, kind, messages.UTSNS, data)
        facts = self._facts("uts", identifier)
        facts["image"] = name
        facts["nodename"], facts["domainname"] = text(octets(fields, "nodename")), text(octets(fields, "domainname"))

    def add_user(self, name: str, kind: str, identifier: int, data: bytes) -> None:
        fields = self.first(name, kind, messages.USERNS, data)
        facts = self._facts("user", identifier)
        facts["image"] = name
        for map_name in ("uid_map", "gid_map"):
            ranges = [self.decode(messages.ID_RANGE, part, place(name)) for part in parts(fields, map_name)]
            facts[map_name] = ", ".join(
                f"{number(part, 'first')} {number(part, 'lower_first')} {number(part, 'count')}" for part in ranges
            )

    def add_pid(self, name: str, kind: str, identifier: int, data: bytes) -> None:
        fields = self.first(name, kind, messages.PIDNS, data)
        self._facts("pid", identifier).update(image=name, external=text(octets(fields, "ext_key")))

    def add_time(self, name: str, kind: str, identifier: int, data: bytes) -> None:
        fields = self.first(name, kind, messages.TIMENS, data)
        facts = self._facts("time", identifier)
        facts["image"] = name
        for clock in ("monotonic", "boottime"):
            value = self.decode(messages.TIMESPEC, octets(fields, clock), place(name))
            facts[clock] = f"{number(value, 'sec')}.{number(value, 'nsec'):09d}"

    def add_cgroups(self, name: str, kind: str, identifier: int, data: bytes) -> None:
        fields = self.first(name, kind, messages.CGROUP, data)
        for part in parts(fields, "sets"):
            group = self.decode(messages.CG_SET, part, place(name))
            members = [self.decode(messages.CG_MEMBER, member, place(name)) for member in parts(group, "ctls")]
            lines = (f"{text(octets(member, 'name'))}:{text(octets(member, 'path'))}" for member in members)
            self.cgroup_sets[number(group, "id")] = " ".join(lines)

    def add_terminals(self, name: str, kind: str, identifier: int, data: bytes) -> None:
        for at, entry in enumerate(entries(name, kind, data)):
            fields = self.decode(messages.TTY_INFO, entry, place(name, at))
            self.contents.add_terminal(fields)
            if number(fields, "sid"):
                self.terminals.append((number(fields, "sid"), number(fields, "pgrp")))

    def add_files(self, name: str, kind: str, identifier: int, data: bytes) -> None:
        self._contents(name, kind, data, self.contents.add_file)

    def add_mounts(self, name: str, kind: str, identifier: int, data: bytes) -> None:
        self._facts(kind, identifier).setdefault("image", name)
        self._contents(name, kind, data, self.contents.add_mount)

    def _contents(self, name: str, kind: str, data: bytes, add: Callable[[bytes, dict[str, int]], None]) -> None:
        """Take an image that the process tree does not need: damage to it is a fact and no end of the reading."""
        try:
            for entry in entries(name, kind, data):
                add(entry, self.unknown_fields)
        except (BadImage, WireError) as error:
            self.contents.damaged[name] = error.message if isinstance(error, BadImage) else str(error)


def text(octets: bytes) -> str:
    """Return bytes of an image as text; what is no UTF-8 is written as escapes."""
    return octets.decode("utf-8", "backslashreplace")


_ADD: Final = {
    "inventory": Dump.add_inventory,
    "pstree": Dump.add_tree,
    "core": Dump.add_core,
    "ids": Dump.add_ids,
    "ns": Dump.add_nested,
    "utsns": Dump.add_uts,
    "userns": Dump.add_user,
    "pidns": Dump.add_pid,
    "timens": Dump.add_time,
    "cgroup": Dump.add_cgroups,
    "tty-info": Dump.add_terminals,
    "files": Dump.add_files,
    "mountpoints": Dump.add_mounts,
}
