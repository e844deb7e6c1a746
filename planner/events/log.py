"""The event log as a file: JSON Lines, one event a line, written and read in a stream.

    {"seq":0,"type":"LogOpened","format_version":2}
    {"seq":1,"type":"ImageOpened","format":"linux-cr","generation":"P3","at":0}

The first line is always `LogOpened`. `seq` is the position of the line, dense from 0; it is written here and nowhere else, so an
event does not know its number and a log can be cut or continued without touching what it holds. Within one format version
unknown fields are passed over and lines of an unknown type are kept as they are. Events of an older version are brought up to
date one version at a time; a newer version is refused, because its known types may mean something else.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import islice
from typing import BinaryIO, Final, Protocol

import msgspec

from planner.errors import BadImage
from planner.events.records import FORMAT_VERSION, AnyEvent, LogOpened, StepPlanned, UnknownEvent, WrittenEvent
from planner.events.upcasts import UPCASTS, Upcast
from planner.identity import StepNumber
from planner.text import clause, escaped, json_line

LONGEST_LINE: Final = 1 << 20
"""Bytes that a line may have, its end included: a line of a hostile log must not fill the memory."""

_BATCH: Final = 512


class _Line(msgspec.Struct):
    """What every line must have, whatever its type."""

    seq: int
    type: str


_encode = msgspec.json.Encoder().encode
_decode_line = msgspec.json.Decoder(_Line).decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@cache
def _decoder() -> msgspec.json.Decoder[WrittenEvent]:
    """Return what decodes an event; it takes a while to make, and is for logs alone."""
    return msgspec.json.Decoder(WrittenEvent)


def recognises(head: bytes) -> bool:
    """Say whether a file that begins with `head` is an event log."""
    line = head.lstrip()[:200].split(b"\n", 1)[0]
    return line.startswith(b"{") and b'"LogOpened"' in line


def encode_line(seq: int, event: AnyEvent) -> bytes:
    """Return the line, with its end, that holds `event` at position `seq`."""
    if type(event) is UnknownEvent:
        return _unknown_line(seq, event.raw)
    return b'{"seq":%d,%b\n' % (seq, json_line(_encode(event)[1:]))


def _unknown_line(seq: int, raw: bytes) -> bytes:
    """Return a kept line: byte for byte at its own place, renumbered elsewhere; control characters in it are escaped."""
    raw = json_line(raw.replace(b"\r", b" "))
    if _decode_line(raw).seq == seq:
        return raw + b"\n"
    fields = _decode_fields(raw) | {"seq": msgspec.Raw(b"%d" % seq)}
    return _encode(fields) + b"\n"


def lines(events: Iterable[AnyEvent], first: int = 0) -> Iterator[bytes]:
    """Yield the lines of `events`, numbered from `first`."""
    for seq, event in enumerate(events, first):
        yield encode_line(seq, event)


class Writable(Protocol):
    """A stream that takes all the bytes that it is given."""

    def write(self, data: bytes, /) -> object:
        """Write all of `data`."""


def write(events: Iterable[AnyEvent], stream: Writable, first: int = 0) -> int:
    """Write `events`, numbered from `first`, and return the number that the next event would get.

    Where `events` raises, what came before is written all the same.
    """
    batch: list[bytes] = []
    try:
        for line in lines(events, first):
            batch.append(line)
            first += 1
            if len(batch) == _BATCH:
                stream.write(b"".join(batch))
                batch.clear()
    finally:
        stream.write(b"".join(batch))
    return first


class Log(list[AnyEvent]):
    """The events of an image, a log or a plan, in order; `image` is the name of what they were read from.

    It is a list of events with a short repr; `encoded` returns it as a file.
    """

    def __init__(self, events: Iterable[AnyEvent] = (), image: str = "") -> None:
        super().__init__(events)
        self.image = image

    def __repr__(self) -> str:
        name = f" of {escaped(self.image)}" if self.image else ""
        return f"<Log{name}: {len(self)} events>"

    def _repr_html_(self) -> str:
        from html import escape

        counts: dict[str, int] = {}
        for event in self:
            name = type(event).__name__
            counts[name] = counts.get(name, 0) + 1
        rows = "".join(f"<tr><td>{name}</td><td>{count}</td></tr>" for name, count in counts.items())
        return f"<table><caption>{escape(repr(self))}</caption><tr><th>event</th><th>count</th></tr>{rows}</table>"

    def encoded(self) -> bytes:
        """Return the log as JSON Lines."""
        return b"".join(lines(self))


class LogWriter:
    """Writes events as they happen, each flushed at once, so that the log of a run shows where it stopped."""

    def __init__(self, stream: BinaryIO, events: Iterable[AnyEvent] = ()) -> None:
        self._stream = stream
        self._next = write(events, stream)
        stream.flush()

    def add(self, event: AnyEvent) -> None:
        """Append one event; raises OSError when the file cannot be written."""
        self._stream.write(encode_line(self._next, event))
        self._stream.flush()
        self._next += 1


def read(stream: BinaryIO, upcasts: Mapping[int, Upcast] = UPCASTS, version: int = FORMAT_VERSION) -> Iterator[AnyEvent]:
    """Yield the events of a log, `LogOpened` first and in the present format version.

    `upcasts` and `version` are there for tests. Raises `BadImage` with the byte offset of the line that cannot be understood.
    """
    lines_read = _events(stream, upcasts, version)
    opened = next(lines_read)
    assert isinstance(opened, LogOpened)
    yield LogOpened(format_version=version)
    for step in range(opened.format_version, version):
        lines_read = upcasts[step](lines_read)
    yield from lines_read


def _events(stream: BinaryIO, upcasts: Mapping[int, Upcast], version: int) -> Iterator[AnyEvent]:
    """Yield the events of a log as its own format version has them."""
    offset = seq = 0
    readline = stream.readline
    while line := readline(LONGEST_LINE + 1):
        if len(line) > LONGEST_LINE:
            raise BadImage(offset, f"line {seq + 1} of the event log is longer than {LONGEST_LINE} bytes")
        try:
            event = _event(line, seq) if seq else _opened(line, upcasts, version)
        except (msgspec.MsgspecError, RecursionError, ValueError, _Refused) as error:
            raise BadImage(offset, f"line {seq + 1} of the event log: {_reason(error)}") from None
        yield event
        offset += len(line)
        seq += 1
    if seq == 0:
        raise BadImage(0, "the event log is empty; its first line must be LogOpened")


class _Refused(Exception):
    """A line is well formed and still cannot stand where it does."""


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return clause(str(error) or type(error).__name__)


def _opened(line: bytes, upcasts: Mapping[int, Upcast], version: int) -> LogOpened:
    """Decode the first line and settle which version the rest is in."""
    head = _decode_line(line)
    if head.type != "LogOpened" or head.seq != 0:
        raise _Refused(f"expected LogOpened with seq 0, found {head.type[:40]} with seq {head.seq}")
    event = _decoder().decode(line)
    assert isinstance(event, LogOpened)
    if event.format_version > version:
        raise _Refused(
            f"format version {event.format_version} is newer than {version}, the last that this crplan reads; upgrade crplan"
        )
    for step in range(event.format_version, version):
        if step not in upcasts:
            raise _Refused(f"format version {event.format_version} is not known; this crplan reads up to {version}")
    return event


def _event(line: bytes, seq: int) -> AnyEvent:
    """Decode the line at position `seq`."""
    if not line.startswith(b'{"seq":%d,' % seq):
        found = _decode_line(line).seq
        if found != seq:
            raise _Refused(f"expected seq {seq}, found {found}")
    try:
        event = _decoder().decode(line)
    except msgspec.ValidationError:
        name = _decode_line(line).type
        if name in _KNOWN:
            raise
        return UnknownEvent(name=name, raw=line.rstrip(b"\n"))
    if type(event) is LogOpened:
        raise _Refused("LogOpened stands for the second time; two logs cannot be joined like this")
    return event


_KNOWN: Final = frozenset(kind.__name__ for kind in WrittenEvent.__args__)


def until(events: Iterable[AnyEvent], seq: int) -> Iterator[AnyEvent]:
    """Yield the events up to and with position `seq`: the log as it stood then."""
    return islice(iter(events), seq + 1)


def position_of_step(events: Iterable[AnyEvent], number: StepNumber) -> int | None:
    """Return the position of the event that planned a step, None where the events plan no such step."""
    return next((seq for seq, event in enumerate(events) if type(event) is StepPlanned and event.step.number == number), None)
