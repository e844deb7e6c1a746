"""Changes to images that keep most of their structure, so that what is changed is looked at: records, messages, fields, lines."""

import json
import random
import struct
from collections.abc import Callable
from typing import Any, TypeVar

from tests.fuzz import words

Thing = TypeVar("Thing")
Directory = dict[str, bytes]
"""The files of an image directory by name."""

_FLAT_HEADS = {"inventory.img": 4}


def rearranged(items: list[Thing], source: random.Random) -> list[Thing]:
    """Return the list with one item left out, doubled or moved."""
    items = list(items)
    if not items:
        return items
    at = source.randrange(len(items))
    match source.randrange(4):
        case 0:
            del items[at]
        case 1:
            items.insert(source.randrange(len(items) + 1), items[at])
        case 2:
            items.insert(source.randrange(len(items)), items.pop(at))
        case _:
            other = source.randrange(len(items))
            items[at], items[other] = items[other], items[at]
    return items


def some_bytes(data: bytes, source: random.Random) -> bytes:
    """Return the bytes cut, with a few of them changed, or with some taken out or put in."""
    if not data:
        return source.randbytes(8)
    at = source.randrange(len(data))
    match source.randrange(5):
        case 0:
            return data[:at]
        case 1:
            return data[:at] + source.randbytes(4) + data[at + 4 :]
        case 2:
            return data[:at] + data[at + source.randrange(1, 9) :]
        case 3:
            return data[:at] + source.randbytes(source.randrange(1, 9)) + data[at:]
        case _:
            return data[:at] + data[at : at + 64] * source.randrange(2, 5) + data[at + 64 :]


# linux-cr streams: records of a type, a length that counts the head, and a payload of words.


def stream(data: bytes, source: random.Random) -> bytes:
    """Return a linux-cr stream with a few words, records or bytes changed."""
    order = ">" if data[:4] < data[3::-1] and data[0] == 0 else "<"
    found = _records(data, order)
    for _ in range(source.randrange(1, 4)):
        if not found or source.random() < 0.1:
            return some_bytes(b"".join(_packed(found, order)) or data, source)
        if source.random() < 0.3:
            found = rearranged(found, source)
            continue
        at = source.randrange(len(found))
        kind, payload = found[at]
        if source.random() < 0.05:
            kind = source.choice([kind for kind, _ in found]) if source.random() < 0.8 else words.number(source)
        elif len(payload) >= 4:
            payload = _word_changed(payload, order, source)
        found[at] = (kind & 0xFFFFFFFF, payload)
    return b"".join(_packed(found, order))


def _records(data: bytes, order: str) -> list[tuple[int, bytes]]:
    found, at = [], 0
    while at + 8 <= len(data):
        kind, length = struct.unpack_from(f"{order}II", data, at)
        if not 8 <= length <= len(data) - at:
            found.append((kind, data[at + 8 :]))
            break
        found.append((kind, data[at + 8 : at + length]))
        at += length
    return found


def _packed(found: list[tuple[int, bytes]], order: str) -> list[bytes]:
    return [struct.pack(f"{order}II", kind, len(payload) + 8) + payload for kind, payload in found]


