"""What else a dump holds that decides whether a restore works: which files are there, terminals, sockets, mounts, links.

Kept are short sentences of fact and not the images. A file that holds only its head says nothing, as of an image that was made to
tell the process tree alone. Source: CRIU 4.2 `images/*.proto`, `criu/tty.c`, `criu/sk-inet.c`, `criu/mount-v2.c`.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from crplan_criu import messages, messages_contents
from crplan_criu.images import place
from crplan_criu.wire import Fields, WireError, decode, number, octets
from planner.events.records import FactRecorded

HEAD: Final = 8
"""Bytes of an image that holds nothing."""

DETAILS: Final = ("mm", "fs", "fdinfo", "files")
"""Images that say what tasks hold, apart from the pages of their memory."""

PTMX: Final = 5 << 8 | 2
"""Device of a terminal's master, major 5 and minor 2."""
SLAVES: Final = range(136, 144)
"""Majors of the devices of slaves."""

TCP: Final = 6
LONGEST: Final = 200
"""Bytes of a path that a message quotes."""


class Contents:
    """What is noted of the files of one dump, by name and by content."""

    def __init__(self) -> None:
        self.sizes: dict[str, dict[int, int]] = {}
        """Bytes of each file, by the type and the number in its name; -1 where they are not known."""
        self.terminals: dict[int, Fields] = {}
        self.sockets = 0
        self.open_threads: list[str] = []
        self.damaged: dict[str, str] = {}
        """What is wrong with an image, by its name."""
        self.mounts: dict[str, str] = {}
        """Root in its file system of every external mount, by its mountpoint."""

    def note(self, kind: str, identifier: int, size: int) -> None:
        """Note a file that is there."""
        self.sizes.setdefault(kind, {})[identifier] = size

    def holds(self, kind: str, identifier: int) -> bool:
        """Say whether a file is there and more than its head."""
        size = self.sizes.get(kind, {}).get(identifier, 0)
        return size < 0 or size > HEAD

    def add_file(self, entry: bytes, unknown: dict[str, int]) -> None:
        """Take an entry of files.img; raises WireError."""
        fields = decode(messages_contents.FILE, entry, unknown)
        if "isk" in fields:
            socket = decode(messages.INET_SOCKET, octets(fields, "isk"), unknown)
            # A socket with another end is a connection for CRIU, also one that the dump has closed.
            self.sockets += number(socket, "proto") == TCP and number(socket, "dst_port") > 0
        elif "reg" in fields:
            regular = decode(messages.REGULAR_FILE, octets(fields, "reg"), unknown)
            if "name" not in regular:
                raise WireError(_nameless(number(fields, "id"), octets(regular, "fown")))
            name = octets(regular, "name")
            if name.startswith(b"/proc/") and b"/task/" in name:
                self.open_threads.append(name.decode("utf-8", "backslashreplace"))

    def add_terminal(self, fields: Fields) -> None:
        """Take an entry of tty-info.img."""
        self.terminals[number(fields, "id")] = fields

    def add_mount(self, entry: bytes, unknown: dict[str, int]) -> None:
        """Take an entry of a mountpoints image; raises WireError."""
        fields = decode(messages.MOUNT, entry, unknown)
        if octets(fields, "ext_key"):
            mountpoint, root = (octets(fields, name).decode("utf-8", "backslashreplace") for name in ("mountpoint", "root"))
            self.mounts[mountpoint] = root

    def facts(self) -> Iterator[FactRecorded]:
        """Yield what was found as facts of the whole image."""
        for fields in self.terminals.values():
            device = number(fields, "rdev")
            master = device == PTMX
            if not master and device >> 8 & 0xFFF not in SLAVES:
                continue
            if "termios" not in fields:
                continue  # Its other end was gone at the dump: CRIU makes one that hangs up, whatever the options are.
            index = number(decode(messages.PTY, octets(fields, "pty"), {}), "index") if "pty" in fields else device & 0xFF
            yield FactRecorded(
                property=f"terminal {'master' if master else 'slave'} {index}",
                value=f"session {number(fields, 'sid')} group {number(fields, 'pgrp')}",
                at=place("tty-info.img"),
            )
        if self.sockets:
            yield FactRecorded(property="connected TCP sockets", value=str(self.sockets), at=place("files.img"))
        for name, reason in self.damaged.items():
            yield FactRecorded(property="damaged image", value=f"{name}: {reason}", at=place(name))
        for name in self.open_threads:
            yield FactRecorded(property="open file of a thread", value=name, at=place("files.img"))


def through_links(mounts: dict[str, str], sources: dict[str, str]) -> Iterator[FactRecorded]:
    """Yield the external mounts whose source is a symbolic link, by the path that was given and the one that was mounted.

    The root of a mount is a path in its file system: the end of the source, unless a link led elsewhere. Where both begin alike
    and end differently, no other mount explains the difference.
    """
    for mountpoint, root in mounts.items():
        source = sources.get(mountpoint, "")
        if not source or root == "/" or source.endswith(root) or root.endswith(source):
            continue
        given, mounted = source.split("/"), root.split("/")
        if given[1:2] == mounted[1:2] and given[-2:] != mounted[-2:]:
            yield FactRecorded(property=f"mount through a link {mountpoint}", value=f"{source} -> {root}", at=place("spec.dump"))


def missing(contents: Contents, living: Sequence[int], tables: Iterable[int]) -> Iterator[FactRecorded]:
    """Yield the files that are gone; `living` are the tasks that are alive, `tables` the numbers of their descriptor tables.

    A file is missing where every other task has it, or where a file that is there points to it. Where all pages are gone, or all
    of mm, fs, fdinfo and files, the copy was stripped for inspection, which is one fact of its own.
    """
    if not living:
        return
    if "pages" not in contents.sizes:
        yield _stripped("pages")
    if not any(kind in contents.sizes for kind in ("mm", "fs", "files")):
        # Tables of descriptors that were left lying there make no difference: the copy shows the process tree alone.
        yield _stripped(", ".join(DETAILS))
        return
    told = any(contents.holds(kind, number) for kind in DETAILS for number in contents.sizes.get(kind, {}))
    for kind, wanted in (("mm", living), ("fs", living), ("fdinfo", tables), ("pagemap", living)):
        there = contents.sizes.get(kind, {})
        if there or (told and kind != "pagemap"):
            for number in wanted:
                if number not in there:
                    yield _gone(f"{kind}-{number}.img")
    if told and "files" not in contents.sizes:
        yield _gone("files.img")


def _stripped(what: str) -> FactRecorded:
    return FactRecorded(property="stripped of", value=what, at=place("inventory.img"))


def _gone(name: str) -> FactRecorded:
    return FactRecorded(property="missing image", value=name, at=place(name))


def _nameless(identifier: int, owner: bytes) -> str:
    """Say that an entry lacks the field that CRIU requires, and what stands in the field before it, where that is a path."""
    path = owner.partition(b"/")[2][:LONGEST]
    words = f"; /{path.decode('utf-8', 'backslashreplace')} stands in the field of its owner" if path else ""
    return f"the regular file {identifier} has no name{words}"
