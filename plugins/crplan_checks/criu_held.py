"""What the processes hold, and whether a host has it: files by name, addresses, the registers of the processor.

CRIU opens files by their names and compares the mode, and of files that are mapped or open for reading alone the size. Nothing is
said of a file that changed in a way which CRIU ignores. Source: CRIU 4.2, `open_path` and `validate_file` in files-reg.c,
`inet_bind` in sk-inet.c, `assign_xsave` in arch/x86/crtools.c.
"""

import os
from collections.abc import Iterator
from typing import Final

from crplan_checks import criu_held_mounts
from crplan_checks import kinds_held as kinds
from crplan_checks.criu import FORMAT
from planner.contents.model import Contents
from planner.events.contents import FileRecorded
from planner.findings.registry import Answer, Kind, Passed, Unknown
from planner.findings.verdicts import Invocation
from planner.forest.model import Forest
from planner.hookspecs import Artefact
from planner.host.facts import Host, PathFact
from planner.host.questions import (
    Places,
    abstract_sockets,
    address_of,
    host_sockets,
    opened,
    outside_peers,
    places,
    socket_directories,
    watched,
)

RWX: Final = 0o777

REGISTERS: Final = {
    "avx": "avx", "bndregs": "mpx", "bndcsr": "mpx", "opmask": "avx512f", "zmm_hi256": "avx512f", "hi16_zmm": "avx512f",
    "pkru": "ospke",
}  # fmt: skip
"""Parts of the extended state that CRIU restores, with the feature of the processor that has the registers."""

ASK: Final = "record them with `crplan host IMAGE -o FILE` on that host"


def check(artefact: Artefact, host: Host | None, invocation: Invocation) -> Iterator[Answer]:
    """Yield what is missing or differs; without a host the options alone, and nothing of an image that was read for its tree."""
    forest, contents = artefact.forest, artefact.contents
    if forest.format != FORMAT or not contents.recorded or forest.images:
        return
    asked: set[str] = set()
    for answer in _answers(forest, contents, host, invocation):
        if isinstance(answer, Passed) and answer.code in asked:
            continue
        asked.add(answer.code)
        yield answer


def _answers(forest: Forest, contents: Contents, host: Host | None, invocation: Invocation) -> Iterator[Answer]:
    given = places(invocation.options)
    yield from criu_held_mounts.options(forest, contents, host, invocation, given)
    if host is None:
        return
    yield from criu_held_mounts.places(forest, contents, host, given)
    yield from _files(forest, contents, host, invocation, given)
    yield from _directories(forest, contents, host)
    yield from _watched(forest, contents, host)
    yield from _addresses(forest, contents, host, invocation)
    yield from _registers(contents, host)


class _Roles:
    """By which of them each file is held, and by which task first."""

    def __init__(self, forest: Forest, contents: Contents) -> None:
        self.code = {each.executable for each in contents.task_files.values()}
        self.code |= {each.file for mapped in contents.mapped.values() for each in mapped if each.executable}
        self.directories = {file for each in contents.task_files.values() for file in (each.cwd, each.root)}
        self.holder: dict[int, int] = {}
        for pid, record in forest.sharing.items():
            for descriptor in contents.tables.get(record.files, ()):
                self.holder.setdefault(descriptor.file, pid)
        for pid, mapped in contents.mapped.items():
            for each in mapped:
                self.holder.setdefault(each.file, pid)
        for pid, held in contents.task_files.items():
            for file in (held.cwd, held.root, held.executable):
                self.holder.setdefault(file, pid)
        for number, remap in contents.deleted.items():
            if remap.remap == "link" and number in self.holder:
                # The link by which the name comes back is opened by its own.
                self.holder.setdefault(remap.to, self.holder[number])
        for number, each_file in contents.files.items():
            # The name of a fifo stands in a file of its own.
            named = each_file.facts.get("file", "")
            if named.isdecimal() and number in self.holder:
                self.holder.setdefault(int(named), self.holder[number])


