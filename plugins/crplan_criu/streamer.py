"""The stream of criu-image-streamer: all images of a dump, one after the other, each in pieces.

A stream is a row of markers, each a little-endian u32 size and a message: `seq`, and one of the name of the file that follows,
the number of bytes of it that follow, the end of the file, the end of the image. A dump that was written to several pipes has
one such stream a pipe, which together are the dump. Source: criu-image-streamer `proto/image.proto`, `src/util.rs`.
"""

from collections.abc import Iterator
from typing import Final

from crplan_criu.dump import Dump
from crplan_criu.images import WANTED, largest, place, shown, split_name, too_large
from crplan_criu.streams import Stream
from crplan_criu.wire import Field, Fields, Message, WireError, decode, number, octets
from planner.errors import BadImage

MARKER: Final = Message(
    "marker",
    {
        1: Field("seq", "u64"),
        2: Field("filename", "bytes"),
        3: Field("file_data", "u32"),
        4: Field("file_eof", "bool"),
        5: Field("image_eof", "bool"),
    },
)
LARGEST_MARKER: Final = 10 << 10
LARGEST_FIRST_MARKER: Final = 11 + 3 + 255
"""Bytes of `seq`, of the key and size of a name, and of the longest name of a file."""
MOST_BYTES: Final = 1 << 30
"""Bytes of wanted images of one stream."""


def recognises(head: bytes) -> bool:
    """Whether bytes begin such a stream: the first marker names an image file."""
    size = int.from_bytes(head[:4], "little")
    if not 6 < size <= LARGEST_FIRST_MARKER or len(head) < 4 + size:
        return False
    try:
        marker = decode(MARKER, head[4 : 4 + size], {})
    except WireError:
        return False
    name = octets(marker, "filename")
    return name.endswith(b".img") and marker.keys() <= {"seq", "filename"}


def files(stream: Stream) -> Iterator[tuple[str, bytes]]:
    """Yield the wanted images of a stream, whole; raises BadImage."""
    name, expected, taken = "", 0, 0
    pieces: dict[str, bytearray] = {}
    while True:
        marker = _marker(stream)
        if number(marker, "seq") != expected:
            at = stream.position
            raise BadImage(
                f"{stream.where}#{at}",
                f"marker {number(marker, 'seq')} follows {expected - 1}: this is one of several streams of a dump;"
                " join them with `criu-image-streamer extract` and give the directory",
            )
        expected += 1
        kind, _ = split_name(name)
        if "filename" in marker:
            # A file whose name comes again goes on: pieces of several files alternate.
            name = octets(marker, "filename").decode("utf-8", "backslashreplace")
        elif "file_data" in marker:
            count = number(marker, "file_data")
            if kind not in WANTED:
                if not stream.skip(count):
                    raise _cut(stream)
                continue
            taken += count
            content = pieces.setdefault(name, bytearray())
            if len(content) + count > largest(kind) or taken > MOST_BYTES:
                raise too_large(shown(name), kind)
            data = stream.read(count)
            if len(data) < count:
                raise BadImage(place(shown(name)), f"is cut short with its stream: {len(data)} of {count} bytes are there")
            content += data
        elif number(marker, "file_eof"):
            yield name, bytes(pieces.pop(name, b""))
        elif number(marker, "image_eof"):
            return


def _marker(stream: Stream) -> Fields:
    where = f"{stream.where}#{stream.position}"
    head = stream.read(4)
    size = int.from_bytes(head, "little")
    if len(head) < 4:
        raise _cut(stream)
    if size > LARGEST_MARKER:
        raise BadImage(where, f"the stream is damaged: a marker claims {size} bytes")
    data = stream.read(size)
    if len(data) < size:
        raise _cut(stream)
    try:
        return decode(MARKER, data, {})
    except WireError as error:
        raise BadImage(where, f"the stream is damaged: {error}") from None


def _cut(stream: Stream) -> BadImage:
    return BadImage(f"{stream.where}#{stream.position}", "the stream is cut short: the marker of its end is missing")


def dump_of(stream: Stream, wanted: frozenset[str] = WANTED) -> Dump:
    """Return the dump of a stream; raises BadImage."""
    dump = Dump(wanted)
    for name, data in files(stream):
        if dump.wants(name):
            dump.add(name, data)
        else:
            dump.note(name)
    return dump
