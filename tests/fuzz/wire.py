"""Every field of every message of a CRIU dump, one after the other in each form that protobuf allows or forbids.

The fuzzer changes fields by chance; here each place of each message has its turn, with numbers at the edges, cut short, of
another wire type, far more often than usual, and as a text that some output would take for a command.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from crplan_criu import messages_contents as contents
from crplan_criu.holdings_files import _KINDS
from crplan_criu.wire import Message

from tests.fuzz.mutations import Directory, _fields, _varint
from tests.fuzz.seeds import Input
from tests.fuzz.texts import HOSTILE
from tests.helpers import criu_dumps as dumps
from tests.inspection import test_peers

MANY: Final = 50_000
"""Times that a field is repeated."""
DEEPEST: Final = 6

Encoded = bytes
FieldOf = Callable[[int, "int | bytes"], Encoded]


def _whole(tag: int, value: int | bytes) -> Encoded:
    return _varint(tag) + (_varint(value) if isinstance(value, int) else _varint(len(value)) + value)


def _number(value: int) -> FieldOf:
    return lambda tag, _: _varint(tag & ~7) + _varint(value)


def _text(value: bytes) -> FieldOf:
    return lambda tag, _: _varint(tag & ~7 | 2) + _varint(len(value)) + value


FORMS: Final[dict[str, FieldOf]] = {
    "left out": lambda tag, value: b"",
    "zero": _number(0),
    "largest of 32 bits": _number((1 << 32) - 1),
    "largest of 63 bits": _number((1 << 63) - 1),
    "largest": _number((1 << 64) - 1),
    "number that does not end": lambda tag, _: _varint(tag & ~7) + b"\xff" * 9,
    "number of eleven bytes": lambda tag, _: _varint(tag & ~7) + b"\xff" * 10 + b"\x01",
    "fixed of 64 bits": lambda tag, _: _varint(tag & ~7 | 1) + b"\xff" * 8,
    "fixed of 32 bits": lambda tag, _: _varint(tag & ~7 | 5) + b"\xff" * 4,
    "group": lambda tag, _: _varint(tag & ~7 | 3),
    "wire type 7": lambda tag, _: _varint(tag & ~7 | 7),
    "empty": _text(b""),
    "hostile": _text(HOSTILE.encode("utf-8", "surrogatepass")),
    "no text": _text(b"\xff\xfe\x00\x80" * 8),
    "long": _text(b"x" * 70_000),
    "longer than there is": lambda tag, _: _varint(tag & ~7 | 2) + _varint(1 << 30) + b"x",
    "longer than anything": lambda tag, _: _varint(tag & ~7 | 2) + _varint((1 << 64) - 1),
    "twice": lambda tag, value: 2 * _whole(tag, value),
    "many times": lambda tag, value: min(MANY, 2_000_000 // len(_whole(tag, value))) * _whole(tag, value),
    "packed": _text(b"\x01" * 300),
    "a field behind it": lambda tag, value: _whole(tag, value) + _varint(29 << 3 | 2) + b"\x03abc",
}
"""What becomes of a field, by its name."""


def dump() -> Directory:
    """Return the dump that has the most messages."""
    files = {name: data for name, data in test_peers.images().items() if not name.startswith(("pages", "amdgpu"))}
    nested = {
        "tfd": dumps.encoded(contents.EPOLL_TARGET, {"id": 1, "tfd": 3}),
        "wd": dumps.encoded(contents.WATCH, {"f_handle": dumps.encoded(contents.FILE_HANDLE, {"path": "/watched"})}),
        "mark": b"\x08\x01",
    }
    entries = []
    for number, (kind, (message, _, _)) in enumerate(_KINDS.items(), 200):
        given = {
            field.name: nested.get(field.name, b"") if field.kind == "message" else "x" if field.kind == "bytes" else 1
            for field in message.fields.values()
            if field.kind != "skip" and field.name != "id"
        }
        entries.append(
            dumps.file(number, kind, message, **{name: value for name, value in given.items() if value and name != "id"})
        )
    limits = [(1024, 4096)] * 16
    return files | {
        "files.img": files["files.img"] + dumps.image("files", *entries)[8:],
        "core-10.img": dumps.core(10, limits=limits),
        "cgroup.img": dumps.image("cgroup", _cgroups()),
        "mountpoints-2.img": dumps.image("mountpoints", dumps.encoded(contents.MOUNT, _all(contents.MOUNT))),
    }


def _cgroups() -> bytes:
    """Return a controller with a directory in another one, each with a limit."""
    limit = dumps.encoded(contents.CG_PROPERTY, {"name": "pids.max", "value": "9"})
    inner = dumps.encoded(contents.CG_DIRECTORY, {"dir_name": "inner", "properties": limit})
    outer = dumps.encoded(contents.CG_DIRECTORY, {"dir_name": "outer", "properties": limit, "children": inner})
    return dumps.encoded(
        contents.CGROUPS, {"controllers": dumps.encoded(contents.CG_CONTROLLER, {"cnames": "pids", "dirs": outer})}
    )


def _all(message: Message) -> dict[str, int | str]:
    """Return a value for every field of a message that has no message in it."""
    kept = [field for field in message.fields.values() if field.kind not in ("skip", "message")]
    return {field.name: "/x" if field.kind == "bytes" else 1 for field in kept}


def inputs() -> Iterator[Input]:
    """Yield the dump with one field changed; the input's name says which, and how."""
    files = dump()
    for name in sorted(files):
        if name in SAME:
            continue
        head = 4 if name == "inventory.img" else 8
        alike: set[tuple[int, ...]] = set()
        for place, entry in enumerate(_entries(files[name], head)):
            tags = tuple(tag for tag, _ in _fields(entry))
            if tags in alike:
                continue
            alike.add(tags)
            for path, rebuilt in _places(entry):
                for form, change in FORMS.items():
                    changed = _replaced(files[name], head, place, rebuilt(change))
                    yield Input("directory", f"{name}#{place}:{'.'.join(map(str, path))} {form}", files=files | {name: changed})