def _files(forest: Forest, contents: Contents, host: Host, invocation: Invocation, given: Places) -> Iterator[Answer]:
    roles = _Roles(forest, contents)
    skip = invocation.has("--skip-file-rwx-check")
    unanswered = 0
    told: set[tuple[str, str, str]] = set()
    named = opened(forest, contents, given)
    for number, path in named.items():
        if number not in roles.holder:
            continue
        fact = host.answers.paths.get(path)
        if fact is None:
            unanswered += 1
            continue
        for kind, property, recorded, target in _differences(contents.files[number], fact, roles, skip):
            # Files are opened many times over: what is wrong with one path is one finding.
            if (kind.code, path, recorded) not in told:
                told.add((kind.code, path, recorded))
                detail = f"{path} {WORDS[kind.code].format(recorded=recorded, target=target)}"
                file = contents.files[number]
                yield kind.found(
                    detail, pid=roles.holder[number], property=f"{property} {path}", recorded=recorded, target=target, at=file.at
                )
    if unanswered:
        yield Unknown(code=kinds.CRIU_PATH_MISSING.code, missing=f"what stands at {unanswered} paths of the image: {ASK}")
    if named and not unanswered:
        yield from (Passed(code=code) for code in WORDS if code != kinds.CRIU_DIRECTORY_MISSING.code)


WORDS: Final = {
    kinds.CRIU_PATH_MISSING.code: "is not there",
    kinds.CRIU_DIRECTORY_MISSING.code: "is not there",
    kinds.CRIU_EXECUTABLE_MISSING.code: "is not there",
    kinds.CRIU_EXECUTABLE_CHANGED.code: "had {recorded} bytes at the dump and has {target}",
    kinds.CRIU_FILE_SIZE.code: "had {recorded} bytes at the dump and has {target}",
    kinds.CRIU_FILE_MODE.code: "had mode {recorded} at the dump and has {target}",
    kinds.CRIU_FILE_KIND.code: "was a {recorded} at the dump and is a {target}",
    kinds.CRIU_READ_ONLY.code: "is open for writing, and its mount is read-only",
    kinds.CRIU_NO_CODE.code: "is mapped as code, and its mount has noexec",
}

Difference = tuple[Kind, str, str, str]
"""Kind of the finding, property, what was recorded, what is there."""


def _differences(file: FileRecorded, fact: PathFact, roles: _Roles, skip: bool) -> Iterator[Difference]:
    """Yield the differences by which CRIU refuses a file; of kind, size and mode the first, in the order in which it looks."""
    code = file.id in roles.code
    yield from _mount(file, fact, code)
    if fact.kind == "missing":
        directory = file.id in roles.directories or file.kind == "directory"
        kind = kinds.CRIU_EXECUTABLE_MISSING if code else kinds.CRIU_PATH_MISSING
        yield (kinds.CRIU_DIRECTORY_MISSING if directory else kind), "path", "there", "missing"
        return
    if file.mode >= 0 and fact.mode is not None and file.mode & ~0o7777 != fact.mode & ~0o7777:
        yield kinds.CRIU_FILE_KIND, "kind", file.kind, fact.kind
    elif file.size >= 0 and fact.size is not None and file.size != fact.size:
        kind = kinds.CRIU_EXECUTABLE_CHANGED if code else kinds.CRIU_FILE_SIZE
        yield kind, "size", str(file.size), str(fact.size)
    elif file.mode >= 0 and fact.mode is not None and (file.mode ^ fact.mode) & (~RWX if skip else ~0):
        yield kinds.CRIU_FILE_MODE, "mode", f"{file.mode & 0o7777:04o}", f"{fact.mode & 0o7777:04o}"


def _mount(file: FileRecorded, fact: PathFact, code: bool) -> Iterator[Difference]:
    if fact.read_only and file.flags & os.O_ACCMODE != os.O_RDONLY:
        yield kinds.CRIU_READ_ONLY, "mount", "writable", "read-only"
    if fact.no_code and code:
        yield kinds.CRIU_NO_CODE, "mount", "exec", "noexec"


def _watched(forest: Forest, contents: Contents, host: Host) -> Iterator[Answer]:
    """Ask for the paths that are watched; a restore watches them again by their names."""
    for file, path in watched(forest, contents):
        fact = host.answers.paths.get(path)
        if fact is not None and fact.kind == "missing":
            detail = f"{path}, which {file.kind} watches, is not there"
            yield kinds.CRIU_PATH_MISSING.found(
                detail, property=f"watched path {path}", recorded="there", target="missing", at=file.at
            )