def _word_changed(payload: bytes, order: str, source: random.Random) -> bytes:
    at = source.randrange(len(payload) // 4) * 4
    if source.random() < 0.15:
        return payload[:at] + (words.raw(source) + bytes(16))[: len(payload) - at][:16] + payload[at + 16 :]
    (now,) = struct.unpack_from(f"{order}I", payload, at)
    other = struct.unpack_from(f"{order}I", payload, source.randrange(len(payload) // 4) * 4)[0]
    value = source.choice((words.number(source, now), other)) & 0xFFFFFFFF
    return payload[:at] + struct.pack(f"{order}I", value) + payload[at + 4 :]


# CRIU images: a head, and entries of a length and a protobuf message.


def directory(files: Directory, source: random.Random) -> Directory:
    """Return the images of a dump with a few of them, their entries or fields changed."""
    files = dict(files)
    for _ in range(source.randrange(1, 4)):
        names = sorted(name for name in files if name.endswith((".img", ".dump")))
        if not names:
            return files
        first = "pstree.img" if "files.img" not in files or source.random() < 0.3 else "files.img"
        name = source.choice([first] * (len(names) // 2 + 1) + names)
        data = files.get(name, b"")
        match source.randrange(12):
            case 0:
                files.pop(name, None)
            case 1:
                files[name.replace("-", f"-{words.number(source)}", 1)] = data
            case 2:
                files[name] = some_bytes(data, source)
            case 3 if source.random() < 0.3:
                files[source.choice(("core-", "ids-", "")) + words.text(source).replace("/", "").replace("\0", "") + ".img"] = (
                    data
                )
            case _ if name.endswith(".img"):
                files[name] = image(name, data, source)
            case _:
                files[name] = document(data, source)
    return files


def image(name: str, data: bytes, source: random.Random) -> bytes:
    """Return an image file with an entry or a field of one changed."""
    head = _FLAT_HEADS.get(name, 8)
    entries, at = [], head
    while at + 4 <= len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        entries.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    if not entries:
        return some_bytes(data, source)
    if source.random() < 0.3:
        entries = rearranged(entries, source)
    else:
        place = source.randrange(len(entries))
        entries[place] = message(entries[place], source)
    return data[:head] + b"".join(len(entry).to_bytes(4, "little") + entry for entry in entries)


def message(data: bytes, source: random.Random, depth: int = 0) -> bytes:
    """Return a protobuf message with a field changed, left out, doubled or moved."""
    fields = _fields(data)
    if not fields:
        return some_bytes(data, source) if data else data
    if source.random() < 0.2:
        fields = rearranged(fields, source)
        if not fields:
            return b""
    at = source.randrange(len(fields))
    tag, value = fields[at]
    if isinstance(value, int):
        numbers = [other for _, other in fields if isinstance(other, int)]
        changed: int | bytes = source.choice((words.number(source, value), source.choice(numbers))) & (1 << 64) - 1
    elif depth < 3 and len(value) > 1 and _fields(value):
        changed = message(value, source, depth + 1)
    else:
        changed = words.raw(source)
    fields[at] = (tag, changed)
    return b"".join(
        _varint(tag) + (_varint(value) if isinstance(value, int) else _varint(len(value)) + value) for tag, value in fields
    )


def _fields(data: bytes) -> list[tuple[int, int | bytes]]:
    """Return tags and values, of varints and lengths only; empty where the bytes are no such message."""
    found: list[tuple[int, int | bytes]] = []
    at = 0
    try:
        while at < len(data):
            tag, at = _read_varint(data, at)
            value, at = _read_varint(data, at)
            if tag & 7 == 0:
                found.append((tag, value))
            elif tag & 7 == 2 and value <= len(data) - at:
                found.append((tag, data[at : at + value]))
                at += value
            else:
                return []
    except IndexError:
        return []
    return found


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        at += 1
        if data[at - 1] < 0x80 or shift > 63:
            return value, at
        shift += 7


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


# JSON: documents, and logs of one document a line.


def document(data: bytes, source: random.Random) -> bytes:
    """Return a JSON document with a value changed, or bytes where it is none."""
    try:
        value = json.loads(data)
    except ValueError:
        return some_bytes(data, source)
    for _ in range(source.randrange(1, 4)):
        value = _json_changed(value, source)
    return json.dumps(value, ensure_ascii=source.random() < 0.5, separators=(",", ":")).encode("utf-8", "surrogatepass")


def log(data: bytes, source: random.Random) -> bytes:
    """Return an event log with lines left out, doubled or moved, or values of events changed."""
    lines = data.splitlines()
    for _ in range(source.randrange(1, 5)):
        if not lines:
            break
        if source.random() < 0.25:
            lines = rearranged(lines, source)
        else:
            at = source.randrange(len(lines))
            lines[at] = document(lines[at], source).replace(b"\n", b" ")
    if source.random() < 0.9:
        lines = [_renumbered(line, seq) for seq, line in enumerate(lines)]
    return b"\n".join(lines) + b"\n"


def _renumbered(line: bytes, seq: int) -> bytes:
    head, comma, rest = line.partition(b",")
    return b'{"seq":%d,%b' % (seq, rest) if comma and head.startswith(b'{"seq":') else line


def _json_changed(value: Any, source: random.Random) -> Any:
    """Return a value with one part of it, however deep, changed."""
    if isinstance(value, dict) and value and source.random() < 0.95:
        key = source.choice(list(value))
        match source.randrange(20):
            case 0:
                return {name: part for name, part in value.items() if name != key}
            case 1:
                return value | {words.text(source): value[key]}
            case _:
                return value | {key: _json_changed(value[key], source)}
    if isinstance(value, list) and value and source.random() < 0.95:
        if source.random() < 0.3:
            return rearranged(value, source)
        at = source.randrange(len(value))
        return [*value[:at], _json_changed(value[at], source), *value[at + 1 :]]
    changes: list[Callable[[], Any]] = [lambda: None, lambda: words.text(source), lambda: source.choice(words.LARGE), list, dict]
    if isinstance(value, str) and source.random() < 0.8:
        return words.text(source)
    if isinstance(value, int) and source.random() < 0.8:
        return words.number(source, value)
    return source.choice(changes)()
