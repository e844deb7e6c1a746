"""What images ask about a machine: the paths, addresses and interfaces that a restore of them would use there.

A restore opens files by their paths in its own mount namespace, and binds addresses in its own network namespace. What the tree
brings along in namespaces of its own is not asked, except for paths below a root directory that is named.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from planner.contents.model import Contents
from planner.events.contents import SocketRecorded
from planner.forest.model import Forest

MOST_PATHS: Final = 100_000
MOST_ADDRESSES: Final = 2_000
"""Questions of each sort that one image may ask; what is beyond is not answered."""

VIRTUAL: Final = ("/proc/", "/dev/pts/", "/dev/ptmx", "/dev/tty")
"""Paths that a restore makes by itself or opens in another way than by their name."""


class Address(msgspec.Struct, frozen=True, order=True):
    """An address that a socket is bound to."""

    family: str
    kind: str
    address: str
    port: int = 0

    @property
    def key(self) -> str:
        """The name of the address in a host file."""
        if self.family == "unix":
            return f"unix {self.kind} {self.address}"
        shown = f"[{self.address}]" if ":" in self.address else self.address
        return f"{self.kind} {shown}:{self.port}"


class Questions(msgspec.Struct, frozen=True, kw_only=True):
    """What images ask; sorted, each once."""

    paths: tuple[str, ...] = ()
    addresses: tuple[Address, ...] = ()
    interfaces: tuple[str, ...] = ()

    def joined(self, other: "Questions") -> "Questions":
        """Return the questions of both."""
        return Questions(
            paths=tuple(sorted({*self.paths, *other.paths})),
            addresses=tuple(sorted({*self.addresses, *other.addresses})),
            interfaces=tuple(sorted({*self.interfaces, *other.interfaces})),
        )


def questions(forest: Forest, contents: Contents, root: str = "") -> Questions:
    """Return what an image asks; `root` is the directory that `criu restore --root` names, "" for none."""
    return Questions(
        paths=tuple(sorted(asked_paths(forest, contents, root)))[:MOST_PATHS],
        addresses=tuple(sorted(asked_addresses(forest, contents)))[:MOST_ADDRESSES],
        interfaces=tuple(sorted({socket.interface for socket in host_sockets(forest, contents) if socket.interface}))[:1000],
    )


def own(forest: Forest, kind: str) -> bool:
    """Say whether the root task has a namespace of a kind that is not that of the process which took the checkpoint."""
    return any(
        record.kind == kind and record.id == 0 and record.facts.get("created") == "yes" for record in forest.namespace_records
    )


def below(root: str, path: str) -> str:
    """Return a path of the image as it stands on the machine."""
    return f"{root.rstrip('/')}{path}" if root.rstrip("/") else path


def opened(forest: Forest, contents: Contents, root: str = "") -> dict[int, str]:
    """Return the path on the machine of every file that a restore opens by its name, by the number of the file.

    A file whose name was gone comes back from the image. Terminals, /proc and what is external are opened in other ways. Files in
    a mount namespace of the tree's own are where `root` says; without it nothing is known of them.
    """
    if own(forest, "mnt") and not root:
        return {}
    mounted = {mount.mountpoint.rstrip("/") for mount in contents.mounts} - {"", "."} if own(forest, "mnt") else set()
    terminals = {each.facts.get("file") for each in contents.files.values() if each.kind == "terminal"}
    found = {}
    for number, file in contents.files.items():
        path = file.path
        if not path.startswith("/") or file.external or number in contents.deleted or str(number) in terminals:
            continue
        if any(path.startswith(each) for each in VIRTUAL) or _hidden(path, mounted):
            continue
        found[number] = below(root, path)
    return found


def _hidden(path: str, mounted: set[str]) -> bool:
    """Say whether a path is below a mount that the restore makes."""
    at = len(path)
    while mounted and at > 0:
        if path[:at].lstrip(".") in mounted or f".{path[:at]}" in mounted:
            return True
        at = path.rfind("/", 0, at)
    return False


def asked_paths(forest: Forest, contents: Contents, root: str = "") -> set[str]:
    """Return the paths that a restore uses: files that it opens, and directories that sockets are bound in."""
    return {*opened(forest, contents, root).values(), *(directory for _, directory in socket_directories(forest, contents, root))}


def socket_directories(forest: Forest, contents: Contents, root: str = "") -> Iterator[tuple[SocketRecorded, str]]:
    """Yield the unix sockets that are bound to a path, each with the directory that the path is in."""
    if own(forest, "mnt"):
        return
    for socket in contents.sockets.values():
        bound = socket.state == "listen" or socket.kind == "datagram"
        if socket.family == "unix" and bound and socket.local.startswith("/") and "deleted" not in socket.options:
            yield socket, below(root, socket.local.rpartition("/")[0] or "/")


def host_sockets(forest: Forest, contents: Contents) -> Iterable[SocketRecorded]:
    """Return the sockets of IP whose addresses are the machine's own."""
    if own(forest, "net"):
        return ()
    return (socket for socket in contents.sockets.values() if socket.family in ("inet", "inet6"))


def abstract_sockets(forest: Forest, contents: Contents) -> Iterator[SocketRecorded]:
    """Yield the unix sockets that a restore binds to a name in the machine's abstract namespace."""
    if not own(forest, "net"):
        for socket in contents.sockets.values():
            if socket.family == "unix" and socket.local.startswith("@") and (socket.state == "listen" or not socket.peer):
                yield socket


CONNECTED: Final = frozenset(
    ("established", "syn-sent", "syn-recv", "fin-wait-1", "fin-wait-2", "close-wait", "last-ack", "closing", "new-syn-recv")
)


def address_of(socket: SocketRecorded) -> Address | None:
    """Return the address that a restore binds a socket to, None where it binds none."""
    if socket.family == "unix":
        return Address("unix", socket.kind, socket.local)
    if not socket.local_port or socket.protocol not in ("tcp", "udp", "udplite"):
        return None
    wildcard = "::" if socket.family == "inet6" else "0.0.0.0"
    return Address(socket.family, socket.protocol, socket.local or wildcard, socket.local_port)


def asked_addresses(forest: Forest, contents: Contents) -> set[Address]:
    """Return the addresses that a restore binds on the machine."""
    sockets = (*host_sockets(forest, contents), *abstract_sockets(forest, contents))
    return {address for socket in sockets if (address := address_of(socket)) is not None}