SAME: Final = frozenset(("ids-11.img", "core-11.img", "mm-11.img", "fs-11.img", "pagemap-11.img", "fdinfo-3.img"))
"""Images of the second task, which have the messages of the first one's."""


def _entries(data: bytes, at: int) -> list[bytes]:
    found = []
    while at + 4 <= len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        found.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return found


def _replaced(data: bytes, head: int, place: int, entry: bytes) -> bytes:
    entries = _entries(data, head)
    entries[place] = entry
    return data[:head] + b"".join(len(each).to_bytes(4, "little") + each for each in entries)


def _places(message: bytes, path: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], Callable[[FieldOf], bytes]]]:
    """Yield each field of a message, nested ones too, with what builds the message anew around its changed form."""
    fields = _fields(message)
    seen: set[int] = set()
    for at, (tag, value) in enumerate(fields):
        if tag in seen:
            # Elements of a list are alike.
            continue
        seen.add(tag)
        before, after = (b"".join(_whole(*each) for each in part) for part in (fields[:at], fields[at + 1 :]))
        own = (*path, tag >> 3)

        yield own, partial(_changed, before, (tag, value), after)
        if isinstance(value, bytes) and len(value) > 1 and len(path) < DEEPEST and _fields(value):
            for deeper, inner in _places(value, own):
                yield deeper, partial(_around, before, tag, inner, after)


def _changed(before: bytes, field: tuple[int, int | bytes], after: bytes, change: FieldOf) -> bytes:
    return before + change(*field) + after


def _around(before: bytes, tag: int, inner: Callable[[FieldOf], bytes], after: bytes, change: FieldOf) -> bytes:
    return before + _whole(tag, inner(change)) + after


def commands(image: str) -> Iterator[list[str]]:
    """Yield what reads all that an image holds."""
    yield ["inspect", image, "--areas", "--mapped"]
    yield ["inspect", image, "--format", "json", "--areas"]
    yield ["log", image, "--detail", "all"]
    yield ["log", image, "--detail", "all", "--redact"]
    yield ["check", image, "--here", "--format", "json"]
    yield ["check", image, "--untrusted"]
    yield ["diff", image, image]
