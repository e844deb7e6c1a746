"""Sockets among the open files of a dump. Source: CRIU 4.2 `images/sk-*.proto`, `criu/sk-inet.c`, `criu/sk-unix.c`."""

import ipaddress
from collections.abc import Callable, Iterator
from typing import Final

from crplan_criu import messages_contents as messages
from crplan_criu.image_file import ImageFile, text
from crplan_criu.images import Order
from crplan_criu.wire import Fields, number, numbers, octets
from planner.events.contents import ContentsEvent, FileKind, FileRecorded, SocketRecorded

FAMILIES: Final = {2: "inet", 10: "inet6"}
KINDS: Final = {1: "stream", 2: "datagram", 3: "raw", 5: "seqpacket"}
PROTOCOLS: Final = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp6", 136: "udplite"}
STATES: Final = (
    "", "established", "syn-sent", "syn-recv", "fin-wait-1", "fin-wait-2", "time-wait", "close", "close-wait", "last-ack",
    "listen", "closing", "new-syn-recv",
)  # fmt: skip
"""States of a socket by their number in the kernel (include/net/tcp_states.h)."""

EXTERNAL_UNIX: Final = 1
"""Flag of a unix socket (`USK_EXTERN`) whose other end is outside of the dump."""


def _state(code: int) -> str:
    return STATES[code] if 0 < code < len(STATES) else str(code) if code else ""


def _address(words: list[int], order: Order) -> str:
    """Return an address that stands in words as they lie in memory; "" where none is bound."""
    data = b"".join(word.to_bytes(4, order) for word in words[:4])
    if len(data) == 4:
        return str(ipaddress.IPv4Address(data))
    return str(ipaddress.IPv6Address(data)) if len(data) == 16 else ""


def _options(image: ImageFile, fields: Fields, *more: str) -> tuple[Fields, tuple[str, ...]]:
    """Return the options of a socket, and the names of those that matter to who binds it."""
    options = image.decode(messages.SOCKET_OPTIONS, octets(fields, "opts"))
    names = tuple(name for name in ("reuseaddr", "so_reuseport") if number(options, name))
    return options, tuple(name.removeprefix("so_") for name in names) + more


def _inet(image: ImageFile, data: bytes) -> Iterator[ContentsEvent]:
    fields = image.decode(messages.INET_SOCKET, data)
    free = number(image.decode(messages.IP_OPTIONS, octets(fields, "ip_opts")), "freebind")
    only = number(fields, "v6only")
    options, names = _options(image, fields, *(["freebind"] if free else []), *(["v6only"] if only else []))
    code, protocol, order = number(fields, "family"), number(fields, "proto"), image.order
    yield _file(image, fields, "inet socket")
    yield SocketRecorded(
        file=number(fields, "id"),
        inode=number(fields, "ino"),
        family=FAMILIES.get(code, str(code)),
        kind=KINDS.get(number(fields, "type"), str(number(fields, "type"))),
        protocol=PROTOCOLS.get(protocol, str(protocol)),
        state=_state(number(fields, "state")),
        local=_address(numbers(fields, "src_addr"), order),
        local_port=number(fields, "src_port"),
        remote=_address(numbers(fields, "dst_addr"), order),
        remote_port=number(fields, "dst_port"),
        backlog=number(fields, "backlog"),
        send_buffer=number(options, "so_sndbuf"),
        receive_buffer=number(options, "so_rcvbuf"),
        interface=text(octets(fields, "ifname")) or text(octets(options, "so_bound_dev").rstrip(b"\0")),
        namespace=number(fields, "ns_id"),
        options=names,
        at=image.at,
    )


def unix_path(name: bytes) -> str:
    """Return the name of a unix socket; one of the abstract namespace begins with `@`, as in /proc/net/unix."""
    return "@" + text(name[1:]) if name[:1] == b"\0" else text(name.rstrip(b"\0"))


def _unix(image: ImageFile, data: bytes) -> Iterator[ContentsEvent]:
    fields = image.decode(messages.UNIX_SOCKET, data)
    options, names = _options(image, fields, *(["deleted"] if number(fields, "deleted") else []))
    path, directory = unix_path(octets(fields, "name")), text(octets(fields, "name_dir"))
    if path and directory and path[0] not in "/@":
        path = f"{directory.rstrip('/')}/{path}"
    yield _file(image, fields, "unix socket")
    yield SocketRecorded(
        file=number(fields, "id"),
        inode=number(fields, "ino"),
        family="unix",
        kind=KINDS.get(number(fields, "type"), str(number(fields, "type"))),
        state=_state(number(fields, "state")),
        local=path,
        peer=number(fields, "peer"),
        backlog=number(fields, "backlog"),
        send_buffer=number(options, "so_sndbuf"),
        receive_buffer=number(options, "so_rcvbuf"),
        namespace=number(fields, "ns_id"),
        external=bool(number(fields, "uflags") & EXTERNAL_UNIX),
        options=names,
        at=image.at,
    )


def _packet(image: ImageFile, data: bytes) -> Iterator[ContentsEvent]:
    fields = image.decode(messages.PACKET_SOCKET, data)
    options, names = _options(image, fields)
    yield _file(image, fields, "packet socket")
    yield SocketRecorded(
        file=number(fields, "id"),
        family="packet",
        kind=KINDS.get(number(fields, "type"), str(number(fields, "type"))),
        protocol=str(number(fields, "protocol")),
        send_buffer=number(options, "so_sndbuf"),
        receive_buffer=number(options, "so_rcvbuf"),
        namespace=number(fields, "ns_id"),
        options=names,
        at=image.at,
    )


def _netlink(image: ImageFile, data: bytes) -> Iterator[ContentsEvent]:
    fields = image.decode(messages.NETLINK_SOCKET, data)
    options, names = _options(image, fields)
    yield _file(image, fields, "netlink socket")
    yield SocketRecorded(
        file=number(fields, "id"),
        inode=number(fields, "ino"),
        family="netlink",
        kind="raw",
        protocol=str(number(fields, "protocol")),
        local_port=number(fields, "portid"),
        send_buffer=number(options, "so_sndbuf"),
        receive_buffer=number(options, "so_rcvbuf"),
        namespace=number(fields, "ns_id"),
        options=names,
        at=image.at,
    )


def _file(image: ImageFile, fields: Fields, kind: FileKind) -> FileRecorded:
    return FileRecorded(id=number(fields, "id"), kind=kind, flags=number(fields, "flags"), at=image.at)


SOCKETS: Final[dict[str, Callable[[ImageFile, bytes], Iterator[ContentsEvent]]]] = {
    "isk": _inet,
    "usk": _unix,
    "psk": _packet,
    "nlsk": _netlink,
}
"""How a socket is read, by the field of its entry that holds it."""