def _directories(forest: Forest, contents: Contents, host: Host) -> Iterator[Answer]:
    """Ask for the directories that unix sockets are bound in; at the path itself a socket is replaced, and nothing else."""
    asked = False
    for socket, directory in socket_directories(forest, contents):
        asked = True
        fact = host.answers.paths.get(directory)
        if fact is None:
            yield Unknown(code=kinds.CRIU_DIRECTORY_MISSING.code, missing=f"whether {directory} is there: {ASK}")
            return
        if fact.kind != "directory":
            words = "is not there" if fact.kind == "missing" else f"is a {fact.kind}"
            detail = f"{directory}, in which the socket {socket.local} is bound, {words}"
            yield kinds.CRIU_DIRECTORY_MISSING.found(
                detail, property=f"directory {directory}", recorded="directory", target=fact.kind, at=socket.at
            )
        there = host.answers.paths.get(socket.local)
        if there is not None and there.kind not in ("missing", "socket"):
            yield kinds.CRIU_ADDRESS_TAKEN.found(
                f"a {there.kind} stands at {socket.local}, where a socket is bound", property=f"address {socket.local}",
                recorded="socket", target=there.kind, at=socket.at,
            )  # fmt: skip
    if asked:
        yield Passed(code=kinds.CRIU_DIRECTORY_MISSING.code)


ERRORS: Final = {"EADDRINUSE": kinds.CRIU_ADDRESS_TAKEN, "EADDRNOTAVAIL": kinds.CRIU_ADDRESS_MISSING}


def _addresses(forest: Forest, contents: Contents, host: Host, invocation: Invocation) -> Iterator[Answer]:
    asked = False
    told: set[str] = set()
    every = (*host_sockets(forest, contents), *abstract_sockets(forest, contents), *outside_peers(forest, contents))
    for socket in every:
        closed = invocation.has("--tcp-close") or not invocation.has("--tcp-established")
        if socket.protocol == "tcp" and socket.remote_port and closed:
            # With --tcp-close nothing is bound, and without both options the restore is refused for another reason.
            continue
        if socket.interface and (interface := host.answers.interfaces.get(socket.interface)) is not True:
            if interface is None:
                yield Unknown(code=kinds.CRIU_INTERFACE_MISSING.code, missing=f"whether {socket.interface} is there: {ASK}")
            else:
                detail = f"the interface {socket.interface} is not there"
                yield kinds.CRIU_INTERFACE_MISSING.found(
                    detail, property=f"interface {socket.interface}", recorded="there", target="missing", at=socket.at
                )
        address = address_of(socket)
        if address is None or address.key in told:
            continue
        told.add(address.key)
        asked = True
        found = host.answers.addresses.get(address.key)
        if found is None:
            yield Unknown(code=kinds.CRIU_ADDRESS_TAKEN.code, missing=f"whether {address.key} can be used: {ASK}")
        elif address.family == "peer" and found != "free":
            yield kinds.CRIU_PEER.found(
                f"nothing receives at {socket.local} ({found})", property=f"peer {socket.local}", recorded="there", target=found,
                at=socket.at,
            )  # fmt: skip
        elif found in ERRORS:
            words = "is in use" if found == "EADDRINUSE" else "is no address of the host"
            yield ERRORS[found].found(
                f"{address.key} {words}", property=f"address {address.key}", recorded=socket.state or "bound", target=found,
                at=socket.at,
            )  # fmt: skip
    if asked:
        yield Passed(code=kinds.CRIU_ADDRESS_TAKEN.code)
        yield Passed(code=kinds.CRIU_ADDRESS_MISSING.code)


def _registers(contents: Contents, host: Host) -> Iterator[Answer]:
    """Ask for the registers that threads have values in; each part of the state is reported for the first thread that has it."""
    told: set[str] = set()
    for pid, record in contents.registers.items():
        for part in record.state:
            feature = REGISTERS.get(part)
            if feature is None or feature in told:
                continue
            told.add(feature)
            if host.processor is None:
                yield Unknown(code=kinds.CRIU_REGISTERS_LOST.code, missing="the features of the host's processor")
                return
            if feature not in host.processor:
                yield kinds.CRIU_REGISTERS_LOST.found(
                    f"thread {pid} has values in registers of {feature}, and the host's processor has no {feature}",
                    pid=pid,
                    property=f"registers {feature}",
                    recorded="in use",
                    target="missing",
                    at=record.at,
                )
    if contents.registers:
        yield Passed(code=kinds.CRIU_REGISTERS_LOST.code)
