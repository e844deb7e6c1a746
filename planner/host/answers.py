"""What a machine answers to the questions of images: paths are looked at and never opened, addresses are bound for a moment."""

import errno
import os
import socket
import stat
from typing import Final

from planner.host import cgroups, stores
from planner.host.facts import Answers, PathFact, PathKind
from planner.host.questions import Address, Questions

KINDS: Final[tuple[tuple[int, PathKind], ...]] = (
    (stat.S_IFREG, "file"),
    (stat.S_IFDIR, "directory"),
    (stat.S_IFCHR, "device"),
    (stat.S_IFBLK, "device"),
    (stat.S_IFIFO, "fifo"),
    (stat.S_IFSOCK, "socket"),
)


def answers(questions: Questions) -> Answers:
    """Return what this machine says to the questions, as this process sees it; what cannot be found out has no answer."""
    paths = {path: fact for path in questions.paths if (fact := _path(path)) is not None}
    addresses = {address.key: found for address in questions.addresses if (found := _bound(address))}
    interfaces = {name: _interface(name) for name in questions.interfaces}
    return Answers(
        paths=paths,
        addresses=addresses,
        interfaces=interfaces,
        cgroups=cgroups.there(questions.cgroups),
        profiles=stores.profiles(questions.profiles),
        container_images=stores.container_images(questions.container_images),
    )


def _path(path: str) -> PathFact | None:
    """Return what stands at a path, links followed; None where this process cannot know."""
    if "\\x" in path or "\0" in path:
        # The image has bytes there that are no text, so the name is not the one that was recorded.
        return None
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return PathFact(kind="missing")
    except (OSError, ValueError):
        return None
    kind = next((name for bits, name in KINDS if stat.S_IFMT(found.st_mode) == bits), None)
    if kind is None:
        return None
    if kind != "file":
        return PathFact(kind=kind, mode=found.st_mode)
    flags = _mount_flags(path)
    return PathFact(
        kind=kind,
        size=found.st_size,
        mode=found.st_mode,
        read_only=bool(flags & os.ST_RDONLY),
        no_code=bool(flags & os.ST_NOEXEC),
    )


def _mount_flags(path: str) -> int:
    try:
        return os.statvfs(path).f_flag
    except OSError:
        return 0


def _bound(address: Address) -> str:
    """Return "free", or the errno's name with which an address cannot be bound; "" where it cannot be tried.

    The options are those that CRIU gives its sockets before it binds them.
    """
    if address.family in ("unix", "peer"):
        return _named(address)
    family = socket.AF_INET6 if address.family == "inet6" else socket.AF_INET
    kind = socket.SOCK_STREAM if address.kind == "tcp" else socket.SOCK_DGRAM
    try:
        with socket.socket(family, kind) as trial:
            if address.family == "inet6":
                trial.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
                trial.setsockopt(socket.SOL_SOCKET, option, 1)
            if address.family == "inet6":
                trial.setsockopt(socket.SOL_IP, IP_FREEBIND, 1)
            trial.bind((address.address, address.port))
    except OSError as error:
        if error.errno in (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES):
            return errno.errorcode[error.errno]
        return ""
    except (OverflowError, ValueError):
        return ""
    return "free"


IP_FREEBIND: Final = 15

UNIX_KINDS: Final = {"stream": socket.SOCK_STREAM, "datagram": socket.SOCK_DGRAM, "seqpacket": socket.SOCK_SEQPACKET}


def _named(address: Address) -> str:
    """Return "free", or the errno's name with which a unix name cannot be bound, or connected to where it is a peer's.

    A datagram socket is connected without a word to its peer, and no other kind is.
    """
    if "\\x" in address.address or address.kind not in UNIX_KINDS:
        return ""
    try:
        with socket.socket(socket.AF_UNIX, UNIX_KINDS[address.kind]) as trial:
            name = address.address.encode()
            name = b"\0" + name[1:] if name.startswith(b"@") else name
            (trial.connect if address.family == "peer" else trial.bind)(name)
    except OSError as error:
        told = (errno.EADDRINUSE, errno.ENOENT, errno.ECONNREFUSED)
        return errno.errorcode[error.errno] if error.errno in told else ""
    return "free"


def _interface(name: str) -> bool:
    try:
        return bool(socket.if_nametoindex(name))
    except (OSError, ValueError):
        return False
