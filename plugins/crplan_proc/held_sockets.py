"""Sockets of a network namespace by their inodes, as /proc/PID/net lists them.

Source: proc(5), `net/ipv4/tcp_ipv4.c` (get_tcp4_sock), `net/unix/af_unix.c` (unix_seq_show), `include/net/tcp_states.h`.
"""

import ipaddress
import os
import sys
from collections.abc import Iterator
from typing import Final

import msgspec

from crplan_proc.kernel import unix_peers
from planner.events.contents import FileKind

STATES: Final = (
    "", "established", "syn-sent", "syn-recv", "fin-wait-1", "fin-wait-2", "time-wait", "close", "close-wait", "last-ack",
    "listen", "closing", "new-syn-recv",
)  # fmt: skip
KINDS: Final = {1: "stream", 2: "datagram", 3: "raw", 5: "seqpacket"}
INET: Final = (
    ("tcp", "inet", "stream", "tcp"), ("tcp6", "inet6", "stream", "tcp"), ("udp", "inet", "datagram", "udp"),
    ("udp6", "inet6", "datagram", "udp"), ("udplite", "inet", "datagram", "udplite"),
    ("udplite6", "inet6", "datagram", "udplite"), ("raw", "inet", "raw", ""), ("raw6", "inet6", "raw", ""),
    ("icmp", "inet", "datagram", "icmp"), ("icmp6", "inet6", "datagram", "icmp6"),
)  # fmt: skip
"""File of /proc/PID/net, family, kind and protocol of the sockets that it lists."""
ACCEPTING: Final = 0x10000
"""Flag of a listening unix socket (SO_ACCEPTCON)."""
CONNECTED: Final = 3
"""State of a connected unix socket (SS_CONNECTED)."""
BY_PROTOCOL: Final = {
    "TCP": ("inet", "stream", "tcp"), "TCPv6": ("inet6", "stream", "tcp"), "UDP": ("inet", "datagram", "udp"),
    "UDPv6": ("inet6", "datagram", "udp"), "RAW": ("inet", "raw", ""), "RAWv6": ("inet6", "raw", ""),
    "PING": ("inet", "datagram", "icmp"), "PINGv6": ("inet6", "datagram", "icmp6"),
}  # fmt: skip
"""Family, kind and protocol of sockets that no list shows, since they are not bound, by the kernel's name of their protocol."""


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """What a list of the kernel says of a socket; `unread` and `unsent` are bytes that wait in it."""

    family: str
    kind: str
    protocol: str = ""
    state: str = ""
    local: str = ""
    local_port: int = 0
    remote: str = ""
    remote_port: int = 0
    peer: int = 0
    unread: int = 0
    unsent: int = 0


def connections(process: int) -> dict[int, Connection]:
    """Return the sockets of the network namespace of a process, by inode; those of a list that cannot be read are left out."""
    found: dict[int, Connection] = {}
    for name, family, kind, protocol in INET:
        for words in _rows(process, name):
            inode, connection = _inet(words, family, kind, protocol)
            found[inode] = connection
    peers = unix_peers(process)
    for words in _rows(process, "unix", 7):
        inode = int(words[6])
        listening, state = int(words[3], 16) & ACCEPTING, int(words[5], 16)
        found[inode] = Connection(
            family="unix",
            kind=KINDS.get(int(words[4], 16), words[4]),
            state="listen" if listening else "established" if state == CONNECTED else "close",
            local=words[7].rstrip("\n") if len(words) > 7 else "",
            peer=peers.get(inode, 0),
        )
    for words in _rows(process, "netlink"):
        found[int(words[-1])] = Connection(family="netlink", kind="raw", protocol=words[1], local_port=int(words[2]))
    for words in _rows(process, "packet"):
        # The list has the protocol in the host's order, and images have it in the network's.
        network = int(words[3], 16).to_bytes(2, "big")
        kind = KINDS.get(int(words[2]), words[2])
        found[int(words[-1])] = Connection(family="packet", kind=kind, protocol=str(int.from_bytes(network, sys.byteorder)))
    return found


def unlisted(file: str) -> Connection | None:
    """Return what is known of a socket that no list shows, given its name in /proc; None where that is nothing."""
    try:
        name = os.getxattr(file, "system.sockprotoname").rstrip(b"\0").decode("ascii", "replace")
    except OSError:
        return None
    family, kind, protocol = BY_PROTOCOL.get(name, (name.lower(), "", ""))
    if name not in BY_PROTOCOL:
        return Connection(family=family, kind=kind)
    address = "::" if family == "inet6" else "0.0.0.0"
    return Connection(family=family, kind=kind, protocol=protocol, state="close", local=address, remote=address)


FILE_KINDS: Final[dict[str, FileKind]] = {"unix": "unix socket", "packet": "packet socket", "netlink": "netlink socket"}
"""What an open file is by the family of its socket; all others are of the internet."""


def _rows(process: int, name: str, most: int = -1) -> Iterator[list[str]]:
    """Yield the rows of a list, split into words, the last of at most `most` splits with its spaces."""
    try:
        with open(f"/proc/{process}/net/{name}", encoding="utf-8", errors="backslashreplace", newline="\n") as stream:
            stream.readline()
            for line in stream:
                yield line.split(None, most) if most > 0 else line.split()
    except OSError:
        return


def _inet(words: list[str], family: str, kind: str, protocol: str) -> tuple[int, Connection]:
    local, remote = (_end(words[place]) for place in (1, 2))
    unsent, _, unread = words[4].partition(":")
    return int(words[9]), Connection(
        family=family,
        kind=kind,
        protocol=protocol or str(local[1]),
        state=STATES[state] if (state := int(words[3], 16)) < len(STATES) else str(state),
        local=local[0],
        local_port=local[1],
        remote=remote[0],
        remote_port=remote[1],
        unread=int(unread, 16),
        unsent=int(unsent, 16),
    )


def _end(text: str) -> tuple[str, int]:
    """Return an address and a port, which are written as words of memory."""
    address, _, port = text.partition(":")
    data = b"".join(int(address[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(address), 8))
    return str(ipaddress.ip_address(data)), int(port, 16)
